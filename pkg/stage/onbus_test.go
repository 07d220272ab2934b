package stage_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/stage"
	"github.com/postern-mail/postern/pkg/stage/stagetest"
)

// quick is the ack wait of the stages in these tests.
const quick = time.Second

// onRecords sets items aside the way the keyring does, in ITEMS, and tells of it.
type onRecords struct {
	keyring *bus.Conn
	tell    func(item, code string)
}

func (o onRecords) SetAside(ctx context.Context, item, code, name string) (*itemv1.Record, error) {
	record := &itemv1.Record{
		Item: item, State: itemv1.State_STATE_SET_ASIDE,
		SetAside: &itemv1.SetAside{Code: code, Stage: name, Time: timestamppb.Now()},
	}
	data, err := proto.Marshal(record)
	if err != nil {
		return nil, err
	}
	_, err = o.keyring.Publish(ctx, "items."+item, data,
		bus.Headers(bus.Header{event.HeaderState: {event.StateWord(record.State)}}))
	if err == nil {
		o.tell(item, code)
	}
	return record, err
}

// put publishes Received for the n-th item of a test, and returns the event's id.
func put(t testing.TB, ingest *bus.Conn, n int) string {
	t.Helper()
	item := stagetest.Item(n)
	env, err := event.New(item, "ingest", 0, item, time.Now(), received(n))
	if err != nil {
		t.Fatal(err)
	}
	data, err := event.Marshal(env)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ingest.Publish(bustest.Context(t), env.Type, data, bus.MsgID(env.Id)); err != nil {
		t.Fatal(err)
	}
	return env.Id
}

// verifyOn is what the verify stage stands on.
func verifyOn(t testing.TB, b *bustest.Bus, around bus.Around, tell func(item, code string)) stage.Deps {
	t.Helper()
	c, ok := topology.ConsumerOf("verify")
	if !ok {
		t.Fatal("no verify")
	}
	d := stage.OnBus(b.ConnectWith(t, bus.Options{Service: "verify", Around: around}), c)
	d.SetAsider = onRecords{b.Connect(t, "keyring"), tell}
	return d
}

func quickly(work stage.Work) stage.Spec {
	s := spec(work)
	s.AckWait = quick
	return s
}

// start runs a stage until stop.
func start(t testing.TB, d stage.Deps, s stage.Spec) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := stage.Run(ctx, d, s); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return stop
}

// listen takes what verify says, as scan would, and sends the item of each.
func listen(t testing.TB, b *bustest.Bus) <-chan *eventv1.Envelope {
	t.Helper()
	heard := make(chan *eventv1.Envelope, 1000)
	scan := b.Connect(t, "scan")
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		err := scan.Consume(ctx, "MAIL", "scan", bus.Limits{Messages: 16}, func(d *bus.Delivery) {
			env, _, err := event.Open(d.Subject, d.Data)
			if err != nil {
				t.Error(err)
			}
			if err := d.Ack(context.WithoutCancel(ctx)); err == nil {
				heard <- env
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return heard
}

// await receives n of what comes, or fails after a minute.
func await[T any](t testing.TB, from <-chan T, n int) []T {
	t.Helper()
	var got []T
	deadline := time.After(time.Minute)
	for len(got) < n {
		select {
		case v := <-from:
			got = append(got, v)
		case <-deadline:
			t.Fatalf("only %d of %d came", len(got), n)
		}
	}
	return got
}

func TestTheFourEndsOnABus(t *testing.T) {
	bustest.Each(t, func(t *testing.T, b *bustest.Bus) {
		b.Tune(t, quick, 2*time.Minute)
		ingest := b.Connect(t, "ingest")
		if _, err := ingest.Publish(bustest.Context(t), "mail.v1.Received", []byte("\xff garbage")); err != nil {
			t.Fatal(err)
		}
		ids := make(map[string]string)
		for n := range 6 {
			ids[stagetest.Item(n)] = put(t, ingest, n)
		}
		var mu sync.Mutex
		tries := make(map[string]int)
		work := func(ctx context.Context, env *eventv1.Envelope, msg proto.Message) ([]stage.Out, error) {
			mu.Lock()
			tries[env.Item]++
			try := tries[env.Item]
			mu.Unlock()
			switch {
			case env.Item == stagetest.Item(1) && try == 1:
				return nil, fault.Later(time.Millisecond, "not_yet")
			case env.Item == stagetest.Item(2):
				return nil, fault.Final("too_deep")
			case env.Item == stagetest.Item(3) && try == 1:
				panic("no luck")
			case env.Item == stagetest.Item(4) && try == 1:
				return nil, errors.New("no luck")
			case env.Item == stagetest.Item(5):
				<-time.After(3 * quick) // heartbeats keep it
			}
			return verified(ctx, env, msg)
		}
		asides := make(chan string, 10)
		start(t, verifyOn(t, b, nil, func(item, code string) { asides <- item + " " + code }), quickly(work))
		for _, env := range await(t, listen(t, b), 5) {
			if env.Id != event.ID(ids[env.Item], "verify", 0) || env.Cause != ids[env.Item] {
				t.Errorf("said %v", env)
			}
			delete(ids, env.Item)
		}
		if len(ids) != 1 || ids[stagetest.Item(2)] == "" {
			t.Errorf("not said: %v", ids)
		}
		if got := await(t, asides, 1)[0]; got != stagetest.Item(2)+" too_deep" {
			t.Errorf("set aside %s", got)
		}
		mu.Lock()
		defer mu.Unlock()
		for n, want := range []int{1, 2, 1, 2, 2, 1} {
			if got := tries[stagetest.Item(n)]; got != want {
				t.Errorf("item %d was worked on %d times, want %d", n, got, want)
			}
		}
		// All was acknowledged or terminated: nothing is out, nothing is left.
		if left := outstanding(t, b); left != "0 0" {
			t.Errorf("outstanding %s", left)
		}
	})
}

// outstanding is how many messages of verify are out and how many have yet to be handed out.
func outstanding(t testing.TB, b *bustest.Bus) string {
	t.Helper()
	js := b.Consumer(t, "verify")
	return fmt.Sprint(js.NumAckPending, js.NumPending)
}

func TestACrashBetweenPublishAndAckOnABus(t *testing.T) {
	for name, window := range map[string]time.Duration{
		"inside the duplicate window": 2 * time.Minute, "outside the duplicate window": 100 * time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			bustest.Each(t, func(t *testing.T, b *bustest.Bus) {
				b.Tune(t, quick, window)
				id := put(t, b.Connect(t, "ingest"), 1)
				crashed := make(chan struct{}, 10)
				stop := start(t, verifyOn(t, b, func(call bus.Call, do func() error) error {
					if call.Kind != bus.CallAck {
						return do()
					}
					crashed <- struct{}{}
					return bus.ErrFaulty
				}, nil), quickly(verified))
				await(t, crashed, 1)
				stop()
				acked := make(chan struct{}, 10)
				start(t, verifyOn(t, b, func(call bus.Call, do func() error) error {
					err := do()
					if call.Kind == bus.CallAck && err == nil {
						acked <- struct{}{}
					}
					return err
				}, nil), quickly(verified))
				await(t, acked, 1)
				want := 1
				if window < quick {
					want = 2
				}
				if got := b.Stream(t, topology.Mail).State.Msgs; got != uint64(1+want) {
					t.Errorf("%d messages in MAIL, want Received and %d of Verified", got, want)
				}
				for _, env := range await(t, listen(t, b), want) {
					if env.Id != event.ID(id, "verify", 0) {
						t.Errorf("a repeat has another id: %v", env)
					}
				}
			})
		})
	}
}

func TestAStageOutlivesItsServer(t *testing.T) {
	b := bustest.StartReal(t)
	start(t, verifyOn(t, b, nil, nil), quickly(verified))
	heard := listen(t, b)
	put(t, b.Connect(t, "ingest"), 1)
	await(t, heard, 1)
	b.Restart(t)
	put(t, b.Connect(t, "ingest"), 2)
	// The server was killed: it may say the first again, it must say the second.
	for await(t, heard, 1)[0].Item != stagetest.Item(2) {
	}
}
