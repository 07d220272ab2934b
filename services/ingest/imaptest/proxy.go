package imaptest

import (
	"bytes"
	"io"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Proxy stands between a client and a server, cuts connections, and counts what passes.
type Proxy struct {
	Addr string

	mu   sync.Mutex
	cuts []int64 // of the next connections, in order
	left int     // cuts that have happened
	open []*frost

	told     *sync.Cond
	commands map[string]int // of clients that speak in the clear, by name
	bytes    int64          // from the server
}

// Commands are how often each command was given so far by clients in the clear: "UID FETCH", "IDLE".
func (p *Proxy) Commands() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.commands)
}

// Given returns when a command was given at least n times more, or after a minute, so that a failure ends.
func (p *Proxy) Given(command string, more int) {
	late := false
	timer := time.AfterFunc(time.Minute, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		late = true
		p.told.Broadcast()
	})
	defer timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := p.commands[command] + more; p.commands[command] < n && !late; {
		p.told.Wait()
	}
}

// Bytes is how much has come from the server.
func (p *Proxy) Bytes() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes
}

// tally counts a client's commands as they pass.
type tally struct {
	proxy *Proxy
	line  []byte
}

func (t *tally) Write(data []byte) (int, error) {
	t.line = append(t.line, data...)
	for {
		line, rest, whole := bytes.Cut(t.line, []byte("\n"))
		if !whole {
			return len(data), nil
		}
		t.line = rest
		words := strings.Fields(strings.ToUpper(string(line)))
		if len(words) < 2 {
			continue
		}
		name := words[1]
		if name == "UID" && len(words) > 2 {
			name += " " + words[2]
		}
		t.proxy.mu.Lock()
		t.proxy.commands[name]++
		t.proxy.told.Broadcast()
		t.proxy.mu.Unlock()
	}
}

// volume counts bytes.
type volume struct{ proxy *Proxy }

func (v volume) Write(data []byte) (int, error) {
	v.proxy.mu.Lock()
	defer v.proxy.mu.Unlock()
	v.proxy.bytes += int64(len(data))
	return len(data), nil
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
	p := &Proxy{Addr: listener.Addr().String(), cuts: cuts, commands: map[string]int{}}
	p.told = sync.NewCond(&p.mu)
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
		_, _ = io.Copy(io.MultiWriter(back, &tally{proxy: p}), client)
		back.Close()
	}()
	counted := io.TeeReader(back, volume{p})
	if limit < 0 {
		_, _ = io.Copy(through, counted)
		return
	}
	if n, _ := io.CopyN(through, counted, limit); n == limit {
		p.mu.Lock()
		p.left++
		p.mu.Unlock()
	}
}
