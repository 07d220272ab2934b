package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
)

// OnBus returns what a stage of the topology stands on, for one service's connection:
// Source, Outlet and Marks. The caller adds the rest.
func OnBus(c *bus.Conn, stage topology.Consumer) Deps {
	return Deps{Source: busSource{c, stage}, Outlet: busOutlet{c}, Marks: busMarks{c, stage.Stage}}
}

type busSource struct {
	conn  *bus.Conn
	stage topology.Consumer
}

func (s busSource) Consume(ctx context.Context, limits bus.Limits, handle func(Delivery)) error {
	return s.conn.Consume(ctx, s.stage.Stream, s.stage.Stage, limits, func(d *bus.Delivery) {
		handle(busDelivery{d})
	})
}

type busDelivery struct{ d *bus.Delivery }

func (b busDelivery) Subject() string               { return b.d.Subject }
func (b busDelivery) Header(key string) string      { return b.d.Message.Header.Get(key) }
func (b busDelivery) Data() []byte                  { return b.d.Data }
func (b busDelivery) Deliveries() uint64            { return b.d.Deliveries }
func (b busDelivery) Stored() time.Time             { return b.d.Time }
func (b busDelivery) Ack(ctx context.Context) error { return b.d.Ack(ctx) }
func (b busDelivery) Nak(d time.Duration) error     { return b.d.Nak(d) }
func (b busDelivery) Beat() error                   { return b.d.Beat() }
func (b busDelivery) Term(ctx context.Context, code string) error {
	return b.d.Term(ctx, code)
}

type busOutlet struct{ conn *bus.Conn }

// Publish sends all letters and then waits for all acknowledgements.
func (o busOutlet) Publish(ctx context.Context, letters []Letter) error {
	pending := make([]*bus.Pending, 0, len(letters))
	var failed error
	for _, l := range letters {
		opts := []bus.PublishOption{bus.MsgID(l.ID), bus.Headers(l.Header)}
		if l.Once {
			opts = append(opts, bus.ExpectLastSubjectSeq(0))
		}
		p, err := o.conn.PublishAsync(l.Subject, l.Data, opts...)
		if err != nil {
			failed = err
			break
		}
		pending = append(pending, p)
	}
	for i, p := range pending {
		_, err := p.Wait(ctx)
		if letters[i].Once && errors.Is(err, bus.ErrWrongSequence) {
			err = nil // said before
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

type busMarks struct {
	conn  *bus.Conn
	stage string
}

// clearedFor is how long the empty message that replaces a mark stays; the server's least.
const clearedFor = time.Second

func (m busMarks) subject(id string) string { return "deaths." + m.stage + "." + id }

func (m busMarks) Read(ctx context.Context, id string) (Mark, error) {
	msg, err := m.conn.Peek(ctx, topology.Deaths, m.subject(id))
	if errors.Is(err, bus.ErrNoMessage) || (err == nil && len(msg.Data) == 0) {
		return Mark{}, nil
	}
	if err != nil {
		return Mark{}, err
	}
	var mark Mark
	if json.Unmarshal(msg.Data, &mark) != nil {
		return Mark{}, nil // no mark of ours: as if there were none, the mail is a suspect
	}
	return mark, nil
}

func (m busMarks) Write(ctx context.Context, id string, mark Mark) error {
	data, err := json.Marshal(mark)
	if err != nil {
		return fmt.Errorf("mark of event %s: %w", id, err)
	}
	_, err = m.conn.Publish(ctx, m.subject(id), data)
	return err
}

func (m busMarks) Clear(ctx context.Context, id string) error {
	_, err := m.conn.Publish(ctx, m.subject(id), nil, bus.TTL(clearedFor))
	return err
}
