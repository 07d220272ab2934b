package stage_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	eventv1 "github.com/postern-mail/postern/proto/event/v1"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/stage"
	"github.com/postern-mail/postern/pkg/stage/stagetest"
)

func TestACrashBetweenPublishAndAckRepeatsWorkAndLosesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		ackWait time.Duration
		stored  int
	}{
		"inside the duplicate window":  {ackWait, 1},
		"outside the duplicate window": {stagetest.DuplicateWindow + time.Second, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := stagetest.New(c.ackWait)
				cause := k.Put(stagetest.Item(1), received(1))
				p := k.Process()
				k.Around = func(call bus.Call, do func() error) error {
					if call.Kind == bus.CallAck {
						p.Kill()
					}
					return do()
				}
				s := spec(verified)
				s.AckWait = c.ackWait
				runIn(t, p, s, synctest.Wait)
				if k.State(0) != "out" || len(k.Stored()) != 1 {
					t.Fatalf("%s, %d stored", k.State(0), len(k.Stored()))
				}
				k.Around = nil
				runIn(t, k.Process(), s, after(c.ackWait))
				if k.State(0) != "acked" || len(k.Stored()) != c.stored {
					t.Errorf("%s, %d stored", k.State(0), len(k.Stored()))
				}
				for _, e := range k.Stored() {
					if e.Envelope.Id != event.ID(cause, "verify", 0) {
						t.Errorf("a repeat has another id: %s", e.Envelope.Id)
					}
				}
			})
		})
	}
}

// lethal is Work that kills its process over one item, and otherwise says Verified.
func lethal(p *stagetest.Process, item string, died chan<- struct{}) stage.Work {
	return func(ctx context.Context, env *eventv1.Envelope, msg proto.Message) ([]stage.Out, error) {
		if env.Item == item {
			p.Kill()
			died <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return verified(ctx, env, msg)
	}
}

func TestAMailThatKillsItsWorkerIsSetAsideAndOthersPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		killer := stagetest.Item(0)
		for n := range 5 {
			k.Put(stagetest.Item(n), received(n))
		}
		deaths := 0
		for range 6 {
			p := k.Process()
			died := make(chan struct{}, 1)
			s := spec(lethal(p, killer, died))
			s.Grace = time.Second
			runIn(t, p, s, func() {
				select {
				case <-died:
					deaths++
				case <-time.After(ackWait + time.Minute):
					synctest.Wait()
				}
			})
		}
		if deaths != 3 {
			t.Errorf("%d deaths", deaths)
		}
		if got := k.State(0); got != "terminated: killed_worker" {
			t.Error(got)
		}
		if got := k.Asides(); !slices.Equal(got, []string{killer + " killed_worker verify"}) {
			t.Errorf("asides %v", got)
		}
		for n := 1; n < 5; n++ {
			if got := k.State(n); got != "acked" {
				t.Errorf("an innocent mail: %s", got)
			}
		}
		if k.Marks() != 0 {
			t.Errorf("%d marks were left", k.Marks())
		}
	})
}

func TestASuspectRunsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		k.Put(stagetest.Item(0), received(0))
		first := k.Process()
		died := make(chan struct{}, 1)
		s := spec(lethal(first, stagetest.Item(0), died))
		s.Grace = time.Second
		runIn(t, first, s, func() { <-died })
		for n := 1; n < 10; n++ {
			k.Put(stagetest.Item(n), received(n))
		}
		var at, beside atomic.Int64
		run(t, k, func(ctx context.Context, env *eventv1.Envelope, msg proto.Message) ([]stage.Out, error) {
			at.Add(1)
			defer at.Add(-1)
			for range 10 {
				<-time.After(ackWait / 30)
				if env.Item == stagetest.Item(0) && at.Load() > 1 {
					beside.Add(1)
				}
			}
			return verified(ctx, env, msg)
		}, after(time.Hour))
		if beside.Load() > 0 || k.State(0) != "acked" || len(k.Stored()) != 10 {
			t.Errorf("beside others %d times, %s, %d stored", beside.Load(), k.State(0), len(k.Stored()))
		}
	})
}

func TestADeathOfTheWholeBusMakesEveryEarlierMailASuspect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		k.Put(stagetest.Item(0), received(0))
		<-time.After(time.Second)
		started := time.Now()
		<-time.After(time.Second)
		k.Put(stagetest.Item(1), received(1))
		d := k.Process().Deps()
		d.Process = stage.NewProcess().AfterDeath(started)
		runWith(t, d, spec(verified), synctest.Wait)
		// Only the first was marked before its work, and the mark was removed.
		if k.MarkWrites() != 1 || k.Marks() != 0 || k.State(0) != "acked" || k.State(1) != "acked" {
			t.Errorf("%d marks, %d left, %s, %s", k.MarkWrites(), k.Marks(), k.State(0), k.State(1))
		}
	})
}

// TestEveryCallMayFail lets the i-th call of a stage fail, before and after it took effect,
// for every i, and then the process die there, and looks whether each mail came to its end.
func TestEveryCallMayFail(t *testing.T) {
	story := func(t *testing.T, around bus.Around, die bool) (k *stagetest.Kit) {
		k = stagetest.New(ackWait)
		p := k.Process()
		k.Around = func(call bus.Call, do func() error) error {
			err := around(call, do)
			if die && errors.Is(err, bus.ErrFaulty) {
				p.Kill()
			}
			return err
		}
		for n := range 4 {
			k.Put(stagetest.Item(n), received(n))
		}
		tries := make(map[string]int)
		work := func(ctx context.Context, env *eventv1.Envelope, msg proto.Message) ([]stage.Out, error) {
			tries[env.Item]++
			switch env.Item {
			case stagetest.Item(1):
				if tries[env.Item] == 1 {
					return nil, fault.Later(time.Minute, "not_yet")
				}
			case stagetest.Item(2):
				return nil, fault.Final("too_deep")
			case stagetest.Item(3):
				if tries[env.Item] < 3 {
					panic("no luck")
				}
			}
			return verified(ctx, env, msg)
		}
		s := spec(work)
		s.InFlight = 1 // one after the other: the i-th call is the same in every run
		runIn(t, p, s, after(time.Hour))
		runIn(t, k.Process(), s, after(time.Hour))
		return k
	}
	check := func(t *testing.T, k *stagetest.Kit, mayLeave bool) {
		t.Helper()
		said := make(map[string]int)
		for _, s := range k.Stored() {
			said[s.Envelope.Item+" "+event.Name(s.Message)]++
		}
		for n, want := range []string{"mail.v1.Verified", "mail.v1.Verified", "mail.v1.SetAside", "mail.v1.Verified"} {
			if said[stagetest.Item(n)+" "+want] < 1 {
				t.Errorf("item %d: %s was never said: %v", n, want, k.Log())
			}
			end := "acked"
			if n == 2 {
				end = "terminated: too_deep"
			}
			if got := k.State(n); got != end {
				t.Errorf("item %d: %s: %v", n, got, k.Log())
			}
		}
		if len(said) != 4 {
			t.Errorf("said %v", said)
		}
		// Who dies or fails between the acknowledgement and this leaves a mark that nobody reads.
		if k.Marks() != 0 && !mayLeave {
			t.Errorf("%d marks were left", k.Marks())
		}
	}
	var calls int
	synctest.Test(t, func(t *testing.T) {
		good := bus.NewFaulty()
		check(t, story(t, good.Around, false), false)
		calls = len(good.Calls())
	})
	if calls < 15 {
		t.Fatalf("only %d calls were recorded", calls)
	}
	for i := range calls {
		for name, f := range map[string]*bus.Faulty{
			"before": bus.FailBefore(i), "after": bus.FailAfter(i),
			"death before": bus.FailBefore(i), "death after": bus.FailAfter(i),
		} {
			synctest.Test(t, func(t *testing.T) {
				die := strings.HasPrefix(name, "death")
				k := story(t, f.Around, die)
				if !f.Failed() {
					t.Errorf("call %d was never made", i)
				}
				check(t, k, die || f.Calls()[i].Subject == "deaths")
				if t.Failed() {
					t.Fatalf("call %d (%v) failed %s", i, f.Calls()[i], name)
				}
			})
		}
	}
}
