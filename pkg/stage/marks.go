package stage

import (
	"context"
	"crypto/rand"
	"sync"
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

// stuck is after how long in work a mail is not waited for any more, neither by one that is to run alone
// nor, where it runs alone itself, by the others: nobody waits for what may never end. Should the process
// die then, any of them may be the one.
const stuck = 30 * time.Second

// A Process is one process in which stages run. A mail that may have killed its worker
// runs while no other is in work there, so that a further death can only be its own.
type Process struct {
	id        string
	door      *semaphore.Weighted // held while somebody comes in, and by one that runs alone until it ends or is stuck
	mu        sync.Mutex
	inside    map[*time.Time]bool // when each mail in work began
	left      chan struct{}       // closed when one ends; nil: nobody waits for that
	afterward time.Time           // zero, or the start of a process whose predecessor died with the bus in it
}

// NewProcess returns the process, under a name drawn at random.
func NewProcess() *Process {
	return &Process{id: rand.Text(), door: semaphore.NewWeighted(1), inside: map[*time.Time]bool{}}
}

// AfterDeath says that the process before this one died, and the bus with it: the bus may then
// have forgotten which mails were in work, so every mail from before started is a suspect.
func (p *Process) AfterDeath(started time.Time) *Process {
	p.afterward = started
	return p
}

// enter waits until work may begin, alone or beside others, and returns its end.
func (p *Process) enter(ctx context.Context, alone bool) (leave func(), err error) {
	if err := p.door.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	if !alone {
		leave = p.begin()
		p.door.Release(1)
		return leave, nil
	}
	for {
		left, longest := p.others()
		if longest <= 0 {
			return p.apart(), nil
		}
		timer := time.NewTimer(longest)
		select {
		case <-left:
		case <-timer.C:
		case <-ctx.Done():
			p.door.Release(1)
			return nil, ctx.Err()
		}
		timer.Stop()
	}
}

// apart begins work for which others wait at the door, until it ends or is stuck.
func (p *Process) apart() (leave func()) {
	end := p.begin()
	open := sync.OnceFunc(func() { p.door.Release(1) })
	timer := time.AfterFunc(stuck, open)
	return func() {
		timer.Stop()
		end()
		open()
	}
}

func (p *Process) begin() (leave func()) {
	began := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inside[&began] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.inside, &began)
		if p.left != nil {
			close(p.left)
			p.left = nil
		}
	}
}

// others tells for how long mails in work are to be waited for, and when to ask again.
func (p *Process) others() (left <-chan struct{}, longest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for began := range p.inside {
		longest = max(longest, stuck-time.Since(*began))
	}
	if p.left == nil {
		p.left = make(chan struct{})
	}
	return p.left, longest
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
