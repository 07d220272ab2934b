package audit_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/services/audit"
)

type clock struct{}

func (clock) Now() time.Time { return time.Now().UTC() }

// A state hears what a service says of itself.
type state struct {
	mu    sync.Mutex
	waits string
	told  chan struct{}
}

func newState() *state { return &state{waits: "starting", told: make(chan struct{}, 64)} }

func (s *state) set(waits string) {
	s.mu.Lock()
	s.waits = waits
	s.mu.Unlock()
	select {
	case s.told <- struct{}{}:
	default:
	}
}

func (s *state) Waiting(forWhat string) { s.set(forWhat) }
func (s *state) Ready()                 { s.set("") }

// until waits for a state.
func (s *state) until(t *testing.T, what string, is func(waits string) bool) {
	t.Helper()
	ctx := bustest.Context(t)
	for {
		s.mu.Lock()
		waits := s.waits
		s.mu.Unlock()
		if is(waits) {
			return
		}
		select {
		case <-s.told:
		case <-ctx.Done():
			t.Fatalf("%s: it still says %q", what, waits)
		}
	}
}

func ready(waits string) bool { return waits == "" }

// run signs over a bus until stop.
func run(t *testing.T, conn audit.Bus, registry *prometheus.Registry) (health *state, stop func()) {
	t.Helper()
	health = newState()
	service := audit.New(audit.Config{CheckpointEvery: config.Duration(20 * time.Millisecond)}, signer, audit.Deps{
		Bus: conn, Clock: clock{}, Log: slog.New(slog.DiscardHandler), Health: health, Metrics: registry,
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return health, stop
}

// enter writes entries.
func enter(t *testing.T, server *bustest.Bus, n int) {
	t.Helper()
	conn := server.Connect(t, "keyring")
	defer conn.Close()
	for i := range n {
		if _, err := conn.Publish(t.Context(), "audit.v1.Entry.keyring", fmt.Appendf(nil, "entry %d", i)); err != nil {
			t.Fatal(err)
		}
	}
}

// signedUpTo waits until a checkpoint covers so many entries, and verifies all.
func signedUpTo(t *testing.T, conn *bus.Conn, want uint64) {
	t.Helper()
	ctx := bustest.Context(t)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		checkpoints, err := audit.Checkpoints(ctx, conn)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(checkpoints); n > 0 && checkpoints[n-1].GetSequence() >= want {
			report, err := audit.Verify(audit.Messages(ctx, conn), checkpoints, public())
			if err != nil || report.Signed != want || report.Entries != want {
				t.Fatalf("report %+v, %v", report, err)
			}
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("no checkpoint covers %d entries", want)
		}
	}
}

func TestNewEntriesAreSignedAndASecondSignerWaits(t *testing.T) {
	server := bustest.Start(t)
	enter(t, server, 3)
	first := server.Connect(t, "audit")
	health, stop := run(t, first, prometheus.NewRegistry())
	health.until(t, "the first signer", ready)
	signedUpTo(t, first, 3)

	second := server.Connect(t, "audit")
	waiting, _ := run(t, second, prometheus.NewRegistry())
	waiting.until(t, "the second signer", func(waits string) bool { return strings.Contains(waits, "lease") })
	enter(t, server, 2)
	signedUpTo(t, second, 5)
	stop()
	waiting.until(t, "the second signer takes over", ready)
	enter(t, server, 1)
	signedUpTo(t, second, 6)
}

// A forger shows the signer another log than the one that is there.
type forger struct {
	*bus.Conn
	show func(*bus.Message) bool // may change the message; false leaves it out
}

func (f forger) Scan(ctx context.Context, stream string, from uint64, options ...bus.ScanOption) iter.Seq2[*bus.Message, error] {
	return func(yield func(*bus.Message, error) bool) {
		for message, err := range f.Conn.Scan(ctx, stream, from, options...) {
			if err == nil && stream == topology.Audit && !f.show(message) {
				continue
			}
			if !yield(message, err) {
				return
			}
		}
	}
}

func gauge(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}

func TestALogThatIsNotTheOneThatWasSignedRaisesTheAlertAndIsNeverSigned(t *testing.T) {
	for name, show := range map[string]func(*bus.Message) bool{
		"an altered entry": func(m *bus.Message) bool {
			if m.Sequence == 2 {
				m.Data[0] ^= 1
			}
			return true
		},
		"an entry under another service": func(m *bus.Message) bool {
			if m.Sequence == 2 {
				m.Subject = "audit.v1.Entry.desk"
			}
			return true
		},
		"an entry left out": func(m *bus.Message) bool { return m.Sequence != 2 },
		"the end cut off":   func(m *bus.Message) bool { return m.Sequence < 3 },
		"nothing at all":    func(*bus.Message) bool { return false },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := bustest.Start(t)
			enter(t, server, 3)
			conn := server.Connect(t, "audit")
			_, stop := run(t, conn, prometheus.NewRegistry())
			signedUpTo(t, conn, 3)
			stop()
			before, err := conn.Kept(t.Context(), topology.Checkpoints)
			if err != nil {
				t.Fatal(err)
			}
			enter(t, server, 2)

			registry := prometheus.NewRegistry()
			health, stop := run(t, forger{conn, show}, registry)
			health.until(t, "the alert", func(waits string) bool { return strings.Contains(waits, "audit verify") })
			if gauge(t, registry, "postern_audit_alert") != 1 {
				t.Error("the alert is not raised")
			}
			stop()
			after, err := conn.Kept(t.Context(), topology.Checkpoints)
			if err != nil || after.Last != before.Last {
				t.Errorf("%d checkpoints were signed over it: %v", after.Last-before.Last, err)
			}
			// The log as it is goes on.
			health, _ = run(t, conn, prometheus.NewRegistry())
			health.until(t, "the whole log", ready)
			signedUpTo(t, conn, 5)
		})
	}
}
