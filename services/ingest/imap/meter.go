package imap

import (
	"net"
	"sync"
	"time"
)

// slowest is the pace, in bytes a second, below which a server that owes an answer
// is given up, whatever trickles in.
const slowest = 16 << 10

// A meter is a connection that a server cannot hold open by silence, wear out by
// trickling nor flood: while an answer is owed, every read waits only so long, all
// reads together wait only so long for so many bytes, and only so many bytes are
// taken. The library's own deadlines are absolute, so a store that stalls in
// the middle of a literal would be taken for a dead server; these count waiting alone.
type meter struct {
	net.Conn
	silence time.Duration

	mu     sync.Mutex
	owed   bool
	over   bool          // nothing comes any more
	bytes  int64         // still taken
	waited time.Duration // time left for all waiting
}

// ask begins an answer of at most so many bytes; the function it returns ends it.
// Between answers the server may keep silent.
func (m *meter) ask(bytes int64) (answered func()) {
	bytes += bytes/16 + 64<<10 // TLS records add to it
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owed, m.bytes = true, bytes
	m.waited = m.silence + time.Duration(bytes/slowest)*time.Second
	_ = m.Conn.SetReadDeadline(time.Now().Add(m.silence)) // of the read that is under way, too
	return m.answered
}

// more lets the answer that is under way be so many bytes longer.
func (m *meter) more(bytes int64) {
	if bytes <= 0 {
		return
	}
	bytes += bytes / 16
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bytes += bytes
	m.waited += time.Duration(bytes/slowest) * time.Second
}

func (m *meter) answered() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owed = false
	_ = m.Conn.SetReadDeadline(time.Time{})
}

func (m *meter) Read(p []byte) (int, error) {
	began := time.Now()
	m.mu.Lock()
	if m.owed {
		_ = m.Conn.SetReadDeadline(began.Add(min(m.silence, m.waited)))
	}
	m.mu.Unlock()
	n, err := m.Conn.Read(p)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bytes -= int64(n)
	if m.owed {
		m.waited -= time.Since(began)
	}
	m.over = m.over || err != nil
	if m.bytes < 0 {
		m.Conn.Close()
		return 0, ErrFlood
	}
	return n, err
}

// ended tells whether the connection has ended: an answer that makes no sense may then be half of one.
func (m *meter) ended() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.over
}

// SetReadDeadline is the library's; see above.
func (m *meter) SetReadDeadline(time.Time) error { return nil }

// SetDeadline sets the deadline for writing alone.
func (m *meter) SetDeadline(t time.Time) error { return m.Conn.SetWriteDeadline(t) }
