package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	pullExpires = 5 * time.Second // how long the server may hold a pull open
	pullGrace   = 2 * time.Second // how much longer we wait for its end
	pullPause   = 250 * time.Millisecond
	// minPullBytes lets the largest message through: payload, headers and subjects.
	minPullBytes = MaxPayload + 64<<10

	// DefaultBytes is how much one consumer holds where its limits do not say.
	DefaultBytes = 64 << 20
)

// A Delivery is a message handed out by a consumer. Exactly one of Ack, Nak and Term
// ends it; without any it comes again after the consumer's ack wait.
type Delivery struct {
	Message
	Deliveries uint64 // 1 the first time
	conn       *Conn
	reply      string
}

// Ack ends the delivery for good and returns when the server has taken note of it.
func (d *Delivery) Ack(ctx context.Context) error {
	return d.end(ctx, CallAck, "+ACK")
}

// Term ends the delivery for good although the work was not done. The reason must be a code.
func (d *Delivery) Term(ctx context.Context, reason string) error {
	return d.end(ctx, CallTerm, "+TERM "+reason)
}

func (d *Delivery) end(ctx context.Context, kind Kind, verdict string) error {
	return d.conn.around(Call{kind, d.Subject}, func() error {
		_, err := d.conn.ask(ctx, &nats.Msg{Subject: d.reply, Data: []byte(verdict)})
		return err
	})
}

// Nak gives the message back: it comes again after delay.
func (d *Delivery) Nak(delay time.Duration) error {
	data := []byte("-NAK")
	if delay > 0 {
		data = fmt.Appendf(nil, `-NAK {"delay": %d}`, delay.Nanoseconds())
	}
	return d.conn.around(Call{CallNak, d.Subject}, func() error { return d.conn.nc.Publish(d.reply, data) })
}

// Beat says that the work goes on: the ack wait begins anew.
func (d *Delivery) Beat() error {
	return d.conn.around(Call{CallBeat, d.Subject}, func() error { return d.conn.nc.Publish(d.reply, []byte("+WPI")) })
}

// Limits bound what one Consume holds at once.
type Limits struct {
	Messages int // at least 1
	Bytes    int // 0: DefaultBytes; less than the largest message is raised to that
}

// Consume draws from a durable consumer and calls handle for each message, each in its own
// goroutine, never more than limits at once: a message is asked for only when there
// is room for it. It returns nil when ctx has ended and every handle has returned; what
// was on its way by then is still handed over. While the server is away it waits.
func (c *Conn) Consume(ctx context.Context, stream, consumer string, limits Limits, handle func(*Delivery)) error {
	if limits.Messages < 1 {
		return fmt.Errorf("consume %s: limit must be at least 1", consumer)
	}
	if limits.Bytes <= 0 {
		limits.Bytes = DefaultBytes
	}
	in := &inlet{
		conn: c, stream: stream, consumer: consumer, subject: c.api + "CONSUMER.MSG.NEXT." + stream + "." + consumer,
		room: newRoom(limits.Messages, max(limits.Bytes, minPullBytes)), handle: handle,
	}
	// Two pulls take turns, so that one is open while the other is being asked for.
	var pulls sync.WaitGroup
	failed := make(chan error, 2)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range min(2, limits.Messages) {
		pulls.Go(func() {
			if err := in.run(ctx); err != nil {
				failed <- err
				cancel()
			}
		})
	}
	pulls.Wait()
	in.working.Wait()
	select {
	case err := <-failed:
		return fmt.Errorf("consume %s: %w", consumer, err)
	default:
		return nil
	}
}

type inlet struct {
	conn             *Conn
	stream, consumer string
	subject          string // of a pull
	room             *room
	handle           func(*Delivery)
	working          sync.WaitGroup
	aligned          atomic.Bool // since the connection was last lost
}

// run pulls until ctx ends. It fails only where the server forbids the pull.
func (in *inlet) run(ctx context.Context) error {
	most := min(max(in.room.messages/2, 1), maxPull)
	for {
		share, err := in.room.take(ctx, most)
		if err != nil {
			return nil
		}
		err = in.align(ctx)
		if err == nil {
			err = in.pull(ctx, share)
		}
		share.release()
		if errors.Is(err, ErrConnectionLost) {
			in.aligned.Store(false)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrDenied):
			return err
		case err != nil:
			in.conn.log.Warn("bus pull failed", "consumer", in.consumer, "err", err)
			select {
			case <-time.After(pullPause):
			case <-ctx.Done():
			}
		}
	}
}

// align looks once after every connecting whether the server has lost what it had handed out.
func (in *inlet) align(ctx context.Context) error {
	if !in.aligned.CompareAndSwap(false, true) {
		return nil
	}
	err := in.conn.realign(ctx, in.stream, in.consumer)
	if err != nil {
		in.aligned.Store(false)
	}
	return err
}

// pull asks once for as much as share has room for and hands over what comes.
func (in *inlet) pull(ctx context.Context, share *share) error {
	c := in.conn
	request, _ := json.Marshal(map[string]any{
		"batch": share.messages, "max_bytes": share.bytes, "expires": pullExpires.Nanoseconds(),
	})
	sub, err := c.nc.SubscribeSync(c.nc.NewInbox())
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	wait, cancel := context.WithTimeout(ctx, pullExpires+pullGrace)
	defer cancel()
	denial := c.denials.watch(in.subject, cancel)
	defer denial.done()
	err = c.around(Call{CallPull, in.subject}, func() error {
		return c.nc.PublishRequest(in.subject, sub.Subject, request)
	})
	if err != nil {
		return err
	}
	for share.messages > 0 {
		m, err := sub.NextMsgWithContext(wait)
		if err != nil {
			if reason := denial.reason(); reason != nil {
				return reason
			}
			return in.ended(ctx, sub, share, err)
		}
		if over, err := in.hand(m, share); over {
			return err
		}
	}
	return nil
}

// ended deals with a pull that did not end by itself. Where we are asked to stop,
// what the server has sent already is handed over still: it would otherwise look like
// mail that died with its worker.
func (in *inlet) ended(ctx context.Context, sub *nats.Subscription, share *share, err error) error {
	switch {
	case ctx.Err() != nil:
		if err := sub.Drain(); err != nil {
			return nil
		}
		for {
			m, err := sub.NextMsg(time.Second)
			if err != nil {
				return nil
			}
			if over, _ := in.hand(m, share); over {
				return nil
			}
		}
	case errors.Is(err, context.DeadlineExceeded):
		return nil // its end was lost; the next pull follows
	case errors.Is(err, nats.ErrNoResponders):
		return ErrNobody
	default:
		return err
	}
}

// hand starts the work on one message. over says that m was the pull's end instead.
func (in *inlet) hand(m *nats.Msg, share *share) (over bool, err error) {
	switch status := m.Header.Get("Status"); status {
	case "":
	case "100":
		return false, nil
	case "404", "408":
		return true, nil
	case "503":
		return true, ErrNobody
	default:
		return true, fmt.Errorf("server answers %s %s", status, m.Header.Get("Description"))
	}
	meta, err := m.Metadata()
	if err != nil {
		return false, nil // not from a consumer: nothing can be acknowledged
	}
	d := &Delivery{
		Message: Message{
			Subject: m.Subject, Header: m.Header, Data: m.Data, Sequence: meta.Sequence.Stream, Time: meta.Timestamp,
		},
		Deliveries: meta.NumDelivered, conn: in.conn, reply: m.Reply,
	}
	release := share.give(m.Size())
	in.working.Go(func() {
		defer release()
		in.handle(d)
	})
	return false, nil
}
