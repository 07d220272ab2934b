package keyring

import (
	"context"
	"errors"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// tries is how often a change begins anew because the record moved under it.
const tries = 8

const (
	present   = itemv1.LayerState_LAYER_STATE_PRESENT
	erased    = itemv1.LayerState_LAYER_STATE_ERASED
	destroyed = itemv1.LayerState_LAYER_STATE_DESTROYED
	raw       = itemv1.LayerKind_LAYER_KIND_RAW
	view      = itemv1.LayerKind_LAYER_KIND_VIEW
	pii       = itemv1.LayerKind_LAYER_KIND_PII
	card      = itemv1.LayerKind_LAYER_KIND_CARD
)

// look gives a record that must not be changed.
func (s *Service) look(ctx context.Context, item string) (Stored, error) {
	if !s.writer.Load() {
		return s.deps.Records.Get(ctx, item)
	}
	if stored, there := s.cache.get(item); there {
		return stored, nil
	}
	stored, err := s.deps.Records.Get(ctx, item)
	if err != nil {
		return Stored{}, err
	}
	return stored, nil
}

// stripe gives the lock of an item's changes.
func (s *Service) stripe(item string) func() {
	var n byte
	for i := range len(item) {
		n = n*31 + item[i]
	}
	s.stripes[n].Lock()
	return s.stripes[n].Unlock
}

// put writes a record and remembers it.
func (s *Service) put(ctx context.Context, record *itemv1.Record, expected uint64) (Stored, error) {
	if !s.writer.Load() {
		return Stored{}, errReader
	}
	record.Changed = timestamppb.New(s.now())
	sequence, err := s.deps.Records.Put(ctx, record, expected)
	if err != nil {
		s.cache.drop(record.Item) // it may have been written all the same
		return Stored{}, err
	}
	s.sawSequence(sequence)
	stored := Stored{record, sequence}
	s.cache.put(stored)
	return stored, nil
}

// sawSequence notes a sequence of the records' stream. Nobody else writes there, so the
// highest is its end.
func (s *Service) sawSequence(sequence uint64) {
	for {
		highest := s.highest.Load()
		if sequence <= highest || s.highest.CompareAndSwap(highest, sequence) {
			return
		}
	}
}

// update changes one record: fn gets a copy of it as it stands and says whether it changed
// it. Where somebody else was faster, fn is asked again with what they left.
func (s *Service) update(ctx context.Context, item string, fn func(r *itemv1.Record) (bool, error)) (Stored, bool, error) {
	if !event.IsRecord(item) {
		return Stored{}, false, refuse(keys.Malformed, "the item's id is not an item id")
	}
	defer s.stripe(item)()
	for range tries {
		stored, err := s.look(ctx, item)
		if errors.Is(err, ErrNoRecord) {
			return Stored{}, false, keys.UnknownItem
		}
		if err != nil {
			return Stored{}, false, err
		}
		// Only under the item's lock may a record that was read be kept: without it, it
		// could already be an old one.
		s.cache.put(stored)
		next := proto.CloneOf(stored.Record)
		changed, err := fn(next)
		if err != nil || !changed {
			return stored, false, err
		}
		put, err := s.put(ctx, next, stored.Sequence)
		if errors.Is(err, ErrConflict) {
			continue
		}
		return put, err == nil, err
	}
	return Stored{}, false, ErrConflict
}

// tellAndUpdate is update for changes that have an act, which is on disk before the change
// is: fn gives it where it changes the record. A death between the two leaves an act that is
// told again when the caller asks again, never a change that nobody told.
func (s *Service) tellAndUpdate(ctx context.Context, item string, fn func(r *itemv1.Record) (*auditv1.Act, error)) (Stored, bool, error) {
	return s.update(ctx, item, func(r *itemv1.Record) (bool, error) {
		a, err := fn(r)
		if err != nil || a == nil {
			return false, err
		}
		return true, s.scribe.append(ctx, a)
	})
}

func recorded(stored Stored, changed bool) *keyringv1.Recorded {
	return &keyringv1.Recorded{Record: stored.Record, Changed: changed, Sequence: stored.Sequence}
}

func layerOf(r *itemv1.Record, kind itemv1.LayerKind) *itemv1.Layer {
	for _, l := range r.Layers {
		if l.Kind == kind {
			return l
		}
	}
	return nil
}

func berthOf(r *itemv1.Record, kind itemv1.LayerKind) *itemv1.Berth {
	for _, b := range r.Berths {
		if b.Kind == kind {
			return b
		}
	}
	return nil
}

// rewrap moves a layer's key packet into another bucket. The bucket it leaves is remembered:
// old copies of the packet open for as long as that bucket lives.
func (s *Service) rewrap(l *itemv1.Layer, to *bucket) error {
	if l.Bucket == to.id {
		return nil
	}
	return s.withSession(l, func(session *seal.SessionKey) error { return s.rewrapWith(l, to, session) })
}

// rewrapWith is rewrap for whoever holds the layer's session key already.
func (s *Service) rewrapWith(l *itemv1.Layer, to *bucket, session *seal.SessionKey) error {
	if l.Bucket == to.id {
		return nil
	}
	if s.doomed(l.Bucket) {
		return refuse(keys.ClosedBucket, "the item's bucket is being destroyed")
	}
	packet, err := to.wrap(session)
	if err != nil {
		return err
	}
	moveTo(l, to.id)
	l.KeyPacket = packet
	return nil
}

// moveTo notes a layer's new bucket, and the former as one that once wrapped it.
func moveTo(l *itemv1.Layer, bucket string) {
	if !slices.Contains(l.PastBuckets, l.Bucket) {
		l.PastBuckets = append(l.PastBuckets, l.Bucket)
	}
	l.PastBuckets = slices.DeleteFunc(l.PastBuckets, func(b string) bool { return b == bucket })
	l.Bucket = bucket
}
