package keyring

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/keys"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// The nightly work. Which buckets have to go is not noted anywhere: it is read out of the
// records, so nothing is missed by a crash.
//
//  1. Find the buckets that must not live on: intake buckets past their grace, buckets that
//     an erased item or one with an earlier end was ever in, empty buckets of holds.
//  2. Mark them retiring, with successors where something is still in them. From here on
//     nothing is wrapped into them.
//  3. Move what they wrap to the successors.
//  4. Look again that nothing is left, and wait until the journal has every moved record:
//     the vault and the keyring's state alone must rebuild everything.
//  5. Forget them, in one write.
//  6. Note in the records what is destroyed by that.
func (s *Service) forget(ctx context.Context, c *call) (proto.Message, error) {
	if _, err := read(c, new(keyringv1.Forget)); err != nil {
		return nil, err
	}
	done, err := s.night()
	if err != nil {
		return nil, err
	}
	defer done()
	if err := s.retire(ctx); err != nil {
		return nil, err
	}
	if err := s.drain(ctx); err != nil {
		return nil, err
	}
	left, err := s.leftIn(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.awaitJournal(ctx, left.moved); err != nil {
		return nil, err
	}
	var names []string
	for id := range left.empty {
		names = append(names, id)
	}
	slices.Sort(names)
	if len(names)+len(left.periods) > 0 {
		a := s.act(c, "forget", "")
		a.Items = names
		if err := s.scribe.append(ctx, a); err != nil {
			return nil, err
		}
		if err := s.forgetBuckets(ctx, left.empty, left.periods); err != nil {
			return nil, err
		}
	}
	items, err := s.settleAll(ctx)
	if err != nil {
		return nil, err
	}
	s.log.Info("keys forgotten", "buckets", len(names), "periods", len(left.periods), "items", len(items))
	return s.forgotten(names, items), nil
}

// retire marks the buckets that must not live on.
func (s *Service) retire(ctx context.Context) error {
	used := map[string]bool{}  // something is in them, or will be
	dirty := map[string]bool{} // something that must not open by them was in them
	for stored, err := range s.records(ctx) {
		if err != nil {
			return err
		}
		s.trace(stored.Record, used, dirty)
	}
	retired := false
	_, err := s.change(ctx, func(next *snapshot, now time.Time) (bool, error) {
		retired = false
		for id, b := range next.buckets {
			if b.phase != keyringv1.Phase_PHASE_OPEN || !s.mustGo(b, now, used, dirty) {
				continue
			}
			next.buckets[id] = b.with(keyringv1.Phase_PHASE_RETIRING)
			retired = true
			if used[id] {
				if _, err := next.openOrAdd(successor(b, now), now); err != nil {
					return false, err
				}
			}
		}
		return retired, nil
	})
	if err != nil {
		return err
	}
	if retired {
		s.quiesce()
		s.changedKeys()
	}
	return nil
}

// mustGo tells whether a bucket must not live on.
func (s *Service) mustGo(b *bucket, now time.Time, used, dirty map[string]bool) bool {
	switch {
	case b.class == classJournal:
		return false
	case b.class == classIntake:
		return dayOver(b.lastDay, now, s.cfg.IntakeGrace.Std())
	case strings.HasPrefix(b.class, holdPrefix):
		return dirty[b.id] || !used[b.id]
	}
	return dirty[b.id]
}

// successor is where a retiring bucket's packets move.
func successor(b *bucket, now time.Time) place {
	p := b.place()
	if b.class == classIntake {
		p.lastDay = now.Format(dayForm)
	}
	return p
}

// trace notes what a record says of buckets.
func (s *Service) trace(record *itemv1.Record, used, dirty map[string]bool) {
	for _, l := range record.Layers {
		switch l.State {
		case present:
			used[l.Bucket] = true
			for _, past := range l.PastBuckets {
				if lastDayOfBucket(past) > lastDayOfBucket(l.Bucket) {
					dirty[past] = true
				}
			}
		case erased:
			dirty[l.Bucket] = true
			for _, past := range l.PastBuckets {
				dirty[past] = true
			}
		}
	}
	for _, b := range record.Berths {
		used[b.Bucket] = true
	}
	for _, h := range record.Holds {
		for _, kind := range []itemv1.LayerKind{raw, view, pii} { // a layer may yet be added
			if b := s.snap.Load().openIn(place{holdClass(h.Id), kind, endless}); b != nil {
				used[b.id] = true
			}
		}
	}
}

// drain moves everything out of the retiring buckets.
func (s *Service) drain(ctx context.Context) error {
	var items []string
	for stored, err := range s.records(ctx) {
		if err != nil {
			return err
		}
		if s.isInRetiring(stored.Record) {
			items = append(items, stored.Record.Item)
		}
	}
	return inParallel(ctx, changers, len(items), func(ctx context.Context, i int) error {
		_, _, err := s.update(ctx, items[i], func(record *itemv1.Record) (bool, error) { return s.moveOut(ctx, record) })
		return err
	})
}

func (s *Service) retiring(bucket string) *bucket {
	b := s.snap.Load().buckets[bucket]
	if b == nil || b.phase != keyringv1.Phase_PHASE_RETIRING {
		return nil
	}
	return b
}

func (s *Service) isInRetiring(record *itemv1.Record) bool {
	for _, l := range record.Layers {
		if l.State == present && s.retiring(l.Bucket) != nil {
			return true
		}
	}
	return slices.ContainsFunc(record.Berths, func(b *itemv1.Berth) bool { return s.retiring(b.Bucket) != nil })
}

func (s *Service) moveOut(ctx context.Context, record *itemv1.Record) (bool, error) {
	changed := false
	for _, l := range record.Layers {
		b := s.retiring(l.Bucket)
		if l.State != present || b == nil {
			continue
		}
		to, err := s.ensure(ctx, successor(b, s.now()))
		if err != nil {
			return false, err
		}
		if err := s.rewrap(l, to[0]); err != nil {
			return false, err
		}
		changed = true
	}
	for _, berth := range record.Berths {
		b := s.retiring(berth.Bucket)
		if b == nil {
			continue
		}
		to, err := s.ensure(ctx, b.place())
		if err != nil {
			return false, err
		}
		berth.Bucket, berth.PublicKey = to[0].id, to[0].public
		changed = true
	}
	return changed, nil
}

// A remainder is what a last look found.
type remainder struct {
	empty   map[string]bool // retiring buckets that wrap nothing any more
	moved   uint64          // the last record that one of them once wrapped
	periods map[string]bool // periods of which nothing is left
}

// leftIn looks at every record once more before keys go. That nothing is lost rests on
// this look, not on the work before it.
func (s *Service) leftIn(ctx context.Context) (*remainder, error) {
	current := s.snap.Load()
	out := &remainder{empty: map[string]bool{}, periods: map[string]bool{}}
	for id, b := range current.buckets {
		if b.phase == keyringv1.Phase_PHASE_RETIRING {
			out.empty[id] = true
		}
	}
	for name := range current.periods {
		out.periods[name] = name != customers && name < periodOf(s.now())
	}
	for stored, err := range s.records(ctx) {
		if err != nil {
			return nil, err
		}
		record := stored.Record
		if s.isInRetiring(record) {
			return nil, refuse(keys.InUse, "something moved into a retiring bucket")
		}
		for _, l := range record.Layers {
			if l.State == present && slices.ContainsFunc(l.PastBuckets, func(b string) bool { return out.empty[b] }) {
				out.moved = max(out.moved, stored.Sequence)
			}
		}
		if record.State != itemv1.State_STATE_TOMBSTONE {
			out.periods[periodOf(record.Received.AsTime())] = false
			out.periods[record.DigestPeriod] = false
		}
	}
	for name, dead := range out.periods {
		if !dead {
			delete(out.periods, name)
		}
	}
	return out, nil
}
