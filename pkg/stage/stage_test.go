package stage_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/stage"
	"github.com/postern-mail/postern/pkg/stage/stagetest"
)

const (
	ackWait  = 30 * time.Second
	patience = 3 * 24 * time.Hour
)

// run runs a stage of the kit until done returns, then stops it.
func run(t *testing.T, k *stagetest.Kit, work stage.Work, during func()) {
	t.Helper()
	runIn(t, k.Process(), spec(work), during)
}

func spec(work stage.Work) stage.Spec {
	return stage.Spec{Stage: "verify", Work: work, AckWait: ackWait, Patience: patience, InFlight: 16}
}

func runIn(t *testing.T, p *stagetest.Process, s stage.Spec, during func()) {
	t.Helper()
	runWith(t, p.Deps(), s, during)
}

func runWith(t *testing.T, d stage.Deps, s stage.Spec, during func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := stage.Run(ctx, d, s); err != nil {
			t.Error(err)
		}
	})
	during()
	cancel()
	running.Wait()
}

// after lets d pass, and everything that happens meanwhile.
func after(d time.Duration) func() {
	return func() {
		<-time.After(d)
		synctest.Wait()
	}
}

func received(n int) *mailv1.Received {
	return &mailv1.Received{Record: stagetest.Record(stagetest.Item(n))}
}

// verified is Work that says Verified of what it got.
func verified(_ context.Context, _ *eventv1.Envelope, msg proto.Message) ([]stage.Out, error) {
	return []stage.Out{{Message: &mailv1.Verified{Record: msg.(*mailv1.Received).Record}}}, nil
}

func ends(err error) stage.Work {
	return func(context.Context, *eventv1.Envelope, proto.Message) ([]stage.Out, error) { return nil, err }
}

func TestWhatFollowsIsStoredBeforeItsCauseIsAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		cause := k.Put(stagetest.Item(1), received(1))
		run(t, k, func(ctx context.Context, env *eventv1.Envelope, msg proto.Message) ([]stage.Out, error) {
			outs, err := verified(ctx, env, msg)
			return append(outs, outs[0]), err
		}, synctest.Wait)
		if got, want := k.Log(), []string{"publish mail.v1.Verified", "publish mail.v1.Verified", "ack"}; !slices.Equal(got, want) {
			t.Errorf("order %v, want %v", got, want)
		}
		for i, s := range k.Stored() {
			e := s.Envelope
			if e.Id != event.ID(cause, "verify", i) || e.Cause != cause || e.Stage != "verify" || e.Item != stagetest.Item(1) {
				t.Errorf("event %d: %v", i, e)
			}
		}
		if k.MarkWrites() != 0 {
			t.Errorf("a first delivery wrote %d marks", k.MarkWrites())
		}
	})
}

func TestPausesGrowByTheTable(t *testing.T) {
	// docs/decisions/0001-contracts.md, Consumers of MAIL.
	want := []time.Duration{
		time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, 30 * time.Minute,
	}
	for _, jitter := range []float64{0, 0.5, 0.75} { // a fifth less, none, a tenth more
		share := map[float64]float64{0: 0.8, 0.5: 1, 0.75: 1.1}[jitter]
		for name, err := range map[string]error{"failed": errors.New("no luck"), "later": fault.Later(0, "not_yet")} {
			synctest.Test(t, func(t *testing.T) {
				k := stagetest.New(ackWait)
				k.Put(stagetest.Item(1), received(1))
				d := k.Process().Deps()
				d.Jitter = func() float64 { return jitter }
				runWith(t, d, spec(ends(err)), after(80*time.Minute))
				times := k.Deliveries(0)
				if len(times) < len(want)+1 {
					t.Fatalf("%s: %d deliveries", name, len(times))
				}
				for i, w := range want {
					if got, w := times[i+1].Sub(times[i]), time.Duration(share*float64(w)); got != w {
						t.Errorf("%s, jitter %v: pause %d is %v, want %v", name, jitter, i+1, got, w)
					}
				}
			})
		}
	}
}

func TestLaterNamesItsOwnPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		k.Put(stagetest.Item(1), received(1))
		run(t, k, ends(fault.Later(7*time.Minute, "greylisted")), after(8*time.Minute))
		if times := k.Deliveries(0); len(times) != 2 || times[1].Sub(times[0]) != 7*time.Minute {
			t.Errorf("delivered at %v", times)
		}
		if len(k.Stored()) != 0 || len(k.Asides()) != 0 {
			t.Error("something was said")
		}
	})
}

func TestPatienceEndsWithTheAgeOfTheMail(t *testing.T) {
	for _, c := range []struct {
		age   time.Duration
		aside bool
	}{{patience, false}, {patience + 1, true}} {
		for name, err := range map[string]error{"failed": errors.New("no luck"), "later": fault.Later(time.Minute, "not_yet")} {
			synctest.Test(t, func(t *testing.T) {
				k := stagetest.New(ackWait)
				msg := received(1)
				msg.Record.Received = timestamppb.New(time.Now().Add(-c.age))
				k.Put(stagetest.Item(1), msg)
				run(t, k, ends(err), synctest.Wait)
				want := "waiting"
				if c.aside {
					want = "terminated: patience_exhausted"
				}
				if got := k.State(0); got != want {
					t.Errorf("%s at age %v: %s, want %s", name, c.age, got, want)
				}
			})
		}
	}
}

// What was taken up again after it had waited too long has its time once more.
func TestPatienceBeginsAnewWhenAMailIsTakenUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		msg := received(1)
		msg.Record.Received = timestamppb.New(time.Now().Add(-10 * patience))
		msg.Record.PastAsides = []*itemv1.SetAside{{Code: stage.PatienceExhausted, Retried: timestamppb.New(time.Now().Add(-patience))}}
		k.Put(stagetest.Item(1), msg)
		run(t, k, ends(errors.New("no luck")), synctest.Wait)
		if got := k.State(0); got != "waiting" {
			t.Error(got)
		}
	})
}

func TestThePatienceOfAWeekOldOutageIsCountedInAgeNotInTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		k.Put(stagetest.Item(1), received(1))
		run(t, k, ends(errors.New("no luck")), after(patience+time.Hour))
		if got := k.State(0); got != "terminated: patience_exhausted" {
			t.Error(got)
		}
		times := k.Deliveries(0)
		if last := times[len(times)-1].Sub(times[0]); last <= patience || last > patience+30*time.Minute {
			t.Errorf("given up after %v", last)
		}
	})
}

func TestFinalIsWrittenThenSaidThenTerminated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		k.Put(stagetest.Item(1), received(1))
		run(t, k, ends(fault.Final("too_deep")), synctest.Wait)
		if got, want := k.Log(), []string{"aside too_deep", "publish mail.v1.SetAside", "term"}; !slices.Equal(got, want) {
			t.Errorf("order %v, want %v", got, want)
		}
		if got := k.Asides(); len(got) != 1 || got[0] != stagetest.Item(1)+" too_deep verify" {
			t.Errorf("asides %v", got)
		}
		said := k.Stored()[0].Message.(*mailv1.SetAside).Record
		if said.State != itemv1.State_STATE_SET_ASIDE || said.SetAside.Code != "too_deep" {
			t.Errorf("said %v", said)
		}
	})
}

func TestAnItemThatHasGoneFurtherIsNotSaidToBeSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		msg := received(1)
		msg.Record.State = itemv1.State_STATE_TICKETED
		k.Put(stagetest.Item(1), msg)
		run(t, k, ends(fault.Final("too_deep")), synctest.Wait)
		if len(k.Stored()) != 0 || k.State(0) != "terminated: too_deep" {
			t.Errorf("%v, %s", k.Stored(), k.State(0))
		}
	})
}

func TestAPanicBacksOffAndTellsNothingOfTheMail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		k.Put(stagetest.Item(1), received(1))
		var log bytes.Buffer
		d := k.Process().Deps()
		d.Log = slog.New(slog.NewTextHandler(&log, nil))
		first := true
		runWith(t, d, spec(func(ctx context.Context, env *eventv1.Envelope, msg proto.Message) ([]stage.Out, error) {
			if first {
				first = false
				panic("Marker-Person wrote this")
			}
			return verified(ctx, env, msg)
		}), after(time.Second))
		if k.State(0) != "acked" || len(k.Stored()) != 1 {
			t.Errorf("%s, %d stored", k.State(0), len(k.Stored()))
		}
		if strings.Contains(log.String(), "Marker") {
			t.Errorf("the log quotes the panic: %s", log.String())
		}
		if !strings.Contains(log.String(), "code=panicked") || !strings.Contains(log.String(), "stage_test.") {
			t.Errorf("the log does not say where: %s", log.String())
		}
		if n := strings.Count(log.String(), "\n"); n != 2 {
			t.Errorf("%d lines for two ends: %s", n, log.String())
		}
	})
}

func TestWorkThatEndsItsGoroutineBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		k.Put(stagetest.Item(1), received(1))
		run(t, k, func(context.Context, *eventv1.Envelope, proto.Message) ([]stage.Out, error) {
			runtime.Goexit()
			return nil, nil
		}, synctest.Wait)
		if k.State(0) != "waiting" {
			t.Error(k.State(0))
		}
	})
}

func TestGarbageIsSetAsideWhereItNamesAnItemAndThrownAwayWhereNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		k.PutBytes("mail.v1.Received", []byte("\xff\xfe Marker-Person"))
		k.Put(stagetest.Item(1), received(2))                                                       // another item's record
		k.Put(stagetest.Item(3), &mailv1.Received{})                                                // no record
		k.Put(stagetest.Item(4), &ticketv1.Assigned{})                                              // of another kind, on its own subject
		k.Put(stagetest.Item(5), &mailv1.Received{Record: &itemv1.Record{Item: stagetest.Item(5)}}) // no time
		called := false
		run(t, k, func(context.Context, *eventv1.Envelope, proto.Message) ([]stage.Out, error) {
			called = true
			return nil, nil
		}, synctest.Wait)
		for i := range 5 {
			if got := k.State(i); got != "terminated: garbled_event" {
				t.Errorf("message %d: %s", i, got)
			}
		}
		if called {
			t.Error("garbage was worked on")
		}
		if got := k.Asides(); len(got) != 2 { // items 1 and 5: the others have no record
			t.Errorf("asides %v", got)
		}
	})
}

func TestAFlakyStageSaysEverythingOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		for n := range 50 {
			k.Put(stagetest.Item(n), received(n))
		}
		var calls atomic.Int64
		run(t, k, func(ctx context.Context, env *eventv1.Envelope, msg proto.Message) ([]stage.Out, error) {
			if calls.Add(1)%3 != 0 {
				return nil, errors.New("no luck")
			}
			return verified(ctx, env, msg)
		}, after(24*time.Hour))
		if got := len(k.Stored()); got != 50 {
			t.Errorf("%d events of 50", got)
		}
		for n := range 50 {
			if k.State(n) != "acked" {
				t.Errorf("message %d: %s", n, k.State(n))
			}
		}
		if k.Marks() != 0 {
			t.Errorf("%d marks were left", k.Marks())
		}
	})
}
