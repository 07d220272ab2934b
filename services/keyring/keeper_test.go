package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// rig is a keeper on simulated disks that lose power together.
type rig struct{ first, second, copy *simDisk } // copy: nil where the cell has none

func newRig() *rig { return &rig{newSimDisk(), newSimDisk(), nil} }

func newRigWithCopy() *rig { return &rig{newSimDisk(), newSimDisk(), newSimDisk()} }

// rigs are both, by name.
func rigs() map[string]*rig {
	return map[string]*rig{"alone": newRig(), "with a copy": newRigWithCopy()}
}

func (r *rig) keeper() *keeper {
	k := &keeper{cell: rootCell(r.first), stores: [2]Store{DiskStore(r.first), DiskStore(r.second)}}
	if r.copy != nil {
		k.copy = &cell{r.copy, copyName}
	}
	return k
}

func (r *rig) disks() []*simDisk {
	if r.copy == nil {
		return []*simDisk{r.first, r.second}
	}
	return []*simDisk{r.first, r.second, r.copy}
}

// each gives a rig of what becomes of each disk.
func (r *rig) each(of func(*simDisk) *simDisk) *rig {
	next := &rig{of(r.first), of(r.second), nil}
	if r.copy != nil {
		next.copy = of(r.copy)
	}
	return next
}

func (r *rig) clone() *rig   { return r.each((*simDisk).clone) }
func (r *rig) restart() *rig { return r.each((*simDisk).restart) }

func (r *rig) cuts(how powerCut) {
	for _, disk := range r.disks() {
		disk.how = how
	}
}

// holds tells whether any disk shows a text.
func (r *rig) holds(text []byte) string {
	for _, disk := range r.disks() {
		if name := disk.holds(text); name != "" {
			return name
		}
	}
	return ""
}

// afterTheLossOfTheFirst is what a person makes of the second store and the copy.
func (r *rig) afterTheLossOfTheFirst() *rig {
	next := &rig{newSimDisk(), r.second.clone(), r.copy.clone()}
	next.first.current[cellName] = next.copy.current[copyName]
	next.first.durable[cellName] = next.copy.durable[copyName]
	return next.clone()
}

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
	image, err := rootCell(r.first).read()
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
	for name, r := range rigs() {
		t.Run(name, func(t *testing.T) { formerRootIsGone(t, r) })
	}
}

func formerRootIsGone(t *testing.T, r *rig) {
	r.saved(t, "one", "two")
	former := r.root(t)
	for n, disk := range r.disks() {
		if seen := disk.holds(former) != ""; seen != (n != 1) {
			t.Fatalf("disk %d: a root that is in force is seen: %v", n, seen)
		}
	}
	copies := r.clone()
	r.saved(t, "three")
	if name := r.holds(former); name != "" {
		t.Errorf("the former root is still in %s", name)
	}
	// Every copied state file is noise to the root in force now.
	image, _ := rootCell(r.first).read()
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
	for name, base := range rigs() {
		for _, before := range [][]string{{"empty", "old"}, {"empty", "older", "old"}} { // the old root in one slot, and in the other
			t.Run(fmt.Sprintf("%s, %d before", name, len(before)), func(t *testing.T) {
				base := base.clone()
				base.saved(t, before...)
				cutAtEveryWrite(t, base)
			})
		}
	}
}

func cutAtEveryWrite(t *testing.T, base *rig) {

	good := base.clone()
	if _, err := good.keeper().load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, disk := range good.disks() {
		disk.calls = nil
	}
	if err := good.keeper().save(t.Context(), 9, []byte("new")); err != nil {
		t.Fatal(err)
	}
	var counts []int
	for _, disk := range good.disks() {
		counts = append(counts, len(disk.calls))
	}
	if len(counts) == 3 && counts[2] < 5 { // two slots, each synced, and the names
		t.Fatalf("a save makes these calls at the copy: %v", good.copy.calls)
	}
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
					r.cuts(how)
					disk := r.disks()[which]

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
					for _, d := range r.disks() {
						d.calls = nil
					}
					disk.at, disk.fail = at, fail
					saveErr := k.save(t.Context(), g, []byte("new"))
					if len(disk.calls) < at {
						t.Fatalf("%s: fewer calls than in the good run", name)
					}
					for _, d := range r.disks() {
						d.off = !fail
					}
					found := r
					if !fail {
						found = r.restart()
					}
					disk.at = 0
					if found.copy != nil {
						copyIsEnough(t, name, found, saveErr == nil)
					}
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
						if where := found.holds(formerRoot); where != "" {
							t.Errorf("%s: the new state is in force and the former root still in %s", name, where)
						}
					}
					if err := found.keeper().forgotten(got.generation); err != nil {
						t.Errorf("%s: start-up did not finish: %v", name, err)
					}
					// What start-up settled is settled: the power goes again at once.
					found.cuts(lost)
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

// copyIsEnough loses the first disk as well: the copy and the second store open the old or the new state.
func copyIsEnough(t *testing.T, name string, found *rig, saved bool) {
	t.Helper()
	got, err := found.afterTheLossOfTheFirst().keeper().load(t.Context())
	switch {
	case err != nil:
		t.Errorf("%s: without the first disk nothing opens: %v", name, err)
	case string(got.plaintext) != "old" && string(got.plaintext) != "new" || saved && string(got.plaintext) != "new":
		t.Errorf("%s: without the first disk, found %q", name, got.plaintext)
	}
}

// The start-up that mends a cut save is cut itself, at every write, and mended by the next.
func TestPowerCutAtEveryWriteOfTheMending(t *testing.T) {
	for name, base := range rigs() {
		for which := range base.disks() {
			if which != 1 {
				t.Run(fmt.Sprintf("%s, disk %d", name, which), func(t *testing.T) { cutTheMending(t, base.clone(), which) })
			}
		}
	}
}

func cutTheMending(t *testing.T, base *rig, which int) {
	base.saved(t, "empty", "old")
	hows := []powerCut{lost, kept, torn, half}
	met := 0
	for at := 1; at <= 12; at++ {
		for _, how := range hows {
			r := base.clone()
			r.cuts(how)
			r.disks()[which].at = at
			returned := r.keeper().save(t.Context(), 3, []byte("new")) == nil // cut while sweeping noise
			found := r.restart()
			for again := 1; ; again++ {
				for _, how := range hows {
					second := found.clone()
					second.cuts(how)
					second.disks()[which].at = again
					_, err := second.keeper().load(t.Context())
					if err == nil && !second.disks()[which].off {
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
				if again > 50 {
					t.Fatalf("cut at %d in way %d: the mending does not end", at, how)
				}
			}
		}
	}
	if met < 100 {
		t.Errorf("only %d cuts of the mending", met)
	}
}

func TestPowerCutAtEveryWriteOfTheFirstStart(t *testing.T) {
	for name, good := range rigs() {
		t.Run(name, func(t *testing.T) { cutTheFirstStart(t, good) })
	}
}

func cutTheFirstStart(t *testing.T, good *rig) {
	empty := good.clone()
	good.saved(t, "empty", "first")
	var counts []int
	for _, disk := range good.disks() {
		counts = append(counts, len(disk.calls))
	}
	for which, count := range counts {
		for at := 1; at <= count; at++ {
			for _, how := range []powerCut{lost, kept, torn, half} {
				r := empty.clone()
				r.cuts(how)
				disk := r.disks()[which]
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
	k := &keeper{cell: rootCell(disk), stores: [2]Store{DiskStore(disk), DiskStore(second)}}
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
