package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrNoStream means that the server has no such stream.
var ErrNoStream = errors.New("no such stream")

// Is lets those who ask about a stream tell that it is not there.
func (e *apiError) Is(target error) bool {
	return target == ErrNoStream && jetstream.ErrorCode(e.ErrorCode) == jetstream.JSErrCodeStreamNotFound
}

// Kept is what the server says of a stream.
type Kept struct {
	// Made is when the stream was created, by the server's clock. A stream that was lost
	// and created anew has another moment: the sequences of one mean nothing in the other.
	Made     time.Time
	Messages uint64 // that it holds now
	Last     uint64 // sequence of the last one ever stored
	// Now is what the server's clock showed when it answered; zero where it does not say.
	Now time.Time
}

// Encrypted says whether the connection is under TLS. What is inside this process needs none.
func (c *Conn) Encrypted() bool {
	_, err := c.nc.TLSConnectionState()
	return err == nil
}

// Kept asks the stream's leader about a stream that this service touches.
func (c *Conn) Kept(ctx context.Context, stream string) (Kept, error) {
	var answer struct {
		Created time.Time `json:"created"`
		Now     time.Time `json:"ts"`
		State   struct {
			Messages uint64 `json:"messages"`
			Last     uint64 `json:"last_seq"`
		} `json:"state"`
	}
	if err := c.info(ctx, "STREAM.INFO."+stream, &answer); err != nil {
		return Kept{}, fmt.Errorf("stream %s: %w", stream, err)
	}
	if answer.Created.IsZero() {
		return Kept{}, fmt.Errorf("stream %s: the server does not say when it was made", stream)
	}
	return Kept{answer.Created.UTC(), answer.State.Messages, answer.State.Last, answer.Now.UTC()}, nil
}
