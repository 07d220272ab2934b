package scan_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/stage"
	"github.com/postern-mail/postern/pkg/vault"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	"github.com/postern-mail/postern/services/scan"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// A ticketed item with a view of its own, a keyring that keeps its record, and a vault.
type ticketed struct {
	vault.Store
	session *seal.SessionKey
	record  *itemv1.Record
	bytes   []byte // of its view
	away    bool   // the view's object is gone
	refuse  error  // of opening
	opening func() // called at each opening
	mute    bool   // opening is never answered
	opened  int
	inline  bool
	noted   []*keyringv1.Rejudge
}

func newTicketed(t *testing.T, files ...string) *ticketed {
	t.Helper()
	session, err := seal.NewSessionKey()
	if err != nil {
		t.Fatal(err)
	}
	message := &contentv1.Message{}
	packets := [][]byte{[]byte("card"), nil}
	for i, file := range files { // each file, and a picture of it that is ours
		message.Attachments = append(message.Attachments, &contentv1.Attachment{Name: fmt.Sprint(i), Packet: int32(len(packets))})
		packets = append(packets, []byte(file), []byte("a picture of: "+file))
	}
	message.Attachments = append(message.Attachments, &contentv1.Attachment{Name: "withheld", Packet: -1})
	if packets[1], err = proto.Marshal(message); err != nil {
		t.Fatal(err)
	}
	k := &ticketed{session: session}
	layer := &itemv1.Layer{Kind: itemv1.LayerKind_LAYER_KIND_VIEW, State: itemv1.LayerState_LAYER_STATE_PRESENT, Object: "view/one"}
	for _, packet := range packets {
		sealed, err := seal.Under(session, packet)
		if err != nil {
			t.Fatal(err)
		}
		k.bytes = append(k.bytes, sealed...)
		layer.PacketEnds = append(layer.PacketEnds, int64(len(k.bytes)))
	}
	item := event.Item("support", "INBOX", 1, 1, 0)
	k.record = &itemv1.Record{
		Item: item, Ticket: event.Ticket(item), State: itemv1.State_STATE_TICKETED, Received: timestamppb.New(noon.AddDate(0, -2, 0)),
		Layers: []*itemv1.Layer{layer}, Findings: &itemv1.Findings{Signatures: "one"},
	}
	return k
}

// twice names the first file once more at the end of the view's message.
func (k *ticketed) twice(t *testing.T) {
	t.Helper()
	ends := k.record.Layers[0].PacketEnds
	plain, err := open.Bytes(k.session, k.bytes[ends[0]:ends[1]], 1<<10)
	message := new(contentv1.Message)
	if err != nil || proto.Unmarshal(plain, message) != nil {
		t.Fatal(err)
	}
	message.Attachments = append(message.Attachments, &contentv1.Attachment{Name: "again", Packet: message.Attachments[0].Packet})
	if plain, err = proto.Marshal(message); err != nil {
		t.Fatal(err)
	}
	sealed, err := seal.Under(k.session, plain)
	if err != nil {
		t.Fatal(err)
	}
	k.bytes = slices.Concat(k.bytes[:ends[0]], sealed, k.bytes[ends[1]:])
	longer := ends[0] + int64(len(sealed)) - ends[1]
	for i := range ends[1:] {
		ends[i+1] += longer
	}
}

func (k *ticketed) Headers(context.Context, uint64) iter.Seq2[*bus.Message, error] { return nil }

func (k *ticketed) Record(_ context.Context, item string) (*itemv1.Record, error) {
	if k.record == nil || k.record.Item != item {
		return nil, bus.ErrNoMessage
	}
	return proto.CloneOf(k.record), nil
}

func (k *ticketed) Get(context.Context, string) (io.ReadCloser, vault.Object, error) {
	if k.away {
		return nil, vault.Object{}, vault.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(k.bytes)), vault.Object{}, nil
}

func (k *ticketed) Inline(_ context.Context, ticket string) ([]byte, error) {
	if !k.inline || ticket != k.record.Ticket {
		return nil, bus.ErrNoMessage
	}
	return k.bytes, nil
}

func (k *ticketed) Open(ctx context.Context, ask open.Ask) (*open.Key, error) {
	if k.mute {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if k.refuse != nil {
		return nil, k.refuse
	}
	if ask.Purpose != keys.ForRescan || ask.Layer != itemv1.LayerKind_LAYER_KIND_VIEW {
		return nil, keys.Forbidden
	}
	if k.opened++; k.opening != nil {
		k.opening()
	}
	return &open.Key{Item: ask.Item, Session: k.session.Clone(), Layer: k.record.Layers[0]}, nil
}

// Rejudge does what the keyring does.
func (k *ticketed) Rejudge(_ context.Context, r *keyringv1.Rejudge) (*keyringv1.Recorded, error) {
	k.noted = append(k.noted, r)
	for _, file := range r.Recalled {
		if event.RecalledFile(k.record, file.Packet) == nil {
			k.record.Recalled = append(k.record.Recalled, file)
		}
	}
	if r.Signatures != "" {
		k.record.Findings.Signatures = r.Signatures
	}
	return &keyringv1.Recorded{Record: proto.CloneOf(k.record), Changed: true}, nil
}

func (k *ticketed) rescanner(version string, second attachment.SecondOpinion) *scan.Rescanner {
	v := fixed(version)
	return &scan.Rescanner{
		Records: k, Views: k, Vault: k, Opener: k, Keyring: k, Second: second, Versions: &v,
		Now: func() time.Time { return noon }, Patience: time.Hour,
	}
}

func (k *ticketed) outdated(told time.Time) *mailv1.Outdated {
	return &mailv1.Outdated{Told: timestamppb.New(told), Record: &itemv1.Record{Item: k.record.Item}}
}

func finding(word string) *counted {
	return &counted{say: func(content string) (attachment.Opinion, error) {
		if strings.Contains(content, word) {
			return attachment.Opinion{Verdict: attachment.Infected, Reason: attachment.ScannerSignature, Signature: "Word." + word}, nil
		}
		return attachment.Opinion{Verdict: attachment.Clean}, nil
	}}
}

func TestOfFilesThatStillPassOnlyTheVersionIsNoted(t *testing.T) {
	k, second := newTicketed(t, "first", "second"), finding("heron")
	follows, err := k.rescanner("two", second).Rescan(t.Context(), k.outdated(noon))
	if err != nil || follows != nil {
		t.Fatalf("%v, %v", follows, err)
	}
	if len(k.noted) != 1 || k.noted[0].Signatures != "two" || len(k.noted[0].Recalled) != 0 || second.asked != 2 {
		t.Errorf("noted %v, %d were asked for", k.noted, second.asked)
	}
	// Told twice, and judged already: nothing is opened.
	if follows, err := k.rescanner("two", second).Rescan(t.Context(), k.outdated(noon)); err != nil || follows != nil || k.opened != 1 || len(k.noted) != 1 {
		t.Errorf("again: %v, %v, opened %d times", follows, err, k.opened)
	}
}

func TestAFileThatPassesNoMoreIsRecalledWithWhatWasFoundSealed(t *testing.T) {
	for _, inline := range []bool{false, true} {
		k := newTicketed(t, "first", "a heron", "third")
		if k.inline = inline; inline {
			k.record.Layers[0].Object = ""
		}
		follows, err := k.rescanner("two", finding("heron")).Rescan(t.Context(), k.outdated(noon))
		if err != nil || len(follows.GetRecord().GetRecalled()) != 1 || follows.GetRecord().GetTicket() != k.record.Ticket || len(follows.GetRecord().GetLayers()) != 0 {
			t.Fatalf("%v, %v", follows, err)
		}
		recalled := k.record.Recalled[0]
		// Card, message, the first file and its picture are before it.
		if recalled.Packet != 4 || recalled.Index != 1 || recalled.Verdict != "infected" || len(recalled.Reasons) != 1 || recalled.Reasons[0] != string(attachment.ScannerSignature) {
			t.Errorf("recalled %v", recalled)
		}
		if bytes.Contains(recalled.Details, []byte("heron")) {
			t.Error("what was found stands in the clear")
		}
		plain, err := open.Bytes(k.session, recalled.Details, 1<<10)
		found := new(contentv1.Found)
		if err != nil || proto.Unmarshal(plain, found) != nil || found.Signature != "Word.heron" {
			t.Errorf("found %v, %v", found, err)
		}
		// Whoever died before telling tells when it is told of again, and opens nothing for it.
		if again, err := k.rescanner("two", finding("heron")).Rescan(t.Context(), k.outdated(noon)); err != nil || len(again.GetRecord().GetRecalled()) != 1 || k.opened != 1 {
			t.Errorf("again: %v, %v, opened %d times", again, err, k.opened)
		}
		// The signature is gone: the file stays away, and is not even looked at.
		second := finding("nothing")
		if again, err := k.rescanner("three", second).Rescan(t.Context(), k.outdated(noon)); err != nil || len(again.GetRecord().GetRecalled()) != 1 || second.asked != 2 {
			t.Errorf("with other signatures: %v, %v, %d asked for", again, err, second.asked)
		}
	}
}

func TestWithoutAnAnswerNothingIsNotedAndNothingRecalled(t *testing.T) {
	silent := second(silent)
	busy := &counted{say: saying(attachment.Opinion{Verdict: attachment.Limit, Reason: attachment.ScannerLimit})}
	for name, c := range map[string]struct {
		second  attachment.SecondOpinion
		version string
		told    time.Time
		code    string
	}{
		"a silent scanner, long since": {silent, "two", noon.AddDate(0, 0, -2), "scanner_silent"},
		"signatures that nobody knows": {finding("first"), "", noon, "signatures_unknown"},
		"no time today":                {busy, "two", noon, "scanner_limit"},
	} {
		k := newTicketed(t, "first")
		follows, err := k.rescanner(c.version, c.second).Rescan(t.Context(), k.outdated(c.told))
		if verdict := fault.Of(err); follows != nil || verdict.Kind != fault.Delayed || verdict.Code != c.code || len(k.noted) != 0 {
			t.Errorf("%s: %v, %v, noted %v", name, follows, err, k.noted)
		}
	}
	k := newTicketed(t, "first")
	if _, err := k.rescanner("two", busy).Rescan(t.Context(), k.outdated(noon.Add(-time.Hour))); err != nil || len(k.record.Recalled) != 1 || k.record.Recalled[0].Verdict != "limit" {
		t.Errorf("when patience is over: %v, %v", k.record.Recalled, err)
	}
}

func TestAViewThatIsGoneOrHarmedIsNotJudged(t *testing.T) {
	for name, change := range map[string]func(*ticketed){
		"no record":                    func(k *ticketed) { k.record.Item = event.Item("support", "INBOX", 1, 2, 0) },
		"tombstone":                    func(k *ticketed) { k.record.State = itemv1.State_STATE_TOMBSTONE },
		"erased":                       func(k *ticketed) { k.record.Layers[0].State = itemv1.LayerState_LAYER_STATE_ERASED },
		"keys are gone":                func(k *ticketed) { k.refuse = keys.Destroyed },
		"destroyed while it is opened": func(k *ticketed) { k.away, k.opening = true, func() { k.record.State = itemv1.State_STATE_TOMBSTONE } },
		"gone while it is opened":      func(k *ticketed) { k.away, k.opening = true, func() { k.record.Item = "" } },
		"not a ticket":                 func(k *ticketed) { k.record.State = itemv1.State_STATE_RENDERED },
		"nothing in view":              func(k *ticketed) { k.record.Layers[0].PacketEnds = k.record.Layers[0].PacketEnds[:2] },
	} {
		k := newTicketed(t, "a heron")
		outdated := k.outdated(noon)
		change(k)
		if follows, err := k.rescanner("two", finding("heron")).Rescan(t.Context(), outdated); err != nil || follows != nil || len(k.noted) != 0 {
			t.Errorf("%s: %v, %v, noted %v", name, follows, err, k.noted)
		}
	}
	k := newTicketed(t, "a heron")
	k.bytes[len(k.bytes)/2] ^= 1
	if _, err := k.rescanner("two", finding("heron")).Rescan(t.Context(), k.outdated(noon)); err == nil || len(k.noted) != 0 {
		t.Errorf("harmed: %v, noted %v", err, k.noted)
	}
	// Its record says that it is there: it is outdated for as long as it cannot be found, and that is told.
	for _, inline := range []bool{false, true} {
		k = newTicketed(t, "a heron")
		if k.away = true; inline {
			k.record.Layers[0].Object = ""
		}
		if follows, err := k.rescanner("two", finding("heron")).Rescan(t.Context(), k.outdated(noon)); follows != nil || fault.Of(err).Code != "view_lost" || !fault.IsFinal(err) || len(k.noted) != 0 {
			t.Errorf("lost, inline %v: %v, %v, noted %v", inline, follows, err, k.noted)
		}
	}
	k = newTicketed(t, "first")
	k.refuse = errors.New("nobody answers")
	if _, err := k.rescanner("two", finding("heron")).Rescan(t.Context(), k.outdated(noon)); err == nil || len(k.noted) != 0 {
		t.Errorf("a keyring that is away: %v, noted %v", err, k.noted)
	}
}

func TestOneThatEndsItsProcessesIsRecalledWholeAndAnyOtherEndTakesNothing(t *testing.T) {
	k := newTicketed(t, "first", "second")
	r := k.rescanner("two", finding("heron"))
	for _, code := range []string{stage.PatienceExhausted, "garbled_view"} {
		if record, err := r.SetAside(t.Context(), k.record.Item, code, "rescan"); err != nil || record.GetState() != itemv1.State_STATE_TICKETED || len(k.noted) != 0 {
			t.Errorf("%s: %v, %v, noted %v", code, record.GetState(), err, k.noted)
		}
	}
	record, err := r.SetAside(t.Context(), k.record.Item, stage.KilledWorker, "rescan")
	if err != nil || len(record.GetRecalled()) != 4 || record.GetFindings().GetSignatures() != "one" {
		t.Fatalf("%v, %v", record, err)
	}
	// What is left to do is noted without opening anything.
	if follows, err := r.Rescan(t.Context(), k.outdated(noon)); err != nil || len(follows.GetRecord().GetRecalled()) != 4 || k.opened != 0 || k.record.Findings.Signatures != "two" {
		t.Errorf("%v, %v, opened %d times", follows, err, k.opened)
	}
}

func TestAFileThatStandsTwiceInTheViewIsRecalledOnce(t *testing.T) {
	k := newTicketed(t, "a heron", "second")
	k.twice(t)
	second := finding("heron")
	if _, err := k.rescanner("two", second).Rescan(t.Context(), k.outdated(noon)); err != nil || len(k.noted) != 1 || len(k.noted[0].Recalled) != 1 || k.noted[0].Recalled[0].Index != 0 || second.asked != 2 {
		t.Errorf("noted %v, %v, %d asked for", k.noted, err, second.asked)
	}
}

// What was found is recalled whatever became of the signatures meanwhile. But nobody knows with which the rest
// was judged: it is judged once more.
func TestSignaturesThatChangeWhileAnItemIsJudgedAreNotNoted(t *testing.T) {
	for _, file := range []string{"a heron", "a note"} {
		k := newTicketed(t, file, "second")
		version := fixed("two")
		second := finding("heron")
		say := second.say
		second.say = func(content string) (attachment.Opinion, error) {
			version = "one more"
			return say(content)
		}
		r := k.rescanner("", second)
		r.Versions = &version
		follows, err := r.Rescan(t.Context(), k.outdated(noon))
		if verdict := fault.Of(err); follows != nil || verdict.Kind != fault.Delayed || verdict.Code != "signatures_changed" {
			t.Errorf("%s: %v, %v", file, follows, err)
		}
		infected := file == "a heron"
		if k.record.Findings.Signatures != "one" || (len(k.record.Recalled) == 1) != infected {
			t.Errorf("%s: judged with %s, recalled %v", file, k.record.Findings.Signatures, k.record.Recalled)
		}
		follows, err = r.Rescan(t.Context(), k.outdated(noon))
		if err != nil || (follows != nil) != infected || k.record.Findings.Signatures != "one more" {
			t.Errorf("%s, again: %v, %v, judged with %s", file, follows, err, k.record.Findings.Signatures)
		}
	}
}

// Of two scans with different signatures the newer count: who has older ones neither judges what was told of
// for newer ones, nor what was judged with them.
func TestWhoHasOlderSignaturesLeavesToOthersWhatNewerOnesAreFor(t *testing.T) {
	const older, newer = "clamav-1.4.3.daily-100", "clamav-1.4.3.daily-101"
	k := newTicketed(t, "a heron")
	outdated := k.outdated(noon)
	outdated.Signatures = newer
	behind, ahead := finding("heron"), finding("heron")
	follows, err := k.rescanner(older, behind).Rescan(t.Context(), outdated)
	if verdict := fault.Of(err); follows != nil || verdict.Kind != fault.Delayed || verdict.Code != "signatures_older" || behind.asked != 0 {
		t.Errorf("behind: %v, %v, %d asked for", follows, err, behind.asked)
	}
	outdated.Told = timestamppb.New(noon.Add(-time.Hour)) // by now it was told of again
	if follows, err := k.rescanner(older, behind).Rescan(t.Context(), outdated); follows != nil || err != nil || behind.asked != 0 {
		t.Errorf("behind, an hour on: %v, %v, %d asked for", follows, err, behind.asked)
	}
	if follows, err := k.rescanner(newer, ahead).Rescan(t.Context(), outdated); err != nil || len(follows.GetRecord().GetRecalled()) != 1 {
		t.Errorf("ahead: %v, %v", follows, err)
	}
	outdated.Signatures = older
	if _, err := k.rescanner(older, behind).Rescan(t.Context(), outdated); err != nil || behind.asked != 0 || k.record.Findings.Signatures != newer {
		t.Errorf("judged with newer ones: %v, now with %s", err, k.record.Findings.Signatures)
	}
}

func TestAnAnswerThatIsLostDoesNotHoldAnItemForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, began := newTicketed(t, "first"), time.Now()
		k.mute = true
		if _, err := k.rescanner("two", finding("heron")).Rescan(t.Context(), k.outdated(noon)); !errors.Is(err, context.DeadlineExceeded) || fault.IsFinal(err) || time.Since(began) != open.DefaultTimeout {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}
