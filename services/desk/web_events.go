package desk

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// aliveEvery is how often a quiet stream says that it lives, and looks whether its
// listener is still somebody who may.
const aliveEvery = 25 * time.Second

// Bounds of the streams that are open at once: of all, and of one person, who would
// otherwise keep everybody else from listening.
const (
	maxListeners    = 2000
	maxListenersOne = 20
)

// events tells a page that lists have changed, as server-sent events. It says that,
// and not what: the page asks for what it may see.
func (web *Web) events(v *visit) error {
	v.w.Header().Set("Content-Type", "text/event-stream")
	if v.Method == http.MethodHead {
		return nil
	}
	changed, leave, err := web.hub.join(v.user.Name)
	if err != nil {
		return err
	}
	defer leave()
	control := http.NewResponseController(v.w)
	say := func(text string) error {
		if _, err := fmt.Fprint(v.w, text); err != nil {
			return err
		}
		return control.Flush()
	}
	if say("retry: 5000\n: hello\n\n") != nil {
		return nil
	}
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	for {
		text := ": alive\n\n"
		select {
		case <-v.Context().Done():
			return nil
		case _, open := <-changed:
			if !open {
				return nil // the browser comes back by itself
			}
			text = "event: changed\ndata: \n\n"
		case <-alive.C:
		}
		// Somebody who signed out, was disabled or may not read any more hears nothing more.
		user, ok, err := web.sessions.current(v.Request)
		if err != nil || !ok || !user.Reads() || say(text) != nil {
			return nil
		}
	}
}

// A hub has one subscription for all pages that listen, while any does.
type hub struct {
	changes Changes

	mu        sync.Mutex
	listeners map[chan struct{}]string // by whom
	stop      context.CancelFunc       // of the subscription; nil while there is none
	closed    bool
}

func newHub(changes Changes) *hub {
	return &hub{changes: changes, listeners: map[chan struct{}]string{}}
}

// join gives a channel that gets a value after each change and is closed when the
// listener should come back another time.
func (h *hub) join(who string) (<-chan struct{}, func(), error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.listeners) >= maxListeners {
		return nil, nil, wrong(http.StatusServiceUnavailable, "Too many pages listen for changes. Reload by hand.")
	}
	theirs := 0
	for _, listener := range h.listeners {
		if listener == who {
			theirs++
		}
	}
	if theirs >= maxListenersOne {
		return nil, nil, wrong(http.StatusTooManyRequests, "So many of your pages listen for changes that this one cannot. Reload it by hand, or close some.")
	}
	if h.stop == nil {
		ctx, stop := context.WithCancel(context.Background()) //nolint:gosec // stopped when the last listener leaves
		changed, err := h.changes.Subscribe(ctx)
		if err != nil {
			stop()
			return nil, nil, err
		}
		h.stop = stop
		go h.pass(ctx, changed)
	}
	mine := make(chan struct{}, 1)
	h.listeners[mine] = who
	return mine, func() { h.leave(mine) }, nil
}

func (h *hub) leave(mine chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.listeners, mine)
	if len(h.listeners) == 0 && h.stop != nil {
		h.stop()
		h.stop = nil
	}
}

func (h *hub) pass(ctx context.Context, changed <-chan struct{}) {
	for range changed {
		h.mu.Lock()
		if ctx.Err() == nil { // of the subscription that listeners have now
			for listener := range h.listeners {
				select {
				case listener <- struct{}{}:
				default: // one is waiting already
				}
			}
		}
		h.mu.Unlock()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if ctx.Err() == nil { // it broke: all come back and begin a new one
		h.end()
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.end()
}

func (h *hub) end() {
	for listener := range h.listeners {
		close(listener)
	}
	clear(h.listeners)
	if h.stop != nil {
		h.stop()
		h.stop = nil
	}
}
