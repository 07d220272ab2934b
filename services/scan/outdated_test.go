package scan_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
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
	"github.com/postern-mail/postern/pkg/fault"
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
	reads int             // of whole records
	away  map[string]bool // records that cannot be read
	gone  map[string]bool // records that are no more
	queue uint64          // how many that were told of wait
	turns int
	over  int // of them
}

func (r *records) put(n int, signatures string, recalled ...time.Time) string {
	item := event.Item("support", "INBOX", 1, uint32(n), 0)
	record := &itemv1.Record{
		Item: item, Ticket: event.Ticket(item), State: itemv1.State_STATE_TICKETED, Received: timestamppb.Now(), Findings: &itemv1.Findings{Signatures: signatures},
		Layers: []*itemv1.Layer{{Kind: itemv1.LayerKind_LAYER_KIND_VIEW, State: itemv1.LayerState_LAYER_STATE_PRESENT, PacketEnds: []int64{1, 2, 3}}},
	}
	if signatures != "" {
		record.Findings.Judged = timestamppb.Now()
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
	r.reads++
	if r.away[item] {
		return nil, fault.Final("garbled_record")
	}
	if r.gone[item] {
		return nil, bus.ErrNoMessage
	}
	return r.all[item], nil
}

func (r *records) waiting(context.Context) (uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.queue, nil
}

func (r *records) waits(n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = n
}

// before takes the header away that records had not always.
func (r *records) before(item string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.kept {
		if m.Subject == "items."+item {
			delete(m.Header, event.HeaderJudged)
		}
	}
}

func (r *records) Turn(ctx context.Context) (context.Context, func(), error) {
	if r.held {
		return nil, nil, bus.ErrHeld
	}
	r.turns++
	ctx, end := context.WithCancel(ctx)
	return ctx, func() { r.over++; end() }, nil
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
	return scan.NewOutdated(stage.SweepDeps{Records: r, Turns: r, Outlet: r, Clock: clock{}}, version, r.waiting, pace, meters)
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

// Signatures come and go again within the hour, and each time a process starts anew that knows nothing of it.
func TestAVersionThatCameBackIsToldOfAlsoByANewProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(records)
		item := r.put(1, "")
		for _, version := range []fixed{"one", "two", "one", "two"} {
			r.told = nil
			during(t, outdated(r, &version, 10, nil), time.Minute)
			if !slices.Equal(r.told, []string{item}) {
				t.Fatalf("with %q: told of %v", version, r.told)
			}
			r.put(1, string(version))
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

// A record may be destroyed between the look and the telling.
func TestWhatWasDestroyedMeanwhileIsOutOfMind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, version := new(records), fixed("two")
		gone, left := r.put(1, "one"), r.put(2, "one")
		r.gone = map[string]bool{gone: true}
		during(t, outdated(r, &version, 10, nil), 90*time.Minute)
		if !slices.Equal(r.told, []string{left, left}) || r.reads != 3 {
			t.Errorf("told of %v after %d reads", r.told, r.reads)
		}
	})
}

func without(r *records, n int) string {
	item := event.Item("support", "INBOX", 1, uint32(n), 0)
	return r.keep(&itemv1.Record{Item: item, State: itemv1.State_STATE_TICKETED})
}

// Records from before there was a header are read, some in each look, and not again while they stay as they are.
func TestRecordsFromBeforeTheHeaderAreReadAndToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, version := new(records), fixed("two")
		var want []string
		for n := range 2500 {
			switch {
			case n%500 == 7:
				item := r.put(n, []string{"", "one"}[n/500%2])
				r.before(item)
				want = append(want, item)
			default:
				r.before(without(r, n))
			}
		}
		for n := range 100 { // these have theirs
			without(r, 2500+n)
		}
		o := outdated(r, &version, 10, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- o.Run(ctx) }()
		time.Sleep(10 * time.Second)
		r.mu.Lock()
		if r.reads-len(r.told) != 2000 {
			t.Errorf("one look reads %d records", r.reads-len(r.told))
		}
		r.mu.Unlock()
		time.Sleep(5 * time.Minute)
		if told, _ := r.sofar(); !slices.Equal(told, want) {
			t.Errorf("told of %d, want %d", len(told), len(want))
		}
		r.mu.Lock()
		if r.reads-len(r.told) != 2500 {
			t.Errorf("%d reads of 2500 records", r.reads-len(r.told))
		}
		r.mu.Unlock()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestNothingMoreIsToldOfWhileEnoughWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, version := new(records), fixed("two")
		for n := range 100 {
			r.put(n, "one")
		}
		r.waits(1000)
		o := outdated(r, &version, 10, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- o.Run(ctx) }()
		time.Sleep(2 * time.Hour)
		if told, _ := r.sofar(); len(told) != 0 {
			t.Errorf("while 1000 wait %d are told of", len(told))
		}
		r.waits(999)
		time.Sleep(time.Minute)
		if told, _ := r.sofar(); len(told) != 100 {
			t.Errorf("when they wait no more %d are told of", len(told))
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// One that cannot be judged stays outdated, and has nothing behind it read anew in each look.
func TestWhatWasReadIsNotReadAgainForOneThatStaysOutdated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, version := new(records), fixed("two")
		stuck, garbled := r.put(0, "one"), r.put(1, "one")
		for n := range 1000 {
			r.put(2+n, "two")
		}
		late := r.put(5000, "one")
		r.away = map[string]bool{garbled: true}
		during(t, outdated(r, &version, 10, nil), 50*time.Minute)
		if want := []string{stuck, late}; !slices.Equal(r.told, want) {
			t.Errorf("told of %v, want %v", r.told, want)
		}
		for i, from := range r.froms[1:] {
			if from != 1004 {
				t.Fatalf("look %d begins at %d", i+2, from)
			}
		}
	})
}

// There are more than are kept in mind: all are told of, and counted.
func TestACrowdIsToldOfWholeAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const crowd = 25_000
		r, version, meters := new(records), fixed("two"), prometheus.NewRegistry()
		r.mu.Lock()
		r.all, r.ids = map[string]*itemv1.Record{}, map[string]bool{}
		for n := range crowd { // as put does, in less time
			item := event.Item("support", "INBOX", 1, uint32(n), 0)
			r.all[item] = &itemv1.Record{Item: item, Received: timestamppb.Now()}
			r.kept = append(r.kept, &bus.Message{Subject: "items." + item, Sequence: uint64(n + 1), Header: bus.Header{event.HeaderJudged: {"one"}}})
		}
		r.mu.Unlock()
		o := outdated(r, &version, 100, meters)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- o.Run(ctx) }()
		time.Sleep(time.Second)
		want := "# HELP postern_scan_outdated_items Tickets with files that were judged with other signatures than are in force; known to the one scan that tells of them, zero elsewhere.\n" +
			"# TYPE postern_scan_outdated_items gauge\npostern_scan_outdated_items 25000\n"
		if err := testutil.GatherAndCompare(meters, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
		time.Sleep(20 * time.Minute)
		told, _ := r.sofar()
		if len(told) != crowd {
			t.Errorf("%d of %d are told of", len(told), crowd)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A version that comes back is another event: that of before may still be in the duplicate window.
func TestAVersionThatComesBackIsToldOfAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, version := new(records), new(moving)
		version.Store("two")
		r.put(1, "one")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- outdated(r, version, 10, nil).Run(ctx) }()
		for i, now := range []string{"two", "three", "two", "three"} {
			version.Store(now)
			time.Sleep(20 * time.Second)
			if told, _ := r.sofar(); len(told) != i+1 {
				t.Errorf("after %d versions %d are told of", i+1, len(told))
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A scan whose clamd is behind leaves the turn to those that are ahead, and has it where there are none.
func TestTheTurnIsLeftToWhoeverHasNewerSignatures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, old := new(records), fixed("clamav-1.4.3.daily-100")
		older := r.put(1, "clamav-1.4.3.daily-99")
		newer := r.put(2, "clamav-1.4.3.daily-101")
		o := outdated(r, &old, 10, nil)
		during(t, o, 30*time.Second)
		if len(r.told) != 0 || r.turns != 1 {
			t.Errorf("behind others it tells of %v, in %d turns", r.told, r.turns)
		}
		recent := fixed("clamav-1.4.3.daily-101") // somebody else takes it
		during(t, outdated(r, &recent, 10, nil), 30*time.Second)
		if !slices.Equal(r.told, []string{older}) {
			t.Errorf("whoever has newer ones tells of %v", r.told)
		}
		// Nobody has newer ones any more.
		r.told, r.turns = nil, 0
		alone := outdated(r, &old, 10, nil)
		during(t, alone, 5*time.Minute)
		if !slices.Equal(r.told, []string{older}) || r.turns != 2 {
			t.Errorf("alone it tells of %v (never %s), in %d turns", r.told, newer, r.turns)
		}
	})
}

// Whose clamd is away does not keep the turn from those who know.
func TestWhoDoesNotKnowTheVersionHasNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, version := new(records), new(moving)
		version.Store("")
		r.put(1, "one")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- outdated(r, version, 10, nil).Run(ctx) }()
		for _, step := range []struct {
			version     string
			began, left int
		}{{"", 0, 0}, {"two", 1, 0}, {"", 1, 1}, {"two", 2, 1}} {
			version.Store(step.version)
			time.Sleep(time.Minute)
			r.mu.Lock()
			if r.turns != step.began || r.over != step.left {
				t.Errorf("with version %q: %d turns, %d over", step.version, r.turns, r.over)
			}
			r.mu.Unlock()
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
