package bus

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// denials wakes the calls that wait for an answer that will not come: to a publish that
// the server has refused, or over a connection that was lost. Of a refusal the server
// names only the subject, so every call that waits on it hears.
type denials struct {
	mu      sync.Mutex
	waiting map[string]map[*waiter]struct{}
}

// A waiter is one call that waits.
type waiter struct {
	all     *denials
	subject string
	wake    func()
	refused atomic.Bool
	lost    atomic.Bool
}

// reason is why the wait was broken off, or nil.
func (w *waiter) reason() error {
	switch {
	case w.refused.Load():
		return ErrDenied
	case w.lost.Load():
		return ErrConnectionLost
	}
	return nil
}

// watch calls wake when a publish to subject is refused. done must be called when the
// wait is over.
func (d *denials) watch(subject string, wake func()) *waiter {
	w := &waiter{all: d, subject: subject, wake: wake}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting == nil {
		d.waiting = make(map[string]map[*waiter]struct{})
	}
	set := d.waiting[subject]
	if set == nil {
		set = make(map[*waiter]struct{}, 1)
		d.waiting[subject] = set
	}
	set[w] = struct{}{}
	return w
}

func (w *waiter) done() {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	set := w.all.waiting[w.subject]
	delete(set, w)
	if len(set) == 0 {
		delete(w.all.waiting, w.subject)
	}
}

func (d *denials) tell(subject string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for w := range d.waiting[subject] {
		w.refused.Store(true)
		w.wake()
	}
}

// cut tells every call that the connection was lost.
func (d *denials) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, set := range d.waiting {
		for w := range set {
			w.lost.Store(true)
			w.wake()
		}
	}
}

// deniedSubject reads the subject out of the server's
// Permissions Violation for Publish to "items.1".
func deniedSubject(err error) (string, bool) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return "", false
	}
	_, rest, ok := strings.Cut(err.Error(), `"`)
	if !ok {
		return "", true
	}
	subject, _, _ := strings.Cut(rest, `"`)
	return subject, true
}
