package verify

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/customer"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/mailauth/alike"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/signature"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// Records is what a directory reads customers' records from; *bus.Conn is one.
type Records interface {
	Kept(ctx context.Context, stream string) (bus.Kept, error)
	Scan(ctx context.Context, stream string, from uint64, options ...bus.ScanOption) iter.Seq2[*bus.Message, error]
	LastFresh(ctx context.Context, stream, subject string) (*bus.Message, error)
}

// Cards opens customers' cards, and the key of their tokens; *open.Opener is one.
type Cards interface {
	reading.Opener
	Directory(ctx context.Context, actor string) (*seal.SessionKey, error)
}

// A Directory tells who is a customer, by tokens alone: a card is opened only for the keys of
// a customer who has signed the mail at hand. It may be used by many goroutines.
type Directory struct {
	records Records
	cards   Cards
	log     *slog.Logger

	index customer.Index
	key   atomic.Pointer[seal.SessionKey] // of the tokens; set once, when everything has been read
	made  time.Time                       // of the stream that was read: another one is read anew
	next  uint64                          // sequence of the first record that was not looked at
}

// NewDirectory knows nobody until Await has read the records.
func NewDirectory(records Records, cards Cards, log *slog.Logger) *Directory {
	return &Directory{records: records, cards: cards, log: log}
}

const (
	// lookEvery is how soon somebody who was recorded, or removed, is known to be.
	lookEvery = 5 * time.Second
	// awaitEvery is how long a start waits between two tries to read the records.
	awaitEvery = 500 * time.Millisecond
)

// Await returns when the records have been read once, or ctx ends. Who verifies before that
// would take a customer for a stranger.
func (d *Directory) Await(ctx context.Context) error {
	told := false
	for {
		err := d.look(ctx)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		told = d.tell(err, told)
		if !rest(ctx, awaitEvery) {
			return ctx.Err()
		}
	}
}

// Run keeps the directory as the records are, until ctx ends.
func (d *Directory) Run(ctx context.Context) error {
	defer d.index.Clear()
	told := false
	for rest(ctx, lookEvery) {
		if err := d.look(ctx); err == nil {
			told = false
		} else if ctx.Err() == nil {
			told = d.tell(err, told)
		}
	}
	return nil
}

// tell says once why the records are not read.
func (d *Directory) tell(err error, told bool) bool {
	if !told {
		d.log.Warn("customers could not be looked up", "err", err)
	}
	return true
}

// rest waits, and tells whether to go on.
func rest(ctx context.Context, span time.Duration) bool {
	timer := time.NewTimer(span)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// look takes in what has changed since the last look.
func (d *Directory) look(ctx context.Context) error {
	kept, err := d.records.Kept(ctx, topology.Items)
	if err != nil {
		return fmt.Errorf("item records: %w", err)
	}
	if !kept.Made.Equal(d.made) || kept.Last+1 < d.next { // a stream that was lost and made anew
		d.index.Clear()
		d.made, d.next = kept.Made, 1
	}
	if d.next <= kept.Last {
		for message, err := range d.records.Scan(ctx, topology.Items, d.next, bus.Matching(event.CustomersSubject)) {
			if err != nil {
				return fmt.Errorf("customers' records: %w", err)
			}
			record := new(itemv1.Record)
			if err := proto.Unmarshal(message.Data, record); err != nil {
				return fmt.Errorf("customer's record %d is garbled", message.Sequence)
			}
			d.index.Take(record)
			d.next = message.Sequence + 1
		}
		// Mails' records stand in between. What came after Kept was asked comes again: that is harmless.
		d.next = max(d.next, kept.Last+1)
	}
	if d.key.Load() != nil {
		return nil
	}
	key, err := d.cards.Directory(ctx, "")
	if err != nil {
		return fmt.Errorf("directory's key: %w", err)
	}
	d.key.Store(key)
	return nil
}

// Read tells whether the directory has been read since the start. It may be asked of nil.
func (d *Directory) Read() bool { return d == nil || d.key.Load() != nil }

// errUnread says that the directory has not been read yet.
var errUnread = errors.New("the customers' records have not been read yet")

// Circle gives whom a judgement may ask; nil where there is no customer.
func (d *Directory) Circle() alike.Circle {
	if d == nil || d.Read() && d.index.Count() == 0 {
		return nil
	}
	return d
}

// Has is alike.Circle.
func (d *Directory) Has(_ context.Context, form alike.Form) (bool, error) {
	key := d.key.Load()
	if key == nil {
		return false, errUnread
	}
	token, ok := customer.TokenOf(key.Bytes(), form)
	return ok && d.index.Has(token), nil
}

// sameAddress bounds the customers whose keys are looked at for one address.
const sameAddress = 8

// Keys gives what the customers of an address sign with.
func (d *Directory) Keys(ctx context.Context, address string) (signature.Keys, error) {
	var all signature.Keys
	if d == nil || address == "" || d.key.Load() == nil {
		return all, nil
	}
	token, ok := customer.TokenOf(d.key.Load().Bytes(), alike.Of(address))
	if !ok {
		return all, nil
	}
	who := d.index.Who(token)
	for _, id := range who[:min(len(who), sameAddress)] {
		found, err := d.keysOf(ctx, id)
		if code, refused := keys.RefusalOf(err); refused && !code.Passing() || errors.Is(err, bus.ErrNoMessage) {
			continue // removed meanwhile
		}
		if err != nil {
			return signature.Keys{}, fmt.Errorf("customer's card: %w", err)
		}
		all = all.And(found)
	}
	return all, nil
}

func (d *Directory) keysOf(ctx context.Context, id string) (signature.Keys, error) {
	message, err := d.records.LastFresh(ctx, topology.Items, event.RecordSubject(id))
	if err != nil {
		return signature.Keys{}, err
	}
	record := new(itemv1.Record)
	if err := proto.Unmarshal(message.Data, record); err != nil {
		return signature.Keys{}, errors.New("the record is garbled")
	}
	card, err := reading.Card(ctx, d.cards, record, open.Ask{Purpose: keys.ForCard})
	if err != nil {
		return signature.Keys{}, err
	}
	return customer.Keys(card)
}
