// Package embedded runs a Redis in this process, for the one-process shape. It
// keeps everything in memory and opens no port; after a restart the projection
// is built again. Beyond some ten thousand tickets a real server is needed: a
// page of a large set costs time in proportion to the set.
package embedded

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"

	"github.com/postern-mail/postern/pkg/readmodel"
)

// A Server is a Redis in memory.
type Server struct {
	redis *miniredis.Miniredis
	first net.Conn // the connection that started it

	mu     sync.Mutex
	server *server.Server // nil: closed
	stop   chan struct{}
}

// tick is how often values age. The library can have them age with every command,
// but each time it sorts all keys.
const tick = time.Second

// Start starts a server. Short-lived values end to the second, at most one early.
func Start() (*Server, error) {
	redis := miniredis.NewMiniRedis()
	first, err := redis.Dial() // starts it without a port
	if err != nil {
		return nil, fmt.Errorf("embedded redis: %w", err)
	}
	s := &Server{redis: redis, first: first, server: redis.Server(), stop: make(chan struct{})}
	go s.age()
	return s, nil
}

// age has values end, which the library leaves to us.
func (s *Server) age() {
	last := time.Now()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case now := <-ticker.C:
			s.redis.FastForward(now.Sub(last))
			last = now
		}
	}
}

// Config is how to reach the server.
func (s *Server) Config() readmodel.Config {
	return readmodel.Config{Dial: s.dial}
}

// Advance has all short-lived values age by that time at once.
func (s *Server) Advance(by time.Duration) { s.redis.FastForward(by) }

// Close stops the server and drops what it held.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return nil
	}
	s.server = nil
	close(s.stop)
	s.redis.Close()
	return s.first.Close()
}

func (s *Server) dial(ctx context.Context) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return nil, net.ErrClosed
	}
	client, far := net.Pipe()
	s.server.ServeConn(newOutbox(far))
	return client, nil
}
