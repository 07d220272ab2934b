package audit_test

import (
	"context"
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/services/audit"
)

// sleeper is the bus of a signer that falls asleep just before it publishes.
type sleeper struct {
	*bus.Conn
	asleep chan struct{} // closed when it sleeps
	wake   chan struct{} // closed to wake it
	said   chan error    // what became of what it had to say
}

func (s sleeper) Publish(ctx context.Context, subject string, data []byte, options ...bus.PublishOption) (uint64, error) {
	select {
	case <-s.wake: // awake for good
		return s.Conn.Publish(ctx, subject, data, options...)
	default:
	}
	close(s.asleep)
	<-s.wake
	stored, err := s.Conn.Publish(ctx, subject, data, options...)
	s.said <- err
	return stored, err
}

// heir is the bus of a signer that was given the lease of one whose lease ran out.
type heir struct{ *bus.Conn }

func (h heir) Lease(ctx context.Context, _ string) (*bus.Lease, error) {
	return h.Conn.Lease(ctx, "heir")
}

func TestASignerThatWakesLateSignsNothingOverWhatWasSignedSince(t *testing.T) {
	server := bustest.Start(t)
	enter(t, server, 3)
	late := sleeper{server.Connect(t, "audit"), make(chan struct{}), make(chan struct{}), make(chan error, 1)}
	run(t, late, prometheus.NewRegistry())
	<-late.asleep
	enter(t, server, 2)
	conn := server.Connect(t, "audit")
	run(t, heir{conn}, prometheus.NewRegistry())
	signedUpTo(t, conn, 5)
	close(late.wake)
	if err := <-late.said; !errors.Is(err, bus.ErrWrongSequence) {
		t.Errorf("its late signature: %v", err)
	}
	checkpoints, err := audit.Checkpoints(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := audit.Verify(audit.Messages(t.Context(), conn), checkpoints, public()); err != nil {
		t.Errorf("the log is whole, and: %v", err)
	}
	enter(t, server, 1)
	signedUpTo(t, conn, 6)
}
