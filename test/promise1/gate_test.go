package promise1

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A gate stands before a server and passes bytes on, until it is told to cut or to refuse.
type gate struct {
	server string
	port   int

	mu      sync.Mutex
	open    map[net.Conn]net.Conn // client → server
	closed  bool                  // nobody comes through
	refused int                   // connections that did not
	left    int64                 // bytes from the server before the cut; -1: none is meant
	cut     chan struct{}         // closed at the cut
}

// newGate starts a gate that ends with the test.
func newGate(t *testing.T, server string) *gate {
	t.Helper()
	listener, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{server: server, port: portOf(listener), open: map[net.Conn]net.Conn{}, left: -1}
	var working sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		g.refuse()
		working.Wait()
	})
	working.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			working.Go(func() { g.pass(client) })
		}
	})
	return g
}

// cutAfter cuts every connection once so many bytes have come from the server, over whichever of
// them. The channel is closed then.
func (g *gate) cutAfter(bytes int64) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left, g.cut = bytes, make(chan struct{})
	return g.cut
}

// refuse cuts all connections and lets nobody through until admit.
func (g *gate) refuse() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.drop()
}

func (g *gate) admit() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = false
}

// turnedAway is how many connections were refused.
func (g *gate) turnedAway() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refused
}

func (g *gate) drop() {
	for client, server := range g.open {
		client.Close()
		server.Close()
	}
}

func (g *gate) pass(client net.Conn) {
	defer client.Close()
	if !g.may() {
		return
	}
	server, err := dial(g.server)
	if err != nil {
		return
	}
	defer server.Close()
	g.mu.Lock()
	g.open[client] = server
	if g.closed {
		g.drop()
	}
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.open, client)
	}()
	go func() {
		_, _ = io.Copy(server, client)
		server.Close()
	}()
	_, _ = io.Copy(meter{g, client}, server)
}

func (g *gate) may() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		g.refused++
	}
	return !g.closed
}

// A meter counts what a server sends, and passes no byte on after the last before the cut.
type meter struct {
	gate   *gate
	client net.Conn
}

func (m meter) Write(p []byte) (int, error) {
	m.gate.mu.Lock()
	allowed, cut, over := int64(len(p)), false, m.gate.cut
	if m.gate.left >= 0 {
		cut = m.gate.left <= allowed
		allowed = min(allowed, m.gate.left)
		if m.gate.left -= allowed; cut {
			m.gate.left = -1
		}
	}
	m.gate.mu.Unlock()
	n, err := m.client.Write(p[:allowed])
	if !cut {
		return n, err
	}
	m.gate.mu.Lock()
	defer m.gate.mu.Unlock()
	m.gate.drop()
	close(over)
	return n, net.ErrClosed
}
