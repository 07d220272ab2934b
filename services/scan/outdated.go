package scan

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/stage"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
)

// DefaultPace is how many items a second are told of to be judged anew.
const DefaultPace = 10

const (
	outdatedEvery = 15 * time.Second // how often it is looked which items are outdated
	crowdedEvery  = 5 * time.Minute  // where there are more than can be kept in mind: each look reads all of them
	outdatedAgain = time.Hour        // after which one is told of again that still is
	waitingMost   = 1000             // that were told of and are not judged yet: no more is told
	turnAgain     = 5 * time.Second  // how often a turn that another has is asked for
	turnLeft      = time.Minute      // for how long a turn is left to those who have newer signatures
)

// Outdated tells of items whose files agents can open and that were judged with other signatures than are in
// force. Of all scans one does so at a time. Which there are is read out of the headers of the records, each
// turn anew: so a death forgets nothing but what was told already, which is told again.
type Outdated struct {
	deps     stage.SweepDeps
	versions Versions
	waiting  func(context.Context) (uint64, error)
	pace     int

	known   inventory
	changes int       // of the version in this turn
	looked  time.Time // when the last look ended
	left    time.Time // when the turn was last left to others

	outdated prometheus.Gauge
}

// NewOutdated tells of up to pace items a second, while not too many wait that were told of before.
func NewOutdated(deps stage.SweepDeps, versions Versions, waiting func(context.Context) (uint64, error), pace int, meters prometheus.Registerer) *Outdated {
	o := &Outdated{
		deps: deps, versions: versions, waiting: waiting, pace: max(pace, 1),
		outdated: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "postern_scan_outdated_items",
			Help: "Tickets with files that were judged with other signatures than are in force; known to the one scan that tells of them, zero elsewhere.",
		}),
	}
	if o.deps.Log == nil {
		o.deps.Log = slog.New(slog.DiscardHandler)
	}
	if meters != nil {
		meters.MustRegister(o.outdated)
	}
	return o
}

// Run tells of items while this process has the turn, until ctx ends.
func (o *Outdated) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if o.versions.Current() == "" { // nobody here knows what is outdated; somebody else may
			rest(ctx, time.Second)
			continue
		}
		again := turnAgain
		turn, end, err := o.deps.Turns.Turn(ctx)
		if err == nil {
			o.known, o.changes = inventory{}, 0 // another had the turn: everything is looked at
			if leaves := o.turn(turn); leaves {
				again = turnLeft
			}
			o.outdated.Set(0)
			end()
		} else if !errors.Is(err, bus.ErrHeld) && ctx.Err() == nil {
			o.deps.Log.Warn("turn of scanning anew not taken", "err", err)
		}
		rest(ctx, again)
	}
	return nil
}

// turn tells of items until its turn ends, the version is not known any more, or the turn is left to a scan
// with newer signatures.
func (o *Outdated) turn(ctx context.Context) (leaves bool) {
	for ctx.Err() == nil && o.versions.Current() != "" {
		told, err := o.round(ctx)
		if err != nil && ctx.Err() == nil {
			o.deps.Log.Warn("scanning anew broken off", "err", err)
		}
		if told > 0 {
			o.deps.Log.Info("items are scanned anew", "items", told, "signatures", o.known.version)
		}
		if o.leaves() {
			o.left = o.deps.Clock.Now()
			o.deps.Log.Warn("others judge with newer signatures: whoever has them tells what is scanned anew", "signatures", o.known.version)
			return true
		}
		rest(ctx, outdatedEvery)
	}
	return false
}

// leaves tells whether somebody else should have the turn, for their clamd is ahead of ours. Where nobody takes
// it, they are no more, and it is ours again for an hour.
func (o *Outdated) leaves() bool {
	return o.known.newer && o.deps.Clock.Now().Sub(o.left) >= outdatedAgain
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// round looks and tells of what is outdated, as fast as the pace lets it, until signatures change, enough wait
// to be judged, or it is time to look again.
func (o *Outdated) round(ctx context.Context) (told int, err error) {
	version := o.versions.Current()
	if version == "" {
		return 0, nil
	}
	if version != o.known.version {
		if o.known.version != "" {
			o.changes++
		}
		o.known, o.looked = o.known.of(version), time.Time{}
	}
	every := outdatedEvery
	if o.known.uncounted > 0 {
		every = crowdedEvery
	}
	if now := o.deps.Clock.Now(); now.Sub(o.looked) >= every {
		if err := o.known.look(ctx, o.deps.Records, now); err != nil {
			return 0, err
		}
		o.looked = now
		o.outdated.Set(float64(o.known.count()))
	}
	if o.leaves() {
		return 0, nil
	}
	for _, item := range o.known.due(o.deps.Clock.Now()) {
		if o.versions.Current() != version || o.deps.Clock.Now().Sub(o.looked) >= crowdedEvery {
			return told, nil
		}
		if o.waiting != nil {
			if n, err := o.waiting(ctx); err != nil || n >= waitingMost {
				return told, err
			}
		}
		if err := o.tell(ctx, item.id); err != nil {
			return told, err
		}
		o.known.told(item, o.deps.Clock.Now())
		told++
		rest(ctx, time.Second/time.Duration(o.pace))
		if ctx.Err() != nil {
			return told, ctx.Err()
		}
	}
	return told, nil
}

// tell says that an item is outdated.
func (o *Outdated) tell(ctx context.Context, item string) error {
	record, err := o.deps.Records.Record(ctx, item)
	if errors.Is(err, bus.ErrNoMessage) { // it was destroyed meanwhile
		o.known.drop(item)
		return nil
	}
	if fault.IsFinal(err) { // it does not stand in the way of others
		o.deps.Log.Error("record not read", "item", item, "err", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("record of item %s: %w", item, err)
	}
	now := o.deps.Clock.Now()
	said := &mailv1.Outdated{Told: timestamppb.New(now), Signatures: o.known.version, Record: &itemv1.Record{
		Item: record.GetItem(), Ticket: record.GetTicket(), State: record.GetState(), Received: record.GetReceived(),
	}}
	// Another version, one that came back, another hour, or an item that was judged meanwhile, is another event:
	// none is swallowed for one before it. After a death it is the same: so deaths over one item add up.
	judged := strconv.FormatInt(record.GetFindings().GetJudged().AsTime().UnixNano(), 10)
	env, err := event.New(event.ID(item+" "+judged, o.known.version, o.changes), "outdated", int(now.Unix()/3600), item, now, said)
	if err != nil {
		return err
	}
	data, err := event.Marshal(env)
	if err != nil {
		return err
	}
	return o.deps.Outlet.Publish(ctx, []stage.Letter{{Subject: env.Type, ID: env.Id, Data: data}})
}
