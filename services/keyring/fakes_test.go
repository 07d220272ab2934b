package keyring

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// memRecords is a stream of records that keeps every revision, as a backup would. It can
// fail the i-th Put, before or after it took effect.
type memRecords struct {
	mu      sync.Mutex
	last    map[string]Stored
	history []*itemv1.Record
	seq     uint64
	puts    int
	failAt  int
	after   bool // the failing Put takes effect all the same
	gets    int
	away    int // how many scans fail before one goes through
	scanned func()
	moves   int // how many Puts find that somebody else was faster
}

func newMemRecords() *memRecords { return &memRecords{last: map[string]Stored{}} }

var errLost = errors.New("connection lost")

func (m *memRecords) Get(_ context.Context, item string) (Stored, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gets++
	s, ok := m.last[item]
	if !ok {
		return Stored{}, ErrNoRecord
	}
	return Stored{proto.CloneOf(s.Record), s.Sequence}, nil
}

func (m *memRecords) Put(_ context.Context, r *itemv1.Record, expected uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.puts++
	fail := m.failAt != 0 && m.puts == m.failAt
	if fail && !m.after {
		return 0, errLost
	}
	if m.moves > 0 {
		m.moves--
		m.seq++
		m.last[r.Item] = Stored{m.last[r.Item].Record, m.seq}
	}
	if m.last[r.Item].Sequence != expected {
		return 0, ErrConflict
	}
	m.seq++
	m.last[r.Item] = Stored{proto.CloneOf(r), m.seq}
	m.history = append(m.history, proto.CloneOf(r))
	if fail {
		return 0, errLost
	}
	return m.seq, nil
}

func (m *memRecords) All(context.Context) iter.Seq2[Stored, error] {
	m.mu.Lock()
	if m.away > 0 {
		m.away--
		m.mu.Unlock()
		return func(yield func(Stored, error) bool) { yield(Stored{}, errLost) }
	}
	var all []Stored
	for _, s := range m.last {
		all = append(all, Stored{proto.CloneOf(s.Record), s.Sequence})
	}
	scanned := m.scanned
	m.scanned = nil
	m.mu.Unlock()
	if scanned != nil { // once, and what it does is not in this scan
		scanned()
	}
	slices.SortFunc(all, func(a, b Stored) int { return int(a.Sequence) - int(b.Sequence) })
	return func(yield func(Stored, error) bool) {
		for _, s := range all {
			if !yield(s, nil) {
				return
			}
		}
	}
}

// memEntries is an audit stream. It can refuse.
type memEntries struct {
	mu      sync.Mutex
	entries []*auditv1.Entry
	refuse  bool
}

func (m *memEntries) Write(_ context.Context, e *auditv1.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse {
		return errLost
	}
	m.entries = append(m.entries, proto.CloneOf(e))
	return nil
}

func (m *memEntries) refuses(is bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse = is
}

func (m *memEntries) acts(action string) []*auditv1.Act {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []*auditv1.Act
	for _, e := range m.entries {
		for _, a := range e.Acts {
			if a.Action == action {
				out = append(out, a)
			}
		}
	}
	return out
}

// memBus hands requests to handlers and keeps the published keys.
type memBus struct {
	mu        sync.Mutex
	handlers  map[string][]Handler
	published *keyringv1.Published
	changed   chan struct{}
}

func newMemBus() *memBus {
	return &memBus{handlers: map[string][]Handler{}, changed: make(chan struct{})}
}

func (b *memBus) tell() {
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *memBus) Serve(_ context.Context, subject string, _ int, h Handler) (func(context.Context) error, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.handlers[subject] = append(b.handlers[subject], h)
	b.tell()
	return func(context.Context) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.handlers[subject] = b.handlers[subject][1:]
		return nil
	}, nil
}

func (b *memBus) Publish(_ context.Context, p *keyringv1.Published) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.published = proto.CloneOf(p)
	b.tell()
	return nil
}

func (b *memBus) Request(ctx context.Context, subject string, body []byte) ([]byte, error) {
	b.mu.Lock()
	hs := b.handlers[subject]
	b.mu.Unlock()
	if len(hs) == 0 {
		return nil, errors.New("nobody answers on " + subject)
	}
	return hs[len(hs)-1](ctx, body)
}

// await returns when a condition on the bus holds.
func (b *memBus) await(t testing.TB, holds func() bool) {
	t.Helper()
	for {
		b.mu.Lock()
		ok, changed := holds(), b.changed
		b.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-time.After(20 * time.Second):
			t.Fatal("it never came")
		}
	}
}

type testClock struct {
	mu sync.Mutex
	at time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *testClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
