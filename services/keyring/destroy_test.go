package keyring

import (
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/keys"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// copies are everything that a thief could have kept: every revision of every record, and
// every file of the keyring, as they were at some time.
type copies struct {
	records []*itemv1.Record
	files   [][]byte
}

func (w *world) copyAll() *copies {
	w.t.Helper()
	c := new(copies)
	w.records.mu.Lock()
	c.records = append(c.records, w.records.history...)
	w.records.mu.Unlock()
	second := w.second.(folder).root
	for _, root := range []string{w.dir, second} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			c.files = append(c.files, b)
			return err
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return c
}

// thief holds all copies, and the root cell as it is now, and opens what can be opened:
// every state file that the present roots open gives bucket keys, and every one of these
// is tried on every key packet that any revision of a record ever had.
func (w *world) thief(c *copies) map[string]bool {
	w.t.Helper()
	c.files = append(c.files, w.copyAll().files...)
	present, err := os.ReadFile(filepath.Join(w.dir, cellName))
	if err != nil {
		w.t.Fatal(err)
	}
	var buckets []*bucket
	for i := range slots {
		s, ok := parseSlot(present[i*slotSize : (i+1)*slotSize])
		if !ok {
			continue
		}
		for _, file := range c.files {
			if plain, err := decryptState(&s, file); err == nil {
				snap, err := parseSnapshot(&stateAt{s.generation, plain})
				if err != nil {
					w.t.Fatal(err)
				}
				for _, b := range snap.buckets {
					buckets = append(buckets, b)
				}
			}
		}
	}
	if len(buckets) == 0 {
		w.t.Fatal("the thief cannot even open the present state: the test sees nothing")
	}
	opened := map[string]bool{}
	tried := map[[sha256.Size]byte]bool{}
	for _, r := range append(c.records, w.copyAll().records...) {
		for _, l := range r.Layers {
			name := layerNames[l.Kind] + " " + r.Item
			if len(l.KeyPacket) == 0 || opened[name] || tried[sha256.Sum256(l.KeyPacket)] {
				continue
			}
			tried[sha256.Sum256(l.KeyPacket)] = true
			for _, b := range buckets {
				if key, err := b.unwrap(l.KeyPacket); err == nil {
					opened[name] = key.Bytes() != nil
					break
				}
			}
		}
	}
	return opened
}

// pastGrace moves on until today's intake bucket is past its grace, and forgets it.
func (w *world) pastGrace() {
	w.t.Helper()
	w.pass(50 * time.Hour)
	w.forget()
}

func TestPromise3WhatExpiredCannotBeOpenedFromAnyCopy(t *testing.T) {
	w := newWorld(t)
	w.start()
	short, long := w.ticketed("short", 4), w.ticketed("long", 40)
	waiting := w.mail("waiting")
	w.pastGrace()
	before := w.copyAll()
	for name, is := range map[string]bool{"raw " + short: true, "view " + short: true, "pii " + short: true, "raw " + long: true} {
		if w.thief(before)[name] != is {
			t.Fatalf("before destruction the thief must open %s, or the test sees nothing", name)
		}
	}

	w.pass(3 * day) // raw of short is due, its view and pii are not
	plan := w.plan("plan1")
	if len(plan.Targets) != 1 || plan.Targets[0].Item != short || plan.Targets[0].Layer != raw {
		t.Fatalf("targets: %v", plan.Targets)
	}
	w.journalled()
	gone, err := w.client("retain").Destroy(t.Context(), &keyringv1.Destroy{Plan: plan})
	if err != nil {
		t.Fatal(err)
	}
	if len(gone.Items) != 1 || gone.Items[0] != short {
		t.Errorf("%v", gone)
	}
	attested, err := w.client("retain").Attest(t.Context(), &keyringv1.Attest{Buckets: plan.Buckets})
	if err != nil || len(attested.Gone) != len(plan.Buckets) || !attested.Gone[0].Gone || attested.Gone[0].Generation != gone.Generation {
		t.Errorf("attested: %v, %v", attested, err)
	}

	stolen := w.thief(before)
	if stolen["raw "+short] {
		t.Error("what was destroyed opens from a copy")
	}
	for _, name := range []string{"view " + short, "pii " + short, "raw " + long, "view " + long, "pii " + long, "raw " + waiting} {
		if !stolen[name] {
			t.Errorf("%s does not open any more", name)
		}
	}
	if _, err := w.opens(short, raw); err == nil {
		t.Error("the keyring still opens it")
	} else {
		w.mustRefuse(err, keys.Destroyed)
	}
	w.mustOpen(short, view, "card short")
	w.mustOpen(long, raw, "long")
	w.mustOpen(waiting, raw, "waiting")
	if l := layerOf(w.record(short), raw); l.State != destroyed || l.Plan != "plan1" || len(l.KeyPacket) > 0 || l.Object == "" {
		t.Errorf("%v", l)
	}

	// When the last layer goes, a tombstone stays.
	w.pass(60 * day)
	plan = w.plan("plan2")
	w.journalled()
	if _, err := w.client("retain").Destroy(t.Context(), &keyringv1.Destroy{Plan: plan}); err != nil {
		t.Fatal(err)
	}
	r := w.record(short)
	if r.State != itemv1.State_STATE_TOMBSTONE || len(r.Pseudonyms) > 0 || r.Findings != nil || len(r.RawDigest) != 32 {
		t.Errorf("tombstone: %v", r)
	}
	if w.thief(before)["view "+short] {
		t.Error("the view opens from a copy")
	}
}

func TestPromise3AnErasedItemCannotBeOpenedFromAnyCopyAndItsNeighboursCan(t *testing.T) {
	w := newWorld(t)
	w.start()
	erase, stay := w.ticketed("erase me", 30), w.ticketed("stay", 30)
	if a, b := layerOf(w.record(erase), raw).Bucket, layerOf(w.record(stay), raw).Bucket; a != b {
		t.Fatal("the two must share a bucket")
	}
	before := w.copyAll()

	got, err := w.client("retain").Erase(t.Context(), &keyringv1.Erase{Request: "request1", Items: []string{erase}, Actor: "paula"})
	if err != nil || len(got.Items) != 1 {
		t.Fatalf("stage 1: %v, %v", got, err)
	}
	for _, kind := range []itemv1.LayerKind{raw, view, pii} {
		_, err := w.opens(erase, kind)
		w.mustRefuse(err, keys.Destroyed)
	}
	if !w.thief(before)["raw "+erase] {
		t.Fatal("after stage 1 a copy still opens, or the test sees nothing")
	}
	if l := layerOf(w.record(erase), raw); l.State != erased {
		t.Errorf("%v", l)
	}

	w.pastGrace() // stage 2, and the intake bucket that it came through
	stolen := w.thief(before)
	for _, kind := range []string{"raw ", "view ", "pii "} {
		if stolen[kind+erase] {
			t.Errorf("%sopens from a copy after stage 2", kind)
		}
		if !stolen[kind+stay] {
			t.Errorf("%sof the neighbour does not open any more", kind)
		}
	}
	w.mustOpen(stay, raw, "stay")
	w.mustOpen(stay, view, "card stay")
	w.mustOpen(stay, pii, "pii stay")
	r := w.record(erase)
	if r.State != itemv1.State_STATE_TOMBSTONE || layerOf(r, raw).Plan != "request1" || layerOf(r, raw).Erased == nil || layerOf(r, raw).Destroyed == nil {
		t.Errorf("%v", r)
	}
	if b := layerOf(w.record(stay), raw); b.Bucket != "customer.raw.20261220.2" {
		t.Errorf("the neighbour is in %s, not in the re-keyed bucket", b.Bucket)
	}
	// A registration of the same mail finds the tombstone and stores nothing.
	again, err := w.client("ingest").Register(t.Context(), w.registration(1, "erase me"))
	if err != nil || again.Changed || again.Record.State != itemv1.State_STATE_TOMBSTONE {
		t.Errorf("%v, %v", again, err)
	}
}

func TestAForgottenKeyIsOverwrittenInMemory(t *testing.T) {
	w := newWorld(t)
	s, _ := w.start()
	w.ticketed("hello", 3)
	w.pastGrace()
	w.pass(2 * day)
	plan := w.plan("plan")
	b := s.snap.Load().buckets[plan.Buckets[0]]
	private := b.private
	key, err := b.parsed()
	if err != nil || isZero(private) {
		t.Fatal("there is no key to forget")
	}
	w.journalled()
	if _, err := w.client("retain").Destroy(t.Context(), &keyringv1.Destroy{Plan: plan}); err != nil {
		t.Fatal(err)
	}
	if !isZero(private) {
		t.Error("the serialised key is still in memory")
	}
	if _, err := key.Private(); err == nil {
		t.Error("the parsed key still gives its private half")
	}
}

func TestAPlanThatIsNotTheKeyringsOwnListIsRefused(t *testing.T) {
	w := newWorld(t)
	w.start()
	one, two := w.ticketed("one", 3), w.ticketed("two", 3)
	w.pastGrace()
	w.pass(2 * day)
	good := w.plan("plan")
	if len(good.Targets) != 2 {
		t.Fatalf("%v", good.Targets)
	}
	destroy := func(change func(p *keyringv1.Destroy), rehash bool) error {
		d := &keyringv1.Destroy{Plan: proto.CloneOf(good)}
		change(d)
		if rehash {
			d.Plan.Hash = keys.PlanHash(d.Plan.Buckets, d.Plan.Targets)
		}
		w.journalled()
		_, err := w.client("retain").Destroy(t.Context(), d)
		return err
	}
	w.mustRefuse(destroy(func(d *keyringv1.Destroy) { d.Plan.Targets = d.Plan.Targets[:1] }, true), keys.PlanDiffers)
	w.mustRefuse(destroy(func(d *keyringv1.Destroy) { d.Plan.Targets[0].Object += "x" }, true), keys.PlanDiffers)
	w.mustRefuse(destroy(func(d *keyringv1.Destroy) { d.Plan.Targets = d.Plan.Targets[:1] }, false), keys.Malformed)
	w.mustRefuse(destroy(func(d *keyringv1.Destroy) { d.Plan.Buckets = append(d.Plan.Buckets, "customer.raw.20990101.1") }, true), keys.PlanDiffers)
	w.mustRefuse(destroy(func(d *keyringv1.Destroy) {
		d.Plan.Buckets = append(d.Plan.Buckets, layerOf(w.record(one), view).Bucket)
	}, true), keys.PlanDiffers)
	w.mustOpen(one, raw, "one")
	w.mustOpen(two, raw, "two")

	// A hold that comes between plan and destruction changes the list.
	if _, err := w.client("desk").Hold(t.Context(), &keyringv1.Hold{Hold: "h", Items: []string{two}, Actor: "paula", Reason: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	w.mustRefuse(destroy(func(*keyringv1.Destroy) {}, false), keys.PlanDiffers)

	// The list may stay in the vault: then the hash alone is compared.
	good = w.plan("plan")
	if err := destroy(func(d *keyringv1.Destroy) { d.Plan.Targets, d.Plan.Object = nil, "plans/plan" }, false); err != nil {
		t.Error(err)
	}
	_, err := w.opens(one, raw)
	w.mustRefuse(err, keys.Destroyed)
	w.mustOpen(two, raw, "two")
	// And once more: the answer of a run that went through.
	if err := destroy(func(*keyringv1.Destroy) {}, false); err != nil {
		t.Errorf("repeat: %v", err)
	}
}

func TestNoKeyIsForgottenBeforeTheJournalHasWhatWasMoved(t *testing.T) {
	w := newWorld(t)
	w.start()
	item := w.mail("straggler")
	w.pass(50 * time.Hour) // its intake bucket is past its grace
	_, err := w.client("retain").Forget(t.Context())
	w.mustRefuse(err, keys.JournalBehind)
	r := w.record(item)
	if l := layerOf(r, raw); l.Bucket != "intake.raw.20261123.1" || l.PastBuckets[0] != "intake.raw.20261121.1" {
		t.Errorf("the straggler has not moved on: %v", l)
	}
	attested, err := w.client("retain").Attest(t.Context(), &keyringv1.Attest{Buckets: []string{"intake.raw.20261121.1"}})
	if err != nil || attested.Gone[0].Gone {
		t.Errorf("a bucket that is kept is attested gone: %v, %v", attested, err)
	}
	got := w.forget()
	if len(got.Buckets) != 1 || got.Buckets[0] != "intake.raw.20261121.1" {
		t.Errorf("forgotten: %v", got)
	}
	w.mustOpen(item, raw, "straggler")

	// The same for what a hold moved out of a bucket that is to be destroyed.
	kept := w.ticketed("kept", 6)
	w.ticketed("goes", 6)
	w.forget()
	w.journalled()
	if _, err := w.client("desk").Hold(t.Context(), &keyringv1.Hold{Hold: "h", Items: []string{kept}, Actor: "paula", Reason: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	w.pass(5 * day)
	plan := w.plan("plan")
	_, err = w.client("retain").Destroy(t.Context(), &keyringv1.Destroy{Plan: plan})
	w.mustRefuse(err, keys.JournalBehind)
	w.journalled()
	if _, err := w.client("retain").Destroy(t.Context(), &keyringv1.Destroy{Plan: plan}); err != nil {
		t.Error(err)
	}
	w.mustOpen(kept, raw, "kept")
}

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
	if len(w.record(item).Details) > 0 {
		t.Error("the sealed details survive")
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

func TestAStateIsTakenUpAfterARestart(t *testing.T) {
	w := newWorld(t)
	_, stop := w.start()
	item := w.ticketed("hello", 30)
	stop()
	s, _ := w.start()
	w.mustOpen(item, raw, "hello")
	w.mustOpen(item, view, "card hello")
	status, err := w.client("verify").Status(t.Context())
	if err != nil || !status.Writer || status.Generation != s.snap.Load().generation || status.Cell != "file:disk" {
		t.Errorf("%v, %v", status, err)
	}
}

func TestALostCellStopsTheKeyring(t *testing.T) {
	w := newWorld(t)
	_, stop := w.start()
	w.mail("hello")
	stop()
	for _, root := range []string{w.dir, w.second.(folder).root} { // not even state files are left
		os.RemoveAll(filepath.Join(root, "state"))
		os.Remove(filepath.Join(root, cellName))
	}
	var err error
	if w.second, err = NewDisk(w.second.(folder).root); err != nil {
		t.Fatal(err)
	}
	if err := w.service().Run(t.Context()); err != ErrCellLost {
		t.Errorf("%v", err)
	}
}
