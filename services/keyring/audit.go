package keyring

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
)

// Limits of one audit entry.
const (
	maxActs       = 512
	maxEntryBytes = 512 << 10
)

var errAuditClosed = errors.New("audit: closed")

// A scribe writes acts into the audit stream, those that come at the same time together:
// one entry, one sync for all who wait.
type scribe struct {
	entries Entries
	gather  time.Duration
	timeout time.Duration

	mu      sync.Mutex
	pending []*page
	closed  bool
	wake    chan struct{}
}

// A page is what one caller wants written.
type page struct {
	acts []*auditv1.Act
	size int
	done chan error
}

func newScribe(entries Entries, gather time.Duration) *scribe {
	return &scribe{entries: entries, gather: gather, timeout: 10 * time.Second, wake: make(chan struct{}, 1)}
}

// append returns nil once the acts are on disk. Where ctx ends first they may yet be written.
func (s *scribe) append(ctx context.Context, acts ...*auditv1.Act) error {
	if len(acts) == 0 {
		return nil
	}
	p := &page{acts: acts, done: make(chan error, 1)}
	for _, a := range acts {
		p.size += proto.Size(a) + 8
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errAuditClosed
	}
	s.pending = append(s.pending, p)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run writes until ctx ends; then what waits is refused.
func (s *scribe) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			s.refuse()
			return
		case <-s.wake:
		}
		if s.gather > 0 {
			timer.Reset(s.gather)
			select {
			case <-ctx.Done():
				s.refuse()
				return
			case <-timer.C:
			}
		}
		for s.write(ctx) {
		}
	}
}

// write writes one entry of what waits, and tells whether there is more.
func (s *scribe) write(ctx context.Context) bool {
	s.mu.Lock()
	var batch []*page
	acts, size := 0, 0
	for len(s.pending) > 0 {
		p := s.pending[0]
		if len(batch) > 0 && (acts+len(p.acts) > maxActs || size+p.size > maxEntryBytes) {
			break
		}
		batch = append(batch, p)
		acts += len(p.acts)
		size += p.size
		s.pending = s.pending[1:]
	}
	more := len(s.pending) > 0
	s.mu.Unlock()
	if len(batch) == 0 {
		return false
	}
	entry := &auditv1.Entry{Acts: make([]*auditv1.Act, 0, acts)}
	for _, p := range batch {
		entry.Acts = append(entry.Acts, p.acts...)
	}
	within, cancel := context.WithTimeout(ctx, s.timeout)
	err := s.entries.Write(within, entry)
	cancel()
	for _, p := range batch {
		p.done <- err
	}
	return more
}

func (s *scribe) refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pending {
		p.done <- errAuditClosed
	}
	s.pending, s.closed = nil, true
}

func newActID() string {
	var b [16]byte
	rand.Read(b[:]) //nolint:errcheck // crypto/rand.Read never fails
	return hex.EncodeToString(b[:])
}
