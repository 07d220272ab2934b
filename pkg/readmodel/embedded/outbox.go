package embedded

import (
	"net"
	"sync"
)

// An outbox is the server's end of a connection whose writes do not wait for the
// client. A client sends a whole pipeline before it reads the first answer, and a
// pipe holds nothing: without it, both ends would write and neither read. What
// waits is bounded by what one client has asked for.
type outbox struct {
	net.Conn

	mu      sync.Mutex
	more    *sync.Cond
	waiting []byte
	closed  bool
	err     error
}

func newOutbox(conn net.Conn) *outbox {
	o := &outbox{Conn: conn}
	o.more = sync.NewCond(&o.mu)
	go o.send()
	return o
}

func (o *outbox) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed:
		return 0, net.ErrClosed
	case o.err != nil:
		return 0, o.err
	}
	o.waiting = append(o.waiting, p...)
	o.more.Signal()
	return len(p), nil
}

// Close drops what the client has not taken.
func (o *outbox) Close() error {
	o.mu.Lock()
	o.closed = true
	o.more.Signal()
	o.mu.Unlock()
	return o.Conn.Close()
}

func (o *outbox) send() {
	var sending []byte
	for {
		o.mu.Lock()
		for len(o.waiting) == 0 && !o.closed {
			o.more.Wait()
		}
		if o.closed {
			o.mu.Unlock()
			return
		}
		sending, o.waiting = o.waiting, sending[:0]
		o.mu.Unlock()

		if _, err := o.Conn.Write(sending); err != nil {
			o.mu.Lock()
			o.err = err
			o.mu.Unlock()
			return
		}
	}
}
