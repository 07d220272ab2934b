package desk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// An Aside is a mail that did not become a ticket. Nothing in it is its author's.
type Aside struct {
	Item, Mailbox, Folder string
	UID                   uint32
	Code, Stage           string
	Since                 time.Time
	Leaving               bool // its keys are taken: it is gone once that is proven, and waits for nobody
}

// Retrier is the keyring's part in taking mails up again.
type Retrier interface {
	Retry(ctx context.Context, request *keyringv1.Retry) (*keyringv1.Recorded, error)
}

// A Shelf knows what is set aside. It reads the states that stand in the headers of the
// records, each change once, and the records of what is set aside.
type Shelf struct {
	bus     Bus
	keyring Retrier
	custody *Custody
	now     func() time.Time
	log     *slog.Logger

	waiting atomic.Int64 // how many lie there

	looking chan struct{} // held by whoever looks: the rest is theirs
	made    time.Time     // of the stream: another one counts anew
	begun   time.Time     // when it was last read from its start
	next    uint64        // sequence of the first record that was not looked at
	lying   map[string]Aside

	count  *prometheus.GaugeVec
	oldest prometheus.Gauge
}

// NewShelf reads item records from a bus. Its meters are what an alert hangs on.
func NewShelf(conn Bus, keyring Retrier, now func() time.Time, log *slog.Logger, meters prometheus.Registerer) *Shelf {
	s := &Shelf{
		bus: conn, keyring: keyring, custody: NewCustody(conn, nil, nil, nil), now: now, log: log, lying: map[string]Aside{},
		looking: make(chan struct{}, 1),
		count:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "postern_aside_mails", Help: "Mails that are set aside and wait for a person, by cause."}, []string{"code"}),
		oldest:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "postern_aside_oldest_seconds", Help: "For how long the oldest of them has been set aside; 0: there is none."}),
	}
	if meters != nil {
		meters.MustRegister(s.count, s.oldest)
	}
	return s
}

const (
	lookEvery = 15 * time.Second // how old the badge and the meters may be
	// anewEvery is after how long everything is looked at again: desks share a consumer of
	// headers, and one that another moves before its first draw is told of nothing.
	anewEvery   = time.Hour
	layAtOnce   = 16  // records that are read at once
	layTogether = 512 // changes that are taken in together
)

// Run keeps the badge and the meters as they should be, until ctx ends.
func (s *Shelf) Run(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		if _, err := s.Aside(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("what is set aside is not known", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Aside is Asides.Aside.
func (s *Shelf) Aside(ctx context.Context) ([]Aside, error) {
	select {
	case s.looking <- struct{}{}:
		defer func() { <-s.looking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	err := s.look(ctx)
	if errors.Is(err, bus.ErrDisturbed) { // another desk looked; it has done so now
		err = s.look(ctx)
	}
	if err != nil {
		return nil, err
	}
	all := make([]Aside, 0, len(s.lying))
	for _, one := range s.lying {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Aside) int { return cmp.Or(b.Since.Compare(a.Since), cmp.Compare(a.Item, b.Item)) })
	s.measure(all)
	return all, nil
}

// Waiting is Asides.Waiting.
func (s *Shelf) Waiting() int {
	return int(s.waiting.Load())
}

// look takes in what has changed since the last look. The caller is the one who looks.
func (s *Shelf) look(ctx context.Context) error {
	kept, err := s.bus.Kept(ctx, topology.Items)
	if err != nil {
		return fmt.Errorf("item records: %w", err)
	}
	defer func() {
		waiting := int64(0)
		for _, one := range s.lying {
			if !one.Leaving {
				waiting++
			}
		}
		s.waiting.Store(waiting)
	}()
	if !kept.Made.Equal(s.made) || kept.Last+1 < s.next { // streams that were lost and made anew
		s.begun = time.Time{}
	}
	if now := s.now(); now.Sub(s.begun).Abs() > anewEvery {
		s.made, s.begun, s.next = kept.Made, now, 1
		clear(s.lying)
	}
	if kept.Last < s.next {
		return nil
	}
	var changed []*bus.Message
	for message, err := range s.bus.Scan(ctx, topology.Items, s.next, bus.HeadersOnly()) {
		if err != nil {
			return fmt.Errorf("item records: %w", err)
		}
		if changed = append(changed, message); len(changed) == layTogether {
			if err := s.take(ctx, changed); err != nil {
				return err
			}
			changed = changed[:0]
		}
	}
	return s.take(ctx, changed)
}

// take takes changes in, which are in order.
func (s *Shelf) take(ctx context.Context, changed []*bus.Message) error {
	asides := make([]*Aside, len(changed))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(layAtOnce)
	for i, message := range changed {
		if message.Header.Get(event.HeaderState) == event.StateWord(itemv1.State_STATE_SET_ASIDE) {
			group.Go(func() (err error) {
				asides[i], err = s.aside(ctx, message)
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, message := range changed {
		delete(s.lying, itemOf(message))
		if asides[i] != nil {
			s.lying[itemOf(message)] = *asides[i]
		}
		s.next = message.Sequence + 1
	}
	return nil
}

func itemOf(message *bus.Message) string { return strings.TrimPrefix(message.Subject, "items.") }

// unreadable is shown in place of the cause of a record that cannot be read.
const unreadable = "unreadable_record"

// aside reads the record of a change, nil where it is set aside no more.
func (s *Shelf) aside(ctx context.Context, message *bus.Message) (*Aside, error) {
	item := itemOf(message)
	record, err := s.custody.Record(ctx, item)
	switch aside := record.GetSetAside(); {
	case errors.Is(err, vault.ErrNotFound):
		return nil, nil
	case errors.Is(err, proto.Error):
		return &Aside{Item: item, Code: unreadable, Stage: "keyring", Since: message.Time}, nil
	case err != nil:
		return nil, err
	case record.GetState() == itemv1.State_STATE_SET_ASIDE:
		return &Aside{
			Item: item, Mailbox: record.GetMailbox(), Folder: record.GetFolder(), UID: record.GetUid(),
			Code: aside.GetCode(), Stage: aside.GetStage(), Since: aside.GetTime().AsTime(), Leaving: len(record.GetLayers()) > 0 && !hasLayers(record),
		}, nil
	}
	return nil, nil
}

func (s *Shelf) measure(newestFirst []Aside) {
	newestFirst = slices.DeleteFunc(slices.Clone(newestFirst), func(one Aside) bool { return one.Leaving })
	s.count.Reset()
	for _, one := range newestFirst {
		s.count.WithLabelValues(one.Code).Inc()
	}
	s.oldest.Set(0)
	if n := len(newestFirst); n > 0 {
		s.oldest.Set(max(0, s.now().Sub(newestFirst[n-1].Since).Seconds()))
	}
}

// Retry is Asides.Retry.
func (s *Shelf) Retry(ctx context.Context, item, actor string, limit int64) (bool, error) {
	recorded, err := s.keyring.Retry(ctx, &keyringv1.Retry{Item: item, Actor: actor, FetchLimit: limit})
	return recorded.GetChanged(), err
}
