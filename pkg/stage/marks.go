package stage

import (
	"context"
	"crypto/rand"
	"time"

	"golang.org/x/sync/semaphore"
)

// A Mark is what is remembered of a mail in trouble, from delivery to delivery.
type Mark struct {
	// Back: the delivery was given back by us. Otherwise a process had the mail in work
	// after it had already come again unasked.
	Back     bool   `json:"back,omitempty"`
	Delivery uint64 `json:"delivery"` // which delivery the mark is about
	Deaths   int    `json:"deaths,omitempty"`
	Process  string `json:"process,omitempty"`
}

// Marks keep marks by event id. Read returns the zero Mark where there is none. What
// Write wrote must be there for every process before Write returns.
type Marks interface {
	Read(ctx context.Context, id string) (Mark, error)
	Write(ctx context.Context, id string, m Mark) error
	Clear(ctx context.Context, id string) error
}

// fatal is how many deaths set a mail aside.
const fatal = 3

// everybody is more than all mails a process may have in work.
const everybody = 1 << 30

// A Process is one process in which stages run. A mail that may have killed its worker
// runs while no other is in work there, so that a further death can only be its own.
type Process struct {
	id        string
	work      *semaphore.Weighted
	afterward time.Time // zero, or the start of a process whose predecessor died with the bus in it
}

// NewProcess returns the process, under a name drawn at random.
func NewProcess() *Process {
	return &Process{id: rand.Text(), work: semaphore.NewWeighted(everybody)}
}

// AfterDeath says that the process before this one died, and the bus with it: the bus may then
// have forgotten which mails were in work, so every mail from before started is a suspect.
func (p *Process) AfterDeath(started time.Time) *Process {
	p.afterward = started
	return p
}

// enter waits until work may begin, alone or beside others, and returns its end.
func (p *Process) enter(ctx context.Context, alone bool) (leave func(), err error) {
	share := int64(1)
	if alone {
		share = everybody
	}
	if err := p.work.Acquire(ctx, share); err != nil {
		return nil, err
	}
	return func() { p.work.Release(share) }, nil
}

// doubts reports whether the marks must be asked about a delivery at all.
func (p *Process) doubts(d Delivery) bool {
	return d.Deliveries() > 1 || d.Stored().Before(p.afterward)
}

// suspicion judges a delivery in doubt by the mark that was left. One that follows a
// giving-back is no suspect. Any other follows a death: of this mail's worker, or of one that
// worked beside it.
func (p *Process) suspicion(d Delivery, left Mark) (suspect bool, deaths int) {
	forgotten := d.Stored().Before(p.afterward) // deliveries may be too low
	switch {
	case left.Back && left.Delivery+1 >= d.Deliveries() && !forgotten:
		return left.Deaths > 0, left.Deaths
	case left.Back && forgotten:
		return true, max(left.Deaths, 1) // it may have been waiting only
	case left.Back || left.Deaths == 0:
		return true, left.Deaths + 1
	case left.Process == p.id:
		return true, left.Deaths // we are alive: that run ended without its mark being cleared
	default:
		return true, left.Deaths + 1
	}
}
