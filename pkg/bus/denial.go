package bus

import (
	"errors"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// denials wakes the calls that wait for an answer to a publish that the server
// has refused. The server names only the subject, so every call that waits on it hears.
type denials struct {
	mu      sync.Mutex
	waiting map[string]map[chan struct{}]struct{}
}

// watch returns a channel that closes when a publish to subject is refused. done
// must be called when the wait is over.
func (d *denials) watch(subject string) (refused <-chan struct{}, done func()) {
	ch := make(chan struct{})
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting == nil {
		d.waiting = make(map[string]map[chan struct{}]struct{})
	}
	set := d.waiting[subject]
	if set == nil {
		set = make(map[chan struct{}]struct{}, 1)
		d.waiting[subject] = set
	}
	set[ch] = struct{}{}
	return ch, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if set := d.waiting[subject]; set != nil {
			delete(set, ch)
			if len(set) == 0 {
				delete(d.waiting, subject)
			}
		}
	}
}

func (d *denials) tell(subject string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for ch := range d.waiting[subject] {
		close(ch)
	}
	delete(d.waiting, subject)
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
