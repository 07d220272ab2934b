package retain_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/erase"
	"github.com/postern-mail/postern/pkg/vault/memory"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	"github.com/postern-mail/postern/services/retain"
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

// swept gives the events of sweeps.
func (w *world) swept() (all []*retentionv1.Swept) {
	for _, said := range w.said {
		if e, ok := said.(*retentionv1.Swept); ok {
			all = append(all, e)
		}
	}
	return all
}

func TestAListOfOrphansRidesInAsManyEventsAsItNeeds(t *testing.T) {
	for n, want := range map[int]int{2000: 1, 2001: 2} {
		w := newWorld(t)
		for uid := range n {
			w.attempt(uint32(uid+1), 100*time.Hour)
		}
		if removed, err := w.service().SweepOrphans(t.Context()); err != nil || removed != n {
			t.Fatalf("%d of %d removed: %v", removed, n, err)
		}
		told := map[string]bool{}
		for _, e := range w.swept() {
			if size := proto.Size(e); size > 1<<19 {
				t.Errorf("an event of %d bytes; the bus takes a mebibyte", size)
			}
			for _, object := range e.GetObjects() {
				told[object] = true
			}
		}
		if len(w.swept()) != want || len(told) != n {
			t.Errorf("%d orphans: %d events tell %d, want %d", n, len(w.swept()), len(told), want)
		}
	}
}

func TestTheRecordsAreReadOnceForAllObjects(t *testing.T) {
	w := newWorld(t)
	for uid := range uint32(500) {
		item, object := w.attempt(uid+1, 100*time.Hour)
		w.records[item] = &itemv1.Record{Item: item, Layers: []*itemv1.Layer{{Kind: rawKind, Object: object}}}
	}
	w.attempt(501, 100*time.Hour)
	if removed, err := w.service().SweepOrphans(t.Context()); err != nil || removed != 1 {
		t.Fatalf("%d removed: %v", removed, err)
	}
	if w.calls > 6 { // the clock, the records, one record again, one erasure, one event
		t.Errorf("%d calls for 501 objects of which one is an orphan", w.calls)
	}
}

// Where records are lost every object is an orphan: that is no reason to destroy them.
func TestASweepThatWouldTakeTooMuchIsRefused(t *testing.T) {
	for allowed, refused := range map[int]bool{9: true, 10: false} {
		w := newWorld(t)
		w.config.MaxShare, w.config.AlwaysAllowed = 0.2, allowed
		for uid := range uint32(10) {
			w.attempt(uid+1, 100*time.Hour)
		}
		removed, err := w.service().SweepOrphans(t.Context())
		if refused && (!errors.Is(err, retain.ErrShare) || removed > 0) || !refused && (err != nil || removed != 10) {
			t.Errorf("%d always allowed: %d of 10 removed: %v", allowed, removed, err)
		}
	}
}

func TestAnObjectThatCannotBeRemovedKeepsNoOtherFromGoing(t *testing.T) {
	w := newWorld(t)
	w.attempt(1, 100*time.Hour)
	w.attempt(2, 100*time.Hour)
	w.fail = 4 // the clock, the records, the first's record again, its erasure
	removed, err := w.service().SweepOrphans(t.Context())
	if removed != 1 || !errors.Is(err, errInjected) {
		t.Errorf("%d removed: %v", removed, err)
	}
	if len(w.swept()) != 1 || len(w.swept()[0].GetObjects()) != 1 {
		t.Errorf("said %v", w.swept())
	}
}

// lockedWorld has a layer that was destroyed a day and more ago and whose object a lock keeps until then.
func lockedWorld(t *testing.T) (w *world, stores *time.Time, layer *itemv1.Layer) {
	t.Helper()
	w = newWorld(t)
	item, object := w.attempt(1, 1000*time.Hour)
	clock := w.now // the store's own
	w.store = memory.NewAt(func() time.Time { return clock }).WithLock()
	w.eraser = erase.Memory(w.store)
	if _, err := w.store.Put(t.Context(), object, strings.NewReader("sealed"), vault.PutOptions{RetainUntil: clock.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	w.gone["customer.raw.20260224.1"] = 5
	layer = &itemv1.Layer{
		Kind: rawKind, Object: object, Bucket: "customer.raw.20260224.1", State: itemv1.LayerState_LAYER_STATE_DESTROYED,
		Plan: "Pbefore", Erased: timestamppb.New(w.now.Add(-26*time.Hour - time.Second)),
	}
	w.records[item] = &itemv1.Record{Item: item, State: itemv1.State_STATE_TICKETED, Ticket: event.Ticket(item), Layers: []*itemv1.Layer{layer}}
	return w, &clock, layer
}

// A lock may outlive the keys: when it is over, the noise goes too, and that is certified.
func TestWhatALockKeptIsRemovedAndCertifiedWhenTheLockIsOver(t *testing.T) {
	w, stores, layer := lockedWorld(t)
	sweep := func(want int, there bool) {
		t.Helper()
		if removed, err := w.service().SweepOrphans(t.Context()); err != nil || removed != want || w.there(layer.GetObject()) != there {
			t.Errorf("%d removed, want %d; there %v: %v", removed, want, w.there(layer.GetObject()), err)
		}
	}
	erased := layer.GetErased()
	layer.Erased = timestamppb.New(w.now.Add(-26 * time.Hour))
	sweep(0, true) // it is with whoever destroys for as long as an attempt may take
	layer.Erased = erased
	sweep(0, true) // locked
	if len(w.said) != 0 {
		t.Errorf("said %v", w.said)
	}
	*stores = stores.Add(2 * time.Hour)
	sweep(1, false)
	sweep(0, false)
	certificates := w.certificates(t)
	if len(certificates) != 1 || len(certificates[0].Items) != 1 {
		t.Fatalf("%d certificates", len(certificates))
	}
	c := certificates[0]
	if line := c.Items[0]; c.Cause != retain.LockOver || line.Keys != "gone" || line.Ciphertext != "gone" || line.Versions != 1 || line.LockedUntil != "" {
		t.Errorf("cause %q, line %+v", c.Cause, line)
	}
	if len(c.Buckets) != 1 || c.Buckets[0].Bucket != layer.GetBucket() || c.Buckets[0].Generation != 5 {
		t.Errorf("buckets %+v", c.Buckets)
	}
	if !c.Times.PacketsRemoved.Equal(erased.AsTime()) {
		t.Errorf("its packet is said to be removed at %v, and was at %v", c.Times.PacketsRemoved, erased.AsTime())
	}
}

func (w *world) certificates(t *testing.T) (all []retain.Certificate) {
	t.Helper()
	for _, said := range w.said {
		if e, ok := said.(*retentionv1.Certified); ok {
			c, err := retain.Verify(e.GetDocument(), signer.Public().(ed25519.PublicKey))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, c)
		}
	}
	return all
}

func TestWhatALockKeptIsCertifiedOnceWhereverItsRemovalIsInterrupted(t *testing.T) {
	for _, after := range []bool{false, true} {
		for fail := 1; ; fail++ {
			w, stores, layer := lockedWorld(t)
			*stores = stores.Add(2 * time.Hour)
			w.fail, w.after = fail, after
			_, err := w.service().SweepOrphans(t.Context())
			if !w.fired {
				if err != nil || fail < 10 {
					t.Fatalf("%d calls: %v", fail, err)
				}
				break
			}
			if err := w.service().Run(t.Context()); err != nil {
				t.Fatalf("call %d, after %v: %v", fail, after, err)
			}
			if _, err := w.service().SweepOrphans(t.Context()); err != nil {
				t.Fatalf("call %d, after %v: %v", fail, after, err)
			}
			if n := len(w.certificates(t)); n != 1 || w.there(layer.GetObject()) {
				t.Errorf("call %d, after %v: %d certificates, the object is there: %v", fail, after, n, w.there(layer.GetObject()))
			}
		}
	}
}
