package retain_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/erase"
	"github.com/postern-mail/postern/pkg/vault/memory"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/retain"
)

// clockOnly is a keyring that has nothing but a clock.
type clockOnly struct {
	retain.Keyring
	now time.Time
}

func (k clockOnly) Close(context.Context, *keyringv1.Close) (*keyringv1.Closed, error) {
	return &keyringv1.Closed{Clock: timestamppb.New(k.now)}, nil
}

type noRecords struct{ retain.Records }

func (noRecords) All(context.Context) iter.Seq2[*itemv1.Record, error] {
	return func(func(*itemv1.Record, error) bool) {}
}
func (noRecords) Get(context.Context, string) (*itemv1.Record, error) { return nil, nil }

type noLog struct{ retain.Log }

func (noLog) All(context.Context) iter.Seq2[retain.Said, error] { return nil }
func (noLog) Say(context.Context, string, proto.Message) error  { return nil }

type listing struct{ erased []string }

func (l *listing) Erase(_ context.Context, name string) (erase.Report, error) {
	l.erased = append(l.erased, name)
	return erase.Report{Gone: true}, nil
}
func (*listing) Remains(context.Context, string) (erase.Report, error) {
	return erase.Report{Gone: true}, nil
}
func (*listing) Sweep(context.Context, string, time.Time) (int, error) { return 0, nil }

type stopped time.Time

func (s stopped) Now() time.Time { return time.Time(s) }

func TestOnlyOldOrphansAreSweptAndNoneByAWrongClock(t *testing.T) {
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	store := memory.New()
	put := func(begun time.Time) string {
		t.Helper()
		attempt := ulid.MustNew(ulid.Timestamp(begun), ulid.DefaultEntropy())
		name := fmt.Sprintf("raw/%s/%s.%s", begun.Format("2006/01/02"), strings.Repeat("a", 64), strings.ToLower(attempt.String()))
		if _, err := store.Put(t.Context(), name, strings.NewReader("x"), vault.PutOptions{Size: 1}); err != nil {
			t.Fatal(err)
		}
		return name
	}
	old, fresh := put(now.Add(-27*time.Hour)), put(now)
	sweep := func(ours time.Time) ([]string, error) {
		eraser := new(listing)
		s := retain.New(retain.DefaultConfig(), retain.Deps{
			Log: slog.New(slog.DiscardHandler), Clock: stopped(ours), Keyring: clockOnly{now: now}, Records: noRecords{}, Events: noLog{}, Vault: store, Eraser: eraser,
		})
		_, err := s.SweepOrphans(t.Context())
		return eraser.erased, err
	}
	if got, err := sweep(now); err != nil || !slices.Equal(got, []string{old}) {
		t.Errorf("swept %v, %v, want %s alone", got, err, old)
	}
	if got, err := sweep(now.Add(48 * time.Hour)); !errors.Is(err, retain.ErrClocks) || len(got) != 0 {
		t.Errorf("with a clock two days ahead it swept %v, %v; %s is about to be registered", got, err, fresh)
	}
}

// jammed removes nothing.
type jammed struct {
	listing
	asked int
}

func (j *jammed) Erase(context.Context, string) (erase.Report, error) {
	j.asked++
	return erase.Report{}, errInjected
}

func (*jammed) Sweep(context.Context, string, time.Time) (int, error) {
	return 0, errors.ErrUnsupported
}

func TestOfAStoreThatRemovesNothingTheFirstErrorsAreToldAndTheRestCounted(t *testing.T) {
	for orphans, want := range map[int]string{
		0:   "unfinished uploads: unsupported operation\nunfinished uploads: unsupported operation\nunfinished uploads: unsupported operation",
		2:   "orphans: injected\norphans: injected\nunfinished uploads: unsupported operation\nunfinished uploads: unsupported operation\nunfinished uploads: unsupported operation",
		3:   "orphans: injected\norphans: injected\norphans: injected\nunfinished uploads: unsupported operation\nunfinished uploads: unsupported operation\nand 1 more",
		300: "orphans: injected\norphans: injected\norphans: injected\norphans: injected\norphans: injected\nand 298 more",
	} {
		w := newWorld(t)
		w.config.AlwaysAllowed = orphans
		for uid := range uint32(orphans) { //nolint:gosec // a few hundred
			w.attempt(uid+1, 100*time.Hour)
		}
		store := &jammed{}
		w.eraser = store
		removed, err := w.service().SweepOrphans(t.Context())
		if removed != 0 || err == nil || err.Error() != want || store.asked != orphans || orphans > 0 && !errors.Is(err, errInjected) {
			t.Errorf("of %d orphans %d removed, %d asked for: %v", orphans, removed, store.asked, err)
		}
	}
}
