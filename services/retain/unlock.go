package retain

import (
	"context"
	"errors"
	"fmt"
	"time"

	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// unlock removes the ciphertext that a lock of the store kept when its keys went, now that the
// lock is over, and certifies that: the certificate of its destruction could only say until when it
// is locked. It is a plan like any other, so that it is seen to its end wherever it is
// interrupted. It tells how many objects are removed.
func (s *Service) unlock(ctx context.Context, objects []string, before time.Time) (int, error) {
	if len(objects) == 0 {
		return 0, nil
	}
	standing, err := s.standing(ctx)
	if err != nil {
		return 0, err
	}
	planned := map[string]bool{} // by plans that the next run sees to their end
	for _, plan := range standing.open {
		if whole, err := s.whole(ctx, plan); err == nil { // one whose list is lost stands in nobody's way
			plan = whole
		}
		for _, target := range plan.GetTargets() {
			planned[target.GetObject()] = true
		}
	}
	var targets []*retentionv1.Target
	for _, object := range objects {
		if planned[object] {
			continue
		}
		target, err := s.unlocked(ctx, object, before)
		if err != nil {
			return 0, err
		}
		if target == nil {
			continue
		}
		if targets = append(targets, target); len(targets) == s.config.MaxTargets {
			break // what is left over is the next sweep's
		}
	}
	if len(targets) == 0 {
		return 0, nil
	}
	plan := s.newPlan(LockOver, nil, targets, s.clock.Now())
	if _, err := s.sayNext(ctx, standing.last, plan); err != nil {
		if errors.Is(err, ErrRace) {
			err = fmt.Errorf("%w: %w", ErrPending, err)
		}
		return 0, err
	}
	return len(targets), s.carryOut(ctx, plan)
}

// unlocked gives the layer that an object was of, where nothing keeps the object any more; nil
// elsewhere. The record is read again: it decides.
func (s *Service) unlocked(ctx context.Context, object string, before time.Time) (*retentionv1.Target, error) {
	item, _, _ := attemptOf(object)
	record, err := s.records.Get(ctx, item)
	if err != nil {
		return nil, fmt.Errorf("item record: %w", err)
	}
	for _, layer := range record.GetLayers() {
		if layer.GetObject() != object || !over(layer, before) {
			continue
		}
		left, err := s.eraser.Remains(ctx, object)
		if err != nil {
			return nil, fmt.Errorf("object: %w", err)
		}
		if left.Held || !left.LockedUntil.IsZero() {
			return nil, nil
		}
		return targetOf(item, layer), nil
	}
	return nil, nil
}
