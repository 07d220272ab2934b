package main

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/customer"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	customerv1 "github.com/postern-mail/postern/proto/customer/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/postern/customers"
)

// rekeying is a keyring that takes nothing until a moment.
type rekeying struct {
	t       *testing.T
	bucket  *keyringv1.PublicBucket
	until   time.Time
	refusal keys.Refusal
	took    int
}

func newRekeying(t *testing.T, until time.Duration, refusal keys.Refusal) *rekeying {
	t.Helper()
	bucket, err := open.GenerateBucketKey("customers.b1")
	if err != nil {
		t.Fatal(err)
	}
	return &rekeying{t: t, bucket: &keyringv1.PublicBucket{Bucket: "customers.b1", PublicKey: bucket.Recipient().PublicKey()}, until: time.Now().Add(until), refusal: refusal}
}

func (r *rekeying) Scan(context.Context, string, uint64, ...bus.ScanOption) iter.Seq2[*bus.Message, error] {
	return func(func(*bus.Message, error) bool) {}
}

func (r *rekeying) LastFresh(context.Context, string, string) (*bus.Message, error) {
	envelope, err := event.New("keys", "keyring", 0, "", time.Now(), &keyringv1.Published{Customers: r.bucket})
	if err != nil {
		r.t.Fatal(err)
	}
	data, err := event.Marshal(envelope)
	return &bus.Message{Data: data}, err
}

func (r *rekeying) Enrol(_ context.Context, _ *keyringv1.Enrol) (*keyringv1.Recorded, error) {
	if time.Now().Before(r.until) {
		return nil, r.refusal
	}
	r.took++
	return &keyringv1.Recorded{Changed: true}, nil
}

func (r *rekeying) book(records map[string]*itemv1.Record) *book {
	return &book{conn: r, keyring: r, now: time.Now, actor: "operator:olga", records: records, recipients: new(seal.Recipients)}
}

func TestRecordingWaitsWhileCardsAreRekeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			until   time.Duration
			refusal keys.Refusal
			want    int
		}{{0, "", 1}, {5 * time.Second, keys.ClosedBucket, 1}, {time.Hour, keys.ClosedBucket, 0}, {time.Second, keys.Conflict, 0}} {
			r := newRekeying(t, c.until, c.refusal)
			recorded, _, err := r.book(nil).record(t.Context(), []customers.Change{{Card: &customerv1.Card{Number: "1"}}})
			if recorded != c.want || r.took != c.want || (err == nil) != (c.want == 1) {
				t.Errorf("after %v of %q: %d recorded, %v", c.until, c.refusal, recorded, err)
			}
		}
	})
}

func TestACardThatIsHeldDoesNotKeepTheOthersThatAreReplaced(t *testing.T) {
	held, free := event.NewCustomer(), event.NewCustomer()
	r := newRekeying(t, 0, "")
	_, replaced, err := r.book(map[string]*itemv1.Record{held: {Item: held, Holds: []*itemv1.Hold{{Id: "H1"}}}, free: {Item: free}}).
		record(t.Context(), []customers.Change{{Card: &customerv1.Card{Number: "1"}, Replaces: []string{held}}, {Card: &customerv1.Card{Number: "2"}, Replaces: []string{free}}})
	if err != nil || !slices.Equal(replaced, []string{free}) {
		t.Errorf("to be destroyed: %v, %v; want %s alone", replaced, err, free)
	}
}

func TestNothingInACardTurnsWhatATerminalShows(t *testing.T) {
	const turns = "\u202e"
	confirmed := &customerv1.Confirmation{When: timestamppb.New(time.Unix(1, 0)), How: "contract"}
	told := &customerv1.Card{
		Number: "1" + turns, Names: []string{"Anna" + turns}, Notes: "a" + turns,
		Addresses: []*customerv1.Address{{Address: "a" + turns + "b@example.com"}, {Address: "c" + turns + "d@example.com", Confirmed: confirmed}},
	}
	if err := customer.Check(told); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := new(book).show(customers.Known{ID: event.NewCustomer(), Card: told}, &out); err != nil || strings.Contains(out.String(), turns) {
		t.Errorf("shown: %q, %v", out.String(), err)
	}
}
