package bus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/postern-mail/postern/pkg/bus/topology"
)

// LeaseTTL is how long a lease outlives a holder that died.
const LeaseTTL = 10 * time.Second

const (
	leaseTTL   = LeaseTTL
	leaseRenew = 3 * time.Second
	// leaseMargin is how long before the server's end of it a holder gives a lease up for lost.
	leaseMargin = time.Second
	// leaseFreed is how long the mark of a lease given up stays; the server's least.
	leaseFreed = time.Second
	freed      = "freed"
)

// ErrHeld: somebody else holds the lease.
var ErrHeld = errors.New("lease is held by another")

// A Lease says that, until it is lost, this process alone does something. A process that is
// paused can outlive its lease without noticing: a lease spares double work, and
// must not be all that protects a change. For that there is Number.
type Lease struct {
	Name   string
	Number uint64 // grows with every holder: a fencing number
	lost   context.Context
	cancel context.CancelCauseFunc
	over   chan struct{}
}

// ErrLost is the cause of a lost lease's context.
var ErrLost = errors.New("lease lost")

// Lease takes the lease of that name of this service, or returns ErrHeld at once.
// It is renewed until Release, or until ctx ends.
func (c *Conn) Lease(ctx context.Context, name string) (*Lease, error) {
	h := &holder{conn: c, subject: "leases." + c.service + "." + name, mark: "held " + rand.Text(), asked: time.Now()}
	if err := h.seize(ctx); err != nil {
		return nil, fmt.Errorf("lease %s: %w", name, err)
	}
	l := &Lease{Name: name, Number: h.seq, over: make(chan struct{})}
	l.lost, l.cancel = context.WithCancelCause(ctx)
	go func() {
		defer close(l.over)
		if err := h.hold(l.lost); err != nil {
			l.cancel(err)
			return
		}
		h.free()
	}()
	return l, nil
}

// Context ends when the lease is lost or released.
func (l *Lease) Context() context.Context { return l.lost }

// Release gives the lease up, so that another need not wait for its end.
func (l *Lease) Release() {
	l.cancel(context.Canceled)
	<-l.over
}

// A holder is who writes a lease's messages.
type holder struct {
	conn    *Conn
	subject string
	mark    string // tells our messages from another's
	seq     uint64 // of our last message
	asked   time.Time
}

// seize writes the first message. The last one of the subject is either gone, or says
// that the lease was given up: only then the write is tried, and only over that very message.
func (h *holder) seize(ctx context.Context) error {
	last, err := h.last(ctx)
	switch {
	case errors.Is(err, ErrNoMessage):
	case err != nil:
		return err
	case string(last.Data) != freed:
		return ErrHeld
	default:
		h.seq = last.Sequence
	}
	err = h.write(ctx, h.mark, leaseTTL)
	if errors.Is(err, ErrWrongSequence) {
		return ErrHeld
	}
	return err
}

// hold renews until ctx ends, which is nil, or the lease is lost. It is lost when
// another's message is there, or when so much time has passed since the last renewal known
// to have succeeded was asked for that the server may be about to forget it.
func (h *holder) hold(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(leaseRenew):
		}
		end := h.asked.Add(leaseTTL - leaseMargin)
		try, cancel := context.WithDeadline(ctx, end)
		asked := time.Now()
		err := h.write(try, h.mark, leaseTTL)
		if errors.Is(err, ErrWrongSequence) {
			err = h.adopt(try)
		}
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			h.asked = asked
		case errors.Is(err, ErrLost), !time.Now().Before(end):
			return ErrLost
		}
	}
}

// adopt finds out whether the message that came between is our own, written by
// a call whose answer was lost, and writes over it.
func (h *holder) adopt(ctx context.Context) error {
	last, err := h.last(ctx)
	if errors.Is(err, ErrNoMessage) || (err == nil && string(last.Data) != h.mark) {
		return ErrLost
	}
	if err != nil {
		return err
	}
	h.seq = last.Sequence
	return h.write(ctx, h.mark, leaseTTL)
}

// write gives the time to live anew with each message: one without would stay for ever.
func (h *holder) write(ctx context.Context, mark string, ttl time.Duration) error {
	seq, err := h.conn.Publish(ctx, h.subject, []byte(mark), ExpectLastSubjectSeq(h.seq), TTL(ttl))
	if err == nil {
		h.seq = seq
	}
	return err
}

// last may be a moment old: who is wrong about a free lease fails at the write.
func (h *holder) last(ctx context.Context) (*Message, error) {
	return h.conn.Peek(ctx, topology.Leases, h.subject)
}

func (h *holder) free() {
	ctx, cancel := context.WithTimeout(context.Background(), leaseRenew)
	defer cancel()
	if err := h.write(ctx, freed, leaseFreed); err != nil && !errors.Is(err, ErrWrongSequence) {
		h.conn.log.Warn("lease not given up", "subject", h.subject, "err", err)
	}
}
