package ingest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/postern-mail/postern/pkg/event"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

const (
	sweepEvery = 15 * time.Second // somebody who has a mail tried again waits for it
	// standstill is how long a record must be untouched before it is said again.
	standstill = 10 * time.Minute
	// sweepLease is the lease under which one process sweeps. No mailbox has this
	// name: an ID begins with a letter or digit.
	sweepLease = "_sweep"
	// maxStandstill is the longest pause before an item is said once more: whoever takes it
	// may be away for days, and must not find it a thousand times.
	maxStandstill = 6 * time.Hour
)

// errGarbled says that a record cannot be read. Nobody can say it again; others can be.
var errGarbled = errors.New("item record is garbled")

// A said is when an item that stands still was last said, and how long it rests then.
type said struct {
	next  time.Time
	pause time.Duration
}

// A Standing tells which items stand where.
type Standing interface {
	// Heads must yield the last change of every item from a sequence on, in order.
	Heads(ctx context.Context, from uint64) iter.Seq2[Head, error]
	// Record must give the record as it stands.
	Record(ctx context.Context, head Head) (*itemv1.Record, error)
}

// A Head is what is known of an item's last change without reading it.
type Head struct {
	Subject  string
	Sequence uint64
	State    string
	Retried  bool      // somebody has taken it up again: it is not waited until it stands still
	Changed  time.Time // by the server's clock
}

// sweep says again what items in the state registered call for, every minute, in
// one process at a time: an event may be lost with a bus that was not synced. It sees to what
// was taken up again, too.
func (s *Service) sweep(ctx context.Context) {
	pause := backoff{least: s.least, most: sweepEvery}
	for ctx.Err() == nil {
		err := s.sweepHeld(ctx)
		if ctx.Err() != nil {
			return
		}
		s.log.Warn("sweep interrupted", "err", err)
		pause.wait(ctx, err)
	}
}

func (s *Service) sweepHeld(ctx context.Context) error {
	held, release, err := s.deps.Leases.Hold(ctx, sweepLease)
	if err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	defer release()
	held, stop := context.WithCancel(held)
	defer s.refetches.working.Wait() // what is under way belongs to the lease
	defer stop()
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for from := uint64(1); ; {
		if from, err = s.SweepFrom(held, from); err != nil {
			return err
		}
		select {
		case <-held.Done():
			return context.Cause(held)
		case <-ticker.C:
		}
	}
}

// SweepFrom looks once at the items whose last change is at or after a sequence, and
// says those again that stand still. It gives where the next look may begin: every
// change gives a record a new and higher sequence, so what was at rest stays so.
func (s *Service) SweepFrom(ctx context.Context, from uint64) (next uint64, err error) {
	var lowest, last uint64
	standing := map[uint64]said{} // by the sequence of the last change
	defer func() { s.said = standing }()
	for head, err := range s.deps.Standing.Heads(ctx, from) {
		if err != nil {
			return from, fmt.Errorf("items: %w", err)
		}
		last = head.Sequence
		if head.State != event.StateWord(itemv1.State_STATE_REGISTERED) {
			continue
		}
		if lowest == 0 {
			lowest = head.Sequence
		}
		if !head.Retried && s.deps.Now().Sub(head.Changed) < s.standstill {
			continue
		}
		before, again := s.said[head.Sequence]
		if again {
			standing[head.Sequence] = before
			if s.deps.Now().Before(before.next) {
				continue
			}
		}
		record, err := s.deps.Standing.Record(ctx, head)
		if errors.Is(err, errGarbled) {
			s.log.Error("item record cannot be read", "sequence", head.Sequence)
			continue
		}
		if err != nil {
			return from, fmt.Errorf("item record: %w", err)
		}
		// The bus has a clock of its own; the record tells by ours.
		if changed := record.GetChanged(); !head.Retried && changed != nil && s.deps.Now().Sub(changed.AsTime()) < s.standstill {
			continue
		}
		if event.Lacking(record) {
			s.refetch(ctx, record)
			continue
		}
		if err := s.redrive(ctx, record); err != nil {
			return from, err
		}
		pause := s.standstill
		if again {
			pause = min(2*before.pause, maxStandstill)
		}
		standing[head.Sequence] = said{s.deps.Now().Add(pause), pause}
		s.log.Info("standing item said again", "item", record.GetItem())
	}
	switch {
	case lowest != 0:
		return lowest, nil
	case last != 0:
		return last + 1, nil
	}
	return from, nil
}

// redrive says again what a record calls for. The hour makes the event another one
// for the bus, which would take a repeat for said already.
func (s *Service) redrive(ctx context.Context, record *itemv1.Record) error {
	code, err := s.intended(ctx, record)
	if err != nil {
		return err
	}
	cause := record.GetItem() + "." + s.deps.Now().UTC().Format("2006010215")
	if event.Retried(record) { // it may have been said in the same hour before it was set aside
		cause += "." + retriedAt(record)
	}
	return s.sayFor(ctx, cause, record, code)
}

// intended is the code under which an item was about to be set aside, which its mailbox's cursor tells.
func (s *Service) intended(ctx context.Context, record *itemv1.Record) (string, error) {
	if s.deps.Cursors == nil {
		return "", nil
	}
	cursor, _, err := s.deps.Cursors.Load(ctx, record.GetMailbox())
	if err != nil {
		return "", fmt.Errorf("cursor: %w", err)
	}
	for _, folder := range cursor.GetFolders() {
		if folder.GetName() != record.GetFolder() || folder.GetUidValidity() != record.GetUidValidity() || folder.GetGeneration() != record.GetGeneration() {
			continue
		}
		for _, t := range folder.GetTroubles() {
			if t.GetUid() == record.GetUid() {
				return t.GetCode(), nil
			}
		}
	}
	return "", nil
}
