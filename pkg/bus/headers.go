package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/postern-mail/postern/pkg/bus/topology"
)

// ErrDisturbed: somebody else swept the same headers meanwhile; what was seen may have gaps.
var ErrDisturbed = errors.New("another sweep of these headers came between")

// scanHeaders reads through the service's own headers consumer, moved to from. No service
// may create consumers: whoever creates one says where the server delivers to.
func (c *Conn) scanHeaders(ctx context.Context, stream string, from uint64) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		fail := func(err error) { yield(nil, fmt.Errorf("headers of %s: %w", stream, err)) }
		unlock, err := c.scans.take(ctx, stream)
		if err != nil {
			fail(err)
			return
		}
		defer unlock()
		// What comes later is the next scan's: a scan ends while records keep coming.
		kept, err := c.Kept(ctx, stream)
		if err != nil {
			fail(err)
			return
		}
		if kept.Last < from {
			return
		}
		name := stream + "." + topology.HeadersConsumer(c.service)
		if err := c.rewind(ctx, name, max(from, 1)); err != nil {
			fail(err)
			return
		}
		var seen uint64 // the consumer's own count, without gaps while we are alone
		var last uint64 // sequence of the last message
		for late := 0; last < kept.Last; {
			var batch []*nats.Msg
			err := c.around(Call{CallScan, stream}, func() (err error) {
				batch, err = c.drawHeaders(ctx, name, late > 0)
				return err
			})
			if err != nil {
				fail(err)
				return
			}
			if len(batch) == 0 { // a consumer hears of a message a moment after its publisher has the answer
				if late++; late > lateDraws {
					return
				}
				continue
			}
			late = 0
			for _, m := range batch {
				meta, err := m.Metadata()
				if err != nil {
					fail(err)
					return
				}
				if meta.Sequence.Stream < from || (seen > 0 && meta.Sequence.Consumer != seen+1) {
					fail(ErrDisturbed)
					return
				}
				seen, last = meta.Sequence.Consumer, meta.Sequence.Stream
				if !yield(&Message{Subject: m.Subject, Header: m.Header, Sequence: meta.Sequence.Stream, Time: meta.Timestamp}, nil) {
					return
				}
			}
		}
	}
}

// rewind moves a consumer to the first message from sequence from on.
func (c *Conn) rewind(ctx context.Context, name string, from uint64) error {
	request := nats.NewMsg(c.api + "CONSUMER.RESET." + name)
	request.Data, _ = json.Marshal(map[string]uint64{"seq": from})
	return c.command(ctx, request, nil)
}

// A message that is stored and that the consumer does not give is waited for so long, and
// so often: the last one of a stream may have been deleted.
const (
	lateWait  = 250 * time.Millisecond
	lateDraws = 4
)

// drawHeaders returns what is there of the next scanBatch messages. It waits for more only
// where it is told to.
func (c *Conn) drawHeaders(ctx context.Context, name string, wait bool) ([]*nats.Msg, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	sub, err := c.nc.SubscribeSync(c.nc.NewInbox())
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	ask := map[string]any{"batch": scanBatch, "no_wait": true}
	if wait {
		ask = map[string]any{"batch": scanBatch, "expires": lateWait.Nanoseconds()}
	}
	data, _ := json.Marshal(ask)
	if err := c.nc.PublishRequest(c.api+"CONSUMER.MSG.NEXT."+name, sub.Subject, data); err != nil {
		return nil, err
	}
	var batch []*nats.Msg
	for len(batch) < scanBatch {
		m, err := sub.NextMsgWithContext(ctx)
		if errors.Is(err, nats.ErrNoResponders) {
			return nil, ErrNobody
		}
		if err != nil {
			return nil, err
		}
		switch status := m.Header.Get("Status"); status {
		case "":
			batch = append(batch, m)
		case "404", "408":
			return batch, nil
		case "503":
			return nil, ErrNobody
		default:
			return nil, fmt.Errorf("server answers %s %s", status, m.Header.Get("Description"))
		}
	}
	return batch, nil
}
