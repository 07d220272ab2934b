package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A Header is what goes beside a payload. Its keys are case sensitive.
type Header = nats.Header

// A PublishOption adds a condition or a property to one publish.
type PublishOption func(*publishing)

type publishing struct {
	header Header
	opts   []jetstream.PublishOpt
}

// MsgID makes the server forget a repeat of id within the stream's duplicate window.
func MsgID(id string) PublishOption {
	return func(p *publishing) { p.opts = append(p.opts, jetstream.WithMsgID(id)) }
}

// ExpectLastSubjectSeq stores the message only if the last message of its subject
// has this sequence; 0 means that the subject has none. Otherwise ErrWrongSequence.
func ExpectLastSubjectSeq(seq uint64) PublishOption {
	return func(p *publishing) { p.opts = append(p.opts, jetstream.WithExpectLastSequencePerSubject(seq)) }
}

// TTL lets the message vanish after d, at least a second, where its stream allows that.
func TTL(d time.Duration) PublishOption {
	return func(p *publishing) { p.opts = append(p.opts, jetstream.WithMsgTTL(d)) }
}

// Headers adds headers.
func Headers(h Header) PublishOption {
	return func(p *publishing) {
		for key, values := range h {
			p.header[key] = append(p.header[key], values...)
		}
	}
}

// Publish stores data under subject and returns its stream sequence once the server has
// acknowledged it: on disk, for a synced stream. A repeat of a MsgID returns the sequence
// of the first.
func (c *Conn) Publish(ctx context.Context, subject string, data []byte, opts ...PublishOption) (uint64, error) {
	msg, jsOpts, err := message(subject, data, opts)
	if err != nil {
		return 0, err
	}
	var seq uint64
	err = c.around(Call{CallPublish, subject}, func() error {
		ctx, cancel := c.within(ctx)
		defer cancel()
		wait := c.denials.watch(subject, cancel)
		defer wait.done()
		ack, err := c.js.PublishMsg(ctx, msg, jsOpts...)
		if err != nil {
			return publishError(subject, err, wait)
		}
		seq = ack.Sequence
		return nil
	})
	if err != nil {
		return 0, err
	}
	return seq, nil
}

// A Pending is a publish whose acknowledgement is still to come.
type Pending struct {
	conn    *Conn
	subject string
	future  jetstream.PubAckFuture
	wait    *waiter
	broken  chan struct{} // closed when no answer will come
}

// PublishAsync sends without waiting for the acknowledgement, at most Options.Window
// at once: past that it blocks. Every Pending must be waited for.
func (c *Conn) PublishAsync(subject string, data []byte, opts ...PublishOption) (*Pending, error) {
	msg, jsOpts, err := message(subject, data, opts)
	if err != nil {
		return nil, err
	}
	p := &Pending{conn: c, subject: subject}
	err = c.around(Call{CallPublish, subject}, func() error {
		p.broken = make(chan struct{})
		p.wait = c.denials.watch(subject, sync.OnceFunc(func() { close(p.broken) }))
		future, err := c.js.PublishMsgAsync(msg, append(jsOpts, jetstream.WithStallWait(c.timeout))...)
		if err != nil {
			p.wait.done()
			return publishError(subject, err, p.wait)
		}
		p.future = future
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Wait returns when the server has acknowledged the publish, or refused it.
func (p *Pending) Wait(ctx context.Context) (uint64, error) {
	defer p.wait.done()
	var seq uint64
	err := p.conn.around(Call{CallWait, p.subject}, func() error {
		select {
		case ack := <-p.future.Ok():
			seq = ack.Sequence
			return nil
		case err := <-p.future.Err():
			return publishError(p.subject, err, p.wait)
		case <-p.broken:
			return publishError(p.subject, ErrDenied, p.wait)
		case <-ctx.Done():
			return publishError(p.subject, ctx.Err(), p.wait)
		}
	})
	if err != nil {
		return 0, err
	}
	return seq, nil
}

func message(subject string, data []byte, opts []PublishOption) (*nats.Msg, []jetstream.PublishOpt, error) {
	if len(data) > MaxPayload {
		return nil, nil, fmt.Errorf("publish %s: %d bytes: %w", subject, len(data), ErrTooLarge)
	}
	p := publishing{header: make(Header)}
	for _, opt := range opts {
		opt(&p)
	}
	return &nats.Msg{Subject: subject, Data: data, Header: p.header}, p.opts, nil
}

// Codes of the server for a sequence that is not the expected one.
const (
	wrongLastSequence         = 10071
	wrongLastSequenceConstant = 10164
)

func publishError(subject string, err error, wait *waiter) error {
	if reason := wait.reason(); reason != nil {
		return fmt.Errorf("publish %s: %w", subject, reason)
	}
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api) && (api.ErrorCode == wrongLastSequence || api.ErrorCode == wrongLastSequenceConstant):
		err = ErrWrongSequence
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders):
		err = ErrNobody
	case errors.Is(err, nats.ErrMaxPayload):
		err = ErrTooLarge
	}
	return fmt.Errorf("publish %s: %w", subject, err)
}
