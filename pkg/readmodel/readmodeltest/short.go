package readmodeltest

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/readmodel"
)

const (
	minute   = time.Minute
	brief    = 50 * time.Millisecond
	patience = 20 * time.Second // of waiting for what must come; no test passes by it
)

// until asks again and again until the answer is yes.
func until(t *testing.T, what string, ask func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ask() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("still not: %s", what)
		}
	}
}

func there(t *testing.T, short readmodel.Short, key string) bool {
	t.Helper()
	_, there, err := short.Get(t.Context(), key)
	must(t, err)
	return there
}

func shortLived(t *testing.T, config readmodel.Config) {
	short := open(t, config).Short()
	if there(t, short, "a") {
		t.Error("a value that was never set is there")
	}
	must(t, short.SetFor(t.Context(), "stays", []byte("x"), minute))
	must(t, short.SetFor(t.Context(), "a", []byte("x"), minute))
	must(t, short.SetFor(t.Context(), "a", []byte("y"), brief)) // the later life counts
	until(t, "the value has ended", func() bool { return !there(t, short, "a") })

	must(t, short.SetFor(t.Context(), "b", []byte("x"), minute))
	if extended, err := short.Extend(t.Context(), "b", brief); !extended || err != nil {
		t.Errorf("extend: %v, %v", extended, err)
	}
	until(t, "the extended value has ended", func() bool { return !there(t, short, "b") })
	if extended, err := short.Extend(t.Context(), "b", minute); extended || err != nil {
		t.Errorf("what has ended was extended: %v", err)
	}

	if set, err := short.SetNew(t.Context(), "c", []byte("1"), brief); !set || err != nil {
		t.Errorf("new: %v, %v", set, err)
	}
	until(t, "a new value can be set again", func() bool {
		set, err := short.SetNew(t.Context(), "c", []byte("2"), minute)
		must(t, err)
		return set
	})
	if set, err := short.SetNew(t.Context(), "c", []byte("3"), minute); set || err != nil {
		t.Errorf("a value that is there was set anew: %v", err)
	}
	if value, _, err := short.Get(t.Context(), "c"); string(value) != "2" || err != nil {
		t.Errorf("%q, %v", value, err)
	}

	must(t, short.Drop(t.Context(), "stays"))
	if there(t, short, "stays") {
		t.Error("a dropped value is there")
	}
	must(t, short.Drop(t.Context(), "stays"))
	for _, life := range []time.Duration{0, -time.Second, time.Millisecond - 1} {
		if short.SetFor(t.Context(), "z", nil, life) == nil {
			t.Errorf("a life of %v was accepted", life)
		}
		if _, err := short.SetNew(t.Context(), "z", nil, life); err == nil {
			t.Errorf("a new life of %v was accepted", life)
		}
		if _, err := short.Extend(t.Context(), "z", life); err == nil {
			t.Errorf("an extension by %v was accepted", life)
		}
		if _, err := short.Count(t.Context(), "z", life); err == nil {
			t.Errorf("a window of %v was accepted", life)
		}
	}
}

func taken(t *testing.T, config readmodel.Config) {
	short := open(t, config).Short()
	must(t, short.SetFor(t.Context(), "code", []byte("x"), minute))
	var takers atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			value, there, err := short.Take(t.Context(), "code")
			if err != nil {
				t.Error(err)
			}
			if there && string(value) == "x" {
				takers.Add(1)
			}
		})
	}
	all.Wait()
	if takers.Load() != 1 {
		t.Errorf("%d took it", takers.Load())
	}
	if there(t, short, "code") {
		t.Error("it is still there")
	}
}

func counters(t *testing.T, config readmodel.Config) {
	short := open(t, config).Short()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := short.Count(t.Context(), "a", minute); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if count, err := short.Count(t.Context(), "a", minute); count != 21 || err != nil {
		t.Errorf("counted %d, %v", count, err)
	}
	if count, err := short.Count(t.Context(), "b", minute); count != 1 || err != nil {
		t.Errorf("another key counted %d, %v", count, err)
	}
	// The window is the first one's and later counts do not move its end: were
	// it moved, asking every few milliseconds would never see it end.
	if _, err := short.Count(t.Context(), "c", 30*brief); err != nil {
		t.Fatal(err)
	}
	until(t, "the window has ended", func() bool {
		count, err := short.Count(t.Context(), "c", 30*brief)
		must(t, err)
		return count == 1
	})
}

func notify(t *testing.T, config readmodel.Config) {
	model := open(t, config)
	ctx, cancel := context.WithCancel(t.Context())
	woken, err := model.Subscribe(ctx, "tickets")
	must(t, err)
	other, err := model.Subscribe(t.Context(), "other")
	must(t, err)
	wait := func(what string) {
		t.Helper()
		select {
		case _, open := <-woken:
			if !open {
				t.Fatalf("%s: the channel was closed", what)
			}
		case <-time.After(patience):
			t.Fatalf("%s: nobody was woken", what)
		}
	}
	must(t, model.Notify(t.Context(), "tickets"))
	wait("notify")
	must(t, model.Apply(t.Context(), "TICKETS", 1, func(tx readmodel.Tx) error {
		tx.Put("a", []byte("x"))
		tx.Notify("tickets")
		return nil
	}))
	wait("apply")
	mustHave(t, model, "a", "x") // whoever is woken sees the effect
	for range 100 {              // nobody takes these, and nobody is held up
		must(t, model.Notify(t.Context(), "tickets"))
	}
	wait("many")
	select {
	case <-other:
		t.Error("another topic was woken")
	default:
	}
	cancel()
	for range woken { // until it is closed
	}
}

func lostConnection(t *testing.T, config readmodel.Config) {
	var mu sync.Mutex
	var lines []net.Conn
	dial := config.Dial
	if dial == nil {
		dial = func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", config.Address)
		}
	}
	config.Dial = func(ctx context.Context) (net.Conn, error) {
		conn, err := dial(ctx)
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, conn)
		return conn, err
	}
	model := open(t, config)
	woken, err := model.Subscribe(t.Context(), "tickets")
	must(t, err)
	mu.Lock()
	for _, conn := range lines {
		conn.Close()
	}
	mu.Unlock()
	for _, what := range []string{"the new connection", "a notification on it"} {
		select {
		case <-woken:
		case <-time.After(patience):
			t.Fatalf("%s woke nobody", what)
		}
		must(t, open(t, config).Notify(t.Context(), "tickets"))
	}
}
