package retain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/retention"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// Causes of a plan.
const (
	Expiry    = "expiry"
	Erasure   = "erasure"
	Remainder = "remainder" // of a plan that had begun and was overtaken
	LockOver  = "lock_over" // of ciphertext that a lock of the store kept when its keys went
)

// Config is when retain works and what it refuses.
type Config struct {
	// Schedule is a cron expression (minute hour day month weekday, UTC) of the nightly run.
	Schedule string `yaml:"schedule"`
	// MaxShare is the largest part of all layers that one plan may destroy, from 0 to 1. A larger plan is refused: clocks and policies go wrong before mail does.
	MaxShare float64 `yaml:"max_share"`
	// AlwaysAllowed is how many layers a plan may destroy whatever their share.
	AlwaysAllowed int `yaml:"always_allowed"`
	// MaxTargets is how many layers one plan destroys: it is carried out, kept and certified whole. What is over goes in further plans of the same night. A bucket is never parted.
	MaxTargets int `yaml:"max_targets"`
	// MaxClockSkew is how far the clocks of the keyring, the bus and S3 may be from ours. Nothing is destroyed where one is further.
	MaxClockSkew config.Duration `yaml:"max_clock_skew"`
	// WishesADay is how many mails that are set aside the desk may have erased within a day. What is over waits.
	WishesADay int `yaml:"wishes_a_day"`
	// OrphanAge is how old an object without a record must be before the sweep removes it.
	OrphanAge config.Duration `yaml:"orphan_age"`
	// Key is the file of the Ed25519 key that signs certificates; it is made where there is none. Empty: keys/certificate.ed25519 below data_dir.
	Key string `yaml:"key"`
}

// DefaultConfig runs every night at ten past two.
func DefaultConfig() Config {
	return Config{
		Schedule:      "10 2 * * *",
		MaxShare:      0.2,
		AlwaysAllowed: 1000,
		MaxTargets:    100_000,
		MaxClockSkew:  config.Duration(time.Minute),
		WishesADay:    200,
		OrphanAge:     config.Duration(26 * time.Hour),
	}
}

var (
	// ErrClocks says that the servers' clocks disagree; nothing is destroyed on a wrong clock.
	ErrClocks = errors.New("retention: the servers' clocks disagree")
	// ErrShare says that a plan would destroy more than its usual share.
	ErrShare = errors.New("retention: the plan exceeds its usual share")
)

// plan closes what is due and lists exactly what its keys open. It gives nil where
// nothing is due.
// taken are buckets that an unfinished plan has already: two plans never overlap.
func (s *Service) plan(ctx context.Context, taken map[string]bool) (*retentionv1.Planned, error) {
	now := s.clock.Now()
	closed, err := s.keyring.Close(ctx, &keyringv1.Close{Before: timestamppb.New(now)})
	if err != nil {
		return nil, err
	}
	if err := s.agree(ctx, closed, now); err != nil {
		return nil, err
	}
	buckets := map[string]bool{}
	for _, bucket := range closed.GetBuckets() {
		if !taken[bucket] {
			buckets[bucket] = true
		}
	}
	if len(buckets) == 0 {
		return nil, nil
	}
	var targets []*retentionv1.Target
	layers := 0
	for record, err := range s.records.All(ctx) {
		if err != nil {
			return nil, fmt.Errorf("item records: %w", err)
		}
		for _, layer := range record.GetLayers() {
			if layer.GetState() == itemv1.LayerState_LAYER_STATE_PRESENT {
				layers++
			}
		}
		targets = append(targets, keys.Targets(record, buckets, "")...)
	}
	if len(targets) > s.config.AlwaysAllowed && float64(len(targets)) > s.config.MaxShare*float64(layers) {
		return nil, fmt.Errorf("%w: %d of %d layers are due: look at the clock and the policy; if both are right, raise retain.max_share and run again",
			ErrShare, len(targets), layers)
	}
	names, targets := s.part(buckets, targets)
	return s.newPlan(Expiry, names, targets, now), nil
}

// part gives the buckets that one plan takes, and their targets.
func (s *Service) part(buckets map[string]bool, targets []*retentionv1.Target) ([]string, []*retentionv1.Target) {
	names := slices.Sorted(maps.Keys(buckets))
	if len(targets) <= s.config.MaxTargets {
		return names, targets
	}
	in := map[string][]*retentionv1.Target{}
	for _, target := range targets {
		in[target.GetBucket()] = append(in[target.GetBucket()], target)
	}
	var some []string
	var parted []*retentionv1.Target
	for _, name := range names {
		if len(some) > 0 && len(parted)+len(in[name]) > s.config.MaxTargets {
			break
		}
		some, parted = append(some, name), append(parted, in[name]...)
	}
	return some, parted
}

// agree compares the keyring's clock with ours, by which both live, and the machine's
// with those of the other servers.
func (s *Service) agree(ctx context.Context, closed *keyringv1.Closed, now time.Time) error {
	if err := s.near("keyring", closed.GetClock().AsTime().Sub(now)); err != nil {
		return err
	}
	for _, server := range s.servers {
		asked := time.Now()
		there, err := server.Time(ctx)
		if err != nil {
			return fmt.Errorf("clock of the %s: %w", server.Name, err)
		}
		// It may have answered at any moment between.
		skew := max(asked.Sub(there), time.Until(there), 0)
		if err := s.near(server.Name, skew); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) near(name string, skew time.Duration) error {
	if skew.Abs() > s.config.MaxClockSkew.Std() {
		return fmt.Errorf("%w: that of the %s is %v from ours: set them right, then run again", ErrClocks, name, skew.Abs().Round(time.Second))
	}
	return nil
}

// newPlan names a plan by its content and moment.
func (s *Service) newPlan(cause string, buckets []string, targets []*retentionv1.Target, now time.Time) *retentionv1.Planned {
	keys.SortTargets(targets)
	hash := keys.PlanHash(buckets, targets)
	name := sha256.Sum256(append(now.AppendFormat(nil, time.RFC3339Nano), hash...))
	return &retentionv1.Planned{
		Plan:    "P" + hex.EncodeToString(name[:10]),
		Cause:   cause,
		Policy:  policyName(s.policy),
		Targets: targets,
		Buckets: buckets,
		Hash:    hash,
		Time:    timestamppb.New(now),
	}
}

// policyName is how plans name the policy: its name and its text's digest.
func policyName(policy retention.Policy) string { return policy.Name + "@" + policy.Digest() }

// allBuckets are the plan's buckets and every other that ever wrapped a target: a
// target is gone only when all of them are.
func allBuckets(plan *retentionv1.Planned) []string {
	seen := map[string]bool{}
	for _, bucket := range plan.GetBuckets() {
		seen[bucket] = true
	}
	for _, target := range plan.GetTargets() {
		seen[target.GetBucket()] = true
		for _, past := range target.GetPastBuckets() {
			seen[past] = true
		}
	}
	delete(seen, "")
	names := make([]string, 0, len(seen))
	for bucket := range seen {
		names = append(names, bucket)
	}
	slices.Sort(names)
	return names
}
