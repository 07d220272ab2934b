package dir

import "sync"

// A group lets all who wait for a sync share one. Whoever comes while a sync
// runs waits for the next, for that one may have passed their data by.
type group struct {
	sync func() error

	mu       sync.Mutex
	next     *round // joined by those who come now; nil: nobody yet
	running  bool
	failures uint64
	last     error // what the latest failure was
}

type round struct{ done chan struct{} }

// A mark is the moment at which a writer began.
type mark uint64

func newGroup(sync func() error) *group { return &group{sync: sync} }

// begin is called before the first write that wait is to put on disk.
func (g *group) begin() mark {
	g.mu.Lock()
	defer g.mu.Unlock()
	return mark(g.failures)
}

// wait returns when all that was written before the call is on disk. It fails
// when any sync since begin has failed: the kernel reports a lost write once, to
// whoever syncs next, and calls the pages clean, so that a later success would
// say nothing about data that was already written then.
func (g *group) wait(began mark) error {
	g.mu.Lock()
	if g.next == nil {
		g.next = &round{done: make(chan struct{})}
	}
	mine := g.next
	if !g.running {
		g.running = true
		go g.run()
	}
	g.mu.Unlock()
	<-mine.done

	g.mu.Lock()
	defer g.mu.Unlock()
	if mark(g.failures) != began {
		return g.last
	}
	return nil
}

// run syncs, round after round, until nobody waits.
func (g *group) run() {
	for {
		g.mu.Lock()
		now := g.next
		g.next = nil
		if now == nil {
			g.running = false
			g.mu.Unlock()
			return
		}
		g.mu.Unlock()

		if err := g.sync(); err != nil {
			g.mu.Lock()
			g.failures++
			g.last = err
			g.mu.Unlock()
		}
		close(now.done)
	}
}
