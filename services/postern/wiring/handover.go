package wiring

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/vault/erase"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	"github.com/postern-mail/postern/services/retain"
)

// A command that came in through the door has the keyring act, and leaves the rest of a plan to
// retention in the process behind the door: there are the read models, and one who erases
// alone can count what was erased.

// errHandedOver says whose the rest of a plan is.
var errHandedOver = fmt.Errorf("%w: the process that runs erases the objects and certifies", retain.ErrPending)

type handedOver struct{}

func (handedOver) Erase(context.Context, string) (erase.Report, error) {
	return erase.Report{}, errHandedOver
}

func (handedOver) Remains(context.Context, string) (erase.Report, error) {
	return erase.Report{}, errHandedOver
}

func (handedOver) Sweep(context.Context, string, time.Time) (int, error) { return 0, errHandedOver }

// Caught is retain.Projections: what read models show, only the process knows that has them.
func (handedOver) Caught(context.Context, string, []itemv1.LayerKind) (bool, error) {
	return false, nil
}

// ownPlans are the plans that somebody in this process has spoken of, and which so have
// somebody here to see to them.
type ownPlans struct {
	mu    sync.Mutex
	plans map[string]bool
}

// ownWords is retention's log, and remembers what is said through it.
type ownWords struct {
	retain.Log
	own *ownPlans
}

func (o ownWords) Say(ctx context.Context, cause string, said proto.Message) error {
	switch e := said.(type) { // before it can be heard
	case *retentionv1.Planned:
		o.own.note(e.GetPlan())
	case *retentionv1.Destroyed:
		o.own.note(e.GetPlan())
	}
	return o.Log.Say(ctx, cause, said)
}

func (o ownWords) Plan(ctx context.Context, after uint64, plan *retentionv1.Planned) (uint64, error) {
	o.own.note(plan.GetPlan())
	return o.Log.Plan(ctx, after, plan)
}

func (o *ownPlans) note(plan string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.plans == nil {
		o.plans = map[string]bool{}
	}
	o.plans[plan] = true
}

// strange tells whether somebody else speaks of a plan. Of one that is certified or
// withdrawn nobody speaks any more.
func (o *ownPlans) strange(said proto.Message) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e := said.(type) {
	case *retentionv1.Planned:
		return !o.plans[e.GetPlan()]
	case *retentionv1.Destroyed:
		return !o.plans[e.GetPlan()]
	case *retentionv1.Certified:
		delete(o.plans, e.GetPlan())
	case *retentionv1.Withdrawn:
		delete(o.plans, e.GetPlan())
	}
	return false
}

// wished tells whether somebody at a desk, or who keeps the directory, wants something of retention.
func wished(said proto.Message) bool {
	switch said.(type) {
	case *retentionv1.Wished, *retentionv1.Dismissed:
		return true
	}
	return false
}

// takeOver runs retention soon after something was said that calls for it, until ctx ends: not
// only when its hour comes. That is a wish of the desk, customers who were removed and, where commands leave the rest to
// this process, a plan of theirs or that its keys are destroyed.
func takeOver(ctx context.Context, conn *bus.Conn, calls func(proto.Message) bool, runNow func(context.Context) error) error {
	kept, err := conn.Kept(ctx, topology.Retention)
	for ; err != nil; kept, err = conn.Kept(ctx, topology.Retention) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(again):
		}
	}
	for message, err := range conn.Follow(ctx, topology.Retention, kept.Last+1) {
		if err != nil {
			return err
		}
		_, said, err := event.Open(message.Subject, message.Data)
		if err != nil || !calls(said) {
			continue
		}
		if err := runSoon(ctx, runNow); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// A run that somebody else's word calls for is repeated so often and after such pauses: the
// keyring may be busy with the very same, or the journal a moment behind. After that, the
// schedule goes on as it does with any.
const (
	soonRuns  = 20
	soonPause = time.Second
	soonWait  = time.Minute // for one, where another holds the lease
)

func runSoon(ctx context.Context, runNow func(context.Context) error) error {
	for range soonRuns {
		within, cancel := context.WithTimeout(ctx, soonWait)
		err := runNow(within)
		leads := within.Err() == nil
		cancel()
		if err == nil || !leads {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(soonPause):
		}
	}
	return nil
}
