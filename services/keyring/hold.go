package keyring

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// A held item's layers are in the bucket of its first hold, which no date closes. The
// homes that they return to are kept with every hold, so it does not matter which is
// lifted last.

// hold moves items into the hold's buckets. The answer names the items for which it counts:
// those whose compare-and-swap was acknowledged.
func (s *Service) hold(ctx context.Context, c *call) (proto.Message, error) {
	r, err := read(c, new(keyringv1.Hold))
	if err != nil {
		return nil, err
	}
	if err := checkItems(r.Items, r.Hold); err != nil {
		return nil, err
	}
	if r.Actor == "" || len(r.Reason) == 0 || len(r.Reason) > maxReason {
		return nil, refuse(keys.Malformed, "the actor or the reason is missing, or the reason over its limit")
	}
	a := s.act(c, "hold", r.Actor)
	a.Items, a.Purpose, a.Reason = r.Items, r.Hold, r.Reason
	if err := s.scribe.append(ctx, a); err != nil {
		return nil, err
	}
	return s.eachItem(ctx, r.Items, func(record *itemv1.Record) (bool, error) {
		if slices.ContainsFunc(record.Holds, func(h *itemv1.Hold) bool { return h.Id == r.Hold }) {
			return false, nil // first wins
		}
		return true, s.place(ctx, record, r.Hold, r.Actor)
	})
}

func (s *Service) place(ctx context.Context, record *itemv1.Record, hold, actor string) error {
	h := &itemv1.Hold{Id: hold, Placed: timestamppb.New(s.now()), PlacedBy: actor, Homes: map[int32]string{}}
	if len(record.Holds) > 0 {
		for kind, home := range record.Holds[0].Homes {
			h.Homes[kind] = home
		}
		record.Holds = append(record.Holds, h)
		return nil
	}
	some := false
	for _, l := range record.Layers {
		if l.State != present {
			continue
		}
		some = true
		h.Homes[int32(l.Kind)] = l.Bucket
		b, err := s.ensure(ctx, place{holdClass(hold), l.Kind, endless})
		if err != nil {
			return err
		}
		if err := s.rewrap(l, b[0]); err != nil {
			return err
		}
	}
	if !some {
		return refuse(keys.Destroyed, "nothing of the item is left to hold")
	}
	record.Holds = append(record.Holds, h)
	return nil
}

// release lifts a hold. With the last one, the layers go home; where a home was closed or
// is gone meanwhile, into a younger bucket of the same period, which is then due as it was.
func (s *Service) release(ctx context.Context, c *call) (proto.Message, error) {
	r, err := read(c, new(keyringv1.Release))
	if err != nil {
		return nil, err
	}
	if err := checkItems(r.Items, r.Hold); err != nil {
		return nil, err
	}
	a := s.act(c, "release", r.Actor)
	a.Items, a.Purpose = r.Items, r.Hold
	if err := s.scribe.append(ctx, a); err != nil {
		return nil, err
	}
	return s.eachItem(ctx, r.Items, func(record *itemv1.Record) (bool, error) {
		i := slices.IndexFunc(record.Holds, func(h *itemv1.Hold) bool { return h.Id == r.Hold })
		if i < 0 {
			return false, nil
		}
		homes := record.Holds[i].Homes
		record.Holds = slices.Delete(record.Holds, i, i+1)
		for _, l := range record.Layers {
			if l.State != present {
				continue
			}
			var to place
			if len(record.Holds) > 0 {
				to = place{holdClass(record.Holds[0].Id), l.Kind, endless}
			} else {
				to = s.home(record, l, homes[int32(l.Kind)])
			}
			b, err := s.ensure(ctx, to)
			if err != nil {
				return false, err
			}
			if err := s.rewrap(l, b[0]); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// home gives the place that a layer returns to: the one it left, or the one of its class
// and due date. A registered item goes home to today's intake, since its own day's may be gone.
func (s *Service) home(record *itemv1.Record, l *itemv1.Layer, id string) place {
	p := placeOf(id, l.Kind)
	switch {
	case record.State == itemv1.State_STATE_REGISTERED:
		return place{classIntake, raw, s.now().Format(dayForm)}
	case id == "" || p.class == classIntake:
		return place{record.Class, l.Kind, lastDayOf(l.Due.AsTime(), 1)}
	}
	return p
}

// setHome notes where a held layer returns to.
func setHome(record *itemv1.Record, kind itemv1.LayerKind, bucket string) {
	for _, h := range record.Holds {
		if h.Homes == nil {
			h.Homes = map[int32]string{}
		}
		h.Homes[int32(kind)] = bucket
	}
}

func checkItems(items []string, request string) error {
	if len(items) == 0 || len(items) > maxHold {
		return refuse(keys.Malformed, "the number of items is zero or over its limit")
	}
	for _, item := range items {
		if !event.IsRecord(item) {
			return refuse(keys.Malformed, "an item's id is not an item id")
		}
	}
	if request == "" || len(request) > 128 {
		return refuse(keys.Malformed, "the request's id is missing")
	}
	return nil
}

// changers is how many records are changed at once by one request.
const changers = 16

// eachItem changes items and names those that now are as asked. The first that cannot be
// changed ends it with its refusal, and the answer beside the refusal names those before.
func (s *Service) eachItem(ctx context.Context, items []string, fn func(*itemv1.Record) (bool, error)) (proto.Message, error) {
	done := make([]bool, len(items))
	err := inParallel(ctx, changers, len(items), func(ctx context.Context, i int) error {
		_, _, err := s.update(ctx, items[i], fn)
		done[i] = err == nil
		return err
	})
	out := &keyringv1.Forgotten{Generation: s.snap.Load().generation, Time: timestamppb.New(s.now())}
	for i, ok := range done {
		if ok {
			out.Items = append(out.Items, items[i])
		}
	}
	return out, err
}

// placeOf reads a bucket's id: <class>.<layer>.<last day>.<serial>.
func placeOf(id string, kind itemv1.LayerKind) place {
	parts := strings.Split(id, ".")
	if len(parts) != 4 {
		return place{layer: kind}
	}
	return place{parts[0], kind, parts[2]}
}

func lastDayOfBucket(id string) string { return placeOf(id, 0).lastDay }
