package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// rig is a keeper on two simulated disks that lose power together.
type rig struct{ first, second *simDisk }

func newRig() *rig { return &rig{newSimDisk(), newSimDisk()} }

func (r *rig) keeper() *keeper {
	return &keeper{cell: cell{r.first}, stores: [2]Store{DiskStore(r.first), DiskStore(r.second)}}
}

func (r *rig) clone() *rig   { return &rig{r.first.clone(), r.second.clone()} }
func (r *rig) restart() *rig { return &rig{r.first.restart(), r.second.restart()} }

func (r *rig) saved(t *testing.T, states ...string) uint64 {
	t.Helper()
	k := r.keeper()
	var g uint64
	if _, err := k.load(t.Context()); errors.Is(err, errNoCell) {
		if _, err := k.begin(); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range states {
		var err error
		if g, err = k.next(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		if err := k.save(t.Context(), g, []byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// root gives the root in force.
func (r *rig) root(t *testing.T) []byte {
	t.Helper()
	image, err := cell{r.first}.read()
	if err != nil {
		t.Fatal(err)
	}
	order := image.newest()
	if len(order) == 0 {
		t.Fatal("no root")
	}
	return bytes.Clone(image.slots[order[0]].root[:])
}

func TestTheStateIsReadBackUnderItsNewRoot(t *testing.T) {
	r := newRig()
	g := r.saved(t, "one", "two", "three")
	got, err := r.keeper().load(t.Context())
	if err != nil || string(got.plaintext) != "three" || got.generation != g {
		t.Fatalf("%v, %v", got, err)
	}
	if err := r.keeper().forgotten(g); err != nil {
		t.Errorf("the cell holds more than one root: %v", err)
	}
	if _, err := r.keeper().read(t.Context(), g-1); !errors.Is(err, errMoved) {
		t.Errorf("an older generation: %v", err)
	}
}

func TestAFormerRootIsInNoFileOnceSaveReturned(t *testing.T) {
	r := newRig()
	r.saved(t, "one", "two")
	former := r.root(t)
	if r.first.holds(former) == "" {
		t.Fatal("the test cannot see a root that is in force")
	}
	copies := r.clone()
	r.saved(t, "three")
	if name := r.first.holds(former); name != "" {
		t.Errorf("the former root is still in %s", name)
	}
	// Every copied state file is noise to the root in force now.
	image, _ := cell{r.first}.read()
	for _, disk := range []*simDisk{copies.first, copies.second} {
		for name, f := range disk.current {
			for i := range slots {
				if _, err := decryptState(&image.slots[i], f.current); err == nil {
					t.Errorf("the present root opens a copy of %s", name)
				}
			}
		}
	}
}

// Cut the power at every single write of a state change, in four ways, on either disk, and
// let calls fail with the power on. Whatever is found opens as the old or as the new state,
// and a save that returned is never undone.
func TestPowerCutAtEveryWriteLeavesTheOldOrTheNewState(t *testing.T) {
	base := newRig()
	base.saved(t, "empty", "old")

	good := base.clone()
	if _, err := good.keeper().load(t.Context()); err != nil {
		t.Fatal(err)
	}
	good.first.calls, good.second.calls = nil, nil
	if err := good.keeper().save(t.Context(), 3, []byte("new")); err != nil {
		t.Fatal(err)
	}
	counts := [2]int{len(good.first.calls), len(good.second.calls)}
	if counts[0] < 8 || counts[1] < 4 || good.first.cellWrites() != 2 {
		t.Fatalf("a save makes %v changing calls: %v", counts, good.first.calls)
	}
	outcomes := map[string]int{}
	for which, count := range counts {
		for at := 1; at <= count; at++ {
			for _, how := range []powerCut{lost, kept, torn, half} {
				for _, fail := range []bool{false, true} {
					name := fmt.Sprintf("disk %d, call %d, way %d, fail %v", which, at, how, fail)
					r := base.clone()
					r.first.how, r.second.how = how, how
					disk := []*simDisk{r.first, r.second}[which]

					k := r.keeper()
					loaded, err := k.load(t.Context())
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					g, err := k.next(t.Context(), loaded.generation)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					formerRoot := r.root(t)
					r.first.calls, r.second.calls = nil, nil
					disk.at, disk.fail = at, fail
					saveErr := k.save(t.Context(), g, []byte("new"))
					if len(disk.calls) < at {
						t.Fatalf("%s: fewer calls than in the good run", name)
					}
					r.first.off, r.second.off = !fail, !fail
					found := r
					if !fail {
						found = r.restart()
					}
					disk.at = 0
					got, err := found.keeper().load(t.Context())
					if err != nil {
						t.Errorf("%s: nothing opens: %v", name, err)
						continue
					}
					state := string(got.plaintext)
					outcomes[state]++
					if state != "old" && state != "new" {
						t.Errorf("%s: found %q", name, state)
					}
					if saveErr == nil && state != "new" {
						t.Errorf("%s: save returned, and was undone", name)
					}
					if state == "new" {
						if where := found.first.holds(formerRoot); where != "" {
							t.Errorf("%s: the new state is in force and the former root still in %s", name, where)
						}
					}
					if err := found.keeper().forgotten(got.generation); err != nil {
						t.Errorf("%s: start-up did not finish: %v", name, err)
					}
					// What start-up settled is settled: the power goes again at once.
					found.first.how, found.second.how = lost, lost
					found = found.restart()
					if again, err := found.keeper().load(t.Context()); err != nil || string(again.plaintext) != state {
						t.Errorf("%s: start-up found %q, the next one %v, %v", name, state, again, err)
						continue
					}
					// And it goes on from there.
					next := found.saved(t, "next")
					again, err := found.keeper().load(t.Context())
					if err != nil || string(again.plaintext) != "next" || again.generation != next {
						t.Errorf("%s: after going on: %v, %v", name, again, err)
					}
				}
			}
		}
	}
	if outcomes["old"] == 0 || outcomes["new"] == 0 {
		t.Errorf("the cuts never met both states: %v", outcomes)
	}
}

// The start-up that mends a cut save is cut itself, at every write, and mended by the next.
func TestPowerCutAtEveryWriteOfTheMending(t *testing.T) {
	base := newRig()
	base.saved(t, "empty", "old")
	hows := []powerCut{lost, kept, torn, half}
	met := 0
	for at := 1; at <= 12; at++ {
		for _, how := range hows {
			r := base.clone()
			r.first.how, r.second.how, r.first.at = how, how, at
			returned := r.keeper().save(t.Context(), 3, []byte("new")) == nil // cut while sweeping noise
			found := r.restart()
			for again := 1; ; again++ {
				for _, how := range hows {
					second := found.clone()
					second.first.at, second.first.how, second.second.how = again, how, how
					_, err := second.keeper().load(t.Context())
					if err == nil && !second.first.off {
						again = 0 // the mending has no more calls
						break
					}
					met++
					got, err := second.restart().keeper().load(t.Context())
					if err != nil || (string(got.plaintext) != "old" && string(got.plaintext) != "new") || (returned && string(got.plaintext) != "new") {
						t.Errorf("cut at %d in way %d, mending cut at %d: %v, %v", at, how, again, got, err)
					}
				}
				if again == 0 {
					break
				}
			}
		}
	}
	if met < 100 {
		t.Errorf("only %d cuts of the mending", met)
	}
}

func TestPowerCutAtEveryWriteOfTheFirstStart(t *testing.T) {
	good := newRig()
	good.saved(t, "empty", "first")
	counts := [2]int{len(good.first.calls), len(good.second.calls)}
	for which, count := range counts {
		for at := 1; at <= count; at++ {
			for _, how := range []powerCut{lost, kept, torn, half} {
				r := newRig()
				r.first.how, r.second.how = how, how
				disk := []*simDisk{r.first, r.second}[which]
				disk.at = at
				k := r.keeper()
				err := func() error {
					if _, err := k.load(t.Context()); !errors.Is(err, errNoCell) {
						return err
					}
					g, err := k.begin()
					if err != nil {
						return err
					}
					if err := k.save(t.Context(), g, []byte("empty")); err != nil {
						return err
					}
					if g, err = k.next(t.Context(), g); err != nil {
						return err
					}
					return k.save(t.Context(), g, []byte("first"))
				}()
				if !disk.off {
					t.Fatalf("disk %d, call %d: not reached: %v", which, at, err)
				}
				found := r.restart()
				got, err := found.keeper().load(t.Context())
				switch {
				case errors.Is(err, errNoCell):
				case err != nil:
					t.Errorf("disk %d, call %d, way %d: %v", which, at, how, err)
				case string(got.plaintext) != "empty" && string(got.plaintext) != "first":
					t.Errorf("disk %d, call %d, way %d: %q", which, at, how, got.plaintext)
				}
				found.saved(t, "onward")
			}
		}
	}
}

func TestALostCellIsNeverMadeAnew(t *testing.T) {
	r := newRig()
	r.saved(t, "one", "two", "three")
	for name, damage := range map[string]func(*rig){
		"file gone":    func(r *rig) { delete(r.first.current, cellName) },
		"zeros":        func(r *rig) { r.first.current[cellName].current = make([]byte, slots*slotSize) },
		"cut short":    func(r *rig) { r.first.current[cellName].current = r.first.current[cellName].current[:50] },
		"folder gone":  func(r *rig) { r.first = newSimDisk() },
		"a bit turned": func(r *rig) { flipAll(r.first.current[cellName].current) },
	} {
		damaged := r.clone()
		damage(damaged)
		if _, err := damaged.keeper().load(t.Context()); !errors.Is(err, ErrCellLost) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func flipAll(b []byte) {
	for i := range b {
		if i%slotSize == 20 {
			b[i] ^= 1
		}
	}
}

func TestOneStoreIsEnoughAndTheOtherIsMended(t *testing.T) {
	r := newRig()
	r.saved(t, "one", "two")
	for which := range 2 {
		hurt := r.clone()
		disk := []*simDisk{hurt.first, hurt.second}[which]
		for name, f := range disk.current {
			if name != cellName {
				f.current = []byte("rubbish")
			}
		}
		got, err := hurt.keeper().load(t.Context())
		if err != nil || string(got.plaintext) != "two" {
			t.Fatalf("store %d damaged: %v", which, err)
		}
		other := []*simDisk{hurt.second, hurt.first}[which]
		for name, f := range other.current {
			if name != cellName {
				f.current = []byte("rubbish")
			}
		}
		if got, err := hurt.keeper().load(t.Context()); err != nil || string(got.plaintext) != "two" {
			t.Errorf("store %d was not mended: %v", which, err)
		}
	}
}

func FuzzSlot(f *testing.F) {
	s := slot{generation: 7}
	f.Add(s.marshal())
	f.Add(make([]byte, slotSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, ok := parseSlot(b); ok && !bytes.Equal(s.marshal(), b) {
			t.Error("a slot that reads but does not write back")
		}
	})
}

func BenchmarkSave(b *testing.B) {
	disk, err := NewDisk(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	second, err := NewDisk(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	k := &keeper{cell: cell{disk}, stores: [2]Store{DiskStore(disk), DiskStore(second)}}
	g, err := k.begin()
	if err != nil {
		b.Fatal(err)
	}
	state := make([]byte, 500<<10) // some 500 buckets
	for b.Loop() {
		if err := k.save(b.Context(), g, state); err != nil {
			b.Fatal(err)
		}
		g++
	}
}
