package stage

import (
	"context"
	"errors"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/fault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
)

// closing is how long the closing of one delivery may take, also when the stage is
// stopping: the work is done by then, and only has to be told.
const closing = 15 * time.Second

// close brings a delivery to its end, and returns the end as it came to be.
func (r *runner) close(ctx context.Context, m *mail, e end) end {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
	defer cancel()
	switch e.kind {
	case fault.None:
		return r.done(ctx, m, e)
	case fault.Ended:
		return r.setAside(ctx, m, e)
	default:
		return r.back(ctx, m, e)
	}
}

// done publishes and then acknowledges: a crash between the two repeats work, in the other
// order it would lose mail.
func (r *runner) done(ctx context.Context, m *mail, e end) end {
	if err := r.Outlet.Publish(ctx, e.letters); err != nil {
		if errors.Is(err, bus.ErrTooLarge) { // and would be every time: patience is not asked here
			e.kind, e.code, e.err = fault.Ended, EventTooLarge, err
			return r.setAside(ctx, m, e)
		}
		e.kind, e.code, e.err, e.pause = fault.Broken, NotPublished, err, r.pause(m)
		return r.back(ctx, m, e)
	}
	if err := m.Ack(ctx); err != nil {
		e.err, e.lost = err, true
	}
	r.forget(ctx, m)
	return e
}

// setAside writes the code into the record, says so, and ends the delivery for good, in
// this order: whatever a crash leaves undone, the next delivery does.
func (r *runner) setAside(ctx context.Context, m *mail, e end) end {
	if m.item() != "" {
		record, err := r.SetAsider.SetAside(ctx, m.item(), e.code, r.spec.Stage)
		switch {
		case fault.IsFinal(err):
			// There is no such item: nothing is lost with the event. It is logged and counted.
			e.err = err
		case err != nil:
			e.kind, e.code, e.err, e.pause = fault.Broken, NotSetAside, err, r.pause(m)
			return r.back(ctx, m, e)
		case record.GetState() == itemv1.State_STATE_SET_ASIDE:
			letter, err := r.letter(m, asideIndex, Out{Message: &mailv1.SetAside{Record: record}}, traceHeader(ctx))
			if err == nil {
				err = r.Outlet.Publish(ctx, []Letter{letter})
			}
			if err != nil {
				e.kind, e.code, e.err, e.pause = fault.Broken, NotPublished, err, r.pause(m)
				return r.back(ctx, m, e)
			}
		}
	}
	if err := m.Term(ctx, e.code); err != nil {
		e.err, e.lost = err, true
	}
	r.forget(ctx, m)
	return e
}

// back gives the delivery back, after noting that it did: what comes again without such a
// note is a suspect. Deaths are not forgotten by that: where each start first meets something
// that is not up yet, they would never add up.
func (r *runner) back(ctx context.Context, m *mail, e end) end {
	if m.env != nil {
		if err := r.Marks.Write(ctx, m.env.Id, Mark{Back: true, Delivery: m.Deliveries(), Deaths: e.deaths}); err != nil {
			r.Log.Warn("mark not written", "stage", r.spec.Stage, "event", m.env.Id, "err", err)
		}
	}
	if err := m.Nak(e.pause); err != nil {
		e.lost = true
	}
	return e
}

// forget removes what was remembered of a mail that is dealt with, also where the server may
// not have heard of its end: should it come again, it is a suspect again, which harms nobody.
func (r *runner) forget(ctx context.Context, m *mail) {
	if m.env == nil || !r.Process.doubts(m) {
		return
	}
	if err := r.Marks.Clear(ctx, m.env.Id); err != nil {
		r.Log.Warn("mark not removed", "stage", r.spec.Stage, "event", m.env.Id, "err", err)
	}
}
