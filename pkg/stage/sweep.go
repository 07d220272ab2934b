package stage

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
)

const (
	sweepEvery = time.Minute
	// sweepStill is how long a record stands untouched before its event is said again; the
	// wait then doubles, up to sweepRarest.
	sweepStill  = 10 * time.Minute
	sweepRarest = 6 * time.Hour
	// turnAgain is how often a turn that another has is asked for: one that died holds it for
	// some seconds more.
	turnAgain = 5 * time.Second
	// sweepMost is how many items one sweep drives: the rest has its turn a minute later.
	sweepMost = 10_000
)

// Records are the item records, as a sweeper sees them.
type Records interface {
	// Headers yields what is kept from sequence from on, in order, without payload.
	Headers(ctx context.Context, from uint64) iter.Seq2[*bus.Message, error]
	// Record returns an item's record as it stands. That it cannot be read is a final fault.
	Record(ctx context.Context, item string) (*itemv1.Record, error)
}

// Turns gives a sweeper its turn: the context ends with it. bus.ErrHeld says that
// another has it.
type Turns interface {
	Turn(ctx context.Context) (turn context.Context, end func(), err error)
}

// SweepDeps are what a sweeper stands on. Records, Turns and Outlet must be given.
type SweepDeps struct {
	Records Records
	Turns   Turns
	Outlet  Outlet
	Clock   Clock
	Log     *slog.Logger
}

// A SweepSpec says which items a service drives again: those in the state that its own
// event follows upon.
type SweepSpec struct {
	Service string
	State   itemv1.State
	Event   func(*itemv1.Record) proto.Message
}

// SweepOnBus returns what a service's sweeper stands on.
func SweepOnBus(c *bus.Conn) SweepDeps {
	return SweepDeps{Records: busRecords{c}, Turns: busTurns{c}, Outlet: busOutlet{c}}
}

// Sweep says the event of items that stand still again, every minute while this process
// has the turn, until ctx ends. It makes up for events that the bus has lost: the
// record is the truth, and the event is built from it.
func Sweep(ctx context.Context, d SweepDeps, s SweepSpec) error {
	if d.Records == nil || d.Turns == nil || d.Outlet == nil || s.Event == nil || s.Service == "" || s.State == 0 {
		return fmt.Errorf("sweeper of %s: something it stands on is missing", s.Service)
	}
	if d.Clock == nil {
		d.Clock = systemClock{}
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	for ctx.Err() == nil {
		turn, end, err := d.Turns.Turn(ctx)
		if err == nil {
			w := &sweeper{SweepDeps: d, spec: s, standing: make(map[uint64]*standstill)}
			w.run(turn)
			end()
		} else if !errors.Is(err, bus.ErrHeld) && ctx.Err() == nil {
			d.Log.Warn("sweeper's turn not taken", "service", s.Service, "err", err)
		}
		rest(ctx, turnAgain)
	}
	return nil
}

// rest waits for d, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// A sweeper is one turn.
type sweeper struct {
	SweepDeps
	spec SweepSpec
	low  uint64 // every record before this sequence is at rest
	// standing are the records in our state, by the sequence of their last change.
	standing map[uint64]*standstill
}

type standstill struct {
	item string
	wait time.Duration // after which it is driven the next time
	due  time.Time
	seen bool // in the sweep at hand
}

func (w *sweeper) run(ctx context.Context) {
	for ctx.Err() == nil {
		driven, err := w.sweep(ctx)
		if err != nil && ctx.Err() == nil {
			w.Log.Warn("sweep broken off", "service", w.spec.Service, "err", err)
		}
		if driven > 0 {
			w.Log.Info("items driven again", "service", w.spec.Service, "state", event.StateWord(w.spec.State), "items", driven)
		}
		rest(ctx, sweepEvery)
	}
}

// atRest are the states that nothing is expected to follow upon by itself.
var atRest = map[string]bool{
	event.StateWord(itemv1.State_STATE_TICKETED):  true,
	event.StateWord(itemv1.State_STATE_SET_ASIDE): true,
	event.StateWord(itemv1.State_STATE_TOMBSTONE): true,
	event.StateWord(itemv1.State_STATE_KEPT):      true,
}

// sweep looks once through the headers and drives what is due.
func (w *sweeper) sweep(ctx context.Context) (driven int, err error) {
	if err := w.look(ctx); err != nil {
		return 0, err
	}
	now := w.Clock.Now()
	for seq, s := range w.standing {
		switch {
		case !s.seen:
			delete(w.standing, seq) // changed since, or gone
		case driven < sweepMost && !now.Before(s.due):
			did, err := w.drive(ctx, s, now)
			if err != nil {
				return driven, err
			}
			if did {
				driven++
			}
		}
		s.seen = false
	}
	return driven, nil
}

// look brings standing and low up to what is kept.
func (w *sweeper) look(ctx context.Context) error {
	resting, low := true, w.low
	for msg, err := range w.Records.Headers(ctx, w.low) {
		if err != nil {
			return err
		}
		state := msg.Header.Get(event.HeaderState)
		if resting = resting && atRest[state]; resting {
			low = msg.Sequence + 1
		}
		if state != event.StateWord(w.spec.State) {
			continue
		}
		s := w.standing[msg.Sequence]
		if s == nil {
			item, _ := strings.CutPrefix(msg.Subject, "items.")
			// The record's own time is asked when it is due by the bus's.
			s = &standstill{item: item, wait: sweepStill, due: msg.Time.Add(sweepStill)}
			w.standing[msg.Sequence] = s
		}
		s.seen = true
	}
	w.low = low
	return nil
}

// drive says the event of one item again, if its record stands as long as the bus says.
func (w *sweeper) drive(ctx context.Context, s *standstill, now time.Time) (bool, error) {
	record, err := w.Records.Record(ctx, s.item)
	if errors.Is(err, bus.ErrNoMessage) || fault.IsFinal(err) {
		// One bad record must not stand in the way of the others.
		w.Log.Error("record not read", "service", w.spec.Service, "item", s.item, "err", err)
		s.due = now.Add(sweepRarest)
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("record %s: %w", s.item, err)
	}
	if record.GetState() != w.spec.State {
		return false, nil
	}
	if due := record.GetChanged().AsTime().Add(sweepStill); now.Before(due) {
		s.due = due
		return false, nil
	}
	// The hour keeps the duplicate window from swallowing it for what was said before.
	hour := int(now.Unix() / 3600)
	env, err := event.New(s.item, w.spec.Service, hour, s.item, now, w.spec.Event(record))
	if err != nil {
		return false, err
	}
	data, err := event.Marshal(env)
	if err != nil {
		return false, err
	}
	if err := w.Outlet.Publish(ctx, []Letter{{Subject: env.Type, ID: env.Id, Data: data}}); err != nil {
		return false, err
	}
	s.wait = min(2*s.wait, sweepRarest)
	s.due = now.Add(s.wait)
	return true, nil
}

type busRecords struct{ conn *bus.Conn }

func (r busRecords) Headers(ctx context.Context, from uint64) iter.Seq2[*bus.Message, error] {
	return r.conn.Scan(ctx, topology.Items, from, bus.HeadersOnly())
}

func (r busRecords) Record(ctx context.Context, item string) (*itemv1.Record, error) {
	msg, err := r.conn.Last(ctx, topology.Items, "items."+item)
	if err != nil {
		return nil, err
	}
	record := new(itemv1.Record)
	if err := proto.Unmarshal(msg.Data, record); err != nil {
		return nil, fault.FinalFor(errors.New("its bytes are no record"), "garbled_record")
	}
	return record, nil
}

type busTurns struct{ conn *bus.Conn }

func (t busTurns) Turn(ctx context.Context) (context.Context, func(), error) {
	lease, err := t.conn.Lease(ctx, "sweep")
	if err != nil {
		return nil, nil, err
	}
	return lease.Context(), lease.Release, nil
}
