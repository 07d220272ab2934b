package bus

import (
	"context"
	"sync"
)

// room is how many messages and bytes may be held at once.
type room struct {
	mu       sync.Mutex
	messages int // the limit
	freeMsgs int
	free     int
	changed  *signal // room became free
}

func newRoom(messages, bytes int) *room {
	return &room{messages: messages, freeMsgs: messages, free: bytes, changed: newSignal()}
}

// A share is room set aside for one pull.
type share struct {
	room     *room
	messages int
	bytes    int
}

// take waits until there is room for one message of the largest size, and returns
// room for up to most of them.
func (r *room) take(ctx context.Context, most int) (*share, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r.mu.Lock()
		if r.freeMsgs > 0 && r.free >= minPullBytes {
			s := &share{room: r, messages: min(r.freeMsgs, most), bytes: max(r.free/2, minPullBytes)}
			r.freeMsgs -= s.messages
			r.free -= s.bytes
			r.mu.Unlock()
			return s, nil
		}
		changed := r.changed.next()
		r.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// give moves the room for one message from the share to its holder, and returns what
// frees it.
func (s *share) give(bytes int) (release func()) {
	s.messages--
	s.bytes -= bytes
	return func() { s.room.put(1, bytes) }
}

// release frees what the pull did not use.
func (s *share) release() { s.room.put(s.messages, s.bytes) }

func (r *room) put(messages, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.freeMsgs += messages
	r.free += bytes
	r.changed.give()
}

// A signal is given to everybody who waits for it at that moment.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
}

func newSignal() *signal { return &signal{ch: make(chan struct{})} }

// next returns a channel that closes when the signal is given the next time.
func (s *signal) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ch
}

func (s *signal) give() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.ch)
	s.ch = make(chan struct{})
}
