package retain

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/retention"
	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/erase"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// Deps are what a Service works with.
type Deps struct {
	Log         *slog.Logger
	Clock       Clock
	Keyring     Keyring
	Records     Records
	Events      Log
	Vault       vault.Store
	Eraser      erase.Eraser
	Projections Projections
	Policy      retention.Policy
	Key         ed25519.PrivateKey
	Servers     []Server
}

// A Service destroys on schedule and certifies.
type Service struct {
	config      Config
	log         *slog.Logger
	clock       Clock
	keyring     Keyring
	records     Records
	events      Log
	vault       vault.Store
	eraser      erase.Eraser
	projections Projections
	policy      retention.Policy
	key         ed25519.PrivateKey
	servers     []Server
	removed     tally
}

// New makes a service that acts when it is told to; Schedule tells it.
func New(config Config, d Deps) *Service {
	return &Service{
		config: config, log: d.Log, clock: d.Clock, keyring: d.Keyring, records: d.Records, events: d.Events, vault: d.Vault, eraser: d.Eraser,
		projections: d.Projections, policy: d.Policy, key: d.Key, servers: d.Servers,
	}
}

// ErrPending says that a destruction waits for something that comes with time: a
// journal to be written, a keyring's memory to be over, a read model to catch up. The next
// run goes on from there.
var ErrPending = errors.New("retention: a destruction is still under way")

// Run finishes what an earlier run began, does the keyring's nightly work, then plans
// and destroys what is due now. It may be ended and repeated at any point.
func (s *Service) Run(ctx context.Context) error {
	_, forgetErr := s.keyring.Forget(ctx)
	if forgetErr != nil && !passing(forgetErr) {
		return forgetErr
	}
	standing, err := s.standing(ctx)
	if err != nil {
		return err
	}
	r := run{Service: s, taken: map[string]bool{}}
	if forgetErr != nil {
		r.pending = fmt.Errorf("%w: %w", ErrPending, forgetErr)
	}
	for _, plan := range standing.open {
		whole, err := s.whole(ctx, plan)
		if err == nil {
			err = s.carryOut(ctx, whole)
		} else {
			whole = plan
		}
		if err := r.ended(ctx, whole, err); err != nil {
			return err
		}
	}
	last, err := r.grant(ctx, standing)
	if err != nil {
		return errors.Join(r.broken, err)
	}
	for {
		plan, err := s.plan(ctx, r.taken)
		if err == nil && plan != nil {
			last, err = s.sayNext(ctx, last, plan)
		}
		if errors.Is(err, ErrRace) {
			return errors.Join(r.broken, fmt.Errorf("%w: %w", ErrPending, err))
		}
		if err != nil {
			return errors.Join(r.broken, err)
		}
		if plan == nil {
			break
		}
		if err := r.ended(ctx, plan, s.carryOut(ctx, plan)); err != nil {
			return err
		}
	}
	return cmp.Or(r.broken, r.pending)
}

// A run is one going-over. One plan that cannot go on must not keep the others from theirs.
type run struct {
	*Service
	taken   map[string]bool // buckets of plans that are not at their end: two plans never overlap
	pending error
	broken  error
}

// ended takes note of how a plan's carrying out ended. It gives an error where the run must end too.
func (r *run) ended(ctx context.Context, plan *retentionv1.Planned, err error) error {
	for _, bucket := range plan.GetBuckets() {
		r.taken[bucket] = true
	}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return err
	case overtaken(err):
		if err := r.withdraw(ctx, plan, err); err != nil {
			return errors.Join(r.broken, err)
		}
		// What is due is planned by the next run, from the records as they stand then.
		r.pending = fmt.Errorf("%w: plan %s is withdrawn", ErrPending, plan.GetPlan())
	case errors.Is(err, ErrPending):
		r.pending = err
	default:
		r.broken = errors.Join(r.broken, err)
	}
	return nil
}

// overtaken says whether the keyring refuses a plan because a hold, an erasure or a
// set-aside came between planning and destroying.
func overtaken(err error) bool {
	code, refused := keys.RefusalOf(err)
	return refused && (code == keys.PlanDiffers || code == keys.Held)
}

// withdraw gives a plan up, loudly. The next run plans what is due then. What the plan had
// taken already, before it was interrupted and overtaken, no other plan would list: it is
// seen to its certificate by a plan of its own, which is said first.
func (s *Service) withdraw(ctx context.Context, plan *retentionv1.Planned, why error) error {
	rest, err := s.remainder(ctx, plan)
	if err != nil {
		return err
	}
	if rest != nil {
		if err := s.say(ctx, rest); err != nil {
			return err
		}
	}
	code, _ := keys.RefusalOf(why)
	s.log.Warn("destruction plan withdrawn", "plan", plan.GetPlan(), "code", string(code), "taken", len(rest.GetTargets()))
	return s.events.Say(ctx, plan.GetPlan(), &retentionv1.Withdrawn{Plan: plan.GetPlan(), Code: string(code), Time: timestamppb.New(s.clock.Now())})
}

// remainder plans what a plan has taken; nil where that is nothing. Its name follows from
// the plan's, so that however often it is said it is one.
func (s *Service) remainder(ctx context.Context, plan *retentionv1.Planned) (*retentionv1.Planned, error) {
	var targets []*retentionv1.Target
	for _, item := range erased(plan) {
		record, err := s.records.Get(ctx, item)
		if err != nil {
			return nil, fmt.Errorf("item record: %w", err)
		}
		for _, l := range record.GetLayers() {
			if l.GetPlan() == plan.GetPlan() && l.GetState() != itemv1.LayerState_LAYER_STATE_PRESENT {
				targets = append(targets, targetOf(item, l))
			}
		}
	}
	if len(targets) == 0 {
		return nil, nil
	}
	rest := s.newPlan(Remainder, nil, targets, s.clock.Now())
	name := sha256.Sum256([]byte("remainder " + plan.GetPlan()))
	rest.Plan = "P" + hex.EncodeToString(name[:10])
	return rest, nil
}

func passing(err error) bool {
	code, refused := keys.RefusalOf(err)
	return refused && code.Passing()
}

// maxRiding is how many targets ride in the event; more go to the vault.
const maxRiding = 2000

// say publishes a plan before anything of it is done.
func (s *Service) say(ctx context.Context, plan *retentionv1.Planned) error {
	if err := s.storeLong(ctx, plan); err != nil {
		return err
	}
	return s.events.Say(ctx, plan.GetPlan(), brief(plan))
}

// sayNext is say for a plan that was made from the log as it stood up to a sequence: of two
// who plan at once, one is refused.
func (s *Service) sayNext(ctx context.Context, after uint64, plan *retentionv1.Planned) (uint64, error) {
	if err := s.storeLong(ctx, plan); err != nil {
		return 0, err
	}
	return s.events.Plan(ctx, after, brief(plan))
}

// A standing is what the log says.
type standing struct {
	open   []*retentionv1.Planned // plans that nothing has ended, in order; long lists are in the vault
	last   uint64                 // sequence of the last plan
	wishes []asked                // that nobody has answered, in order
	lately int                    // of the desk's, how many became plans within a day
}

// standing reads the plans that no certificate (or, for plans without targets, no
// destruction) has ended.
func (s *Service) standing(ctx context.Context) (standing, error) {
	open := map[string]*retentionv1.Planned{}
	var order []string
	var out standing
	wished := map[string]bool{} // by name, whether it is the desk's
	planned := map[string]bool{}
	yesterday := s.clock.Now().Add(-24 * time.Hour)
	for said, err := range s.events.All(ctx) {
		if err != nil {
			return out, fmt.Errorf("retention log: %w", err)
		}
		switch e := said.Event.(type) {
		case *retentionv1.Planned:
			open[e.GetPlan()] = e
			order = append(order, e.GetPlan())
			out.last = said.Sequence
			planned[e.GetPlan()] = true
			if wished[e.GetPlan()] && e.GetTime().AsTime().After(yesterday) {
				out.lately++
			}
		case *retentionv1.Destroyed:
			if plan := open[e.GetPlan()]; plan != nil && len(plan.GetTargets()) == 0 && plan.GetObject() == "" {
				delete(open, e.GetPlan())
			}
		case *retentionv1.Certified:
			delete(open, e.GetPlan())
		case *retentionv1.Withdrawn:
			delete(open, e.GetPlan())
			delete(wished, e.GetPlan())
		default:
			wish, is := askedBy(e)
			if _, known := wished[wish.plan]; is && !known && !planned[wish.plan] { // the first of a name
				wished[wish.plan] = !wish.customers
				out.wishes = append(out.wishes, wish)
			}
		}
	}
	out.wishes = slices.DeleteFunc(out.wishes, func(wish asked) bool {
		_, stands := wished[wish.plan]
		return !stands || planned[wish.plan]
	})
	for _, name := range order {
		if plan := open[name]; plan != nil {
			out.open = append(out.open, plan)
		}
	}
	return out, nil
}
