package run

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// HTTPLimits bound what one listener spends on those who ask it. None of them ends an
// answer that goes on for long, such as a stream of events, while its reader takes it.
type HTTPLimits struct {
	Header      time.Duration // until a request's header has come
	Body        time.Duration // until a request's body has come, from its first byte asked for
	Stall       time.Duration // that a reader may take nothing of an answer
	Idle        time.Duration // that a connection may wait for its next request
	HeaderBytes int           // of a request
	Connections int           // at once; more wait to be accepted
	Grace       time.Duration // for requests under way when the server ends
}

// DefaultHTTPLimits are for a listener that people use.
func DefaultHTTPLimits() HTTPLimits {
	return HTTPLimits{
		Header: 10 * time.Second, Body: 30 * time.Second, Stall: time.Minute, Idle: 2 * time.Minute,
		HeaderBytes: 64 << 10, Connections: 4096, Grace: 5 * time.Second,
	}
}

// OperationsLimits are for a listener that a few programs ask.
func OperationsLimits() HTTPLimits {
	limits := DefaultHTTPLimits()
	limits.HeaderBytes, limits.Connections = 16<<10, 64
	return limits
}

// ServeHTTP serves until the context ends, then lets requests that are under way finish.
func ServeHTTP(ctx context.Context, listener net.Listener, handler http.Handler, limits HTTPLimits) error {
	server := &http.Server{
		Handler:           limits.timeBodies(handler),
		ReadHeaderTimeout: limits.Header,
		IdleTimeout:       limits.Idle,
		MaxHeaderBytes:    limits.HeaderBytes,
	}
	shut := make(chan struct{})
	stay := context.AfterFunc(ctx, func() {
		defer close(shut)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), limits.Grace)
		defer cancel()
		if err := server.Shutdown(grace); err != nil {
			_ = server.Close() // streams that never end by themselves
		}
	})
	if err := server.Serve(limits.listen(listener)); !errors.Is(err, http.ErrServerClosed) {
		stay()
		return err
	}
	<-shut // Serve returns as soon as the end begins
	return nil
}

// timeBodies bounds the time that bodies take to come. http.Server.ReadTimeout would go on
// counting after the body and end the requests of those who listen for long.
func (l HTTPLimits) timeBodies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			control := http.NewResponseController(w)
			if control.SetReadDeadline(time.Now().Add(l.Body)) == nil {
				r.Body = &timedBody{r.Body, func() { _ = control.SetReadDeadline(time.Time{}) }}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// A timedBody lifts the deadline once it has come whole.
type timedBody struct {
	io.ReadCloser
	lift func()
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.lift()
	}
	return n, err
}

func (l HTTPLimits) listen(listener net.Listener) net.Listener {
	return &boundedListener{Listener: listener, stall: l.Stall, slots: make(chan struct{}, l.Connections), closed: make(chan struct{})}
}

// A boundedListener holds so many connections at once, and none whose reader stalls.
type boundedListener struct {
	net.Listener
	stall  time.Duration
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

func (l *boundedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &boundedConn{Conn: conn, stall: l.stall, leave: sync.OnceFunc(func() { <-l.slots })}, nil
}

func (l *boundedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// writeStep is how much is written before the reader has to have taken some of it.
const writeStep = 64 << 10

type boundedConn struct {
	net.Conn
	stall time.Duration
	leave func()
}

// Write fails where the reader takes nothing for too long.
func (c *boundedConn) Write(p []byte) (int, error) {
	written := 0
	for {
		if err := c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(p[written:min(len(p), written+writeStep)])
		written += n
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

func (c *boundedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
