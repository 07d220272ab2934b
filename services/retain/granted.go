package retain

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// notSetAside answers a wish for a mail that is not set aside, or is so no more.
const notSetAside = "not_set_aside"

// planForm is the name of a plan. What comes of a wish has the wish's.
var planForm = regexp.MustCompile(`^P[0-9a-f]{20}$`)

// asked is what somebody else wants destroyed before its time.
type asked struct {
	plan       string
	items      []string
	by, reason string
	customers  bool // by who keeps the directory; else by the desk
}

// askedBy reads an event in which somebody asks for destruction.
func askedBy(said proto.Message) (asked, bool) {
	switch e := said.(type) {
	case *retentionv1.Wished:
		return asked{plan: e.GetPlan(), items: []string{e.GetItem()}, by: e.GetBy(), reason: e.GetReason()}, true
	case *retentionv1.Dismissed:
		return asked{plan: e.GetPlan(), items: e.GetItems(), by: e.GetBy(), reason: e.GetReason(), customers: true}, true
	}
	return asked{}, false
}

// grant sees to what others ask for. On the desk's word a mail that is set aside, and only
// such a one, is erased; on the word of who keeps the directory customers' cards, and nothing
// else. They can say what they like, so all that they say is looked at here. It gives the
// sequence of the last plan.
func (r *run) grant(ctx context.Context, standing standing) (uint64, error) {
	last, over := standing.last, false
	for i, wish := range standing.wishes {
		if !planForm.MatchString(wish.plan) {
			r.log.Warn("wish to erase passed over", "code", "malformed")
			continue
		}
		targets, code, err := r.judge(ctx, wish)
		if err != nil {
			return last, err
		}
		if code != "" {
			if err := r.decline(ctx, wish, code); err != nil {
				return last, err
			}
			continue
		}
		if !wish.customers && standing.lately >= r.config.WishesADay {
			if !over {
				r.log.Warn("wishes to erase wait: there are more than a day may have", "waiting", len(standing.wishes)-i, "wishes_a_day", r.config.WishesADay)
			}
			over = true
			r.pending = fmt.Errorf("%w: wishes of the desk are over their number for a day", ErrPending)
			continue
		}
		if !wish.customers {
			standing.lately++
		}
		plan := r.newPlan(Erasure, nil, targets, r.clock.Now())
		plan.Plan = wish.plan
		err = r.recordErasure(ctx, plan, Wish{Items: wish.items, Actor: wish.by, Reason: wish.reason})
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

// judge gives what a wish would destroy, or the code of why it is not granted.
func (r *run) judge(ctx context.Context, wish asked) (targets []*retentionv1.Target, code string, err error) {
	if CheckReason(wish.reason) != nil || wish.by == "" || len(wish.items) == 0 || len(wish.items) > maxWish {
		return nil, string(keys.Malformed), nil
	}
	for _, item := range wish.items {
		if wish.customers != event.IsCustomer(item) {
			return nil, string(keys.Malformed), nil
		}
		record, err := r.records.Get(ctx, item)
		if err != nil {
			return nil, "", fmt.Errorf("item record: %w", err)
		}
		if code := refusal(wish, record); code != "" {
			return nil, code, nil
		}
		targets = append(targets, allLayers(record)...)
	}
	if len(targets) == 0 {
		return nil, string(keys.NotPresent), nil
	}
	return targets, "", nil
}

// refusal says why nothing is done about an item, "" where something is.
func refusal(wish asked, record *itemv1.Record) string {
	switch {
	case record == nil:
		return string(keys.UnknownItem)
	case len(record.GetHolds()) > 0:
		return string(keys.Held)
	case !wish.customers && record.GetState() != itemv1.State_STATE_SET_ASIDE:
		return notSetAside
	}
	return ""
}

func (r *run) decline(ctx context.Context, wish asked, code string) error {
	r.log.Warn("wish to erase declined", "plan", wish.plan, "code", code)
	return r.events.Say(ctx, wish.plan, &retentionv1.Withdrawn{Plan: wish.plan, Code: code, Time: timestamppb.New(r.clock.Now())})
}
