package verify_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/customer"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/reading/readingtest"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	customerv1 "github.com/postern-mail/postern/proto/customer/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	verifyv1 "github.com/postern-mail/postern/proto/verify/v1"
	"github.com/postern-mail/postern/services/verify"
)

var tokensKey = bytes.Repeat([]byte{9}, customer.KeySize)

// office keeps customers' records, and the keys of their cards.
type office struct {
	t     *testing.T
	mu    sync.Mutex
	made  time.Time
	last  uint64
	stood map[string]*bus.Message
	cards map[string]*readingtest.Opener
	away  atomic.Bool
	asked atomic.Int32 // for cards
	scans atomic.Int32
}

func newOffice(t *testing.T) *office {
	return &office{t: t, made: time.Unix(1, 0), stood: map[string]*bus.Message{}, cards: map[string]*readingtest.Opener{}}
}

var errAway = errors.New("away")

func (o *office) Kept(context.Context, string) (bus.Kept, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.away.Load() {
		return bus.Kept{}, errAway
	}
	return bus.Kept{Made: o.made, Last: o.last}, nil
}

func (o *office) Scan(_ context.Context, _ string, from uint64, _ ...bus.ScanOption) iter.Seq2[*bus.Message, error] {
	o.scans.Add(1)
	return func(yield func(*bus.Message, error) bool) {
		o.mu.Lock()
		var all []*bus.Message
		for _, m := range o.stood {
			if m.Sequence >= from {
				all = append(all, m)
			}
		}
		o.mu.Unlock()
		slices.SortFunc(all, func(a, b *bus.Message) int { return int(a.Sequence) - int(b.Sequence) })
		for _, m := range all {
			if !yield(m, nil) {
				return
			}
		}
	}
}

func (o *office) LastFresh(_ context.Context, _, subject string) (*bus.Message, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if m := o.stood[subject]; m != nil {
		return m, nil
	}
	return nil, bus.ErrNoMessage
}

func (o *office) Open(ctx context.Context, ask open.Ask) (*open.Key, error) {
	o.asked.Add(1)
	if ask.Purpose != keys.ForCard || ask.Layer != itemv1.LayerKind_LAYER_KIND_CARD {
		return nil, keys.Forbidden
	}
	return o.cards[ask.Item].Open(ctx, ask)
}

func (o *office) Directory(context.Context, string) (*seal.SessionKey, error) {
	return seal.SessionKeyFrom(slices.Clone(tokensKey))
}

func (o *office) put(record *itemv1.Record) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last++
	data, err := proto.Marshal(record)
	if err != nil {
		o.t.Error(err)
	}
	subject := event.RecordSubject(record.GetItem())
	o.stood[subject] = &bus.Message{Subject: subject, Data: data, Sequence: o.last}
}

// enrol records a customer as the keyring does.
func (o *office) enrol(card *customerv1.Card) string {
	o.t.Helper()
	if err := customer.Check(card); err != nil {
		o.t.Fatal(err)
	}
	plain, err := proto.Marshal(card)
	if err != nil {
		o.t.Fatal(err)
	}
	store, opener := readingtest.Seal(o.t, string(plain))
	id := event.NewCustomer()
	layer := proto.CloneOf(opener.Layer)
	layer.Kind, layer.Inline, layer.Object = itemv1.LayerKind_LAYER_KIND_CARD, store.Content, ""
	o.cards[id] = opener
	o.put(&itemv1.Record{Item: id, State: itemv1.State_STATE_KEPT, Tokens: customer.Tokens(tokensKey, card), Layers: []*itemv1.Layer{layer}})
	return id
}

func (o *office) remove(id string) {
	o.put(&itemv1.Record{Item: id, State: itemv1.State_STATE_KEPT, Layers: []*itemv1.Layer{{Kind: itemv1.LayerKind_LAYER_KIND_CARD, State: itemv1.LayerState_LAYER_STATE_ERASED}}})
}

// unlessEnded drops the error of a wait that was ended.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// running gives a directory that has looked once, and how to have it look again.
func (o *office) running(t *testing.T) (d *verify.Directory, again func()) {
	t.Helper()
	d = verify.NewDirectory(o, o, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- errors.Join(unlessEnded(ctx, d.Await(ctx)), d.Run(ctx)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
	return d, func() {
		time.Sleep(6 * time.Second) // in the bubble's time
		synctest.Wait()
	}
}

var of = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

// judged verifies a mail with a directory.
func judged(t *testing.T, d *verify.Directory, text, zone string) (*mailv1.Verified, *verify.Worker) {
	t.Helper()
	resolver, err := dns.ParseZone([]byte(zone))
	if err != nil {
		t.Fatal(err)
	}
	store, opener := readingtest.Seal(t, text)
	desk := reading.NewDesk(store, reading.DefaultLimits, mail.DefaultLimits)
	config := verify.Config{Boundaries: []verify.Boundary{{Mailbox: "*", TrustMX: []string{"mx.ours.example"}}}}
	verified, err := verify.NewWorker(config, desk, opener, resolver, never, nil, d).Verify(t.Context(), &mailv1.Received{Record: &itemv1.Record{Item: item, Received: timestamppb.New(of)}})
	if err != nil {
		t.Fatal(err)
	}
	return verified, verify.NewWorker(verify.Config{}, desk, opener, dns.None{}, never, nil, nil)
}

func TestAnAuthenticatedSenderWhoIsInTheDirectoryIsVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		office := newOffice(t)
		d, again := office.running(t)
		verdict := func() string {
			verified, _ := judged(t, d, raw, zone)
			return verified.GetFindings().GetSenderVerdict()
		}
		if got := verdict(); got != "authenticated" {
			t.Errorf("of nobody's customer: %s", got)
		}
		id := office.enrol(&customerv1.Card{Names: []string{"Anna"}, Addresses: []*customerv1.Address{{Address: "Anna@author.example"}}})
		again()
		if got := verdict(); got != "verified" {
			t.Errorf("of a customer: %s", got)
		}
		verified, later := judged(t, d, raw, zone)
		office.remove(id)
		again()
		if got := verdict(); got != "authenticated" {
			t.Errorf("of one who was removed: %s", got)
		}
		// What was judged stays judged: the evidence says what the directory had.
		replayed, err := later.Replay(t.Context(), &verifyv1.Replay{Item: item, Evidence: verified.GetEvidence(), Actor: "paula"})
		if err != nil || len(replayed.GetDifferences()) > 0 || replayed.GetNow().GetVerdict() != "verified" {
			t.Errorf("repeated: %v, %v", replayed, err)
		}
		if office.asked.Load() > 0 {
			t.Error("a card was opened for a mail without a signature")
		}
	})
}

// Each of these comes from somebody's own domain, or their own mailbox beside a customer's, and
// passes DMARC there.
func TestNobodyIsTakenForACustomerBesideWhomTheyWrite(t *testing.T) {
	for _, from := range []string{
		"Anna <annİ@author.example>", "Anna <anni.@author.example>", "Anna <anni+x@author.example>", "Anna <\u212aim@author.example>",
		"Anna <anni@lİmit.example>", "Anna <anni@li\u0307mit.example>", "Anna <\u0430nni@author.example>",
		"Anna <anni@author.example>, Bert <bert@author.example>", "A: anni@author.example;", "anni@author.example <eve@author.example>",
		"Anna <eve@author.example> (anni@author.example)", "Anna <anni@author.example>\r\nFrom: <eve@author.example>",
		"Eve <eve@author.example>\r\nSender: anni@author.example\r\nReply-To: anni@author.example",
		"Anna <\"anni \"@author.example>", "Anna <anni@author.example@author.example>", "=?utf-8?q?anni=40author.example?= <eve@author.example>",
		"Anna <=?utf-8?q?anni?=@author.example>", "Anna <@limit.example:anni@author.example> x", "Anna <an\u200dni@author.example>",
	} {
		t.Run(from, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				office := newOffice(t)
				for _, address := range []string{"anni@author.example", "kim@author.example", "anni@limit.example"} {
					office.enrol(&customerv1.Card{Addresses: []*customerv1.Address{{Address: address}}})
				}
				d, _ := office.running(t)
				text := strings.Replace(raw, "From: Anna <anna@author.example>", "From: "+from, 1)
				zone := zone
				if strings.Contains(from, "mit.example>") {
					text = strings.ReplaceAll(text, "<anna@author.example>", "<anna@xn--limit-8fd.example>")
					zone = strings.ReplaceAll(zone, "author.example", "xn--limit-8fd.example")
				}
				verified, later := judged(t, d, text, zone)
				if got := verified.GetFindings(); got.GetSenderVerdict() == "verified" || slices.Contains(got.GetSenderReasons(), "known_customer") {
					t.Errorf("%s %v", got.GetSenderVerdict(), got.GetSenderReasons())
				}
				again, err := later.Replay(t.Context(), &verifyv1.Replay{Item: item, Evidence: verified.GetEvidence(), Actor: "paula"})
				if err != nil || len(again.GetDifferences()) > 0 {
					t.Errorf("repeated: %v, %v", again, err)
				}
			})
		})
	}
}

func TestWhoIsLikeACustomerIsSaidToBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		office := newOffice(t)
		office.enrol(&customerv1.Card{Names: []string{"Anna Weber"}, Addresses: []*customerv1.Address{{Address: "anna@webershop.example"}}})
		d, _ := office.running(t)
		for from, sign := range map[string]string{
			"Anna Weber <anna@elsewhere.example>":       mailauth.NameOfCustomer,
			"Weber, Anna <anna@elsewhere.example>":      "", // two mailboxes
			"\"Weber, Anna\" <a@elsewhere.example>":     mailauth.NameOfCustomer,
			"Somebody <anna@webersh0p.example>":         mailauth.DomainLooksLikeKnown,
			"Somebody <anna@webrshop.example>":          mailauth.DomainNearKnown,
			"Somebody <else@webershop.example>":         "",
			"Anna Weber <anna@webershop.example>":       "",
			"Anna <anna@elsewhere.example>":             "", // many people's
			"Berta Maier <berta@unlike-them.example>":   "",
			"Somebody <anna@mail.webersh0p.example>":    mailauth.DomainLooksLikeKnown,
			"=?utf-8?q?Ann=D0=B0?= Weber <a@b.example>": mailauth.NameOfCustomer, // a Cyrillic letter
		} {
			verified, _ := judged(t, d, "From: "+from+"\r\nTo: support@ours.example\r\nSubject: x\r\n\r\nx\r\n", `{}`)
			var found []string
			for _, reason := range verified.GetFindings().GetSenderReasons() {
				if slices.Contains([]string{mailauth.NameOfCustomer, mailauth.DomainLooksLikeKnown, mailauth.DomainNearKnown}, reason) {
					found = append(found, reason)
				}
			}
			if sign == "" && len(found) > 0 || sign != "" && !slices.Contains(found, sign) {
				t.Errorf("%s: %v, want %q", from, found, sign)
			}
		}
	})
}

// The keys and the mails were made by GnuPG and OpenSSL (pkg/signature/testdata).
func TestACustomersOwnSignatureIsCheckedWithTheKeysOfTheirCard(t *testing.T) {
	certificate, _ := pem.Decode(signedBy(t, "smime/signer.pem"))
	if certificate == nil {
		t.Fatal("no certificate in the test's file")
	}
	for _, c := range []struct {
		name, path, address string
		openpgp, smime      [][]byte
		want                string
	}{
		{"OpenPGP", "openpgp/detached.eml", "anna@example.com", [][]byte{signedBy(t, "openpgp/keys.asc")}, nil, "verified"},
		{"OpenPGP of one who has no key here", "openpgp/detached.eml", "anna@example.com", nil, nil, "unverified"},
		{"OpenPGP with the key on somebody else's card", "openpgp/detached.eml", "bert@example.com", [][]byte{signedBy(t, "openpgp/keys.asc")}, nil, "unverified"},
		{"S/MIME with the certificate on the card and no authority", "smime/rsa-detached.eml", "anna@example.com", nil, [][]byte{certificate.Bytes}, "verified"},
		{"S/MIME without", "smime/rsa-detached.eml", "anna@example.com", nil, nil, "unverified"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				office := newOffice(t)
				office.enrol(&customerv1.Card{Names: []string{"A"}, Addresses: []*customerv1.Address{{Address: c.address}}, Openpgp: c.openpgp, Certificates: c.smime})
				d, _ := office.running(t)
				verified, later := judged(t, d, string(signedBy(t, c.path)), `{"_dmarc.example.com.": {"TXT": ["v=DMARC1; p=none"]}}`)
				if got := verified.GetFindings(); got.GetSenderVerdict() != c.want {
					t.Errorf("%s %v, want %s", got.GetSenderVerdict(), got.GetSenderReasons(), c.want)
				}
				again, err := later.Replay(t.Context(), &verifyv1.Replay{Item: item, Evidence: verified.GetEvidence(), Actor: "paula"})
				if err != nil || len(again.GetDifferences()) > 0 {
					t.Errorf("repeated: %v, %v", again, err)
				}
			})
		})
	}
}

func TestAStartWaitsUntilTheDirectoryHasBeenRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		office := newOffice(t)
		office.enrol(&customerv1.Card{Names: []string{"Anna"}, Addresses: []*customerv1.Address{{Address: "anna@author.example"}}})
		office.away.Store(true)
		d := verify.NewDirectory(office, office, slog.New(slog.DiscardHandler))
		ended := make(chan error, 1)
		go func() { ended <- d.Await(t.Context()) }()
		time.Sleep(time.Hour) // in the bubble's time
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("it did not wait: %v", err)
		default:
		}
		// Whoever judges all the same says that the directory could not be asked.
		verified, _ := judged(t, d, raw, zone)
		if !slices.Contains(verified.GetFindings().GetSenderReasons(), mailauth.DirectoryUnavailable) {
			t.Errorf("reasons %v", verified.GetFindings().GetSenderReasons())
		}
		office.away.Store(false)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if verified, _ := judged(t, d, raw, zone); verified.GetFindings().GetSenderVerdict() != "verified" {
			t.Errorf("verdict %s", verified.GetFindings().GetSenderVerdict())
		}
		// A start that is ended while it waits ends.
		office.away.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { ended <- verify.NewDirectory(office, office, slog.New(slog.DiscardHandler)).Await(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-ended; err == nil {
			t.Error("ended, and says that it has read")
		}
	})
}

func TestADirectoryWhoseStreamWasMadeAnewIsReadAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		office := newOffice(t)
		office.enrol(&customerv1.Card{Names: []string{"Anna"}, Addresses: []*customerv1.Address{{Address: "anna@author.example"}}})
		d, again := office.running(t)
		office.mu.Lock()
		office.made, office.last = time.Unix(2, 0), 0
		clear(office.stood)
		office.mu.Unlock()
		office.enrol(&customerv1.Card{Names: []string{"Bert"}, Addresses: []*customerv1.Address{{Address: "bert@other.example"}}})
		again()
		if verified, _ := judged(t, d, raw, zone); verified.GetFindings().GetSenderVerdict() != "authenticated" {
			t.Error("somebody of the former stream is known")
		}
		scans := office.scans.Load()
		again()
		again()
		if office.scans.Load() != scans {
			t.Error("records in which nothing changed are read again")
		}
	})
}
