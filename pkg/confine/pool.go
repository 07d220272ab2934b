package confine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Options say what a pool is made of.
type Options struct {
	Room   Room
	Size   int  // children at most; 0: AtOnce()
	Lazy   bool // none is started before the first job, and more only while all are at work; what ended is replaced
	Log    *slog.Logger
	Events func(Event) // told what becomes of children; nil: nobody. It must not wait
}

// An Event is what became of a child.
type Event string

// The events.
const (
	Started  Event = "started"
	Refused  Event = "refused"  // it could not be started
	Replaced Event = "replaced" // it had done its share of jobs, or a job of it ended in an error
	Died     Event = "died"
	TimedOut Event = "timed_out"
)

// Events are all of them.
var Events = []Event{Started, Refused, Replaced, Died, TimedOut}

// retryStart is how long a pool waits before it tries again to start what could not be started.
const retryStart = 5 * time.Second

// A Pool keeps a confined child ready, and starts more, up to its size, while none is. It may be used
// by many goroutines.
type Pool struct {
	options Options
	program *program
	ready   chan *child
	vacant  chan struct{} // one for each child that is to be started
	ctx     context.Context
	stop    context.CancelFunc
	done    sync.WaitGroup

	mu      sync.Mutex
	alive   map[*child]struct{}
	wanted  int           // that are alive or are to be started
	refused error         // why the last start failed; nil once one succeeded
	changed chan struct{} // closed when a child was started, or could not be
}

// NewPool starts the children of a pool. They are started in the background; where the kernel
// refuses, jobs are told so.
func NewPool(options Options) (*Pool, error) {
	options.Room = options.Room.withDefaults()
	if options.Size <= 0 {
		options.Size = AtOnce()
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	if options.Events == nil {
		options.Events = func(Event) {}
	}
	program, err := openProgram()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNone, err)
	}
	p := &Pool{options: options, program: program, ready: make(chan *child, options.Size), vacant: make(chan struct{}, options.Size), changed: make(chan struct{}), alive: map[*child]struct{}{}}
	p.ctx, p.stop = context.WithCancel(context.Background())
	if !options.Lazy {
		p.want()
	}
	p.done.Go(p.start)
	return p, nil
}

// Close ends the children. Jobs that run end with ErrNone.
func (p *Pool) Close() {
	p.stop()
	p.done.Wait() // nothing is started after this
	p.mu.Lock()
	for c := range p.alive {
		c.kill()
	}
	p.mu.Unlock()
	p.drain()
	p.program.close()
}

// drain ends the children that have nothing to do.
func (p *Pool) drain() {
	for {
		select {
		case c := <-p.ready:
			c.end()
		default:
			return
		}
	}
}

// Do has a child do a task. The error is ErrJob, ErrDied, ErrNone, or the context's. Where a child does
// more than one job, one that died is followed by another, once: it may have died of what it had in
// hand before, or of want of memory.
func (p *Pool) Do(ctx context.Context, task Task) error {
	err := p.try(ctx, task)
	if errors.Is(err, ErrDied) && p.options.Room.Jobs > 1 {
		err = p.try(ctx, task)
	}
	return err
}

// try has one child do a task. Only a child that did all that was asked, and nothing else, is kept.
func (p *Pool) try(ctx context.Context, task Task) error {
	c, err := p.take(ctx)
	if err != nil {
		return err
	}
	kept := false
	defer func() {
		if !kept { // also where who answers or reads panicked
			p.lose(c)
		}
	}()
	err = c.do(ctx, task)
	switch {
	case err == nil && !c.spent():
		kept = true
		p.ready <- c
		if p.ctx.Err() != nil {
			p.drain() // whoever closes the pool may have done so before
		}
	case err == nil, errors.Is(err, ErrJob):
		p.options.Events(Replaced)
	case p.ctx.Err() != nil:
		err = ErrNone
	case errors.Is(err, ErrDied):
		event := Died
		if errors.Is(err, errTime) {
			event = TimedOut
		}
		p.options.Events(event)
		p.options.Log.WarnContext(ctx, "confined process ended", "job", task.Job, "why", event)
	}
	return err
}

// take waits for a child. Where none is left and none can be started it does not wait.
func (p *Pool) take(ctx context.Context) (*child, error) {
	if p.options.Lazy && len(p.ready) == 0 {
		p.want()
	}
	for {
		alive, refused, changed := p.state()
		if alive == 0 && refused != nil {
			return nil, fmt.Errorf("%w: %w", ErrNone, refused)
		}
		select {
		case c := <-p.ready:
			if len(p.ready) == 0 && !p.options.Lazy {
				p.want() // whoever comes next
			}
			return c, nil
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-p.ctx.Done():
			return nil, ErrNone
		}
	}
}

// state is how many children are alive, why the last start failed, and what is closed when either is another.
func (p *Pool) state() (alive int, refused error, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.alive), p.refused, p.changed
}

// want has one more child started, where there is room for one.
func (p *Pool) want() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wanted < p.options.Size {
		p.wanted++
		p.vacant <- struct{}{}
	}
}

// start starts a child for every vacancy, for as long as the pool is open. Children die with the
// thread that started them, which is this goroutine's.
func (p *Pool) start() {
	starter := newStarter()
	defer starter.close()
	for {
		select {
		case <-p.vacant:
		case <-p.ctx.Done():
			return
		}
		c, err := starter.start(p.ctx, p.program, p.options.Room)
		if p.ctx.Err() != nil {
			if err == nil {
				c.end()
			}
			return
		}
		p.note(c, err)
		if err == nil {
			p.options.Events(Started)
			p.ready <- c
			continue
		}
		p.options.Events(Refused)
		p.vacant <- struct{}{}
		select {
		case <-time.After(retryStart):
		case <-p.ctx.Done():
			return
		}
	}
}

// note records how a start went.
func (p *Pool) note(c *child, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.alive[c] = struct{}{}
	} else if p.refused == nil {
		p.options.Log.Error("no confined process can be started", "error", err)
	}
	p.refused = err
	close(p.changed)
	p.changed = make(chan struct{})
}

// lose counts a child that is no more, and has another started.
func (p *Pool) lose(c *child) {
	c.end()
	p.mu.Lock()
	delete(p.alive, c)
	p.mu.Unlock()
	p.vacant <- struct{}{}
}

// Await waits for the first child. While the kernel refuses one, it tells so.
func (p *Pool) Await(ctx context.Context, tell func(why error)) error {
	for {
		alive, refused, changed := p.state()
		if alive > 0 {
			return nil
		}
		if refused != nil {
			tell(refused)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-p.ctx.Done():
			return ErrNone
		}
	}
}

// Refused is why no child could be started when that was last tried; nil where one could.
func (p *Pool) Refused() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

// Probe starts one child, and tells why it could not.
func Probe(ctx context.Context, room Room) error {
	program, err := openProgram()
	if err != nil {
		return err
	}
	defer program.close()
	starter := newStarter()
	defer starter.close()
	c, err := starter.start(ctx, program, room.withDefaults())
	if err != nil {
		return err
	}
	c.end()
	return nil
}
