package bus

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/postern-mail/postern/pkg/bus/topology"
)

// followEvery is how often a follower looks even if it heard nothing.
const followEvery = 5 * time.Second

// Follow yields what stream keeps from sequence from on, in order, and then what is added,
// until ctx ends. While the server is away it waits. The only error is ErrDenied.
func (c *Conn) Follow(ctx context.Context, stream string, from uint64, opts ...ScanOption) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		nudge := make(chan struct{}, 1)
		if err := c.hear(ctx, stream, nudge); err != nil {
			yield(nil, fmt.Errorf("follow %s: %w", stream, err))
			return
		}
		next := max(from, 1)
		// The server tells once a message is stored, but another replica may be asked: look
		// again soon, then ever more rarely.
		wait := followEvery
		for {
			found := false
			for msg, err := range c.Scan(ctx, stream, next, opts...) {
				if errors.Is(err, ErrDenied) {
					yield(nil, err)
					return
				}
				if err != nil {
					if ctx.Err() == nil {
						c.log.Warn("bus stream not read, trying again", "stream", stream, "err", err)
					}
					break
				}
				found = true
				if !yield(msg, nil) {
					return
				}
				next = msg.Sequence + 1
			}
			if found {
				wait = followEvery
			}
			select {
			case <-ctx.Done():
				return
			case <-nudge:
				wait = time.Millisecond
			case <-time.After(wait):
				wait = min(2*wait, followEvery)
			}
		}
	}
}

// hear nudges when something is published to the stream, until ctx ends.
func (c *Conn) hear(ctx context.Context, stream string, nudge chan<- struct{}) error {
	s, known := topology.StreamNamed(stream)
	if !known {
		return errors.New("no such stream in the topology")
	}
	sub, err := c.nc.Subscribe(s.Told(), func(*nats.Msg) {
		select {
		case nudge <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return err
	}
	if err := c.accepted(ctx, s.Told()); err != nil {
		_ = sub.Unsubscribe()
		return err
	}
	context.AfterFunc(ctx, func() { _ = sub.Unsubscribe() })
	return nil
}
