package stage_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/stage"
	"github.com/postern-mail/postern/pkg/stage/stagetest"
)

// shelf keeps records as ITEMS does: the last of each item, under a growing sequence.
type shelf struct {
	mu    sync.Mutex
	seq   uint64
	kept  []*bus.Message
	froms []uint64
	held  bool
	said  []stage.Letter
	times []time.Time
}

func (s *shelf) put(n int, state itemv1.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	item := stagetest.Item(n)
	data, err := proto.Marshal(&itemv1.Record{Item: item, State: state, Received: timestamppb.Now(), Changed: timestamppb.Now()})
	if err != nil {
		panic(err)
	}
	s.seq++
	s.kept = slices.DeleteFunc(s.kept, func(m *bus.Message) bool { return m.Subject == "items."+item })
	s.kept = append(s.kept, &bus.Message{Subject: "items." + item, Sequence: s.seq, Time: time.Now(), Data: data,
		Header: bus.Header{event.HeaderState: {event.StateWord(state)}}})
}

func (s *shelf) Headers(_ context.Context, from uint64) iter.Seq2[*bus.Message, error] {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.froms = append(s.froms, from)
	kept := slices.Clone(s.kept)
	return func(yield func(*bus.Message, error) bool) {
		for _, m := range kept {
			if m.Sequence >= from && !yield(m, nil) {
				return
			}
		}
	}
}

func (s *shelf) Record(_ context.Context, item string) (*itemv1.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.kept {
		if m.Subject == "items."+item {
			r := new(itemv1.Record)
			return r, proto.Unmarshal(m.Data, r)
		}
	}
	return nil, bus.ErrNoMessage
}

func (s *shelf) Turn(ctx context.Context) (context.Context, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held {
		return nil, nil, bus.ErrHeld
	}
	return ctx, func() {}, nil
}

func (s *shelf) Publish(_ context.Context, letters []stage.Letter) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range letters {
		s.said = append(s.said, l)
		s.times = append(s.times, time.Now())
	}
	return nil
}

var again = stage.SweepSpec{
	Service: "ingest", State: itemv1.State_STATE_REGISTERED,
	Event: func(r *itemv1.Record) proto.Message { return &mailv1.Received{Record: r} },
}

// sweeping runs a sweeper over the shelf during f.
func sweeping(t *testing.T, s *shelf, f func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := stage.Sweep(ctx, stage.SweepDeps{Records: s, Turns: s, Outlet: s}, again); err != nil {
			t.Error(err)
		}
	})
	f()
	cancel()
	running.Wait()
}

func TestAnItemThatStandsStillIsDrivenAgainEverMoreRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		began := time.Now()
		s.put(1, itemv1.State_STATE_REGISTERED)
		sweeping(t, s, after(25*time.Hour))
		var got []time.Duration
		for _, at := range s.times {
			got = append(got, at.Sub(began))
		}
		// After 10 minutes, then 20, 40, 80, 160, 320 more, and then every 6 hours.
		want := []time.Duration{10 * time.Minute}
		for _, pause := range []time.Duration{20, 40, 80, 160, 320, 360, 360} {
			want = append(want, want[len(want)-1]+pause*time.Minute)
		}
		if !slices.Equal(got, want) {
			t.Errorf("driven after %v, want %v", got, want)
		}
		seen := make(map[string]bool)
		for i, l := range s.said {
			hour := int(s.times[i].Unix() / 3600)
			if l.Subject != "mail.v1.Received" || l.ID != event.ID(stagetest.Item(1), "ingest", hour) {
				t.Errorf("said %s %s", l.Subject, l.ID)
			}
			if l.ID == event.ID(stagetest.Item(1), "ingest", 0) {
				t.Error("it has the id of what was said first")
			}
			env, msg, err := event.Open(l.Subject, l.Data)
			if err != nil || env.Cause != stagetest.Item(1) || msg.(*mailv1.Received).Record.Item != stagetest.Item(1) {
				t.Errorf("said %v, %v, %v", env, msg, err)
			}
			seen[l.ID] = true
		}
		if len(seen) < len(s.said)-1 { // 10 and 30 minutes may fall into one hour
			t.Errorf("%d ids for %d events", len(seen), len(s.said))
		}
	})
}

func TestWhatMovesOrIsNotOursIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		for state := range itemv1.State_name {
			if itemv1.State(state) != itemv1.State_STATE_REGISTERED {
				s.put(int(state), itemv1.State(state))
			}
		}
		sweeping(t, s, func() {
			for range 30 { // a record that changes every five minutes
				s.put(100, itemv1.State_STATE_REGISTERED)
				<-time.After(5 * time.Minute)
			}
			synctest.Wait()
		})
		if len(s.said) != 0 {
			t.Errorf("%d events were said", len(s.said))
		}
	})
}

func TestASweepBeginsAtTheFirstRecordThatIsNotAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		for n := range 10 {
			s.put(n, itemv1.State_STATE_TICKETED)
		}
		s.put(10, itemv1.State_STATE_FILED)
		s.put(11, itemv1.State_STATE_SET_ASIDE)
		sweeping(t, s, func() {
			after(90 * time.Second)()
			s.put(10, itemv1.State_STATE_TICKETED)
			after(2 * time.Minute)()
		})
		if got, want := fmt.Sprint(s.froms), "[0 11 11 14]"; got != want {
			t.Errorf("sweeps began at %s, want %s", got, want)
		}
	})
}

func TestASweeperWithoutTheTurnWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{held: true}
		s.put(1, itemv1.State_STATE_REGISTERED)
		sweeping(t, s, func() {
			after(time.Hour)()
			if len(s.froms) != 0 {
				t.Error("it swept out of turn")
			}
			s.mu.Lock()
			s.held = false
			s.mu.Unlock()
			after(2 * time.Minute)()
		})
		if len(s.said) != 1 {
			t.Errorf("%d events were said", len(s.said))
		}
	})
}

// fixed is a clock that is ahead.
type fixed struct{ ahead time.Duration }

func (f fixed) Now() time.Time { return time.Now().Add(f.ahead) }

// register writes an item's record as the keyring would.
func register(t testing.TB, keyring *bus.Conn, n int, state itemv1.State) {
	t.Helper()
	record := &itemv1.Record{Item: stagetest.Item(n), State: state, Received: timestamppb.Now(), Changed: timestamppb.Now()}
	data, err := proto.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	_, err = keyring.Publish(bustest.Context(t), "items."+record.Item, data,
		bus.Headers(bus.Header{event.HeaderState: {event.StateWord(state)}}))
	if err != nil {
		t.Fatal(err)
	}
}

// sweepOn runs ingest's sweeper, an hour ahead, until stop.
func sweepOn(t testing.TB, b *bustest.Bus) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(bustest.Context(t))
	d := stage.SweepOnBus(b.Connect(t, "ingest"))
	d.Clock = fixed{time.Hour}
	var running sync.WaitGroup
	running.Go(func() {
		if err := stage.Sweep(ctx, d, again); err != nil {
			t.Error(err)
		}
	})
	return func() { cancel(); running.Wait() }
}

func TestASweeperOnABusSaysLostEventsAgain(t *testing.T) {
	bustest.Each(t, func(t *testing.T, b *bustest.Bus) {
		keyring := b.Connect(t, "keyring")
		register(t, keyring, 0, itemv1.State_STATE_REGISTERED)
		register(t, keyring, 1, itemv1.State_STATE_FILED)
		register(t, keyring, 2, itemv1.State_STATE_TICKETED)
		stop := sweepOn(t, b)
		start(t, verifyOn(t, b, nil, nil), spec(verified))
		if env := await(t, listen(t, b), 1)[0]; env.Item != stagetest.Item(0) {
			t.Errorf("driven again: %v", env)
		}
		stop()
		if got := b.Stream(t, "MAIL").State.Msgs; got != 2 {
			t.Errorf("%d messages in MAIL, want Received and Verified", got)
		}
	})
}
