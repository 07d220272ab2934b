package sanitize_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/reading/readingtest"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/memory"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	"github.com/postern-mail/postern/services/sanitize"
)

const (
	view = itemv1.LayerKind_LAYER_KIND_VIEW
	pii  = itemv1.LayerKind_LAYER_KIND_PII
	// A published test number of a card brand (Luhn valid).
	card = "4242 4242 4242 4242"
	text = "From: Anna <anna@example.com>\r\nSubject: refund\r\n\r\nPlease refund my card " + card + ".\r\n"
)

// keyring is a fake: it accepts layers into the berths that it gave.
type keyring struct {
	t       *testing.T
	buckets map[string]*open.BucketKey
	record  *itemv1.Record
	closed  int // how many times the berths turn out to be closed
	refuse  error
	layers  []*itemv1.Layer
}

func newKeyring(t *testing.T) *keyring {
	k := &keyring{t: t, buckets: map[string]*open.BucketKey{}, record: &itemv1.Record{Item: "item", State: itemv1.State_STATE_FILED,
		Findings: &itemv1.Findings{SenderVerdict: "unverified", ScanVerdict: "clean", Kind: "person"}}}
	k.berths(0)
	return k
}

func (k *keyring) berths(serial int) {
	k.t.Helper()
	k.record.Berths = nil
	for _, kind := range []itemv1.LayerKind{view, pii} {
		id := fmt.Sprintf("customer.%d.20280101.%d", kind, serial)
		bucket, err := open.GenerateBucketKey(id)
		if err != nil {
			k.t.Fatal(err)
		}
		k.buckets[id] = bucket
		k.record.Berths = append(k.record.Berths, &itemv1.Berth{Kind: kind, Bucket: id, PublicKey: bucket.Recipient().PublicKey()})
	}
}

func (k *keyring) Layers(_ context.Context, request *keyringv1.Layers) (*keyringv1.Recorded, error) {
	if k.refuse != nil {
		return nil, k.refuse
	}
	if k.closed > 0 {
		k.closed--
		k.berths(k.closed + 100)
		return &keyringv1.Recorded{Record: k.record}, keys.ClosedBucket
	}
	k.layers = request.GetLayers()
	answer, _ := proto.Clone(k.record).(*itemv1.Record)
	answer.State, answer.Layers = itemv1.State_STATE_RENDERED, request.GetLayers()
	return &keyringv1.Recorded{Record: answer, Changed: true}, nil
}

// packets opens a layer that was added.
func (k *keyring) packets(store vault.Store, kind itemv1.LayerKind) [][]byte {
	k.t.Helper()
	for _, layer := range k.layers {
		if layer.GetKind() != kind {
			continue
		}
		session, err := k.buckets[layer.GetBucket()].Unwrap(layer.GetKeyPacket())
		if err != nil {
			k.t.Fatal(err)
		}
		var source io.Reader = bytes.NewReader(layer.GetInline())
		if layer.GetObject() != "" {
			body, _, err := store.Get(k.t.Context(), layer.GetObject())
			if err != nil {
				k.t.Fatal(err)
			}
			defer body.Close()
			source = body
		}
		packets, err := open.Layer(session, source, layer.GetPacketEnds(), layer.GetDigest(), 64<<20)
		if err != nil {
			k.t.Fatal(err)
		}
		return packets
	}
	return nil
}

func sanitized(t *testing.T, k *keyring, raw string) (*mailv1.Sanitized, *memory.Store, error) {
	t.Helper()
	store, opener := readingtest.Seal(t, raw)
	key, err := opener.Open(t.Context(), open.Ask{})
	if err != nil {
		t.Fatal(err)
	}
	defer key.Clear()
	plain, err := proto.Marshal(&contentv1.Findings{Sender: []byte(`{"verdict":"unverified"}`), Scan: []byte(`{"attachments":[],"scan":{"verdict":"clean","reasons":[]}}`)})
	if err != nil {
		t.Fatal(err)
	}
	if k.record.Details, err = seal.Under(key.Session, plain); err != nil {
		t.Fatal(err)
	}
	objects := memory.New()
	desk := reading.NewDesk(store, reading.DefaultLimits, mail.DefaultLimits)
	worker := sanitize.NewWorker(desk, opener, k, objects, sanitize.Options{}, time.Now)
	said, err := worker.Sanitize(t.Context(), &mailv1.Archived{Record: k.record})
	return said, objects, err
}

func TestTheViewHoldsNoMaskedValueAndThePIILayerHoldsAll(t *testing.T) {
	k := newKeyring(t)
	said, objects, err := sanitized(t, k, text)
	if err != nil || said.GetRecord().GetState() != itemv1.State_STATE_RENDERED {
		t.Fatalf("%v, %v", said, err)
	}
	packets := k.packets(objects, view)
	if len(packets) != 2 {
		t.Fatalf("the view has %d packets", len(packets))
	}
	for i, packet := range packets {
		if bytes.Contains(packet, []byte("4242 4242")) || bytes.Contains(packet, []byte("42424242")) {
			t.Errorf("packet %d of the view holds the card number", i)
		}
	}
	var shown contentv1.Card
	var message contentv1.Message
	if err := proto.Unmarshal(packets[0], &shown); err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(packets[1], &message); err != nil {
		t.Fatal(err)
	}
	if shown.GetSubject() != "refund" || shown.GetFromAddress() != "anna@example.com" || shown.GetMasked() != 1 || shown.GetSenderVerdict() != "unverified" {
		t.Errorf("card %v", &shown)
	}
	if len(message.GetMasks()) != 1 || !strings.Contains(message.GetText(), message.GetMasks()[0].GetToken()) {
		t.Errorf("masks %v in %q", message.GetMasks(), message.GetText())
	}
	var value contentv1.Value
	if err := proto.Unmarshal(k.packets(objects, pii)[message.GetMasks()[0].GetPacket()], &value); err != nil {
		t.Fatal(err)
	}
	if value.GetValue() != card || value.GetKind() != "payment_card" {
		t.Errorf("value %v", &value)
	}
}

func TestASmallViewRidesInTheRecordAndALargeOneGoesToTheVault(t *testing.T) {
	for name, c := range map[string]struct {
		raw    string
		stored int
	}{
		"small": {text, 0},
		"large": {"From: a@example.com\r\n\r\n" + strings.Repeat("many words that differ little\r\n", 4000), 1},
	} {
		k := newKeyring(t)
		_, objects, err := sanitized(t, k, c.raw)
		if err != nil {
			t.Fatal(err)
		}
		stored := 0
		for object, err := range objects.List(t.Context(), "view/", "") {
			if err != nil {
				t.Fatal(err)
			}
			stored++
			if k.layers[0].GetObject() != object.Name || len(k.layers[0].GetInline()) != 0 {
				t.Errorf("%s: the layer names %q", name, k.layers[0].GetObject())
			}
		}
		if stored != c.stored {
			t.Errorf("%s: %d objects in the vault, want %d", name, stored, c.stored)
		}
		if len(k.packets(objects, view)) != 2 {
			t.Errorf("%s: the view does not open", name)
		}
	}
}

func TestASnippetIsTheFirstWordsOnOneLine(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":            {" \n\t ", ""},
		"lines and runs":   {"  Dear\n\n support, \t please ", "Dear support, please"},
		"at the limit":     {strings.Repeat("ä", sanitize.SnippetRunes-2) + " b", strings.Repeat("ä", sanitize.SnippetRunes-2) + " b"},
		"one past it":      {strings.Repeat("ä", sanitize.SnippetRunes-1) + " b", strings.Repeat("ä", sanitize.SnippetRunes-1) + "…"},
		"two past it":      {strings.Repeat("ä", sanitize.SnippetRunes-1) + "b c", strings.Repeat("ä", sanitize.SnippetRunes-1) + "b…"},
		"one endless word": {strings.Repeat("🚪", 3_000_000), strings.Repeat("🚪", sanitize.SnippetRunes) + "…"},
	} {
		if got := sanitize.Snippet(c.text); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestWithoutMaskedValuesThereIsNoPIILayer(t *testing.T) {
	k := newKeyring(t)
	if _, _, err := sanitized(t, k, "From: a@example.com\r\n\r\nhello\r\n"); err != nil || len(k.layers) != 1 {
		t.Errorf("%d layers, %v", len(k.layers), err)
	}
}

func TestABucketThatClosedMeanwhileIsSealedToAnew(t *testing.T) {
	k := newKeyring(t)
	k.closed = 2
	_, objects, err := sanitized(t, k, text)
	if err != nil || len(k.packets(objects, view)) != 2 {
		t.Errorf("error %v", err)
	}
	k = newKeyring(t)
	k.closed = 9
	if _, _, err := sanitized(t, k, text); !fault.IsLater(err) {
		t.Errorf("buckets that close without end: %v, want later", err)
	}
}

func TestARefusalThatStaysEndsTheWork(t *testing.T) {
	k := newKeyring(t)
	k.refuse = keys.Malformed
	if _, _, err := sanitized(t, k, text); !fault.IsFinal(err) {
		t.Errorf("error %v, want final", err)
	}
}

func TestAFilingThatComesLateTellsWhatIsThere(t *testing.T) {
	for state, follows := range map[itemv1.State]bool{
		itemv1.State_STATE_RENDERED: true, itemv1.State_STATE_TICKETED: true,
		itemv1.State_STATE_SET_ASIDE: false, itemv1.State_STATE_TOMBSTONE: false,
	} {
		k := newKeyring(t)
		k.record.State, k.record.Berths = state, nil
		said, _, err := sanitized(t, k, text)
		if err != nil || (said != nil) != follows || (follows && said.GetRecord().GetState() != state) {
			t.Errorf("%s: %v, %v", state, said, err)
		}
		if len(k.layers) > 0 {
			t.Errorf("%s: layers were made again", state)
		}
	}
}

func TestNothingFollowsAnItemThatWasErasedMeanwhile(t *testing.T) {
	k := newKeyring(t)
	k.refuse = keys.Destroyed
	if said, _, err := sanitized(t, k, text); said != nil || err != nil {
		t.Errorf("%v, %v", said, err)
	}
}

func TestTheMailItselfIsForgottenOnceItsViewIsMade(t *testing.T) {
	k := newKeyring(t)
	store, opener := readingtest.Seal(t, text)
	k.record.Layers = []*itemv1.Layer{opener.Layer}
	desk := reading.NewDesk(store, reading.DefaultLimits, mail.DefaultLimits)
	worker := sanitize.NewWorker(desk, opener, k, memory.New(), sanitize.Options{}, time.Now)
	for attempt := int32(1); attempt <= 2; attempt++ {
		if _, err := worker.Sanitize(t.Context(), &mailv1.Archived{Record: k.record}); err != nil {
			t.Fatal(err)
		}
		if got := store.Reads.Load(); got != attempt {
			t.Errorf("the mail was fetched %d times for %d attempts: it was kept", got, attempt)
		}
	}
}
