package stagetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/stage"
)

// A Process is one process at work on the kit's bus.
type Process struct {
	kit  *Kit
	mu   sync.Mutex
	dead bool
}

// Process starts a process.
func (k *Kit) Process() *Process { return &Process{kit: k} }

// Kill ends the process at once: nothing that it does from here on has any effect.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
}

// Deps is what a stage of this process stands on.
func (p *Process) Deps() stage.Deps {
	return stage.Deps{
		Source: source{p}, Outlet: outlet{p}, Marks: marks{p}, SetAsider: asider{p},
		Jitter: func() float64 { return 0.5 }, // no jitter
	}
}

// call makes one call of the process: with the kit's lock held, if it is alive.
func (p *Process) call(kind bus.Kind, subject string, do func() error) error {
	around := p.kit.Around
	if around == nil {
		around = func(_ bus.Call, do func() error) error { return do() }
	}
	return around(bus.Call{Kind: kind, Subject: subject}, func() error {
		p.mu.Lock()
		dead := p.dead
		p.mu.Unlock()
		if dead {
			return ErrDead
		}
		p.kit.mu.Lock()
		defer p.kit.mu.Unlock()
		return do()
	})
}

type source struct{ p *Process }

func (s source) Consume(ctx context.Context, limits bus.Limits, handle func(stage.Delivery)) error {
	k := s.p.kit
	room := make(chan struct{}, limits.Messages)
	var working sync.WaitGroup
	defer working.Wait()
	for {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		d, err := s.next(ctx, k)
		if err != nil {
			return nil
		}
		working.Go(func() {
			defer func() { <-room }()
			handle(d)
		})
	}
}

// next waits for a message that is due.
func (s source) next(ctx context.Context, k *Kit) (*delivery, error) {
	for {
		k.mu.Lock()
		now := time.Now()
		var soonest time.Time
		for _, e := range k.queue {
			if e.state != waiting {
				continue
			}
			if !e.due.After(now) {
				d := k.handOut(e, s.p)
				k.mu.Unlock()
				return d, nil
			}
			if soonest.IsZero() || e.due.Before(soonest) {
				soonest = e.due
			}
		}
		changed := k.changed
		k.mu.Unlock()
		var due <-chan time.Time
		if !soonest.IsZero() {
			due = time.After(time.Until(soonest))
		}
		select {
		case <-changed:
		case <-due:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// handOut must be called with the lock held.
func (k *Kit) handOut(e *entry, p *Process) *delivery {
	e.state = out
	e.deliveries++
	e.times = append(e.times, time.Now())
	n := e.deliveries
	e.expiry = time.AfterFunc(k.AckWait, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if e.state == out && e.deliveries == n {
			e.state, e.due = waiting, time.Now()
			k.wake()
		}
	})
	return &delivery{p, e, n}
}

type delivery struct {
	p *Process
	e *entry
	n uint64
}

func (d *delivery) Subject() string          { return d.e.subject }
func (d *delivery) Header(key string) string { return d.e.header.Get(key) }
func (d *delivery) Data() []byte             { return d.e.data }
func (d *delivery) Deliveries() uint64       { return d.n }
func (d *delivery) Stored() time.Time        { return d.e.stored }

func (d *delivery) end(kind bus.Kind, what string, do func()) error {
	return d.p.call(kind, d.e.subject, func() error {
		if d.e.state == acked || d.e.state == terminated {
			return nil
		}
		d.p.kit.log = append(d.p.kit.log, what)
		do()
		return nil
	})
}

func (d *delivery) Ack(context.Context) error {
	return d.end(bus.CallAck, "ack", func() { d.e.state = acked; d.e.expiry.Stop() })
}

func (d *delivery) Nak(delay time.Duration) error {
	return d.end(bus.CallNak, "nak", func() {
		d.e.state, d.e.due = waiting, time.Now().Add(delay)
		d.e.expiry.Stop()
		d.p.kit.wake()
	})
}

func (d *delivery) Term(_ context.Context, code string) error {
	return d.end(bus.CallTerm, "term", func() { d.e.state, d.e.code = terminated, code; d.e.expiry.Stop() })
}

func (d *delivery) Beat() error {
	return d.p.call(bus.CallBeat, d.e.subject, func() error {
		if d.e.state == out && d.e.deliveries == d.n {
			d.e.beats++
			d.e.expiry.Reset(d.p.kit.AckWait)
		}
		return nil
	})
}

type outlet struct{ p *Process }

func (o outlet) Publish(_ context.Context, letters []stage.Letter) error {
	for _, l := range letters {
		err := o.p.call(bus.CallPublish, l.Subject, func() error { return o.p.kit.store(l) })
		if err != nil {
			return err
		}
	}
	return nil
}

// store must be called with the lock held.
func (k *Kit) store(l stage.Letter) error {
	if l.Once {
		for _, s := range k.stored {
			if s.Subject == l.Subject {
				return nil
			}
		}
	}
	if at, known := k.ids[l.ID]; known && time.Since(at) < DuplicateWindow {
		return nil
	}
	env, msg, err := event.Open(l.Subject, l.Data)
	if err != nil {
		return fmt.Errorf("stored event: %w", err)
	}
	k.ids[l.ID] = time.Now()
	k.stored = append(k.stored, Stored{l.Subject, env, msg, l.Header})
	k.log = append(k.log, "publish "+event.Name(msg))
	return nil
}

type marks struct{ p *Process }

func (m marks) Read(_ context.Context, id string) (mark stage.Mark, err error) {
	err = m.p.call(bus.CallLast, "deaths", func() error { mark = m.p.kit.marks[id]; return nil })
	return mark, err
}

func (m marks) Write(_ context.Context, id string, mark stage.Mark) error {
	return m.p.call(bus.CallPublish, "deaths", func() error {
		m.p.kit.marks[id] = mark
		m.p.kit.writes++
		m.p.kit.log = append(m.p.kit.log, "mark")
		return nil
	})
}

func (m marks) Clear(_ context.Context, id string) error {
	return m.p.call(bus.CallPublish, "deaths", func() error {
		delete(m.p.kit.marks, id)
		m.p.kit.log = append(m.p.kit.log, "clear")
		return nil
	})
}

type asider struct{ p *Process }

// SetAside keeps the first code, as the keyring does.
func (a asider) SetAside(_ context.Context, item, code, stageName string) (record *itemv1.Record, err error) {
	err = a.p.call(bus.CallRequest, "setaside", func() error {
		known, ok := a.p.kit.records[item]
		if !ok {
			return fault.Final("unknown_item")
		}
		if known.State != itemv1.State_STATE_SET_ASIDE && known.State != itemv1.State_STATE_TICKETED {
			known = proto.Clone(known).(*itemv1.Record)
			known.State = itemv1.State_STATE_SET_ASIDE
			known.SetAside = &itemv1.SetAside{Code: code, Stage: stageName, Time: timestamppb.Now()}
			a.p.kit.records[item] = known
			a.p.kit.asides = append(a.p.kit.asides, item+" "+code+" "+stageName)
			a.p.kit.log = append(a.p.kit.log, "aside "+code)
		}
		record = known
		return nil
	})
	return record, err
}
