package stage_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/stage"
	"github.com/postern-mail/postern/pkg/stage/stagetest"
)

func TestSlowWorkIsHandedOutOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		k.Put(stagetest.Item(1), received(1))
		run(t, k, func(ctx context.Context, env *eventv1.Envelope, msg proto.Message) ([]stage.Out, error) {
			<-time.After(10*ackWait + time.Second)
			return verified(ctx, env, msg)
		}, after(11*ackWait))
		if n := len(k.Deliveries(0)); n != 1 || k.State(0) != "acked" {
			t.Errorf("%d deliveries, %s", n, k.State(0))
		}
		if beats := k.Beats(0); beats != 30 { // every 10 s of 301 s
			t.Errorf("%d heartbeats", beats)
		}
	})
}

func TestWhatIsInWorkHereIsNotBegunASecondTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		k.Put(stagetest.Item(1), received(1))
		k.Put(stagetest.Item(1), received(1)) // the same event, stored twice
		var runs atomic.Int64
		run(t, k, func(ctx context.Context, env *eventv1.Envelope, msg proto.Message) ([]stage.Out, error) {
			runs.Add(1)
			<-time.After(time.Second)
			return verified(ctx, env, msg)
		}, after(time.Hour))
		if runs.Load() != 2 || len(k.Stored()) != 1 { // the second once the first is over, and swallowed
			t.Errorf("%d runs, %d stored", runs.Load(), len(k.Stored()))
		}
		if k.State(0) != "acked" || k.State(1) != "acked" {
			t.Errorf("%s, %s", k.State(0), k.State(1))
		}
	})
}

func TestNoMoreIsInWorkThanTheLimit(t *testing.T) {
	for _, limit := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			k := stagetest.New(ackWait)
			for n := range limit + 1 {
				k.Put(stagetest.Item(n), received(n))
			}
			var at, most atomic.Int64
			s := spec(func(context.Context, *eventv1.Envelope, proto.Message) ([]stage.Out, error) {
				most.Store(max(most.Load(), at.Add(1)))
				<-time.After(time.Second)
				at.Add(-1)
				return nil, nil
			})
			s.InFlight = limit
			runIn(t, k.Process(), s, after(time.Minute))
			if most.Load() != int64(limit) {
				t.Errorf("limit %d: %d at once", limit, most.Load())
			}
		})
	}
}

func TestWhatIsSaidOnceIsNotSaidAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		item := stagetest.Item(1)
		k.Put(item, received(1))
		<-time.After(time.Hour)
		k.Put(item, received(1))
		run(t, k, func(_ context.Context, env *eventv1.Envelope, msg proto.Message) ([]stage.Out, error) {
			ticket := event.Ticket(env.Item)
			return []stage.Out{{Subject: "tickets." + ticket, Message: &ticketv1.Opened{Ticket: ticket}, Once: true}}, nil
		}, after(time.Hour))
		if got := len(k.Stored()); got != 1 {
			t.Errorf("%d tickets", got)
		}
	})
}

func TestASetAsideThatFailsIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		k.Put(stagetest.Item(1), received(1))
		d := k.Process().Deps()
		inner, failures := d.SetAsider, 0
		d.SetAsider = asiderFunc(func(ctx context.Context, item, code, name string) (*itemv1.Record, error) {
			if failures++; failures < 3 {
				return nil, errors.New("keyring is away")
			}
			return inner.SetAside(ctx, item, code, name)
		})
		runWith(t, d, spec(ends(fault.Final("too_deep"))), after(time.Minute))
		if k.State(0) != "terminated: too_deep" || len(k.Stored()) != 1 {
			t.Errorf("%s, %d stored", k.State(0), len(k.Stored()))
		}
	})
}

type asiderFunc func(ctx context.Context, item, code, stage string) (*itemv1.Record, error)

func (f asiderFunc) SetAside(ctx context.Context, item, code, stage string) (*itemv1.Record, error) {
	return f(ctx, item, code, stage)
}

func TestWorkThatIgnoresItsTimeoutIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		k.Put(stagetest.Item(1), received(1))
		stuck := make(chan struct{})
		var begun atomic.Bool
		s := spec(func(ctx context.Context, env *eventv1.Envelope, msg proto.Message) ([]stage.Out, error) {
			if begun.CompareAndSwap(false, true) {
				<-stuck
				return nil, errors.New("too late")
			}
			return verified(ctx, env, msg)
		})
		s.Timeout = time.Minute
		runIn(t, k.Process(), s, after(time.Minute+stage.Obstinate+time.Second))
		close(stuck)
		if k.State(0) != "acked" || len(k.Stored()) != 1 {
			t.Errorf("%s, %d stored", k.State(0), len(k.Stored()))
		}
	})
}

func TestAStageThatStopsEndsItsWorkAndGivesTheRestBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		k.Put(stagetest.Item(1), received(1))
		k.Put(stagetest.Item(2), received(2))
		runIn(t, k.Process(), spec(func(ctx context.Context, env *eventv1.Envelope, msg proto.Message) ([]stage.Out, error) {
			if env.Item == stagetest.Item(1) {
				<-time.After(stage.DefaultGrace - time.Second)
			} else {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return verified(ctx, env, msg)
		}), synctest.Wait)
		if k.State(0) != "acked" || k.State(1) != "waiting" {
			t.Errorf("%s, %s", k.State(0), k.State(1))
		}
		// Nobody waits for it, and it is no suspect.
		run(t, k, verified, synctest.Wait)
		if k.State(1) != "acked" || slices.Contains(k.Log(), "aside killed_worker") {
			t.Errorf("%s: %v", k.State(1), k.Log())
		}
	})
}

func TestAStageThatLacksSomethingDoesNotRun(t *testing.T) {
	d := stagetest.New(ackWait).Process().Deps()
	for name, broken := range map[string]func(*stage.Deps, *stage.Spec){
		"work":     func(_ *stage.Deps, s *stage.Spec) { s.Work = nil },
		"source":   func(d *stage.Deps, _ *stage.Spec) { d.Source = nil },
		"marks":    func(d *stage.Deps, _ *stage.Spec) { d.Marks = nil },
		"in work":  func(_ *stage.Deps, s *stage.Spec) { s.InFlight = 0 },
		"ack wait": func(_ *stage.Deps, s *stage.Spec) { s.AckWait = 0 },
	} {
		d, s := d, spec(verified)
		broken(&d, &s)
		if err := stage.Run(t.Context(), d, s); err == nil {
			t.Errorf("without %s it ran", name)
		}
	}
}
