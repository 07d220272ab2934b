package keyring

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/keys"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

func nowStamp(s *Service) *timestamppb.Timestamp { return timestamppb.New(s.now()) }

// night keeps the works that take keys away from one another.
func (s *Service) night() (func(), error) {
	if !s.nights.TryLock() {
		return nil, refuse(keys.InUse, "closing, destroying, forgetting or attesting is under way")
	}
	return s.nights.Unlock, nil
}

// dated tells whether a bucket is one that a date closes.
func (b *bucket) dated() bool {
	return b.class != classIntake && b.class != classJournal && b.class != classCustomer && !strings.HasPrefix(b.class, holdPrefix)
}

// closeBuckets stops wraps into the buckets whose last day lies before a day. When it
// answers, no wrap into one of them is under way either.
func (s *Service) closeBuckets(ctx context.Context, c *call) (proto.Message, error) {
	r, err := read(c, new(keyringv1.Close))
	if err != nil {
		return nil, err
	}
	done, err := s.night()
	if err != nil {
		return nil, err
	}
	defer done()
	now := s.now()
	if r.Before.CheckValid() != nil || r.Before.AsTime().After(now.Add(s.cfg.RequestSkew.Std())) {
		return nil, refuse(keys.Malformed, "the day before which to close has not come")
	}
	before := earlier(r.Before.AsTime(), now).Format(dayForm)
	next, err := s.change(ctx, func(next *snapshot, _ time.Time) (bool, error) {
		changed := false
		for id, b := range next.buckets {
			if b.dated() && b.phase == keyringv1.Phase_PHASE_OPEN && b.lastDay < before {
				next.buckets[id] = b.with(keyringv1.Phase_PHASE_CLOSED)
				changed = true
			}
		}
		return changed, nil
	})
	if err != nil {
		return nil, err
	}
	s.quiesce()
	out := &keyringv1.Closed{Clock: timestamppb.New(now)}
	for id, b := range next.buckets {
		if b.phase == keyringv1.Phase_PHASE_CLOSED && b.lastDay < before {
			out.Buckets = append(out.Buckets, id)
		}
	}
	slices.Sort(out.Buckets)
	return out, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// destroy takes the keys of exactly a plan's targets: the keyring makes its own list and
// compares. It may be asked again at any point and goes on where it was.
func (s *Service) destroy(ctx context.Context, c *call) (proto.Message, error) {
	r, err := read(c, new(keyringv1.Destroy))
	if err != nil {
		return nil, err
	}
	plan := r.Plan
	if err := checkPlan(plan); err != nil {
		return nil, err
	}
	done, err := s.night()
	if err != nil {
		return nil, err
	}
	defer done()
	buckets, err := s.planned(plan)
	if err != nil {
		return nil, err
	}
	if len(buckets) == 0 { // a repeat: the keys are gone
		items, err := s.settleAll(ctx)
		if err != nil {
			return nil, err
		}
		return s.forgotten(plan.Buckets, items), nil
	}

	// From here on nobody moves anything out of these buckets, and none is under way.
	s.doom(buckets)
	defer s.doom(nil)
	s.quiesce()
	survey, err := s.surveyPlan(ctx, buckets, plan.Plan)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(keys.PlanHash(plan.Buckets, survey.targets), plan.Hash) {
		return nil, refuse(keys.PlanDiffers, "the keyring's own list has another hash than the plan")
	}
	if err := s.awaitJournal(ctx, survey.moved); err != nil {
		return nil, err
	}
	a := s.act(c, "destroy", "")
	a.Purpose, a.Items = plan.Plan, plan.Buckets
	if err := s.scribe.append(ctx, a); err != nil {
		return nil, err
	}

	items := survey.items()
	err = inParallel(ctx, changers, len(items), func(ctx context.Context, i int) error {
		_, _, err := s.update(ctx, items[i], func(record *itemv1.Record) (bool, error) {
			return s.take(record, plan.Plan, func(l *itemv1.Layer) bool { return buckets[l.Bucket] }), nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := s.forgetBuckets(ctx, buckets, nil); err != nil {
		return nil, err
	}
	settled, err := s.settleItems(ctx, items)
	if err != nil {
		return nil, err
	}
	s.log.Info("keys destroyed", "plan", plan.Plan, "buckets", len(buckets), "items", len(items))
	return s.forgotten(plan.Buckets, settled), nil
}

func checkPlan(plan *retentionv1.Planned) error {
	switch {
	case plan == nil || plan.Plan == "" || len(plan.Plan) > 128:
		return refuse(keys.Malformed, "the plan has no id")
	case len(plan.Buckets) == 0 || len(plan.Hash) != 32:
		return refuse(keys.Malformed, "the plan names no buckets or has no hash")
	case len(plan.Targets) > 0 && !bytes.Equal(keys.PlanHash(plan.Buckets, plan.Targets), plan.Hash):
		return refuse(keys.Malformed, "the plan's hash is not of its own list")
	case len(plan.Targets) == 0 && plan.Object == "" && !bytes.Equal(keys.PlanHash(plan.Buckets, nil), plan.Hash):
		return refuse(keys.Malformed, "the plan's list is neither here nor in the vault")
	}
	return nil
}

// planned gives the plan's buckets that are not gone yet. All must be closed.
func (s *Service) planned(plan *retentionv1.Planned) (map[string]bool, error) {
	current := s.snap.Load()
	buckets := map[string]bool{}
	for _, id := range plan.Buckets {
		b := current.buckets[id]
		switch {
		case b == nil && current.gone[id] != nil:
		case b == nil:
			return nil, refuse(keys.PlanDiffers, "the plan names a bucket that never was")
		case b.phase != keyringv1.Phase_PHASE_CLOSED:
			return nil, refuse(keys.PlanDiffers, "the plan names a bucket that is not closed")
		default:
			buckets[id] = true
		}
	}
	return buckets, nil
}

// A planSurvey is the keyring's own list.
type planSurvey struct {
	targets []*retentionv1.Target
	moved   uint64 // the last record that left one of the buckets for another
}

func (p *planSurvey) items() []string {
	var items []string
	for _, t := range p.targets {
		items = append(items, t.Item)
	}
	slices.Sort(items)
	return slices.Compact(items)
}

func (s *Service) surveyPlan(ctx context.Context, buckets map[string]bool, plan string) (*planSurvey, error) {
	out := new(planSurvey)
	for stored, err := range s.records(ctx) {
		if err != nil {
			return nil, err
		}
		record := stored.Record
		for _, l := range record.Layers {
			if l.State != present {
				continue
			}
			if buckets[l.Bucket] && len(record.Holds) > 0 {
				return nil, refuse(keys.Held, "a held item is in a bucket of the plan")
			}
			if !buckets[l.Bucket] && slices.ContainsFunc(l.PastBuckets, func(b string) bool { return buckets[b] }) {
				out.moved = max(out.moved, stored.Sequence)
			}
		}
		out.targets = append(out.targets, keys.Targets(record, buckets, plan)...)
	}
	return out, nil
}

// take removes the key packets of some layers from a record.
func (s *Service) take(record *itemv1.Record, plan string, which func(*itemv1.Layer) bool) bool {
	changed := false
	for _, l := range record.Layers {
		if l.State != present || !which(l) {
			continue
		}
		l.State, l.KeyPacket, l.Inline, l.Plan, l.Erased = erased, nil, nil, plan, nowStamp(s)
		if l.Kind == raw { // they were sealed under raw's key
			record.Details, record.Evidence = nil, nil
		}
		if l.Kind == card { // nobody is found by them any more
			record.Tokens = nil
		}
		changed = true
	}
	return changed
}

// forgetBuckets takes buckets out of the state, all in one write, and period keys with them.
func (s *Service) forgetBuckets(ctx context.Context, buckets, periods map[string]bool) error {
	_, err := s.forgetting(ctx, func(next *snapshot, now time.Time) (bool, error) {
		generation, err := s.keeper.next(ctx, next.generation)
		if err != nil {
			return false, err
		}
		for id := range buckets {
			if next.buckets[id] == nil {
				continue
			}
			delete(next.buckets, id)
			next.gone[id] = &keyringv1.Gone{Bucket: id, Gone: true, Generation: generation, Time: timestamppb.New(now)}
		}
		for name := range periods {
			delete(next.periods, name)
		}
		return len(buckets)+len(periods) > 0, nil
	})
	return err
}

// forgotten is the answer of those who took keys away.
func (s *Service) forgotten(buckets, items []string) *keyringv1.Forgotten {
	current := s.snap.Load()
	out := &keyringv1.Forgotten{Generation: current.generation, Buckets: buckets, Items: items, Time: nowStamp(s)}
	for _, id := range buckets {
		if g := current.gone[id]; g != nil {
			out.Generation, out.Time = g.Generation, g.Time
		}
	}
	return out
}

// doom marks the buckets that are being destroyed: nothing moves out of them.
func (s *Service) doom(buckets map[string]bool) { s.doomedBuckets.Store(&buckets) }

func (s *Service) doomed(bucket string) bool {
	buckets := s.doomedBuckets.Load()
	return buckets != nil && (*buckets)[bucket]
}

// erase removes the key packets of single items at once. Copies of the packets open until
// their buckets are forgotten, which is the nightly work.
func (s *Service) erase(ctx context.Context, c *call) (proto.Message, error) {
	r, err := read(c, new(keyringv1.Erase))
	if err != nil {
		return nil, err
	}
	if err := checkItems(r.Items, r.Request); err != nil {
		return nil, err
	}
	if len(r.Reason) > maxReason {
		return nil, refuse(keys.Malformed, "the reason is over its limit")
	}
	for _, item := range r.Items {
		stored, err := s.look(ctx, item)
		if err == nil && len(stored.Record.Holds) > 0 {
			return nil, refuse(keys.Held, "an item is held")
		}
	}
	a := s.act(c, "erase", r.Actor)
	a.Items, a.Purpose, a.Reason = r.Items, r.Request, r.Reason
	if err := s.scribe.append(ctx, a); err != nil {
		return nil, err
	}
	wanted := func(kind itemv1.LayerKind) bool { return len(r.Layers) == 0 || slices.Contains(r.Layers, kind) }
	return s.eachItem(ctx, r.Items, func(record *itemv1.Record) (bool, error) {
		if len(record.Holds) > 0 {
			return false, refuse(keys.Held, "an item is held")
		}
		changed := s.take(record, r.Request, func(l *itemv1.Layer) bool { return wanted(l.Kind) })
		// What is yet to be made is not made.
		berths := slices.DeleteFunc(record.Berths, func(b *itemv1.Berth) bool { return wanted(b.Kind) })
		changed = changed || len(berths) != len(record.Berths)
		record.Berths = berths
		return changed, nil
	})
}
