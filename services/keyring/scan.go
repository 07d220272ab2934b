package keyring

import (
	"context"
	"errors"
	"iter"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// errBehind says that a scan did not see what this keyring itself has written.
var errBehind = errors.New("records: the scan is behind the last write")

// records yields all records and makes sure that the scan saw the keyring's own last write.
func (s *Service) records(ctx context.Context) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		need := s.highest.Load()
		var seen uint64
		for stored, err := range s.deps.Records.All(ctx) {
			if err != nil {
				yield(Stored{}, err)
				return
			}
			seen = max(seen, stored.Sequence)
			s.sawSequence(stored.Sequence)
			if !yield(stored, nil) {
				return
			}
		}
		if seen < need {
			yield(Stored{}, errBehind)
		}
	}
}

// settle notes what is destroyed by now: a layer whose key packet is gone and of whose
// buckets none is left; and, where no layer is left, makes the record a tombstone.
func (s *Service) settleRecord(record *itemv1.Record) bool {
	gone := s.snap.Load().gone
	changed, left := false, false
	for _, l := range record.Layers {
		if l.State == erased && gone[l.Bucket] != nil && allGone(gone, l.PastBuckets) {
			l.State, l.Destroyed, l.Inline = destroyed, nowStamp(s), nil
			changed = true
		}
		left = left || l.State != destroyed
	}
	if !changed || left {
		return changed
	}
	// A tombstone keeps ids, the keyed digest and the times; what the id was registered
	// with stays, so that a repeat is known for one.
	record.State = itemv1.State_STATE_TOMBSTONE
	record.Findings, record.Details, record.Evidence, record.Pseudonyms, record.Berths, record.Holds, record.Tokens, record.Recalled = nil, nil, nil, nil, nil, nil, nil, nil
	for _, l := range record.Layers {
		l.Digest, l.PacketEnds = nil, nil
	}
	return true
}

// settleAll settles every record that can be, and names the items, as far as an answer may.
func (s *Service) settleAll(ctx context.Context) ([]string, error) {
	var items []string
	for stored, err := range s.records(ctx) {
		if err != nil {
			return nil, err
		}
		if hasErased(stored.Record) {
			items = append(items, stored.Record.Item)
		}
	}
	return s.settleItems(ctx, items)
}

func (s *Service) settleItems(ctx context.Context, items []string) ([]string, error) {
	settled := make([]bool, len(items))
	err := inParallel(ctx, changers, len(items), func(ctx context.Context, i int) error {
		_, changed, err := s.update(ctx, items[i], func(r *itemv1.Record) (bool, error) { return s.settleRecord(r), nil })
		settled[i] = changed
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []string
	for i, is := range settled {
		if is && len(out) < maxNamed {
			out = append(out, items[i])
		}
	}
	return out, nil
}

func allGone(gone map[string]*keyringv1.Gone, buckets []string) bool {
	for _, b := range buckets {
		if gone[b] == nil {
			return false
		}
	}
	return true
}

func hasErased(record *itemv1.Record) bool {
	for _, l := range record.Layers {
		if l.State == erased {
			return true
		}
	}
	return false
}
