package wiring

import (
	"context"
	"fmt"

	"github.com/postern-mail/postern/pkg/bus"
)

// inFlight is how many messages are on their way to a stream that is refilled.
const inFlight = 256

// A refiller publishes in order without waiting for each answer.
type refiller struct {
	conn    *bus.Conn
	pending []refilled
}

type refilled struct {
	*bus.Pending
	want uint64 // sequence, 0 for any
}

// publish sends a message, which must get a sequence, where one is given.
func (r *refiller) publish(ctx context.Context, subject string, data []byte, header bus.Header, want uint64) error {
	if len(r.pending) == inFlight {
		if err := r.first(ctx); err != nil {
			return err
		}
	}
	pending, err := r.conn.PublishAsync(subject, data, bus.Headers(header))
	if err != nil {
		return err
	}
	r.pending = append(r.pending, refilled{pending, want})
	return nil
}

func (r *refiller) first(ctx context.Context) error {
	first := r.pending[0]
	r.pending = r.pending[1:]
	sequence, err := first.Wait(ctx)
	if err == nil && first.want != 0 && sequence != first.want {
		err = fmt.Errorf("rebuild: message %d got sequence %d: somebody else writes to the stream", first.want, sequence)
	}
	return err
}

// flush waits for what is on its way.
func (r *refiller) flush(ctx context.Context) error {
	for len(r.pending) > 0 {
		if err := r.first(ctx); err != nil {
			return err
		}
	}
	return nil
}

// drop waits for nothing, and lets what is still on its way go.
func (r *refiller) drop() {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, p := range r.pending {
		_, _ = p.Wait(ended)
	}
	r.pending = nil
}
