package retain

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/types/known/timestamppb"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// maxSwept is how many objects one sweep removes; what is left over is the next one's.
const maxSwept = 100_000

// SweepOrphans removes objects that no record names: what an attempt left that died
// between storing and registering, and what lost a race. An attempt may register for an hour;
// the sweep waits a day longer, and reads the record again before it removes. What outlived its
// destruction under a lock that is over is removed as well, by a plan of its own that ends in a certificate.
func (s *Service) SweepOrphans(ctx context.Context) (int, error) {
	// By a clock that is ahead, what was stored a moment ago and is about to be registered
	// would be an orphan. Nothing is due before the first day: this closes nothing.
	closed, err := s.keyring.Close(ctx, &keyringv1.Close{Before: timestamppb.New(time.Unix(0, 0))})
	if err == nil {
		err = s.agree(ctx, closed, s.clock.Now())
	}
	if err != nil {
		return 0, fmt.Errorf("orphans: %w", err)
	}
	before := s.clock.Now().Add(-s.config.OrphanAge.Std())
	orphans, outlived, err := s.orphans(ctx, before)
	if err != nil {
		return 0, fmt.Errorf("orphans: %w", err)
	}
	unlocked, err := s.unlock(ctx, outlived, before)
	if err != nil {
		err = fmt.Errorf("unlocked objects: %w", err)
	}
	if ctx.Err() != nil {
		return unlocked, err
	}
	sweep := ulid.MustNew(ulid.Timestamp(s.clock.Now()), ulid.DefaultEntropy()).String()
	removed := 0
	var broken failures // one object that cannot be removed must not keep the others
	broken.add(err)
	for part := range slices.Chunk(orphans, maxRiding) {
		swept := &retentionv1.Swept{Sweep: fmt.Sprintf("%s.%d", sweep, removed), Time: timestamppb.New(s.clock.Now())}
		for _, object := range part {
			gone, err := s.removeOrphan(ctx, object, before)
			if ctx.Err() != nil {
				break
			}
			if err != nil {
				broken.add(fmt.Errorf("orphans: %w", err))
			}
			if gone {
				swept.Objects = append(swept.Objects, object)
			}
		}
		if len(swept.GetObjects()) > 0 {
			removed += len(swept.GetObjects())
			if err := s.events.Say(ctx, swept.GetSweep(), swept); err != nil {
				return unlocked + removed, err
			}
		}
		if ctx.Err() != nil {
			return unlocked + removed, ctx.Err()
		}
	}
	if removed > 0 {
		s.log.Info("orphans removed", "objects", removed)
	}
	// What is unfinished is dated by the store, whose clock nobody moves on.
	unfinished := time.Now().Add(-s.config.OrphanAge.Std())
	for _, prefix := range layerFolders {
		if _, err := s.eraser.Sweep(ctx, prefix, unfinished); err != nil {
			broken.add(fmt.Errorf("unfinished uploads: %w", err))
		}
	}
	return unlocked + removed, broken.err()
}

// maxFailures is how many errors of a sweep are kept. Of a store that removes nothing there
// would be one for each object.
const maxFailures = 5

// failures are the first errors of a sweep, and how many came after them.
type failures struct {
	first []error
	more  int
}

func (f *failures) add(err error) {
	switch {
	case err == nil:
	case len(f.first) < maxFailures:
		f.first = append(f.first, err)
	default:
		f.more++
	}
}

// err is nil where nothing failed.
func (f *failures) err() error {
	if f.more == 0 {
		return errors.Join(f.first...)
	}
	return errors.Join(append(slices.Clone(f.first), fmt.Errorf("and %d more", f.more))...)
}

// layerFolders are where layers lie in the vault.
var layerFolders = []string{"raw/", "view/", "pii/"}

// A short is enough of an object's digest to know it by. Two that share one are both taken
// to be named: an orphan may stay, and nothing that is named goes.
type short [8]byte

func shorten(object string) short {
	sum := sha256.Sum256([]byte(object))
	return short(sum[:8])
}

// orphans lists the objects that no record names, of attempts that began before some time.
// The records are read once for all objects: asking for each would take as many requests as
// there are objects. Too many orphans are refused: then records are lost, not objects.
//
// Beside them it lists the objects that are still there long after their layers were destroyed.
func (s *Service) orphans(ctx context.Context, before time.Time) (found, outlived []string, err error) {
	named, destroyed := map[short]bool{}, map[short]bool{}
	for record, err := range s.records.All(ctx) {
		if err != nil {
			return nil, nil, fmt.Errorf("item records: %w", err)
		}
		for _, layer := range record.GetLayers() {
			switch {
			case layer.GetObject() == "":
			case over(layer, before):
				destroyed[shorten(layer.GetObject())] = true
			default:
				named[shorten(layer.GetObject())] = true
			}
		}
	}
	count, all := 0, 0
	for _, prefix := range layerFolders {
		for object, err := range s.vault.List(ctx, prefix, "") {
			if err != nil {
				return nil, nil, err
			}
			all++
			_, begun, ok := attemptOf(object.Name)
			if !ok || !begun.Before(before) || named[shorten(object.Name)] {
				continue
			}
			if destroyed[shorten(object.Name)] {
				if len(outlived) < maxSwept {
					outlived = append(outlived, object.Name)
				}
				continue
			}
			if count++; len(found) < maxSwept {
				found = append(found, object.Name)
			}
		}
	}
	if count > s.config.AlwaysAllowed && float64(count) > s.config.MaxShare*float64(all) {
		return nil, nil, fmt.Errorf("%w: %d of %d objects have no record: look whether records were lost; if not, raise retain.max_share", ErrShare, count, all)
	}
	return found, outlived, nil
}

// over tells whether a layer was destroyed so long ago that whoever destroys has removed
// its object, unless a lock kept it.
func over(layer *itemv1.Layer, before time.Time) bool {
	return layer.GetState() == itemv1.LayerState_LAYER_STATE_DESTROYED && layer.GetErased() != nil && layer.GetErased().AsTime().Before(before)
}

// removeOrphan asks for the record as it stands now, and removes.
func (s *Service) removeOrphan(ctx context.Context, object string, before time.Time) (bool, error) {
	item, _, _ := attemptOf(object)
	record, err := s.records.Get(ctx, item)
	if err != nil {
		return false, fmt.Errorf("item record: %w", err)
	}
	if names(record, object) {
		return false, nil
	}
	report, err := s.eraser.Erase(ctx, object)
	return err == nil && report.Gone, err
}

// attemptOf reads <layer>/<yyyy>/<mm>/<dd>/<item>.<attempt>.
func attemptOf(name string) (item string, begun time.Time, ok bool) {
	last := name[strings.LastIndexByte(name, '/')+1:]
	item, attempt, found := strings.Cut(last, ".")
	if !found {
		return "", time.Time{}, false
	}
	id, err := ulid.Parse(attempt)
	if err != nil {
		return "", time.Time{}, false
	}
	return item, ulid.Time(id.Time()), true
}

// names tells whether a record has an object.
func names(record *itemv1.Record, object string) bool {
	for _, layer := range record.GetLayers() {
		if layer.GetObject() == object {
			return true
		}
	}
	return false
}
