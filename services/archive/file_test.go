package archive_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/memory"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	"github.com/postern-mail/postern/services/archive"
)

// received is a Sunday at noon; 30 days after it, rounded up to whole days, is 1 April.
var received = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const object = "raw/2026/03/01/item.attempt"

// A filer is the keyring's part, which keeps the first class and dates that it was told.
type filer struct {
	asked  []*keyringv1.File
	record *itemv1.Record
	err    error
}

func (f *filer) File(_ context.Context, request *keyringv1.File) (*keyringv1.Recorded, error) {
	f.asked = append(f.asked, request)
	if f.err != nil {
		return &keyringv1.Recorded{}, f.err
	}
	if f.record == nil {
		layer := &itemv1.Layer{Kind: itemv1.LayerKind_LAYER_KIND_RAW, Object: object}
		for _, due := range request.GetDues() {
			if due.GetLayer() == layer.GetKind() {
				layer.Due = due.GetDue()
			}
		}
		f.record = &itemv1.Record{Item: request.GetItem(), State: itemv1.State_STATE_FILED, Class: request.GetClass(), Layers: []*itemv1.Layer{layer}}
	}
	return &keyringv1.Recorded{Record: f.record}, nil
}

func scanned(kind, verdict string) *mailv1.Scanned {
	return &mailv1.Scanned{
		Record:   &itemv1.Record{Item: "item", Mailbox: "support", Received: timestamppb.New(received), Size: 1000},
		Findings: &itemv1.Findings{Kind: kind, ScanVerdict: verdict},
		Details:  []byte("sealed"),
	}
}

// stored is a vault that holds the original, with object lock.
func stored(t *testing.T) *memory.Store {
	t.Helper()
	store := memory.NewAt(func() time.Time { return received }).WithLock()
	if _, err := store.Put(t.Context(), object, strings.NewReader("sealed"), vault.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	return store
}

func TestTheClassFollowsThePolicyAndTheDatesTheClass(t *testing.T) {
	day := func(month time.Month, day int) time.Time { return time.Date(2026, month, day, 0, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		kind, verdict, class string
		raw                  time.Time
	}{
		{"person", "clean", "customer", day(4, 1)},         // 30 days
		{"auto_reply", "clean", "machine", day(3, 16)},     // 14 days
		{"person", "infected", "dangerous", day(3, 9)},     // 7 days
		{"auto_reply", "infected", "dangerous", day(3, 9)}, // the first rule counts
	} {
		ring := &filer{}
		archived, err := archive.New(archive.DefaultConfig(), ring, stored(t)).File(t.Context(), scanned(c.kind, c.verdict))
		if err != nil {
			t.Fatal(err)
		}
		request := ring.asked[0]
		if request.GetClass() != c.class || len(request.GetDues()) != 3 || string(request.GetDetails()) != "sealed" {
			t.Errorf("%s %s: filed as %s with %d dates", c.kind, c.verdict, request.GetClass(), len(request.GetDues()))
		}
		for _, due := range request.GetDues() {
			if due.GetLayer() == itemv1.LayerKind_LAYER_KIND_RAW && !due.GetDue().AsTime().Equal(c.raw) {
				t.Errorf("%s %s: raw is due %v, want %v", c.kind, c.verdict, due.GetDue().AsTime(), c.raw)
			}
		}
		if archived.GetRecord().GetClass() != c.class {
			t.Errorf("%s %s: archived as %s", c.kind, c.verdict, archived.GetRecord().GetClass())
		}
	}
}

func TestWhatWasFiledFirstIsSaidAgain(t *testing.T) {
	ring := &filer{}
	service := archive.New(archive.DefaultConfig(), ring, stored(t))
	if _, err := service.File(t.Context(), scanned("person", "clean")); err != nil {
		t.Fatal(err)
	}
	archived, err := service.File(t.Context(), scanned("auto_reply", "infected"))
	if err != nil || archived.GetRecord().GetClass() != "customer" {
		t.Errorf("class %s, error %v: the first class stays", archived.GetRecord().GetClass(), err)
	}
}

func TestNothingFollowsWhatWasTakenOutOfTheFlow(t *testing.T) {
	for _, state := range []itemv1.State{itemv1.State_STATE_SET_ASIDE, itemv1.State_STATE_TOMBSTONE} {
		ring := &filer{record: &itemv1.Record{Item: "item", State: state}}
		archived, err := archive.New(archive.DefaultConfig(), ring, stored(t)).File(t.Context(), scanned("person", "clean"))
		if archived != nil || err != nil {
			t.Errorf("%s: %v, %v", state, archived, err)
		}
	}
	ring := &filer{err: keys.Destroyed}
	if archived, err := archive.New(archive.DefaultConfig(), ring, stored(t)).File(t.Context(), scanned("person", "clean")); archived != nil || err != nil {
		t.Errorf("destroyed: %v, %v", archived, err)
	}
}

func TestTheKeyringsWordDecidesWhetherItIsTriedAgain(t *testing.T) {
	broken := errors.New("no answer")
	for _, c := range []struct {
		err   error
		later bool
		final bool
	}{{keys.InUse, true, false}, {keys.StaleRequest, true, false}, {keys.Malformed, false, true}, {keys.UnknownItem, false, true}, {broken, false, false}} {
		_, err := archive.New(archive.DefaultConfig(), &filer{err: c.err}, stored(t)).File(t.Context(), scanned("person", "clean"))
		if !errors.Is(err, c.err) || fault.IsFinal(err) != c.final || fault.IsLater(err) != c.later {
			t.Errorf("%v: %v, final %v, later %v", c.err, err, fault.IsFinal(err), fault.IsLater(err))
		}
	}
}

func TestTheObjectIsTaggedAndLockedUntilItIsDueAndNotLonger(t *testing.T) {
	config := archive.DefaultConfig()
	config.Tags, config.ObjectLock = archive.Always, true
	store := stored(t)
	if _, err := archive.New(config, &filer{}, store).File(t.Context(), scanned("person", "clean")); err != nil {
		t.Fatal(err)
	}
	marks, err := store.Marks(t.Context(), object)
	if err != nil {
		t.Fatal(err)
	}
	if marks.Tags["class"] != "customer" || marks.Tags["due"] != "2026-04-01" {
		t.Errorf("tags %v", marks.Tags)
	}
	if due := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC); marks.RetainUntil.After(due) || marks.RetainUntil.IsZero() {
		t.Errorf("locked until %v, due %v", marks.RetainUntil, due)
	}
}

func TestTagsAreForStoresThatPeopleLookAt(t *testing.T) {
	for _, c := range []struct {
		configured archive.Tagging
		s3         bool
		want       archive.Tagging
	}{
		{archive.OnS3, true, archive.Always}, {archive.OnS3, false, archive.Never},
		{archive.Always, false, archive.Always}, {archive.Never, true, archive.Never},
	} {
		if got := c.configured.For(c.s3); got != c.want {
			t.Errorf("%s, S3 %v: %s, want %s", c.configured, c.s3, got, c.want)
		}
	}
	config := archive.DefaultConfig()
	if config.Tags = "yes"; config.Check() == nil {
		t.Error("an unknown word is taken")
	}
}

func TestNothingIsMarkedUnlessItIsWanted(t *testing.T) {
	store := stored(t)
	config := archive.DefaultConfig()
	config.Tags, config.ObjectLock = archive.Never, false
	if _, err := archive.New(config, &filer{}, store).File(t.Context(), scanned("person", "clean")); err != nil {
		t.Fatal(err)
	}
	if marks, err := store.Marks(t.Context(), object); err != nil || len(marks.Tags) > 0 || !marks.RetainUntil.IsZero() {
		t.Errorf("marks %+v, %v", marks, err)
	}
}

func TestAStoreWithoutLocksOnlyGetsTags(t *testing.T) {
	config := archive.DefaultConfig()
	config.Tags, config.ObjectLock = archive.Always, true
	store := memory.New()
	if _, err := store.Put(t.Context(), object, strings.NewReader("sealed"), vault.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := archive.New(config, &filer{}, store).File(t.Context(), scanned("person", "clean")); err != nil {
		t.Fatal(err)
	}
	if marks, err := store.Marks(t.Context(), object); err != nil || marks.Tags["class"] != "customer" {
		t.Errorf("marks %+v, %v", marks, err)
	}
}
