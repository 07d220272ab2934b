package desk

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
)

// stretchLength is how many entries of the audit log one page looks through.
const stretchLength = 5000

// A Stretch is a part of the audit log.
type Stretch struct {
	Acts        []*auditv1.Act // newest first
	First, Last uint64         // the entries that were looked through; 0 where the log is empty
	Since       time.Time      // when the first of them was written
	Unread      int            // entries that could not be read
}

// Older is where the stretch before this one ends; 0 where there is none.
func (s Stretch) Older() uint64 { return s.First - min(s.First, 1) }

// AuditBus is what a Ledger needs of a connection; *bus.Conn is one.
type AuditBus interface {
	Scan(ctx context.Context, stream string, from uint64, options ...bus.ScanOption) iter.Seq2[*bus.Message, error]
	Kept(ctx context.Context, stream string) (bus.Kept, error)
}

// Ledger reads the audit log itself: all of it, workers' acts too, which the board keeps
// only the newest of.
type Ledger struct{ bus AuditBus }

// NewLedger reads from a bus.
func NewLedger(conn AuditBus) *Ledger { return &Ledger{conn} }

// Stretch is Log.Stretch.
func (l *Ledger) Stretch(ctx context.Context, last uint64, item string, limit int) (Stretch, error) {
	kept, err := l.bus.Kept(ctx, topology.Audit)
	if err != nil {
		return Stretch{}, err
	}
	if last == 0 || last > kept.Last {
		last = kept.Last
	}
	if last == 0 {
		return Stretch{}, nil
	}
	s := Stretch{First: 1, Last: last}
	if last > stretchLength {
		s.First = last - stretchLength + 1
	}
	type written struct {
		sequence uint64
		acts     []*auditv1.Act
		at       time.Time
	}
	var entries []written
	count := 0
	for message, err := range l.bus.Scan(ctx, topology.Audit, s.First) {
		if err != nil {
			return Stretch{}, fmt.Errorf("audit log: %w", err)
		}
		if message.Sequence > last {
			break
		}
		if s.Since.IsZero() {
			s.Since = message.Time
		}
		_, said, err := event.Open(message.Subject, message.Data)
		entry, ok := said.(*auditv1.Entry)
		if err != nil || !ok {
			s.Unread++
			continue
		}
		acts := slices.DeleteFunc(entry.GetActs(), func(act *auditv1.Act) bool {
			return item != "" && !slices.Contains(act.GetItems(), item)
		})
		if len(acts) == 0 {
			continue
		}
		entries = append(entries, written{message.Sequence, acts, message.Time})
		for count += len(acts); count > limit && len(entries) > 1; { // entries stay whole
			count -= len(entries[0].acts)
			entries = slices.Delete(entries, 0, 1)
			s.First, s.Since = entries[0].sequence, entries[0].at
		}
	}
	for _, entry := range slices.Backward(entries) {
		for _, act := range slices.Backward(entry.acts) {
			s.Acts = append(s.Acts, act)
		}
	}
	return s, nil
}
