package retain

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/postern-mail/postern/pkg/keys"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// A Wish is somebody's to destroy items before their time.
type Wish struct {
	Items  []string
	Actor  string // staff
	Reason string // as CheckReason takes it
}

// maxReason is the longest reason, in characters.
const maxReason = 64

var reasonForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/#-]*$`)

// ErrReason says that a reason is missing or not of its form.
var ErrReason = errors.New("reason: give one word of at most 64 letters, digits and ._:/#-, such as the number of a case: it stands readable in the audit log, so it must name nobody")

// CheckReason takes a reason that retention's operators give. Retention opens nothing and so
// has no key under which words about a customer could be sealed; it takes a reference.
func CheckReason(reason string) error {
	if len(reason) > maxReason || !reasonForm.MatchString(reason) {
		return ErrReason
	}
	return nil
}

// maxWish is how many items one wish may name: the keyring takes no more in one request.
const maxWish = 8000

// ErrWish says that a wish names too many items.
var ErrWish = fmt.Errorf("erasure: over %d items: ask for them in parts", maxWish)

// EraseItems destroys items before their time, on somebody's wish: at once their key
// packets, then, with their buckets re-keyed, every copy of them.
func (s *Service) EraseItems(ctx context.Context, wish Wish) (string, error) {
	if err := CheckReason(wish.Reason); err != nil {
		return "", err
	}
	if len(wish.Items) > maxWish {
		return "", ErrWish
	}
	var targets []*retentionv1.Target
	for _, item := range wish.Items {
		record, err := s.records.Get(ctx, item)
		if err != nil {
			return "", fmt.Errorf("item record: %w", err)
		}
		if len(record.GetHolds()) > 0 {
			return "", fmt.Errorf("item %s: %w: lift the hold first", item, keys.Held)
		}
		targets = append(targets, allLayers(record)...)
	}
	if len(targets) == 0 {
		return "", fmt.Errorf("nothing to erase: %w", keys.NotPresent)
	}
	plan := s.newPlan(Erasure, nil, targets, s.clock.Now())
	if err := s.recordErasure(ctx, plan, wish); err != nil {
		return "", err
	}
	if err := s.say(ctx, plan); err != nil {
		return "", err
	}
	return plan.GetPlan(), s.carryOut(ctx, plan)
}

// allLayers are the layers of a record that are there.
func allLayers(record *itemv1.Record) []*retentionv1.Target {
	buckets := map[string]bool{}
	for _, layer := range record.GetLayers() {
		buckets[layer.GetBucket()] = true
	}
	return keys.Targets(record, buckets, "")
}

func (s *Service) recordErasure(ctx context.Context, plan *retentionv1.Planned, wish Wish) error {
	return s.events.Record(ctx, &auditv1.Act{
		Action: "erase", Actor: wish.Actor, Purpose: plan.GetPlan(), Items: wish.Items, Reason: []byte(wish.Reason), Outcome: "allowed",
	})
}
