package imaptest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A Proxy stands between a client and a server and cuts connections.
type Proxy struct {
	Addr string

	mu   sync.Mutex
	cuts []int64 // of the next connections, in order
	left int     // cuts that have happened
	open []*frost
}

// frost holds back what a server sends, for ever.
type frost struct {
	mu     sync.Mutex
	frozen bool
	to     net.Conn
}

func (f *frost) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.frozen {
		return len(p), nil // into the void, as over a path that is gone
	}
	return f.to.Write(p)
}

// Freeze has nothing more come through the connections that are open now, which stay open.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.open {
		f.mu.Lock()
		f.frozen = true
		f.mu.Unlock()
	}
}

// Cut starts a proxy before a server. The n-th connection is cut after so many bytes
// from the server; the later ones are left alone. It ends with the test.
func Cut(t testing.TB, server string, cuts ...int64) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: listener.Addr().String(), cuts: cuts}
	var working sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		working.Wait()
	})
	working.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			working.Go(func() { p.carry(client, server) })
		}
	})
	return p
}

// Done is how many connections were cut.
func (p *Proxy) Done() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left
}

func (p *Proxy) carry(client net.Conn, server string) {
	defer client.Close()
	back, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer back.Close()
	p.mu.Lock()
	limit := int64(-1)
	through := &frost{to: client}
	p.open = append(p.open, through)
	if len(p.cuts) > 0 {
		limit, p.cuts = p.cuts[0], p.cuts[1:]
	}
	p.mu.Unlock()
	go func() {
		_, _ = io.Copy(back, client)
		back.Close()
	}()
	if limit < 0 {
		_, _ = io.Copy(through, back)
		return
	}
	if n, _ := io.CopyN(through, back, limit); n == limit {
		p.mu.Lock()
		p.left++
		p.mu.Unlock()
	}
}
