package retain

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/retention"
	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/erase"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"
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
}

// New makes a service that acts when it is told to; Schedule tells it.
func New(config Config, d Deps) *Service {
	return &Service{config, d.Log, d.Clock, d.Keyring, d.Records, d.Events, d.Vault, d.Eraser, d.Projections, d.Policy, d.Key}
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
	for last := standing.last; ; {
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
				targets = append(targets, &retentionv1.Target{
					Item: item, Layer: l.GetKind(), Object: l.GetObject(), Bucket: l.GetBucket(), PastBuckets: slices.Sorted(slices.Values(l.GetPastBuckets())), Due: l.GetDue(),
				})
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
	open []*retentionv1.Planned // plans that nothing has ended, in order; long lists are in the vault
	last uint64                 // sequence of the last plan
}

// standing reads the plans that no certificate (or, for plans without targets, no
// destruction) has ended.
func (s *Service) standing(ctx context.Context) (standing, error) {
	open := map[string]*retentionv1.Planned{}
	var order []string
	var out standing
	for said, err := range s.events.All(ctx) {
		if err != nil {
			return out, fmt.Errorf("retention log: %w", err)
		}
		switch e := said.Event.(type) {
		case *retentionv1.Planned:
			open[e.GetPlan()] = e
			order = append(order, e.GetPlan())
			out.last = said.Sequence
		case *retentionv1.Destroyed:
			if plan := open[e.GetPlan()]; plan != nil && len(plan.GetTargets()) == 0 && plan.GetObject() == "" {
				delete(open, e.GetPlan())
			}
		case *retentionv1.Certified:
			delete(open, e.GetPlan())
		case *retentionv1.Withdrawn:
			delete(open, e.GetPlan())
		}
	}
	for _, name := range order {
		if plan := open[name]; plan != nil {
			out.open = append(out.open, plan)
		}
	}
	return out, nil
}

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
	return s.certify(ctx, plan, Times{Planned: plan.GetTime().AsTime(), PacketsRemoved: removed, KeysForgotten: lastForgotten(attested)}, gone, attested)
}

// forget has the keyring forget the plan's keys.
func (s *Service) forget(ctx context.Context, plan *retentionv1.Planned) (*keyringv1.Forgotten, error) {
	switch plan.GetCause() {
	case Expiry:
		return s.keyring.Destroy(ctx, &keyringv1.Destroy{Plan: brief(plan)})
	case Remainder: // its packets are taken; its buckets go with the nightly work or with their own plan
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

// CertificateObject names a certificate's object in the vault.
func CertificateObject(id string) string { return "certificates/" + strings.ToLower(id) + ".json" }

// maxDocument is the longest certificate, in bytes, that rides in its event.
const maxDocument = 512 << 10

func certificateID(plan *retentionv1.Planned) string {
	return "C" + strings.TrimPrefix(plan.GetPlan(), "P")
}

// certify signs what was done and keeps it in the vault and in the log. The vault's copy
// comes first, and where one is there already it is the one that counts.
func (s *Service) certify(ctx context.Context, plan *retentionv1.Planned, times Times, gone map[string]erase.Report, attested *keyringv1.Attested) error {
	document, err := s.document(plan, times, gone, attested)
	if err != nil {
		return err
	}
	id := certificateID(plan)
	name := CertificateObject(id)
	_, err = s.vault.Put(ctx, name, bytes.NewReader(document), vault.PutOptions{Size: int64(len(document))})
	if errors.Is(err, vault.ErrExists) {
		document, err = readAll(ctx, s.vault, name)
	}
	if err != nil {
		return fmt.Errorf("certificate %s: %w", id, err)
	}
	said := &retentionv1.Certified{Certificate: id, Plan: plan.GetPlan(), Document: document}
	if len(document) > maxDocument {
		said.Document = nil // it is in the vault
	}
	if err := s.events.Say(ctx, plan.GetPlan(), said); err != nil {
		return err
	}
	s.log.Info("destruction certified", "plan", plan.GetPlan(), "certificate", id, "layers", len(plan.GetTargets()))
	return s.events.Record(ctx, &auditv1.Act{Action: "certify", Actor: "worker:retain", Purpose: plan.GetPlan(), Outcome: "allowed"})
}

func (s *Service) document(plan *retentionv1.Planned, times Times, gone map[string]erase.Report, attested *keyringv1.Attested) ([]byte, error) {
	times.Checked = s.clock.Now()
	salt := make([]byte, 16)
	rand.Read(salt) //nolint:errcheck // crypto/rand.Read never fails
	name, digest, _ := strings.Cut(plan.GetPolicy(), "@")
	certificate := Certificate{
		ID: certificateID(plan), Plan: plan.GetPlan(), PlanHash: hex.EncodeToString(plan.GetHash()), Cause: plan.GetCause(),
		Policy: Policy{Name: name, Digest: digest},
		Times:  times,
		Salt:   hex.EncodeToString(salt),
		Cell:   Cell{Kind: attested.GetCell(), Generation: attested.GetGeneration(), Limits: cellLimits},
		Issued: s.clock.Now(),
	}
	objects, versions, locked := 0, 0, 0
	for _, target := range plan.GetTargets() {
		report, stored := gone[target.GetObject()]
		line := Gone{Item: ItemDigest(salt, target.GetItem()), Layer: layerName(target.GetLayer()), Keys: "gone", Ciphertext: "inline"}
		if stored {
			objects++
			versions += report.Versions
			line.Ciphertext, line.Versions, line.Markers, line.Uploads = "gone", report.Versions, report.Markers, report.Uploads
			if !report.Gone {
				locked++
				line.Ciphertext = "locked"
				if !report.LockedUntil.IsZero() {
					line.LockedUntil = report.LockedUntil.UTC().Format(time.DateOnly)
				}
			}
		}
		certificate.Items = append(certificate.Items, line)
	}
	for _, bucket := range attested.GetGone() {
		certificate.Buckets = append(certificate.Buckets, Bucket{bucket.GetBucket(), bucket.GetGeneration(), bucket.GetTime().AsTime()})
	}
	certificate.Checks = []Check{
		{"buckets_forgotten", len(attested.GetGone()), "no keyring holds their keys"},
		{"objects_listed", objects - locked, "no version, marker or unfinished upload is left"},
		{"objects_locked", locked, "ciphertext is kept by the store's lock; its keys are gone"},
		{"versions_removed", versions, "removed"},
		{"read_models_scrubbed", len(plan.GetTargets()), "no cell of these layers is left"},
	}
	return Issue(certificate, s.key)
}

// cellLimits is what is known of the medium that must forget, for the certificate.
const cellLimits = "The root key is overwritten in place and synced. Flash media and copy-on-write file systems may keep the old block until they reuse it; " +
	"use an encrypted disk or an external key service where that matters."

func layerName(kind itemv1.LayerKind) string {
	return strings.ToLower(strings.TrimPrefix(kind.String(), "LAYER_KIND_"))
}
