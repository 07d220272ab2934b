package scan

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/stage"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
)

// DefaultPace is how many items a second are told of to be judged anew.
const DefaultPace = 10

const (
	outdatedEvery = 15 * time.Second // how often it is looked which items are outdated
	outdatedAgain = time.Hour        // after which one is told of again that still is
	outdatedMost  = 10_000           // told of between two looks
	turnAgain     = 5 * time.Second  // how often a turn that another has is asked for
)

// Outdated tells of items whose files agents can open and that were judged with other signatures than are in
// force. Of all scans one does so at a time. Which there are is read out of the headers of the records, each
// time anew: so a death forgets nothing but what was told already, which is told again.
type Outdated struct {
	deps     stage.SweepDeps
	versions Versions
	pace     int

	low      uint64               // every record before this sequence is as it should be
	version  string               // for which low and told are
	begun    bool                 // a look of this turn has come to its end
	told     map[string]time.Time // items, and when they were told of
	outdated prometheus.Gauge
}

// NewOutdated tells of up to pace items a second.
func NewOutdated(deps stage.SweepDeps, versions Versions, pace int, meters prometheus.Registerer) *Outdated {
	o := &Outdated{
		deps: deps, versions: versions, pace: max(pace, 1),
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
		turn, end, err := o.deps.Turns.Turn(ctx)
		if err == nil {
			o.version, o.begun = "", false // another had the turn: everything is looked at
			o.turn(turn)
			o.outdated.Set(0)
			end()
		} else if !errors.Is(err, bus.ErrHeld) && ctx.Err() == nil {
			o.deps.Log.Warn("turn of scanning anew not taken", "err", err)
		}
		rest(ctx, turnAgain)
	}
	return nil
}

func (o *Outdated) turn(ctx context.Context) {
	for ctx.Err() == nil {
		if o.versions.Current() == "" { // nobody knows what is outdated
			rest(ctx, time.Second)
			continue
		}
		told, err := o.round(ctx)
		if err != nil && ctx.Err() == nil {
			o.deps.Log.Warn("scanning anew broken off", "err", err)
		}
		if told > 0 {
			o.deps.Log.Info("items are scanned anew", "items", told, "signatures", o.version)
		}
		rest(ctx, outdatedEvery)
	}
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// round looks once and tells of what is outdated, as fast as the pace lets it and until signatures change.
func (o *Outdated) round(ctx context.Context) (told int, err error) {
	version := o.versions.Current()
	if version == "" {
		return 0, nil
	}
	if version != o.version {
		o.version, o.low, o.told = version, 1, map[string]time.Time{}
	}
	items, err := o.look(ctx)
	if err != nil {
		return 0, err
	}
	for _, item := range items {
		if o.versions.Current() != version {
			return told, nil
		}
		if err := o.tell(ctx, item); err != nil {
			return told, err
		}
		told++
		rest(ctx, time.Second/time.Duration(o.pace))
		if ctx.Err() != nil {
			return told, ctx.Err()
		}
	}
	return told, nil
}

// look counts what is outdated and gives what is to be told of now.
func (o *Outdated) look(ctx context.Context) (items []string, err error) {
	now := o.deps.Clock.Now()
	for item, at := range o.told {
		if now.Sub(at) >= outdatedAgain {
			delete(o.told, item)
		}
	}
	resting, low, count := true, o.low, 0
	for msg, err := range o.deps.Records.Headers(ctx, o.low) {
		if err != nil {
			return nil, fmt.Errorf("item records: %w", err)
		}
		judged := msg.Header.Get(event.HeaderJudged)
		current := judged == "" || judged == o.version
		if resting = resting && current; resting {
			low = msg.Sequence + 1
		}
		if !current {
			count++
		} else if o.begun || !lately(msg.Header.Get(event.HeaderRecalled), now) {
			continue // of what was recalled it may not have been told: whoever did so is gone
		}
		item, mail := strings.CutPrefix(msg.Subject, "items.")
		if _, before := o.told[item]; mail && !before && len(items) < outdatedMost {
			items = append(items, item)
		}
	}
	o.low, o.begun = low, true
	o.outdated.Set(float64(count))
	return items, nil
}

// lately tells whether something was recalled within a day.
func lately(recalled string, now time.Time) bool {
	at, err := time.Parse(time.RFC3339, recalled)
	return err == nil && now.Sub(at) < 24*time.Hour
}

// tell says that an item is outdated.
func (o *Outdated) tell(ctx context.Context, item string) error {
	record, err := o.deps.Records.Record(ctx, item)
	if errors.Is(err, bus.ErrNoMessage) {
		return nil
	}
	if err != nil {
		return err
	}
	now := o.deps.Clock.Now()
	said := &mailv1.Outdated{Told: timestamppb.New(now), Record: &itemv1.Record{
		Item: record.GetItem(), Ticket: record.GetTicket(), State: record.GetState(), Received: record.GetReceived(),
	}}
	// Another version, or another hour, is another event: none is swallowed for one before it.
	env, err := event.New(event.ID(item, o.version, 0), "outdated", int(now.Unix()/3600), item, now, said)
	if err != nil {
		return err
	}
	data, err := event.Marshal(env)
	if err != nil {
		return err
	}
	if err := o.deps.Outlet.Publish(ctx, []stage.Letter{{Subject: env.Type, ID: env.Id, Data: data}}); err != nil {
		return err
	}
	o.told[item] = now
	return nil
}
