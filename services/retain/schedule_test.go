package retain_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postern-mail/postern/services/retain"
)

// alone leads always.
type alone struct{}

func (alone) Lead(ctx context.Context, work func(context.Context) error) error { return work(ctx) }

// A movable clock is the bubble's, plus what it was moved on.
type movable struct {
	*world
	ahead *atomic.Int64
}

func (m movable) Now() time.Time { return time.Now().UTC().Add(time.Duration(m.ahead.Load())) }

// scheduled starts a schedule and gives how often the keyring was asked to forget, which
// is the first thing that every run does.
func scheduled(t *testing.T, w *world, expression string) (schedule *retain.Schedule, ahead *atomic.Int64, runs func() int, stop func()) {
	t.Helper()
	ahead = new(atomic.Int64)
	w.config.Schedule = expression
	service := w.serviceWith(movable{w, ahead})
	schedule, err := retain.NewSchedule(service, alone{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- schedule.Run(ctx) }()
	return schedule, ahead, func() int { return int(w.forgets.Load()) }, func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	}
}

func TestItRunsAtItsHourAndAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the bubble begins at midnight, 2000-01-01 UTC
		w := newWorld(t)
		_, _, runs, stop := scheduled(t, w, "10 2 * * *")
		defer stop()
		for _, step := range []struct {
			wait time.Duration
			want int
		}{
			{2 * time.Second, 1},             // what may have been missed
			{2*time.Hour + 9*time.Minute, 1}, // 02:09:02
			{time.Minute, 2},                 // 02:10:02
			{23*time.Hour + 59*time.Minute, 2},
			{time.Minute, 3},
		} {
			time.Sleep(step.wait) // the bubble's time
			synctest.Wait()
			if got := runs(); got != step.want {
				t.Fatalf("at %v: %d runs, want %d", time.Now().UTC(), got, step.want)
			}
		}
	})
}

func TestAClockThatIsMovedOnBringsTheHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, ahead, runs, stop := scheduled(t, w, "10 2 * * *")
		defer stop()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		ahead.Store(int64(31 * 24 * time.Hour))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := runs(); got != 2 {
			t.Errorf("%d runs, want 2", got)
		}
	})
}

func TestARunThatWaitsIsTakenUpSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.behind.Store(true)
		_, _, runs, stop := scheduled(t, w, "10 2 * * *")
		defer stop()
		time.Sleep(55 * time.Second)
		synctest.Wait()
		if got := runs(); got != 3 { // at 1 s, 15 s later, and 30 s after that: each pause is twice the last
			t.Errorf("%d runs in 55 s, want 3", got)
		}
		w.behind.Store(false)
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := runs(); got != 4 {
			t.Errorf("%d runs, want one more and then none", got)
		}
	})
}

func TestOnlyARunAfterWhichNothingIsDueCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.behind.Store(true)
		schedule, _, _, stop := scheduled(t, w, "10 2 * * *")
		defer stop()
		metrics := prometheus.NewRegistry()
		schedule.Measure(metrics)
		whole := func() float64 {
			families, err := metrics.Gather()
			if err != nil || len(families) != 1 || families[0].GetName() != "postern_retention_whole_timestamp_seconds" {
				t.Fatal(families, err)
			}
			return families[0].GetMetric()[0].GetGauge().GetValue()
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := whole(); got != 0 {
			t.Errorf("a run that waits: %v", got)
		}
		w.behind.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		// 2000-01-01 in Unix time, and 16 s: the first run is at 1 s, and 15 s later it is taken up.
		if got := whole(); got != 946684800+16 {
			t.Errorf("a whole run: %v", got)
		}
	})
}

func TestNowRunsAtOnceAndTellsTheOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.behind.Store(true)
		schedule, _, _, stop := scheduled(t, w, "0 0 1 1 *")
		defer stop()
		if err := schedule.Now(t.Context()); !errors.Is(err, retain.ErrPending) {
			t.Errorf("while the journal is behind: %v", err)
		}
		w.behind.Store(false)
		if err := schedule.Now(t.Context()); err != nil {
			t.Errorf("error %v", err)
		}
	})
}

func TestNowWaitsForNobodyWhoDoesNotLead(t *testing.T) {
	w := newWorld(t)
	schedule, err := retain.NewSchedule(w.service(), alone{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := schedule.Now(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestAWrongExpressionIsRefused(t *testing.T) {
	for _, expression := range []string{"", "10 2 * *", "61 2 * * *", "at night"} {
		w := newWorld(t)
		w.config.Schedule = expression
		if _, err := retain.NewSchedule(w.service(), alone{}); err == nil {
			t.Errorf("%q was accepted", expression)
		}
	}
}

func TestAClockThatIsSetBackStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, ahead, runs, stop := scheduled(t, w, "10 2 * * *")
		defer stop()
		ahead.Store(int64(365 * 24 * time.Hour)) // wrong from the start
		time.Sleep(2 * time.Second)
		synctest.Wait()
		before := runs()
		ahead.Store(0) // and set right: the next night is not a year away
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := runs(); got != before+1 {
			t.Errorf("%d runs after the clock was set back, want one", got-before)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if got := runs(); got != before+2 {
			t.Errorf("%d runs within a day of it, want two", got-before)
		}
		ahead.Store(-int64(59 * time.Second)) // a small correction brings no run
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := runs(); got != before+2 {
			t.Errorf("%d runs after a correction of a second less than a minute", got-before-2)
		}
	})
}
