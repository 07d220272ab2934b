package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// errReader says that only the writer may do this.
var errReader = errors.New("this keyring does not write")

// becomeWriter loads the state, finishing what a former writer had begun, and makes the
// first one where there never was any. The writer's lock is held.
func (s *Service) becomeWriter(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	at, err := s.keeper.load(ctx)
	if errors.Is(err, errNoCell) {
		return s.firstStart(ctx)
	}
	if err != nil {
		return err
	}
	if err := s.adopt(at); err != nil {
		return err
	}
	s.cache.clear()
	s.writer.Store(true)
	s.log.Info("keyring became the writer", "generation", s.snap.Load().generation)
	return nil
}

// firstStart makes an empty state. It refuses where records are there already: then the
// root cell was lost, and a new one would make every mail unreadable for good.
func (s *Service) firstStart(ctx context.Context) error {
	for stored, err := range s.deps.Records.All(ctx) {
		if err != nil {
			return err
		}
		for _, l := range stored.Record.Layers {
			if l.State == itemv1.LayerState_LAYER_STATE_PRESENT {
				return ErrCellLost
			}
		}
	}
	generation, err := s.keeper.begin()
	if err != nil {
		return err
	}
	first := emptySnapshot(generation)
	if err := s.save(ctx, first); err != nil {
		return err
	}
	s.writer.Store(true)
	s.log.Info("keyring made a new root cell")
	return nil
}

// adopt puts a loaded state into force. Nobody may be using the former one.
func (s *Service) adopt(at *stateAt) error {
	defer clear(at.plaintext)
	next, err := parseSnapshot(at)
	if err != nil {
		return err
	}
	s.swap(next)
	return nil
}

// swap puts a snapshot into force, waits until nobody uses the former one, and overwrites
// the keys of the former that the new one does not share.
func (s *Service) swap(next *snapshot) {
	former := s.snap.Swap(next)
	s.ops.Lock()   // all who began with the former are through
	s.ops.Unlock() //nolint:staticcheck // the lock is a barrier
	if former == nil {
		return
	}
	shared := make(map[*material]bool, len(next.buckets))
	for _, b := range next.buckets {
		shared[b.material] = true
	}
	for _, b := range former.buckets {
		if !shared[b.material] {
			b.forget()
		}
	}
	for name, p := range former.periods {
		if next.periods[name] != p {
			p.forget()
		}
	}
}

func (s *Service) save(ctx context.Context, next *snapshot) error {
	plaintext, err := next.marshal(s.now())
	if err != nil {
		return err
	}
	defer clear(plaintext)
	// A state change is not cut off by a caller who went away.
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := s.keeper.save(within, next.generation, plaintext); err != nil {
		s.unsure = true
		return fmt.Errorf("state: %w", err)
	}
	s.snap.Store(next.freeze())
	return nil
}

// change writes a new state. What fn adds is in force when change returns nil. What fn
// takes away is gone from the cell then, but stays in memory: callers who take keys away
// call it through forgetting. Errors leave the former state in force, as far as is known;
// the next change asks the cell.
func (s *Service) change(ctx context.Context, fn func(next *snapshot, now time.Time) (changed bool, err error)) (*snapshot, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.changeLocked(ctx, fn)
}

func (s *Service) changeLocked(ctx context.Context, fn func(next *snapshot, now time.Time) (changed bool, err error)) (*snapshot, error) {
	if !s.writer.Load() {
		return nil, errReader
	}
	if s.unsure {
		if err := s.settle(ctx); err != nil {
			return nil, err
		}
	}
	former := s.snap.Load()
	next := former.clone()
	changed, err := fn(next, s.now())
	if err != nil || !changed {
		return former, err
	}
	if next.generation, err = s.keeper.next(ctx, former.generation); err != nil {
		return nil, err
	}
	if err := s.save(ctx, next); err != nil {
		return nil, err
	}
	return next, nil
}

// settle asks the cell which state is in force after a save that failed. Keys in memory
// are kept where the bucket is the same, so those who use the former snapshot go on.
func (s *Service) settle(ctx context.Context) error {
	at, err := s.keeper.load(ctx)
	if err != nil {
		return err
	}
	defer clear(at.plaintext)
	next, err := parseSnapshot(at)
	if err != nil {
		return err
	}
	former := s.snap.Load()
	for id, old := range former.buckets {
		if b := next.buckets[id]; b != nil {
			clear(b.private) // a second copy of what is in use
			b.material = old.material
		} else {
			s.leftover = append(s.leftover, old.forget)
		}
	}
	for name, old := range former.periods {
		if p := next.periods[name]; p != nil {
			p.forget()
			next.periods[name] = old
		} else {
			s.leftover = append(s.leftover, old.forget)
		}
	}
	s.snap.Store(next.freeze()) // with the materials that are in use
	s.unsure = false
	s.log.Warn("keyring settled which state is in force", "generation", next.generation)
	return nil
}

// forgetting is change for those who take keys away: when it returns nil, the keys are out
// of the cell and out of this process's snapshots. No caller may hold ops.
func (s *Service) forgetting(ctx context.Context, fn func(next *snapshot, now time.Time) (bool, error)) (*snapshot, error) {
	next, err := s.dropping(ctx, fn)
	if err != nil {
		return nil, err
	}
	s.clearLeftover()
	return next, nil
}

func (s *Service) dropping(ctx context.Context, fn func(next *snapshot, now time.Time) (bool, error)) (*snapshot, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	former := s.snap.Load()
	next, err := s.changeLocked(ctx, fn)
	if err != nil {
		return nil, err
	}
	for id, b := range former.buckets {
		if next.buckets[id] == nil {
			s.leftover = append(s.leftover, b.forget)
		}
	}
	for name, p := range former.periods {
		if next.periods[name] == nil {
			s.leftover = append(s.leftover, p.forget)
		}
	}
	return next, nil
}

// clearLeftover overwrites the keys that the cell has forgotten. The caller holds neither
// writing nor ops: those who hold ops may be waiting for writing.
func (s *Service) clearLeftover() {
	s.writing.Lock()
	leftover := s.leftover
	s.leftover = nil
	s.writing.Unlock()
	s.quiesce() // all who began with a former snapshot are through
	for _, forget := range leftover {
		forget()
	}
}

// quiesce waits until every operation that began before has ended: whoever comes after
// sees the snapshot now in force.
func (s *Service) quiesce() {
	s.ops.Lock()
	s.ops.Unlock() //nolint:staticcheck // the lock is a barrier
}

// ensure gives open buckets for places, made where they are not. The state that has them
// is on both stores before it returns, so what is wrapped for them can always be opened.
func (s *Service) ensure(ctx context.Context, places ...place) ([]*bucket, error) {
	current := s.snap.Load()
	out := make([]*bucket, len(places))
	missing := false
	for i, p := range places {
		if out[i] = current.openIn(p); out[i] == nil {
			missing = true
		}
	}
	if !missing {
		return out, nil
	}
	_, err := s.change(ctx, func(next *snapshot, now time.Time) (bool, error) {
		changed := false
		for i, p := range places {
			if out[i] = next.openIn(p); out[i] != nil {
				continue
			}
			b, err := next.add(p, now)
			if err != nil {
				return false, err
			}
			out[i], changed = b, true
		}
		return changed, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ensurePeriod gives the keys of a time's period.
func (s *Service) ensurePeriod(ctx context.Context, at time.Time) (*period, error) {
	return s.ensureNamed(ctx, periodOf(at))
}

// ensureNamed gives the keys of a period.
func (s *Service) ensureNamed(ctx context.Context, name string) (*period, error) {
	if p := s.snap.Load().periods[name]; p != nil {
		return p, nil
	}
	next, err := s.change(ctx, func(next *snapshot, _ time.Time) (bool, error) {
		if next.periods[name] != nil {
			return false, nil
		}
		next.periods[name] = newPeriod(name)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return next.periods[name], nil
}
