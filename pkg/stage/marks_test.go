package stage

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// handed is a delivery of which only the count and the time matter.
type handed struct {
	Delivery
	count  uint64
	stored time.Time
}

func (h handed) Deliveries() uint64 { return h.count }
func (h handed) Stored() time.Time  { return h.stored }

func TestAGivingBackDoesNotForgetDeaths(t *testing.T) {
	stored := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	here, after := NewProcess(), NewProcess().AfterDeath(stored.Add(time.Minute))
	for name, c := range map[string]struct {
		process *Process
		count   uint64
		left    Mark
		suspect bool
		deaths  int
	}{
		"given back, never in trouble":             {here, 3, Mark{Back: true, Delivery: 2}, false, 0},
		"given back after a death":                 {here, 3, Mark{Back: true, Delivery: 2, Deaths: 1}, true, 1},
		"given back after two, then gone":          {here, 5, Mark{Back: true, Delivery: 2, Deaths: 2}, true, 3},
		"given back, and the bus has died":         {after, 3, Mark{Back: true, Delivery: 2}, true, 1},
		"given back twice dead, and the bus died":  {after, 3, Mark{Back: true, Delivery: 2, Deaths: 2}, true, 2},
		"in work at the second death of a process": {here, 3, Mark{Delivery: 2, Deaths: 1, Process: "another"}, true, 2},
	} {
		suspect, deaths := c.process.suspicion(handed{count: c.count, stored: stored}, c.left)
		if suspect != c.suspect || deaths != c.deaths {
			t.Errorf("%s: suspect %v after %d deaths, want %v after %d", name, suspect, deaths, c.suspect, c.deaths)
		}
	}
}

// One runs alone when the others have left, and those who come meanwhile wait for it; somebody who is stuck holds up
// nobody for long, and only once.
func TestWhoRunsAloneWaitsForOthersButNotForWhoIsStuck(t *testing.T) {
	for name, remains := range map[string]bool{"the other leaves": false, "the other is stuck": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := NewProcess()
				began := time.Now()
				entered := make(chan time.Duration, 1)
				enter := func(alone bool) (leave func()) {
					leave, err := p.enter(t.Context(), alone)
					if err != nil {
						t.Error(err)
						return func() {}
					}
					return leave
				}
				comes := func(alone bool) {
					leave := enter(alone)
					entered <- time.Since(began)
					time.Sleep(time.Second)
					leave()
				}
				first, second := enter(false), enter(false)
				second()
				time.Sleep(time.Second)
				go comes(true)
				synctest.Wait()
				go comes(false)
				time.Sleep(time.Second)
				want := stuck
				if !remains {
					first()
					want = 2 * time.Second
				}
				for _, want := range []time.Duration{want, want + time.Second} {
					if at := <-entered; at != want {
						t.Errorf("entered after %v, want %v", at, want)
					}
				}
				time.Sleep(time.Second) // the last one has left
				go comes(true)
				if at := <-entered; at != want+2*time.Second {
					t.Errorf("another entered after %v, want %v", at, want+2*time.Second)
				}
				if remains {
					first()
				}
				ended, cancel := context.WithCancel(t.Context())
				cancel()
				if _, err := p.enter(ended, true); err == nil {
					t.Error("who was told to stop entered")
				}
				enter(true)()
				enter(false)()
			})
		})
	}
}

func TestWhoRunsAloneAndIsStuckHoldsUpNobodyForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewProcess()
		began := time.Now()
		enter := func(alone bool) (leave func()) {
			t.Helper()
			leave, err := p.enter(t.Context(), alone)
			if err != nil {
				t.Fatal(err)
			}
			return leave
		}
		suspect := enter(true)
		enter(false)()
		if waited := time.Since(began); waited != stuck {
			t.Errorf("another entered after %v, want %v", waited, stuck)
		}
		second := enter(true) // it does not wait for the one that is stuck
		time.Sleep(time.Second)
		second()
		if waited := time.Since(began); waited != stuck+time.Second {
			t.Errorf("another suspect had ended after %v", waited)
		}
		suspect()
		third := enter(true)
		third()
		enter(false)()
		if waited := time.Since(began); waited != stuck+time.Second {
			t.Errorf("the door stayed shut until %v", waited)
		}
	})
}

func TestWhoIsToRunAloneAndIsToldToStopLetsOthersIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewProcess()
		first, err := p.enter(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := p.enter(ctx, true)
			ended <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-ended; err == nil {
			t.Error("it entered beside another")
		}
		second, err := p.enter(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		first()
		second()
	})
}
