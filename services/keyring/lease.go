package keyring

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/postern-mail/postern/pkg/keys"
)

// A keyring that does not write holds the state under a lease: it looks at the cell every
// few seconds and is void where it has not for ten, by a clock that goes on while the
// machine sleeps. Beside the lease it holds a lock on the generation in its memory, so a
// certificate waits even for one that is paused.

// errVoid says that a reader's lease is over.
var errVoid = errors.New("the lease on the state is over")

// errUnseen says that a reader has not yet seen the state in which a record's bucket is.
var errUnseen = errors.New("the state that the record speaks of was not seen yet")

// readUntilWriter serves opens until the writer's place is free, and returns its lock; or
// nil when ctx ends.
func (s *Service) readUntilWriter(ctx context.Context) (*lock, error) {
	s.log.Info("keyring reads: another is the writer")
	for {
		won, err := s.readOnce(ctx)
		if !errors.Is(err, errVoid) {
			return won, err
		}
		s.log.Warn("keyring gave up what it read: its lease is over")
	}
}

// readOnce serves opens for as long as the lease is renewed.
func (s *Service) readOnce(ctx context.Context) (won *lock, err error) {
	r := &reader{s: s}
	defer r.letGo()
	if won, err = r.firstLook(ctx); won != nil || err != nil || ctx.Err() != nil {
		return won, err
	}
	s.reading.Store(r)
	defer s.reading.Store(nil)
	err = s.serve(ctx, openOperations(), func() error {
		tick := time.NewTicker(s.cfg.LeaseRefresh.Std())
		defer tick.Stop()
		for {
			var err error
			if won, err = s.fence.tryWriter(); err != nil || won != nil {
				return err
			}
			if err := r.look(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("keyring did not see the state", "err", err)
				if s.mayOpen() != nil {
					return errVoid
				}
			}
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	})
	if err != nil || ctx.Err() != nil {
		won.release()
		return nil, err
	}
	return won, nil
}

// A reader holds one generation in memory.
type reader struct {
	s    *Service
	mu   sync.Mutex
	lock *lock
}

// firstLook waits until there is a state to read, or the writer's place is free.
func (r *reader) firstLook(ctx context.Context) (*lock, error) {
	for {
		err := r.look(ctx)
		if err == nil && r.s.mayOpen() == nil {
			return nil, nil
		}
		if r.s.deps.Health != nil {
			r.s.deps.Health.Waiting("the keyring's state")
		}
		if won, err := r.s.fence.tryWriter(); err != nil || won != nil {
			return won, err
		}
		r.s.log.Warn("keyring did not see the state", "err", err)
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// look renews the lease: it takes over the state where it has moved on.
func (r *reader) look(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	within, cancel := context.WithTimeout(ctx, r.s.cfg.LeaseRefresh.Std())
	defer cancel()
	began := r.s.boot() // before the look: the lease counts from what was surely seen
	loading, err := r.s.fence.loading(within)
	if err != nil {
		return err
	}
	defer loading.release()
	generation, err := r.s.keeper.cell.generation()
	if err != nil {
		return err
	}
	if current := r.s.snap.Load(); current != nil && current.generation == generation {
		r.s.renewed.Store(int64(began))
		return nil
	}
	held, err := r.s.fence.holding(within, generation)
	if err != nil {
		return err
	}
	at, err := r.s.keeper.read(within, generation)
	if err == nil {
		err = r.s.adopt(at)
	}
	if err != nil {
		held.release()
		if errors.Is(err, errMoved) { // written in this moment: the next look sees it
			return nil
		}
		return err
	}
	// The former generation is out of memory now.
	r.lock.release()
	r.lock = held
	r.s.renewed.Store(int64(began))
	return nil
}

// letGo overwrites the state in memory and then gives the lock back.
func (r *reader) letGo() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if former := r.s.snap.Load(); former != nil && r.lock != nil {
		r.s.swap(emptySnapshot(0))
	}
	r.lock.release()
	r.lock = nil
}

// mayOpen refuses where this keyring only reads and its lease is over.
func (s *Service) mayOpen() error {
	if s.writer.Load() {
		return nil
	}
	renewed := time.Duration(s.renewed.Load())
	if renewed == 0 || s.boot()-renewed >= s.cfg.LeaseVoid.Std() {
		return refuse(keys.InUse, "this keyring's lease on the state is over")
	}
	return nil
}
