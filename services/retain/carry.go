package retain

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/vault/erase"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"
)

// carryOut does a plan from wherever it stands: every step can be repeated.
func (s *Service) carryOut(ctx context.Context, plan *retentionv1.Planned) error {
	forgotten, err := s.forget(ctx, plan)
	if err != nil {
		if passing(err) {
			return fmt.Errorf("%w: plan %s: %w", ErrPending, plan.GetPlan(), err)
		}
		return fmt.Errorf("plan %s: %w", plan.GetPlan(), err)
	}
	destroyed := &retentionv1.Destroyed{Plan: plan.GetPlan(), Generation: forgotten.GetGeneration(), Time: forgotten.GetTime()}
	if err := s.events.Say(ctx, plan.GetPlan(), destroyed); err != nil {
		return err
	}
	if len(plan.GetTargets()) == 0 {
		s.log.Info("empty keys forgotten", "plan", plan.GetPlan(), "buckets", len(plan.GetBuckets()))
		return nil
	}
	if plan, err = s.asTaken(ctx, plan); err != nil {
		return err
	}
	gone, err := s.removeObjects(ctx, plan)
	if err != nil {
		return err
	}
	attested, err := s.attest(ctx, plan)
	if err != nil {
		return err
	}
	removed, err := s.tellTickets(ctx, plan)
	if err != nil {
		return err
	}
	times := Times{Planned: plan.GetTime().AsTime(), PacketsRemoved: removed, KeysForgotten: lastForgotten(attested)}
	if err := s.certify(ctx, plan, times, gone, attested); err != nil {
		return err
	}
	s.removed.drop(gone)
	return nil
}

// forget has the keyring forget the plan's keys.
func (s *Service) forget(ctx context.Context, plan *retentionv1.Planned) (*keyringv1.Forgotten, error) {
	switch plan.GetCause() {
	case Expiry:
		return s.keyring.Destroy(ctx, &keyringv1.Destroy{Plan: brief(plan)})
	case Remainder, LockOver: // its packets are taken; its buckets are gone, or go with the nightly work or with their own plan
		return s.keyring.Forget(ctx)
	}
	// No layers named: all, those that are yet to be made as well.
	if _, err := s.keyring.Erase(ctx, &keyringv1.Erase{Request: plan.GetPlan(), Items: erased(plan)}); err != nil {
		return nil, err
	}
	return s.keyring.Forget(ctx)
}

// erased gives the items of a plan, each once.
func erased(plan *retentionv1.Planned) []string {
	var items []string
	seen := map[string]bool{}
	for _, target := range plan.GetTargets() {
		if !seen[target.GetItem()] {
			seen[target.GetItem()] = true
			items = append(items, target.GetItem())
		}
	}
	return items
}

// asTaken gives the plan with its targets as the records have them now that their packets
// are gone. An erasure takes whatever an item has when it comes to it: a layer that was
// made, or moved to another bucket, since the plan was listed is taken, checked and
// certified like the others. The hash stays that of the list that was planned. Of a layer that is
// present, in the record at least, nothing is taken but what the list names.
func (s *Service) asTaken(ctx context.Context, plan *retentionv1.Planned) (*retentionv1.Planned, error) {
	type layer struct {
		item string
		kind itemv1.LayerKind
	}
	listed := map[layer]*retentionv1.Target{}
	for _, target := range plan.GetTargets() {
		listed[layer{target.GetItem(), target.GetLayer()}] = target
	}
	var targets []*retentionv1.Target
	for _, item := range erased(plan) {
		record, err := s.records.Get(ctx, item)
		if err != nil {
			return nil, fmt.Errorf("item record: %w", err)
		}
		for _, l := range record.GetLayers() {
			at := layer{item, l.GetKind()}
			if l.GetState() == itemv1.LayerState_LAYER_STATE_PRESENT && !wasListed(listed[at], l) {
				if named := listed[at]; named.GetObject() != "" && named.GetObject() == l.GetObject() {
					return nil, fmt.Errorf("plan %s: a layer that it lists is present in another bucket, and its object stays", plan.GetPlan())
				}
				continue // another one stands in its place; what the plan took is as listed
			}
			if listed[at] != nil || l.GetPlan() == plan.GetPlan() {
				targets = append(targets, targetOf(item, l))
				delete(listed, at)
			}
		}
	}
	for _, target := range listed { // of records that are lost: the list is all there is
		targets = append(targets, target)
	}
	keys.SortTargets(targets)
	taken, _ := proto.Clone(plan).(*retentionv1.Planned)
	taken.Targets = targets
	return taken, nil
}

// wasListed tells whether a target is this very layer, in a bucket that once wrapped it. The record of one
// whose keys are gone may say that it is present, where a bus was lost that had not been written down.
func wasListed(target *retentionv1.Target, l *itemv1.Layer) bool {
	return target != nil && target.GetObject() == l.GetObject() && (target.GetBucket() == l.GetBucket() || slices.Contains(target.GetPastBuckets(), l.GetBucket()))
}

// targetOf is a layer as a plan lists it.
func targetOf(item string, l *itemv1.Layer) *retentionv1.Target {
	return &retentionv1.Target{
		Item: item, Layer: l.GetKind(), Object: l.GetObject(), Bucket: l.GetBucket(), PastBuckets: slices.Sorted(slices.Values(l.GetPastBuckets())), Due: l.GetDue(),
	}
}

// erasers is how many objects are erased at once: one takes an object store some six requests.
const erasers = 8

// removeObjects erases the sealed bytes. They are noise already; this is the second line.
func (s *Service) removeObjects(ctx context.Context, plan *retentionv1.Planned) (map[string]erase.Report, error) {
	targets := plan.GetTargets()
	reports := make([]erase.Report, len(targets))
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var work sync.WaitGroup
	slots := make(chan struct{}, erasers)
	for i, target := range targets {
		if target.GetObject() == "" {
			continue
		}
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		work.Go(func() {
			defer func() { <-slots }()
			report, err := s.eraser.Erase(ctx, target.GetObject())
			report = s.removed.add(target.GetObject(), report)
			switch {
			case err != nil:
				stop(fmt.Errorf("plan %s: object: %w", plan.GetPlan(), err))
			case !report.Gone && report.LockedUntil.IsZero() && !report.Held:
				stop(fmt.Errorf("plan %s: an object is still there after it was erased", plan.GetPlan()))
			}
			reports[i] = report
		})
	}
	work.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	byName := map[string]erase.Report{}
	for i, target := range targets {
		if name := target.GetObject(); name != "" {
			byName[name] = reports[i]
		}
	}
	return byName, nil
}

// attest has the keyring prove that every bucket that ever wrapped a target is gone.
func (s *Service) attest(ctx context.Context, plan *retentionv1.Planned) (*keyringv1.Attested, error) {
	buckets := allBuckets(plan)
	attested, err := s.keyring.Attest(ctx, &keyringv1.Attest{Buckets: buckets})
	if err != nil {
		if passing(err) {
			return nil, fmt.Errorf("%w: plan %s: %w", ErrPending, plan.GetPlan(), err)
		}
		return nil, err
	}
	known := map[string]bool{}
	for _, bucket := range attested.GetGone() {
		known[bucket.GetBucket()] = bucket.GetGone()
	}
	for _, bucket := range buckets {
		if !known[bucket] {
			return nil, fmt.Errorf("%w: plan %s: bucket %s once wrapped a target and is still there", ErrPending, plan.GetPlan(), bucket)
		}
	}
	return attested, nil
}

// lastForgotten is when the last of the attested keys was forgotten.
func lastForgotten(attested *keyringv1.Attested) time.Time {
	var last time.Time
	for _, bucket := range attested.GetGone() {
		if at := bucket.GetTime().AsTime(); at.After(last) {
			last = at
		}
	}
	return last
}

// tellTickets lets read models forget what the plan took, and waits for none: the
// certificate asks whether they have.
//
// It gives the moment at which the last record lost its key packets.
func (s *Service) tellTickets(ctx context.Context, plan *retentionv1.Planned) (time.Time, error) {
	removed := plan.GetTime().AsTime()
	if plan.GetCause() == LockOver {
		removed = time.Time{} // that was long before
	}
	layers := map[string][]itemv1.LayerKind{}
	var order []string
	for _, target := range plan.GetTargets() {
		if layers[target.GetItem()] == nil {
			order = append(order, target.GetItem())
		}
		layers[target.GetItem()] = append(layers[target.GetItem()], target.GetLayer())
	}
	waiting := 0
	for _, item := range order {
		record, err := s.records.Get(ctx, item)
		if err != nil {
			return removed, fmt.Errorf("item record: %w", err)
		}
		for _, layer := range record.GetLayers() {
			if plan.GetCause() == LockOver && !slices.Contains(layers[item], layer.GetKind()) {
				continue
			}
			if at := layer.GetErased(); at != nil && at.AsTime().After(removed) {
				removed = at.AsTime()
			}
		}
		ticket := record.GetTicket()
		if ticket == "" {
			continue
		}
		said := &ticketv1.LayersDestroyed{Ticket: ticket, Layers: layers[item], Certificate: certificateID(plan)}
		if err := s.events.SayOfTicket(ctx, plan.GetPlan(), ticket, item, said); err != nil {
			return removed, err
		}
		caught, err := s.projections.Caught(ctx, ticket, layers[item])
		if err != nil {
			return removed, fmt.Errorf("read models: %w", err)
		}
		if !caught {
			waiting++
		}
	}
	if waiting > 0 {
		return removed, fmt.Errorf("%w: plan %s: read models still show %d tickets", ErrPending, plan.GetPlan(), waiting)
	}
	return removed, nil
}
