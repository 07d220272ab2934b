package stage_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	eventv1 "github.com/postern-mail/postern/proto/event/v1"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/stage"
	"github.com/postern-mail/postern/pkg/stage/stagetest"
)

// TestEveryCallOnABusMayFail lets each call of a stage on a bus fail, before and after it took
// effect, and looks whether three mails come to their ends all the same.
func TestEveryCallOnABusMayFail(t *testing.T) {
	b := bustest.Start(t)
	b.Tune(t, quick, 2*time.Minute)
	ingest, heard := b.Connect(t, "ingest"), listen(t, b)
	asides := make(chan string, 100)
	mails := 0
	story := func(t *testing.T, f *bus.Faulty) {
		t.Helper()
		good, late, bad := mails, mails+1, mails+2
		mails += 3
		for _, n := range []int{good, late, bad} {
			put(t, ingest, n)
		}
		waited := false
		s := quickly(func(ctx context.Context, env *eventv1.Envelope, msg proto.Message) ([]stage.Out, error) {
			switch {
			case env.Item == stagetest.Item(late) && !waited:
				waited = true
				return nil, fault.Later(time.Millisecond, "not_yet")
			case env.Item == stagetest.Item(bad):
				return nil, fault.Final("too_deep")
			}
			return verified(ctx, env, msg)
		})
		s.InFlight = 1
		ended := make(chan struct{}, 100)
		around := func(call bus.Call, do func() error) error {
			return f.Around(call, func() error {
				err := do()
				if err == nil && (call.Kind == bus.CallAck || call.Kind == bus.CallTerm) {
					ended <- struct{}{}
				}
				return err
			})
		}
		d := verifyOn(t, b, around, func(item, code string) { asides <- item + " " + code })
		d.Jitter = func() float64 { return 0.5 }
		stop := start(t, d, s)
		defer stop()
		want := map[string]bool{stagetest.Item(good): true, stagetest.Item(late): true}
		for len(want) > 0 {
			delete(want, await(t, heard, 1)[0].Item)
		}
		for await(t, asides, 1)[0] != stagetest.Item(bad)+" too_deep" {
		}
		await(t, ended, 3)
	}
	recorded := bus.NewFaulty()
	story(t, recorded)
	calls := len(recorded.Calls())
	kinds := make(map[bus.Kind]bool)
	for i, call := range recorded.Calls() {
		kinds[call.Kind] = true
		for name, f := range map[string]*bus.Faulty{"before": bus.FailBefore(i), "after": bus.FailAfter(i)} {
			story(t, f)
			if left := outstanding(t, b); left != "0 0" {
				t.Errorf("outstanding %s", left)
			}
			if t.Failed() {
				t.Fatalf("call %d of %d (%v) failed %s", i, calls, call, name)
			}
			// How many pulls there are is a matter of time; all else comes in every run.
			if !f.Failed() && i < calls-4 {
				t.Errorf("call %d of %d (%v) was never made", i, calls, call)
			}
		}
	}
	for _, kind := range []bus.Kind{bus.CallPull, bus.CallPublish, bus.CallWait, bus.CallAck, bus.CallNak, bus.CallTerm, bus.CallLast} {
		if !kinds[kind] {
			t.Errorf("no %s was among the calls", kind)
		}
	}
}
