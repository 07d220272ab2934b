package keyring

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/keys"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

func TestAHeldItemOutlivesItsDueDateAndReturns(t *testing.T) {
	w := newWorld(t)
	w.start()
	item := w.ticketed("held", 3)
	desk, retain := w.client("desk"), w.client("retain")
	hold := func(id string) {
		t.Helper()
		got, err := desk.Hold(t.Context(), &keyringv1.Hold{Hold: id, Items: []string{item}, Actor: "paula", Reason: []byte("sealed")})
		if err != nil || len(got.Items) != 1 {
			t.Fatalf("%v, %v", got, err)
		}
	}
	release := func(id string) {
		t.Helper()
		if _, err := desk.Release(t.Context(), &keyringv1.Release{Hold: id, Items: []string{item}, Actor: "paula"}); err != nil {
			t.Fatal(err)
		}
	}
	hold("case-1")
	hold("case-2")
	hold("case-1")
	if n := len(w.record(item).Holds); n != 2 {
		t.Errorf("%d holds, want 2: a repeat is no other hold", n)
	}
	_, err := retain.Erase(t.Context(), &keyringv1.Erase{Request: "r", Items: []string{item}, Actor: "paula"})
	w.mustRefuse(err, keys.Held)

	w.pastGrace()
	w.pass(3 * day)
	plan := w.plan("plan1")
	if len(plan.Targets) != 0 {
		t.Fatalf("a held item is a target: %v", plan.Targets)
	}
	w.journalled()
	if _, err := retain.Destroy(t.Context(), &keyringv1.Destroy{Plan: plan}); err != nil {
		t.Fatal(err)
	}
	w.mustOpen(item, raw, "held")
	release("case-1")
	if b := layerOf(w.record(item), raw).Bucket; placeOf(b, raw).class != holdClass("case-2") {
		t.Errorf("with one hold left it is in %s", b)
	}
	w.mustOpen(item, raw, "held")
	before := w.copyAll()
	release("case-2")
	w.mustOpen(item, raw, "held")
	// Its bucket is destroyed, so it is in a younger one of the same day, which is over.
	if b := layerOf(w.record(item), raw).Bucket; b != "customer.raw.20261123.2" {
		t.Errorf("after the release it is in %s", b)
	}
	w.forget() // the holds' buckets are empty
	plan = w.plan("plan2")
	w.journalled()
	if _, err := retain.Destroy(t.Context(), &keyringv1.Destroy{Plan: plan}); err != nil {
		t.Fatal(err)
	}
	if l := layerOf(w.record(item), raw); l.State != destroyed {
		t.Errorf("%v", l)
	}
	if w.thief(before)["raw "+item] {
		t.Error("it opens from a copy of the time of its hold")
	}
	w.mustOpen(item, view, "card held")
}

func TestALayerThatIsMadeDuringAHoldIsHeldToo(t *testing.T) {
	w := newWorld(t)
	w.start()
	item := w.mail("hello")
	if _, err := w.client("desk").Hold(t.Context(), &keyringv1.Hold{Hold: "h", Items: []string{item}, Actor: "paula", Reason: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	r := w.render(w.file(item, 3), "hello")
	for _, l := range r.Layers {
		if placeOf(l.Bucket, l.Kind).class != holdClass("h") {
			t.Errorf("%s is in %s", layerNames[l.Kind], l.Bucket)
		}
	}
	if _, err := w.client("desk").Release(t.Context(), &keyringv1.Release{Hold: "h", Items: []string{item}, Actor: "paula"}); err != nil {
		t.Fatal(err)
	}
	r = w.record(item)
	if layerOf(r, raw).Bucket != "customer.raw.20261123.1" || layerOf(r, view).Bucket != "customer.view.20261220.1" || layerOf(r, pii).Bucket != "customer.pii.20261205.1" {
		t.Errorf("after the release: %v", r.Layers)
	}
	w.mustOpen(item, raw, "hello")
	w.mustOpen(item, view, "card hello")
	w.mustOpen(item, pii, "pii hello")
}

func TestWhatWasErasedIsNotMadeAnew(t *testing.T) {
	w := newWorld(t)
	w.start()
	erase := func(item string) {
		t.Helper()
		if _, err := w.client("retain").Erase(t.Context(), &keyringv1.Erase{Request: "r", Items: []string{item}, Actor: "paula"}); err != nil {
			t.Fatal(err)
		}
	}
	item := w.mail("registered")
	details := w.details(item, "jane@example.org")
	erase(item)
	_, err := w.client("archive").File(t.Context(), &keyringv1.File{Item: item, Class: "customer", Details: details, Dues: dues(3)})
	w.mustRefuse(err, keys.Destroyed)

	item = w.mail("filed")
	filed := w.file(item, 3)
	v := w.layer(filed, view, []byte("made by a worker that had the key already"))
	erase(item)
	if r := w.record(item); len(r.Details)+len(r.Evidence) > 0 {
		t.Error("the sealed details or the evidence survive")
	}
	_, err = w.client("sanitize").Layers(t.Context(), &keyringv1.Layers{Item: item, Layers: []*itemv1.Layer{v}})
	w.mustRefuse(err, keys.Destroyed)
}

func TestACallerWhoseBerthWasForgottenIsGivenAnother(t *testing.T) {
	w := newWorld(t)
	w.start()
	gone, filed := w.ticketed("gone", 3), w.file(w.mail("filed"), 3)
	v, p := w.layer(filed, view, []byte("v")), w.layer(filed, pii, []byte("p"))
	if v.Bucket != layerOf(w.record(gone), view).Bucket {
		t.Fatal("the two must share a bucket")
	}
	if _, err := w.client("retain").Erase(t.Context(), &keyringv1.Erase{Request: "r", Items: []string{gone}, Actor: "paula"}); err != nil {
		t.Fatal(err)
	}
	w.forget() // the shared buckets are re-keyed, and the berths with them
	sanitize := w.client("sanitize")
	got, err := sanitize.Layers(t.Context(), &keyringv1.Layers{Item: filed.Item, Layers: []*itemv1.Layer{v, p}})
	w.mustRefuse(err, keys.ClosedBucket)
	if b := berthOf(got.GetRecord(), view); b == nil || b.Bucket == v.Bucket {
		t.Fatalf("the refusal brings no other berth: %v", b)
	}
	r := w.render(got.Record, "again")
	if r.State != itemv1.State_STATE_RENDERED {
		t.Errorf("%v", r.State)
	}
	w.mustOpen(filed.Item, view, "card again")
}

func TestABucketClosesWhenItsLastDayIsOver(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.file(w.mail("hello"), 3) // raw's last day is the 23rd
	retain := w.client("retain")
	_, err := retain.Close(t.Context(), &keyringv1.Close{Before: timestamppb.New(noon.Add(time.Minute + time.Second))})
	w.mustRefuse(err, keys.Malformed)
	w.pass(2*day + 11*time.Hour) // the 23rd, 23:00
	got, err := retain.Close(t.Context(), &keyringv1.Close{Before: timestamppb.New(w.clock.Now())})
	if err != nil || len(got.Buckets) != 0 {
		t.Errorf("on its last day: %v, %v", got, err)
	}
	w.pass(time.Hour)
	got, err = retain.Close(t.Context(), &keyringv1.Close{Before: timestamppb.New(w.clock.Now().Truncate(day))})
	if err != nil || len(got.Buckets) != 1 || got.Buckets[0] != "customer.raw.20261123.1" || !got.Clock.AsTime().Equal(w.clock.Now()) {
		t.Errorf("at midnight: %v, %v", got, err)
	}
	// What is filed with that date now goes into a younger bucket: nothing wraps into a closed one.
	r := w.file(w.mail("later"), 3)
	if b := layerOf(r, raw).Bucket; b != "customer.raw.20261123.2" {
		t.Errorf("filed into %s", b)
	}
}

func TestKeysOfAYearDieWithItsLastItem(t *testing.T) {
	w := newWorld(t)
	s, _ := w.start()
	w.ticketed("old", 3)
	w.pass(60 * day) // January 2027
	w.pass(day)
	w.mail("new")
	w.forget()
	if s.snap.Load().periods["2026"] == nil {
		t.Fatal("the keys of a year went while an item of it was left")
	}
	p := w.plan("plan")
	w.journalled()
	if _, err := w.client("retain").Destroy(t.Context(), &keyringv1.Destroy{Plan: p}); err != nil {
		t.Fatal(err)
	}
	w.forget()
	periods := s.snap.Load().periods
	if periods["2026"] != nil || periods["2027"] == nil {
		t.Errorf("periods: %v", periods)
	}
}
