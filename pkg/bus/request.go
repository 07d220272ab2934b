package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/postern-mail/postern/pkg/fault"
)

// headerFault carries the code of a handler that failed, instead of an answer.
const headerFault = "Postern-Fault"

// A Request is what a Handler is asked.
type Request struct {
	Subject string
	Header  Header
	Data    []byte
}

// A Handler answers one request. An error is answered by its fault code alone.
type Handler func(ctx context.Context, r Request) ([]byte, error)

// Request asks whoever serves subject and returns the answer. Where nobody does, or
// this service cannot reach them, it is ErrNobody; a handler that failed is a fault
// (pkg/fault) of the same code and kind.
func (c *Conn) Request(ctx context.Context, subject string, data []byte, opts ...PublishOption) ([]byte, error) {
	msg, _, err := message(subject, data, opts)
	if err != nil {
		return nil, err
	}
	var answer []byte
	err = c.around(Call{CallRequest, subject}, func() error {
		reply, err := c.ask(ctx, msg)
		if err != nil {
			return err
		}
		if code := reply.Header.Get(headerFault); code != "" {
			if reply.Header.Get(headerFault+"-Kind") == string(fault.Ended) {
				return fmt.Errorf("request %s: %w", subject, fault.Final(code))
			}
			return fmt.Errorf("request %s: %w", subject, fault.Later(0, code))
		}
		answer = reply.Data
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// ask sends msg and waits for one answer.
func (c *Conn) ask(ctx context.Context, msg *nats.Msg) (*nats.Msg, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	wait := c.denials.watch(msg.Subject, cancel)
	defer wait.done()
	reply, err := c.nc.RequestMsgWithContext(ctx, msg)
	if err == nil {
		return reply, nil
	}
	if reason := wait.reason(); reason != nil {
		return nil, fmt.Errorf("request %s: %w", msg.Subject, reason)
	}
	if errors.Is(err, nats.ErrNoResponders) {
		err = ErrNobody
	}
	return nil, fmt.Errorf("request %s: %w", msg.Subject, err)
}

// A Served is a subject that is being answered.
type Served struct {
	sub     *nats.Subscription
	cancel  context.CancelFunc
	working sync.WaitGroup
	closed  chan struct{}
}

// Serve answers requests on subject, which may hold wildcards, with at most limit
// handlers at once. Processes of one service share the work. It returns when the
// server has accepted the subscription, and ErrDenied where it has not. It serves
// until Stop, or until ctx ends.
func (c *Conn) Serve(ctx context.Context, subject string, limit int, handle Handler) (*Served, error) {
	if limit < 1 {
		return nil, fmt.Errorf("serve %s: limit must be at least 1", subject)
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &Served{cancel: cancel, closed: make(chan struct{})}
	slots := make(chan struct{}, limit)
	sub, err := c.nc.QueueSubscribe(subject, c.service, func(m *nats.Msg) {
		slots <- struct{}{}
		s.working.Go(func() {
			defer func() { <-slots }()
			c.answer(ctx, m, handle)
		})
	})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("serve %s: %w", subject, err)
	}
	s.sub = sub
	sub.SetClosedHandler(func(string) { close(s.closed) })
	if err := c.accepted(ctx, subject); err != nil {
		cancel()
		return nil, fmt.Errorf("serve %s: %w", subject, err)
	}
	context.AfterFunc(ctx, func() { _ = sub.Unsubscribe() })
	return s, nil
}

// Stop takes no more requests, waits for those at hand until ctx ends, and returns.
func (s *Served) Stop(ctx context.Context) error {
	defer s.cancel()
	if err := s.sub.Drain(); err != nil && !errors.Is(err, nats.ErrBadSubscription) && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("serve %s: %w", s.sub.Subject, err)
	}
	finished := make(chan struct{})
	go func() {
		<-s.closed
		s.working.Wait()
		close(finished)
	}()
	select {
	case <-finished:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("serve %s: %w", s.sub.Subject, ctx.Err())
	}
}

func (c *Conn) answer(ctx context.Context, m *nats.Msg, handle Handler) {
	data, err := safely(ctx, handle, Request{Subject: m.Subject, Header: m.Header, Data: m.Data})
	if m.Reply == "" {
		return
	}
	reply := &nats.Msg{Subject: m.Reply, Data: data}
	if err != nil {
		verdict := fault.Of(err)
		c.log.Warn("bus request failed", "subject", m.Subject, "code", verdict.Code, "err", err)
		reply = &nats.Msg{Subject: m.Reply, Header: Header{
			headerFault: {verdict.Code}, headerFault + "-Kind": {string(verdict.Kind)},
		}}
	}
	err = c.around(Call{CallAnswer, m.Subject}, func() error { return c.nc.PublishMsg(reply) })
	if err != nil {
		c.log.Warn("bus answer not sent", "subject", m.Subject, "err", err)
	}
}

// safely turns a panic into a fault. The panic's value is not told: it may quote
// what was being worked on.
func safely(ctx context.Context, handle Handler, r Request) (data []byte, err error) {
	defer func() {
		if recover() != nil {
			data, err = nil, fault.Later(0, "panicked")
		}
	}()
	return handle(ctx, r)
}

// accepted waits until the server has seen the last subscription, and returns
// ErrDenied where it refused it.
func (c *Conn) accepted(ctx context.Context, subject string) error {
	ctx, cancel := c.within(ctx)
	defer cancel()
	if err := c.nc.FlushWithContext(ctx); err != nil {
		return err
	}
	// The client notes a violation before it hands on the server's PONG.
	if denied, is := deniedSubject(c.nc.LastError()); is && denied == subject {
		return ErrDenied
	}
	return nil
}
