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
	changed  chan struct{} // closed when room becomes free
}

func newRoom(messages, bytes int) *room {
	return &room{messages: messages, freeMsgs: messages, free: bytes, changed: make(chan struct{})}
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
		changed := r.changed
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
	close(r.changed)
	r.changed = make(chan struct{})
}
