package audit

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
)

type silent struct{}

func (silent) Waiting(string) {}
func (silent) Ready()         {}

// logBus holds a log and its checkpoints; nobody adds to the log.
type logBus struct {
	Bus
	mu      sync.Mutex
	streams map[string][]*bus.Message
}

func (b *logBus) Scan(_ context.Context, stream string, from uint64, _ ...bus.ScanOption) iter.Seq2[*bus.Message, error] {
	return func(yield func(*bus.Message, error) bool) {
		b.mu.Lock()
		kept := slices.Clone(b.streams[stream])
		b.mu.Unlock()
		for _, m := range kept {
			if m.Sequence >= from && !yield(m, nil) {
				return
			}
		}
	}
}

func (b *logBus) Follow(ctx context.Context, stream string, from uint64, options ...bus.ScanOption) iter.Seq2[*bus.Message, error] {
	return func(yield func(*bus.Message, error) bool) {
		for m, err := range b.Scan(ctx, stream, from, options...) {
			if !yield(m, err) {
				return
			}
		}
		<-ctx.Done()
	}
}

func (b *logBus) Publish(_ context.Context, subject string, data []byte, _ ...bus.PublishOption) (uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	sequence := uint64(len(b.streams[topology.Checkpoints]) + 1)
	b.streams[topology.Checkpoints] = append(b.streams[topology.Checkpoints], &bus.Message{Subject: subject, Data: data, Sequence: sequence})
	return sequence, nil
}

type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

// Who looked at what just before the service stopped must not stay unsigned until the next
// person looks.
func TestWhatWasSaidBeforeAStopIsSignedAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
		b := &logBus{streams: map[string][]*bus.Message{}}
		for i := range 5 {
			b.streams[topology.Audit] = append(b.streams[topology.Audit], &bus.Message{Subject: "audit.v1.Entry.keyring", Data: []byte{byte(i)}, Sequence: uint64(i + 1)})
		}
		chain := NewChain()
		for _, m := range b.streams[topology.Audit][:3] {
			if err := chain.Link(Message{m.Sequence, m.Subject, m.Data}); err != nil {
				t.Fatal(err)
			}
		}
		s := New(DefaultConfig(), key, Deps{Bus: b, Clock: wallClock{}, Log: slog.New(slog.DiscardHandler), Health: silent{}})
		if _, err := s.publish(t.Context(), chain, 0); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		_ = s.sign(ctx) // ends with ctx
		synctest.Wait()
		said := b.streams[topology.Checkpoints]
		if len(said) != 2 {
			t.Fatalf("%d checkpoints, want 2: one before the stop and one after", len(said))
		}
		_, last, err := event.Open(said[1].Subject, said[1].Data)
		if err != nil {
			t.Fatal(err)
		}
		if got := last.(*auditv1.Checkpoint).GetSequence(); got != 5 {
			t.Errorf("signed up to %d, want 5", got)
		}
	})
}
