package keyring

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

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

// thief holds all copies, and the root cell and its live copy as they are now, and opens what can be opened:
// every state file that the present roots open gives bucket keys, and every one of these
// is tried on every key packet that any revision of a record ever had.
func (w *world) thief(c *copies) map[string]bool {
	w.t.Helper()
	c.files = append(c.files, w.copyAll().files...)
	present, err := os.ReadFile(filepath.Join(w.dir, cellName))
	if err != nil {
		w.t.Fatal(err)
	}
	live, err := os.ReadFile(filepath.Join(w.copy, copyName))
	if err != nil {
		w.t.Fatal(err)
	}
	present = append(present, live...)
	var buckets []*bucket
	for i := range 2 * slots {
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
	if r.State != itemv1.State_STATE_TOMBSTONE || len(r.Pseudonyms)+len(r.Evidence) > 0 || r.Findings != nil || len(r.RawDigest) != 32 {
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
	// A journal of other numbers than the stream's own is of a stream that was lost.
	if err := w.client("archive").Journalled(t.Context(), map[string]uint64{"ITEMS": 1 << 40}); err != nil {
		t.Fatal(err)
	}
	_, err = w.client("retain").Forget(t.Context())
	w.mustRefuse(err, keys.JournalBehind)
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

func TestAStateIsTakenUpAfterARestart(t *testing.T) {
	w := newWorld(t)
	_, stop := w.start()
	item := w.ticketed("hello", 30)
	stop()
	s, _ := w.start()
	w.mustOpen(item, raw, "hello")
	w.mustOpen(item, view, "card hello")
	status, err := w.client("verify").Status(t.Context())
	if err != nil || !status.Writer || status.Generation != s.snap.Load().generation || status.Cell != "file:disk with a live copy" {
		t.Errorf("%v, %v", status, err)
	}
}

func TestAKeyringWaitsForWhatItNeeds(t *testing.T) {
	w := newWorld(t)
	w.records.away = 3
	w.start() // returns when the keys are published
	w.mustOpen(w.mail("hello"), raw, "hello")
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
	if err := w.service().Run(t.Context()); !errors.Is(err, ErrCellLost) || !strings.Contains(err.Error(), "keyring.copy holds the root") {
		t.Errorf("with its copy: %v", err)
	}
	os.Remove(filepath.Join(w.copy, copyName))
	var err error
	if w.second, err = NewDisk(w.second.(folder).root); err != nil {
		t.Fatal(err)
	}
	if err := w.service().Run(t.Context()); err != ErrCellLost {
		t.Errorf("%v", err)
	}
}
