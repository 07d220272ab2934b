package scan_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/stage"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	"github.com/postern-mail/postern/services/scan"
)

// records are kept as ITEMS keeps them: the last of each item under a growing sequence.
type records struct {
	mu    sync.Mutex
	seq   uint64
	kept  []*bus.Message
	all   map[string]*itemv1.Record
	told  []string
	at    []time.Time
	ids   map[string]bool
	held  bool
	froms []uint64
}

func (r *records) put(n int, signatures string, recalled ...time.Time) string {
	item := event.Item("support", "INBOX", 1, uint32(n), 0)
	record := &itemv1.Record{
		Item: item, Ticket: event.Ticket(item), State: itemv1.State_STATE_TICKETED, Received: timestamppb.Now(), Findings: &itemv1.Findings{Signatures: signatures},
		Layers: []*itemv1.Layer{{Kind: itemv1.LayerKind_LAYER_KIND_VIEW, State: itemv1.LayerState_LAYER_STATE_PRESENT, PacketEnds: []int64{1, 2, 3}}},
	}
	for _, at := range recalled {
		record.Recalled = append(record.Recalled, &itemv1.Recalled{Packet: 2, Time: timestamppb.New(at)})
	}
	return r.keep(record)
}

func (r *records) keep(record *itemv1.Record) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[string]*itemv1.Record{}
	}
	subject := "items." + record.Item
	r.seq++
	r.kept = slices.DeleteFunc(r.kept, func(m *bus.Message) bool { return m.Subject == subject })
	r.kept = append(r.kept, &bus.Message{Subject: subject, Sequence: r.seq, Header: bus.Header(event.RecordHeaders(record))})
	r.all[record.Item] = record
	return record.Item
}

func (r *records) Headers(_ context.Context, from uint64) iter.Seq2[*bus.Message, error] {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.froms = append(r.froms, from)
	kept := slices.Clone(r.kept)
	return func(yield func(*bus.Message, error) bool) {
		for _, m := range kept {
			if m.Sequence >= from && !yield(m, nil) {
				return
			}
		}
	}
}

func (r *records) Record(_ context.Context, item string) (*itemv1.Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all[item], nil
}

func (r *records) Turn(ctx context.Context) (context.Context, func(), error) {
	if r.held {
		return nil, nil, bus.ErrHeld
	}
	ctx, end := context.WithCancel(ctx)
	return ctx, end, nil
}

func (r *records) Publish(_ context.Context, letters []stage.Letter) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, letter := range letters {
		_, said, err := event.Open(letter.Subject, letter.Data)
		if err != nil {
			return err
		}
		if r.ids == nil {
			r.ids = map[string]bool{}
		}
		if r.ids[letter.ID] {
			return fmt.Errorf("the id %s comes twice: it would be forgotten", letter.ID)
		}
		r.ids[letter.ID] = true
		r.told, r.at = append(r.told, said.(*mailv1.Outdated).GetRecord().GetItem()), append(r.at, time.Now())
	}
	return nil
}

type clock struct{}

func (clock) Now() time.Time { return time.Now() }

// moving is a version that changes while others read it.
type moving struct{ atomic.Value }

func (m *moving) Current() string { return m.Load().(string) }

// sofar is who was told of, and when.
func (r *records) sofar() ([]string, []time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.told), slices.Clone(r.at)
}

func outdated(r *records, version scan.Versions, pace int, meters prometheus.Registerer) *scan.Outdated {
	return scan.NewOutdated(stage.SweepDeps{Records: r, Turns: r, Outlet: r, Clock: clock{}}, version, pace, meters)
}

// during runs it for some time of a bubble's clock.
func during(t *testing.T, o *scan.Outdated, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := o.Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestWhatWasJudgedWithOtherSignaturesIsToldOfAtItsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, version, meters := new(records), new(moving), prometheus.NewRegistry()
		version.Store("two")
		var want []string
		for n := range 40 {
			switch n % 4 {
			case 0:
				want = append(want, r.put(n, "one"))
			case 1:
				want = append(want, r.put(n, "")) // nobody knows with which
			case 2:
				r.put(n, "two")
			case 3: // agents can open nothing of these
				r.keep(&itemv1.Record{Item: event.Item("support", "INBOX", 1, uint32(n), 0), State: []itemv1.State{itemv1.State_STATE_FILED, itemv1.State_STATE_TICKETED}[n/4%2]})
			}
		}
		o := outdated(r, version, 4, meters)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- o.Run(ctx) }()
		time.Sleep(20 * time.Second)
		told, at := r.sofar()
		if !slices.Equal(told, want) {
			t.Fatalf("%d were told of, want %d", len(told), len(want))
		}
		for i := range at[1:] {
			if between := at[i+1].Sub(at[i]); between != time.Second/4 {
				t.Errorf("between two are %v", between)
			}
		}
		if n, err := testutil.GatherAndCount(meters); err != nil || n != 1 {
			t.Errorf("%d meters, %v", n, err)
		}
		// They are judged; one that nobody judges is told of again after an hour, and no earlier.
		for n := range 40 {
			if n%4 < 2 && n > 0 {
				r.put(n, "two")
			}
		}
		time.Sleep(30 * time.Minute)
		if told, _ = r.sofar(); len(told) != len(want) {
			t.Errorf("%d more were told of too early", len(told)-len(want))
		}
		time.Sleep(time.Hour)
		if told, _ = r.sofar(); len(told) != len(want)+1 || told[len(want)] != want[0] {
			t.Errorf("%d were told of again", len(told)-len(want))
		}
		// A version of another name is another day.
		version.Store("three")
		time.Sleep(time.Minute)
		told, _ = r.sofar()
		if got := len(told) - len(want) - 1; got != 30 {
			t.Errorf("with new signatures %d are told of", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestWithoutATurnOrAVersionNothingIsToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			held    bool
			version fixed
		}{{true, "two"}, {false, ""}} {
			r := &records{held: c.held}
			r.put(1, "one")
			during(t, outdated(r, &c.version, 10, nil), time.Hour)
			if len(r.told) != 0 || len(r.froms) != 0 {
				t.Errorf("held %v, version %q: told of %v", c.held, c.version, r.told)
			}
		}
	})
}

// Whoever recalled may have died before anybody was told.
func TestWhatWasRecalledLatelyIsToldOfOnceInATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, version := new(records), fixed("two")
		lately := r.put(1, "two", time.Now().Add(-time.Hour))
		r.put(2, "two", time.Now().Add(-25*time.Hour))
		o := outdated(r, &version, 10, nil)
		during(t, o, 3*time.Hour)
		if !slices.Equal(r.told, []string{lately}) {
			t.Errorf("told of %v", r.told)
		}
	})
}
