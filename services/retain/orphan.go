package retain

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/types/known/timestamppb"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// SweepOrphans removes objects that no record names: what an attempt left that died
// between storing and registering, and what lost a race. An attempt may register for an
// hour; the sweep waits a day longer, and reads the record again before it removes.
func (s *Service) SweepOrphans(ctx context.Context) (int, error) {
	// By a clock that is ahead, what was stored a moment ago and is about to be registered
	// would be an orphan. Nothing is due before the first day: this closes nothing.
	closed, err := s.keyring.Close(ctx, &keyringv1.Close{Before: timestamppb.New(time.Unix(0, 0))})
	if err == nil {
		err = s.agree(closed, s.clock.Now())
	}
	if err != nil {
		return 0, fmt.Errorf("orphans: %w", err)
	}
	before := s.clock.Now().Add(-s.config.OrphanAge.Std())
	// What is unfinished is dated by the store, whose clock nobody moves on.
	unfinished := time.Now().Add(-s.config.OrphanAge.Std())
	swept := &retentionv1.Swept{Sweep: ulid.MustNew(ulid.Timestamp(s.clock.Now()), ulid.DefaultEntropy()).String(), Time: timestamppb.New(s.clock.Now())}
	for _, prefix := range []string{"raw/", "view/", "pii/"} {
		for object, err := range s.vault.List(ctx, prefix, "") {
			if err != nil {
				return 0, fmt.Errorf("orphans: %w", err)
			}
			item, begun, ok := attemptOf(object.Name)
			if !ok || !begun.Before(before) {
				continue
			}
			record, err := s.records.Get(ctx, item)
			if err != nil {
				return 0, fmt.Errorf("orphans: item record: %w", err)
			}
			if names(record, object.Name) {
				continue
			}
			if _, err := s.eraser.Erase(ctx, object.Name); err != nil {
				return 0, fmt.Errorf("orphans: %w", err)
			}
			swept.Objects = append(swept.Objects, object.Name)
		}
		if _, err := s.eraser.Sweep(ctx, prefix, unfinished); err != nil {
			return 0, fmt.Errorf("unfinished uploads: %w", err)
		}
	}
	if len(swept.GetObjects()) == 0 {
		return 0, nil
	}
	s.log.Info("orphans removed", "objects", len(swept.GetObjects()))
	return len(swept.GetObjects()), s.events.Say(ctx, swept.GetSweep(), swept)
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

func names(record *itemv1.Record, object string) bool {
	for _, layer := range record.GetLayers() {
		if layer.GetObject() == object {
			return true
		}
	}
	return false
}
