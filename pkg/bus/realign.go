package bus

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
)

// realign puts a consumer back to where its stream ends, should it be ahead of it. That
// is so when the server was killed: MAIL is acknowledged before it is on disk, the last of
// it may be gone, and its sequences are given out anew. The consumer would pass over
// the new messages, since it has seen their sequences. What is handed out twice by
// this does no harm.
func (c *Conn) realign(ctx context.Context, stream, consumer string) error {
	// The consumer first: a stream only grows meanwhile, so being ahead is no illusion.
	var inlet struct {
		Delivered struct {
			Stream uint64 `json:"stream_seq"`
		} `json:"delivered"`
		Floor struct {
			Stream uint64 `json:"stream_seq"`
		} `json:"ack_floor"`
	}
	if err := c.info(ctx, "CONSUMER.INFO."+stream+"."+consumer, &inlet); err != nil {
		return err
	}
	var kept struct {
		State struct {
			Last uint64 `json:"last_seq"`
		} `json:"state"`
	}
	if err := c.info(ctx, "STREAM.INFO."+stream, &kept); err != nil {
		return err
	}
	if inlet.Delivered.Stream <= kept.State.Last {
		return nil
	}
	from := min(inlet.Floor.Stream, kept.State.Last) + 1
	c.log.Warn("consumer was ahead of its stream, put back", "consumer", consumer,
		"delivered", inlet.Delivered.Stream, "last", kept.State.Last, "from", from)
	return c.rewind(ctx, stream+"."+consumer, from)
}

// info asks JetStream about a thing and reads the answer into v.
func (c *Conn) info(ctx context.Context, what string, v any) error {
	return c.command(ctx, nats.NewMsg(c.api+what), v)
}

// command is a request to JetStream, whose answer it reads into v where there is one.
func (c *Conn) command(ctx context.Context, request *nats.Msg, v any) error {
	reply, err := c.ask(ctx, request)
	if err != nil {
		return err
	}
	var failed struct {
		Error *apiError `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &failed); err != nil {
		return fmt.Errorf("server's answer: %w", err)
	}
	if failed.Error != nil {
		return failed.Error
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(reply.Data, v); err != nil {
		return fmt.Errorf("server's answer: %w", err)
	}
	return nil
}
