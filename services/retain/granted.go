package retain

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/keys"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// notSetAside answers a wish for a mail that is not set aside, or is so no more.
const notSetAside = "not_set_aside"

// planForm is the name of a plan. What comes of a wish has the wish's.
var planForm = regexp.MustCompile(`^P[0-9a-f]{20}$`)

// grant sees to what the desk wishes: a mail that is set aside, and only such a one, is
// erased. The desk can say what it likes, so all that it says is looked at here. It gives the
// sequence of the last plan.
func (r *run) grant(ctx context.Context, standing standing) (uint64, error) {
	last := standing.last
	for i, wish := range standing.wishes {
		if !planForm.MatchString(wish.GetPlan()) {
			r.log.Warn("wish to erase passed over", "code", "malformed")
			continue
		}
		record, err := r.records.Get(ctx, wish.GetItem())
		if err != nil {
			return last, fmt.Errorf("item record: %w", err)
		}
		if code := refusal(wish, record); code != "" {
			if err := r.decline(ctx, wish, code); err != nil {
				return last, err
			}
			continue
		}
		if standing.lately >= r.config.WishesADay {
			r.log.Warn("wishes to erase wait: there are more than a day may have", "waiting", len(standing.wishes)-i, "wishes_a_day", r.config.WishesADay)
			r.pending = fmt.Errorf("%w: wishes of the desk are over their number for a day", ErrPending)
			break
		}
		standing.lately++
		plan := r.newPlan(Erasure, nil, allLayers(record), r.clock.Now())
		plan.Plan = wish.GetPlan()
		err = r.recordErasure(ctx, plan, Wish{Items: []string{wish.GetItem()}, Actor: wish.GetBy(), Reason: wish.GetReason()})
		if err != nil {
			return last, err
		}
		last, err = r.sayNext(ctx, last, plan)
		if errors.Is(err, ErrRace) {
			return last, fmt.Errorf("%w: %w", ErrPending, err)
		}
		if err != nil {
			return last, err
		}
		if err := r.ended(ctx, plan, r.carryOut(ctx, plan)); err != nil {
			return last, err
		}
	}
	return last, nil
}

// refusal says why a wish is not granted, "" where it is.
func refusal(wish *retentionv1.Wished, record *itemv1.Record) string {
	switch {
	case CheckReason(wish.GetReason()) != nil || wish.GetBy() == "":
		return string(keys.Malformed)
	case record == nil:
		return string(keys.UnknownItem)
	case len(record.GetHolds()) > 0:
		return string(keys.Held)
	case record.GetState() != itemv1.State_STATE_SET_ASIDE:
		return notSetAside
	case len(allLayers(record)) == 0:
		return string(keys.NotPresent)
	}
	return ""
}

func (r *run) decline(ctx context.Context, wish *retentionv1.Wished, code string) error {
	r.log.Warn("wish to erase declined", "plan", wish.GetPlan(), "code", code)
	return r.events.Say(ctx, wish.GetPlan(), &retentionv1.Withdrawn{Plan: wish.GetPlan(), Code: code, Time: timestamppb.New(r.clock.Now())})
}
