package promise3

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/vault/s3/s3test"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/keyring"
	"github.com/postern-mail/postern/services/postern/fleet"
)

const (
	raw  = itemv1.LayerKind_LAYER_KIND_RAW
	view = itemv1.LayerKind_LAYER_KIND_VIEW
	pii  = itemv1.LayerKind_LAYER_KIND_PII
)

// month is beyond the 30 days of a customer's original, and within the 180 of masked values.
const month = 32 * 24 * time.Hour

func TestGoneMeansGoneInOneProcess(t *testing.T) {
	t.Parallel()
	goneMeansGone(t, newOneProcess(t))
}

func TestGoneMeansGoneInOneProcessOnS3(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t, s3test.WithVersions())
	w := newOneProcess(t, func(w *oneProcess) { w.store = &server })
	s := story{before: settled(t, w)}
	m := meddle(t, w, s.before)
	s.destroy(t, w)
	m.check(t, s, w.now())
}

func TestGoneMeansGoneInAFleet(t *testing.T) {
	t.Parallel()
	goneMeansGone(t, newFleet(t))
}

// goneMeansGone is the whole promise, in whatever shape.
func goneMeansGone(t *testing.T, w world) {
	s := story{before: settled(t, w)}
	m := meddle(t, w, s.before)
	old := copyAll(t, w)
	oldState, err := unlock(old.cell, filepath.Join(w.keyring(old.folder), "state"))
	if err != nil {
		t.Fatal(err)
	}
	oldKeys := bunchOf(t, oldState)
	old.hoard.journal(t, w, oldKeys)

	s.destroy(t, w)
	now := w.now()
	m.check(t, s, now)
	fresh := copyAll(t, w) // the other items move to other buckets: a copy of today has them
	present, cell := presentKeys(t, w)
	fresh.hoard.journal(t, w, present)

	copies := []*hoard{old.hoard, fresh.hoard}
	everywhere := joined(t, copies, old.folder, fresh.folder)
	oldSessions, sessions := everywhere.sessions(oldKeys), everywhere.sessions(present)
	destroyed, kept := 0, 0
	for item, record := range s.before {
		for _, layer := range record.GetLayers() {
			at := sealed{item, layer.GetKind()}
			if !everywhere.opensWith(at, oldSessions) {
				t.Errorf("%s %s: the copies with the key root of their own day do not open: this test sees nothing", item, at.kind)
			}
			opens := everywhere.opensWith(at, sessions)
			if s.gone(record, layer, now) {
				destroyed++
				if opens {
					t.Errorf("%s %s: it is destroyed and a copy opens", item, at.kind)
				}
				continue
			}
			kept++
			if !opens {
				t.Errorf("%s %s: nothing destroyed it and it does not open", item, at.kind)
			}
		}
	}
	if destroyed < 10 || kept < 10 {
		t.Fatalf("%d layers destroyed and %d kept: too few to tell", destroyed, kept)
	}
	if n := unlockAny(cell, filepath.Join(w.keyring(old.folder), "state")); n != 0 {
		t.Errorf("the present cell opens %d old state files", n)
	}
	if n := unlockAny(old.cell, filepath.Join(w.keyring(w.folder()), "state")); n != 0 {
		t.Errorf("the old cell opens %d present state files", n)
	}
	if t.Failed() {
		return
	}
	t.Run("a hold keeps an item past its date and its release lets it go", func(t *testing.T) { s.letGo(t, w) })
	t.Run("certificates", func(t *testing.T) { certificates(t, w, s) })
	t.Run("log", func(t *testing.T) { log(t, w) })
	t.Run("the program finds the log whole", func(t *testing.T) { commands(t, w) })
	t.Run("the old stores beside the present keyring", func(t *testing.T) { restored(t, w, old, s, now) })
	t.Run("the old state beside the present cell", func(t *testing.T) { rolledBack(t, w, old, cell) })
}

// A copied is every store and the keyring's state as they were at one moment.
type copied struct {
	folder string
	hoard  *hoard
	cell   []byte
}

// copyAll stops everything, copies every file of every store, and starts it again.
func copyAll(t *testing.T, w world) copied {
	t.Helper()
	journalled(t, w)
	c := copied{folder: filepath.Join(t.TempDir(), "copy"), hoard: newHoard()}
	c.hoard.streams(t, w)
	c.hoard.objects(t, w)
	w.stop(t)
	copyTree(t, c.folder, w.folder())
	var err error
	if c.cell, err = os.ReadFile(filepath.Join(w.keyring(c.folder), "root.cell")); err != nil {
		t.Fatal(err)
	}
	w.start(t)
	return c
}

func presentKeys(t *testing.T, w world) (bunch, []byte) {
	t.Helper()
	folder := w.keyring(w.folder())
	cell, err := os.ReadFile(filepath.Join(folder, "root.cell"))
	if err != nil {
		t.Fatal(err)
	}
	state, err := unlock(cell, filepath.Join(folder, "state"))
	if err != nil {
		t.Fatal(err)
	}
	return bunchOf(t, state), cell
}

// A story is what was done to which item.
type story struct {
	before         map[string]*itemv1.Record
	erased, held   string
	hold, released string // the hold's name, and the item once it is lifted
}

// gone tells whether a layer of an item must be gone after a month.
func (s story) gone(record *itemv1.Record, layer *itemv1.Layer, now time.Time) bool {
	switch record.GetItem() {
	case s.erased:
		return true
	case s.held:
		return false
	}
	return layer.GetDue().AsTime().Before(now)
}

// destroy erases one item, holds another, and lets a month pass.
func (s *story) destroy(t *testing.T, w world) {
	t.Helper()
	for _, item := range slices.Sorted(maps.Keys(s.before)) {
		record := s.before[item]
		if record.GetClass() != "customer" || layerOf(record, view) == nil || layerOf(record, pii) == nil {
			continue
		}
		switch {
		case s.erased == "":
			s.erased = item
		case s.held == "":
			s.held = item
		}
	}
	if s.held == "" {
		t.Fatal("there are not two customers' mails with masked values")
	}
	s.hold = w.hold(t, s.held)
	w.erase(t, s.erased)
	w.advance(t, month)
	w.sweep(t)
}

// letGo lifts the hold: the original is long due.
func (s *story) letGo(t *testing.T, w world) {
	standing := func() *itemv1.Layer {
		records, err := fleet.Records(t.Context(), w.as(t, topology.Doctor).Conn)
		if err != nil {
			t.Fatal(err)
		}
		return layerOf(records[s.held], raw)
	}
	layer := standing()
	if layer.GetState() != itemv1.LayerState_LAYER_STATE_PRESENT {
		t.Fatalf("a held item's original is %s after its date", layer.GetState())
	}
	w.release(t, s.hold, s.held)
	w.sweep(t)
	if layer := standing(); layer.GetState() != itemv1.LayerState_LAYER_STATE_DESTROYED {
		t.Errorf("after its release it is %s", layer.GetState())
	}
	if _, err := w.as(t, "retain").Vault.Stat(t.Context(), layer.GetObject()); err == nil {
		t.Error("after its release its object is still there")
	}
	s.held, s.released = "", s.held
}

// restored runs the system over the old stores with the present keyring, and asks it.
func restored(t *testing.T, w world, old copied, s story, now time.Time) {
	again := w.beside(t, old.folder)
	present, _ := presentKeys(t, again)
	desk := again.as(t, "desk").Opener()
	refused, opened := 0, 0
	for item, record := range s.before {
		for _, kind := range []itemv1.LayerKind{raw, view, pii} {
			layer := layerOf(record, kind)
			if layer == nil {
				continue
			}
			ask := open.Ask{Purpose: keys.ForRead, Layer: kind, Item: item, Actor: "test", Ticket: record.GetTicket()}
			switch kind {
			case raw:
				ask.Purpose, ask.Reason, ask.ApprovedBy = keys.ForBreakglass, []byte("sealed"), "another"
			case pii:
				ask.Purpose, ask.Reason = keys.ForReveal, []byte("sealed")
			}
			key, err := desk.Open(t.Context(), ask)
			key.Clear()
			lives := present.rings[layer.GetBucket()] != nil
			switch {
			case s.gone(record, layer, now) && err == nil:
				t.Errorf("%s %s: the restored system opens what is destroyed", item, kind)
			case lives && err != nil:
				t.Errorf("%s %s: its bucket lives and the restored system does not open it: %v", item, kind, err)
			case err != nil:
				refused++
			default:
				opened++
			}
		}
	}
	if refused == 0 || opened == 0 {
		t.Errorf("%d refused and %d opened: too few to tell", refused, opened)
	}
}

// rolledBack starts a keyring on old state files beside the present cell: it must not serve.
func rolledBack(t *testing.T, w world, old copied, cell []byte) {
	folder := filepath.Join(t.TempDir(), "rolled")
	copyTree(t, folder, w.keyring(old.folder))
	if err := os.WriteFile(filepath.Join(folder, "root.cell"), cell, 0o600); err != nil {
		t.Fatal(err)
	}
	if state, err := unlock(cell, filepath.Join(folder, "state")); err == nil {
		t.Errorf("the present cell opens the old state of generation %d", state.GetGeneration())
	}
	disk, err := keyring.NewDisk(folder)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.OpenOffline(t.Context(), disk, folder, keyring.DiskStore(disk)); !errors.Is(err, keyring.ErrCellLost) {
		t.Errorf("a keyring on old state files beside the present cell: %v", err)
	}
}
