package keyring

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestACopyIsMadeAndBroughtUpToDateWhenTheStateIsLoaded(t *testing.T) {
	base := newRigWithCopy()
	base.saved(t, "one", "two")
	stale := base.copy.clone()
	base.saved(t, "three")
	for name, hurt := range map[string]func(*rig){
		"there was none":            func(r *rig) { r.copy = newSimDisk() },
		"it is of an older root":    func(r *rig) { r.copy = stale.clone() },
		"it is zeros":               func(r *rig) { r.copy.current[copyName].current = make([]byte, slots*slotSize) },
		"it is cut short":           func(r *rig) { r.copy.current[copyName].current = r.copy.current[copyName].current[:50] },
		"its root is torn":          func(r *rig) { flipAll(r.copy.current[copyName].current) },
		"an older root stands, too": func(r *rig) { r.besideIt(t, stale) },
	} {
		r := base.clone()
		hurt(r)
		got, err := r.keeper().load(t.Context())
		if err != nil || string(got.plaintext) != "three" {
			t.Errorf("%s: %v, %v", name, got, err)
			continue
		}
		if err := r.keeper().forgotten(got.generation); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		r.cuts(lost)
		again, err := r.restart().afterTheLossOfTheFirst().keeper().load(t.Context())
		if err != nil || string(again.plaintext) != "three" {
			t.Errorf("%s: the copy alone: %v, %v", name, again, err)
		}
	}
}

// besideIt puts another copy's root into the slot of this one that is free.
func (r *rig) besideIt(t *testing.T, other *simDisk) {
	t.Helper()
	image, err := cell{other, copyName}.read()
	if err != nil {
		t.Fatal(err)
	}
	mine, err := cell{r.copy, copyName}.read()
	if err != nil {
		t.Fatal(err)
	}
	if err := (cell{r.copy, copyName}).write(1-mine.newest()[0], &image.slots[image.newest()[0]]); err != nil {
		t.Fatal(err)
	}
}

func TestACopyThatIsNewerThanTheCellIsNotWrittenOver(t *testing.T) {
	r := newRigWithCopy()
	r.saved(t, "one", "two")
	old := r.first.clone()
	r.saved(t, "three")
	before := r.copy.clone()
	r.first = old // somebody put a backup of the keyring's folder back
	if _, err := r.keeper().load(t.Context()); !errors.Is(err, ErrCopyNewer) {
		t.Fatalf("%v", err)
	}
	if string(r.copy.current[copyName].current) != string(before.current[copyName].current) {
		t.Error("the copy is changed")
	}
	got, err := r.afterTheLossOfTheFirst().keeper().load(t.Context())
	if err != nil || string(got.plaintext) != "three" {
		t.Errorf("the copy in its place: %v, %v", got, err)
	}
}

func TestALostCellNamesTheCopyAndIsNotMadeOfIt(t *testing.T) {
	r := newRigWithCopy()
	r.saved(t, "one", "two", "three")
	for name, damage := range map[string]func(*rig){
		"file gone":    func(r *rig) { delete(r.first.current, cellName) },
		"folder gone":  func(r *rig) { r.first = newSimDisk() },
		"all gone":     func(r *rig) { r.first, r.second = newSimDisk(), newSimDisk() },
		"a bit turned": func(r *rig) { flipAll(r.first.current[cellName].current) },
	} {
		damaged := r.clone()
		damage(damaged)
		if _, err := damaged.keeper().load(t.Context()); !errors.Is(err, ErrCellLost) || !strings.Contains(err.Error(), "keyring.copy holds the root of generation 3") {
			t.Errorf("%s: %v", name, err)
		}
		if _, ok := damaged.first.current[cellName]; ok && name != "a bit turned" {
			t.Errorf("%s: a cell was made", name)
		}
	}
	damaged := r.clone()
	damaged.first, damaged.copy = newSimDisk(), newSimDisk()
	if _, err := damaged.keeper().load(t.Context()); !errors.Is(err, ErrCellLost) || strings.Contains(err.Error(), "keyring.copy holds") {
		t.Errorf("both gone: %v", err)
	}
}

func TestNothingIsForgottenThatTheCopyStillHolds(t *testing.T) {
	r := newRigWithCopy()
	r.saved(t, "one", "two")
	former := r.root(t)
	r.copy.fail, r.copy.at = true, len(r.copy.calls)+1
	k := r.keeper()
	g, err := k.next(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.save(t.Context(), g, []byte("three")); err == nil {
		t.Error("a copy that could not be written did not stop it")
	}
	if r.copy.holds(former) == "" {
		t.Fatal("the test cannot see the former root")
	}
	if err := r.keeper().forgotten(g); err == nil {
		t.Error("it is said to be forgotten")
	}
	r.copy.at = 0
	if got, err := r.keeper().load(t.Context()); err != nil || string(got.plaintext) != "three" {
		t.Errorf("%v, %v", got, err)
	}
	if where := r.holds(former); where != "" {
		t.Errorf("the former root is in %s", where)
	}
}

func TestACopyWithASecondRootIsNotForgotten(t *testing.T) {
	r := newRigWithCopy()
	r.saved(t, "one")
	stale := r.copy.clone()
	g := r.saved(t, "two")
	if err := r.keeper().forgotten(g); err != nil {
		t.Fatal(err)
	}
	r.besideIt(t, stale)
	if err := r.keeper().forgotten(g); !errors.Is(err, errCell) {
		t.Errorf("a former root in the copy: %v", err)
	}
	r.copy = newSimDisk()
	if err := r.keeper().forgotten(g); err == nil {
		t.Error("a copy that is not there is said to have forgotten")
	}
}

// A disk dies, and somebody brings the archive back with what the second store and the copy hold.
func TestAKeyringOpensItsMailsWithTheCopyOfItsCell(t *testing.T) {
	w := newWorld(t)
	_, stop := w.start()
	item := w.ticketed("hello", 30)
	stop()
	w.dir = t.TempDir()
	live, err := os.ReadFile(filepath.Join(w.copy, copyName))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, cellName), live, 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.mustOpen(item, raw, "hello")
	w.mustOpen(item, view, "card hello")
	w.mustOpen(w.mail("after it"), raw, "after it")
}

func TestTheFolderOfTheCopyMustBeThere(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{filepath.Join(folder, "unmounted"): "is not there", file: "is no folder"} {
		if _, err := OpenCopy(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "unmounted")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("it was made")
	}
	c := Defaults()
	c.Callers = map[string]string{"": ""}
	c.Dir, c.Copy = folder, folder+"/"
	if err := c.Check(); err == nil || !strings.Contains(err.Error(), "another folder") {
		t.Errorf("a copy beside its cell: %v", err)
	}
}
