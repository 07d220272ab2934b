package retain_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// attempt stores an object of an attempt that began some time before now.
func (w *world) attempt(uid uint32, before time.Duration) (item, object string) {
	item = event.Item("support", "INBOX", 1, uid, 0)
	id := ulid.MustNew(ulid.Timestamp(w.now.Add(-before)), ulid.DefaultEntropy())
	object = fmt.Sprintf("raw/2026/02/28/%s.%s", item, strings.ToLower(id.String()))
	if _, err := w.store.Put(w.t.Context(), object, strings.NewReader("sealed"), vault.PutOptions{}); err != nil {
		w.t.Fatal(err)
	}
	return item, object
}

func (w *world) there(object string) bool {
	_, err := w.store.Stat(w.t.Context(), object)
	if err != nil && !errors.Is(err, vault.ErrNotFound) {
		w.t.Fatal(err)
	}
	return err == nil
}

func TestOnlyOldObjectsThatNoRecordNamesAreRemoved(t *testing.T) {
	w := newWorld(t)
	age := 26 * time.Hour
	_, orphan := w.attempt(1, age+time.Second)
	_, young := w.attempt(2, age)
	item, named := w.attempt(3, 100*age)
	_, lost := w.attempt(3, 99*age) // of the same item: it lost the race
	w.records[item] = &itemv1.Record{Item: item, Layers: []*itemv1.Layer{{Kind: rawKind, Object: named}}}
	strange := "raw/2026/02/28/readme"
	if _, err := w.store.Put(t.Context(), strange, strings.NewReader("x"), vault.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	n, err := w.service().SweepOrphans(t.Context())
	if err != nil || n != 2 {
		t.Fatalf("%d removed: %v", n, err)
	}
	for object, want := range map[string]bool{orphan: false, lost: false, young: true, named: true, strange: true} {
		if w.there(object) != want {
			t.Errorf("object %s: there %v, want %v", object, !want, want)
		}
	}
	swept, ok := w.said[0].(*retentionv1.Swept)
	if !ok || len(swept.GetObjects()) != 2 {
		t.Errorf("said %v", w.said)
	}
	if n, err := w.service().SweepOrphans(t.Context()); n != 0 || err != nil || len(w.said) != 1 {
		t.Errorf("a second sweep removed %d and said %d: %v", n, len(w.said)-1, err)
	}
}

func TestNothingIsRemovedWhereTheRecordCannotBeRead(t *testing.T) {
	w := newWorld(t)
	_, orphan := w.attempt(1, 100*time.Hour)
	w.fail = 2 // the keyring is asked for its clock, then the record is read
	if _, err := w.service().SweepOrphans(t.Context()); !errors.Is(err, errInjected) {
		t.Fatalf("error %v", err)
	}
	if !w.there(orphan) {
		t.Error("it was removed on no evidence")
	}
}

func TestARegistrationThatCameJustBeforeTheSweepKeepsItsObject(t *testing.T) {
	w := newWorld(t)
	item, object := w.attempt(1, 100*time.Hour)
	// The listing has seen the object; the record appears before the sweep reads it.
	w.records[item] = &itemv1.Record{Item: item, Layers: []*itemv1.Layer{{Kind: rawKind, Object: object}}}
	if n, err := w.service().SweepOrphans(t.Context()); n != 0 || err != nil || !w.there(object) {
		t.Errorf("%d removed: %v", n, err)
	}
}
