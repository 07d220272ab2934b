package bus

import (
	"context"
	"fmt"
)

// Stored is how much a stream holds.
type Stored struct{ Messages, Bytes uint64 }

// Stored asks how much a stream holds that this service touches.
func (c *Conn) Stored(ctx context.Context, stream string) (Stored, error) {
	var answer struct {
		State struct {
			Messages uint64 `json:"messages"`
			Bytes    uint64 `json:"bytes"`
		} `json:"state"`
	}
	if err := c.info(ctx, "STREAM.INFO."+stream, &answer); err != nil {
		return Stored{}, fmt.Errorf("stream %s: %w", stream, err)
	}
	return Stored(answer.State), nil
}

// Undone asks how many messages a consumer has before it: not yet handed out, or
// handed out and not yet acknowledged. What was published a moment ago may not be counted yet.
func (c *Conn) Undone(ctx context.Context, stream, consumer string) (uint64, error) {
	var answer struct {
		Pending uint64 `json:"num_pending"`
		Unacked uint64 `json:"num_ack_pending"`
	}
	if err := c.info(ctx, "CONSUMER.INFO."+stream+"."+consumer, &answer); err != nil {
		return 0, fmt.Errorf("consumer %s: %w", consumer, err)
	}
	return answer.Pending + answer.Unacked, nil
}
