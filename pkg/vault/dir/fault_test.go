package dir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/internal/dirlayout"
	"github.com/postern-mail/postern/pkg/vault/vaulttest"
	"github.com/postern-mail/postern/pkg/wholefile/smalldisk"
)

var noContext = context.Background()

func TestAFullDiskLeavesNothingVisible(t *testing.T) {
	root := t.TempDir()
	smalldisk.Mount(t, root, 2<<20)
	store, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var stored []string
	var full error
	for i := range 100 {
		name := fmt.Sprintf("raw/%d", i)
		if _, full = store.Put(t.Context(), name, bytes.NewReader(vaulttest.Bytes(300_000)), vault.PutOptions{}); full != nil {
			break
		}
		stored = append(stored, name)
	}
	if !errors.Is(full, unix.ENOSPC) || len(stored) == 0 {
		t.Fatalf("after %d objects: %v", len(stored), full)
	}
	seen := 0
	for object, err := range store.List(t.Context(), "", "") {
		if err != nil || object.Size != 300_000 {
			t.Errorf("%+v, %v", object, err)
		}
		seen++
	}
	if seen != len(stored) {
		t.Errorf("%d visible of %d", seen, len(stored))
	}
	if entries, err := os.ReadDir(dirlayout.Temp(root)); err != nil || len(entries) != 0 {
		t.Errorf("%d leftovers (%v)", len(entries), err)
	}
	// What is small still fits: the store recovers when there is room.
	if _, err := store.Put(t.Context(), "raw/small", bytes.NewReader([]byte("x")), vault.PutOptions{}); err != nil {
		t.Errorf("a small object: %v", err)
	}
}

// failingSync fails the syncs from the i-th on, as often as told.
func failingSync(store *Store, from, times int64) *atomic.Int64 {
	var calls atomic.Int64
	real := store.group.sync
	store.group.sync = func() error {
		if n := calls.Add(1); n >= from && n < from+times {
			return unix.EIO
		}
		return real()
	}
	return &calls
}

func TestASyncThatFailsLeavesNothingVisibleAndTheNextPutSucceeds(t *testing.T) {
	for i := int64(1); i <= 2; i++ { // of the body, of the name
		store := open(t, t.TempDir())
		calls := failingSync(store, i, 1)
		opts := vault.PutOptions{Tags: map[string]string{"class": "support"}}
		if _, err := store.Put(t.Context(), "raw/a", bytes.NewReader([]byte("x")), opts); !errors.Is(err, unix.EIO) {
			t.Errorf("sync %d: %v", i, err)
		}
		if calls.Load() != i {
			t.Errorf("sync %d: %d syncs", i, calls.Load())
		}
		for _, path := range []string{dirlayout.Object(store.root, "raw/a"), dirlayout.Tags(store.root, "raw/a")} {
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("sync %d left something: %v", i, err)
			}
		}
		if entries, err := os.ReadDir(dirlayout.Temp(store.root)); err != nil || len(entries) != 0 {
			t.Errorf("sync %d: %d leftovers (%v)", i, len(entries), err)
		}
		if _, err := store.Put(t.Context(), "raw/a", bytes.NewReader([]byte("y")), opts); err != nil {
			t.Errorf("after sync %d: %v", i, err)
		}
	}
}

// With the rename before the first sync, a power failure could leave the name
// with half a body; with no sync after it, Put would promise too much.
func TestTheBodyIsOnDiskBeforeItsNameAndTheNameBeforePutReturns(t *testing.T) {
	store := open(t, t.TempDir())
	var visible []bool
	real := store.group.sync
	store.group.sync = func() error {
		_, err := os.Stat(dirlayout.Object(store.root, "raw/a"))
		visible = append(visible, err == nil)
		return real()
	}
	if _, err := store.Put(t.Context(), "raw/a", bytes.NewReader([]byte("x")), vault.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(visible, []bool{false, true}) {
		t.Errorf("visible at the syncs: %v", visible)
	}
}

func TestWritersThatWaitTogetherShareOneSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		syncs := 0
		g := newGroup(func() error { syncs++; <-release; return nil })
		var all sync.WaitGroup
		wait := func() {
			all.Go(func() {
				if err := g.wait(g.begin()); err != nil {
					t.Error(err)
				}
			})
		}
		wait()
		synctest.Wait() // the first sync runs
		for range 50 {
			wait()
		}
		synctest.Wait() // fifty wait for the second
		release <- struct{}{}
		synctest.Wait()
		release <- struct{}{}
		all.Wait()
		if syncs != 2 {
			t.Errorf("%d syncs for one writer and fifty", syncs)
		}
	})
}

func TestAWriterIsNotServedByASyncThatBeganBeforeItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		g := newGroup(func() error { <-release; return nil })
		first, late := make(chan error, 1), make(chan error, 1)
		go func() { first <- g.wait(g.begin()) }()
		synctest.Wait()
		go func() { late <- g.wait(g.begin()) }()
		synctest.Wait()
		release <- struct{}{}
		<-first
		synctest.Wait()
		select {
		case <-late:
			t.Error("it was served by the sync before it")
		default:
		}
		release <- struct{}{}
		<-late
	})
}

func TestASyncThatFailsFailsWhoeverHadBegunToWrite(t *testing.T) {
	fail := true
	g := newGroup(func() error {
		if fail {
			return unix.EIO
		}
		return nil
	})
	began := g.begin() // writes, and does not wait yet
	if err := g.wait(g.begin()); !errors.Is(err, unix.EIO) {
		t.Errorf("the one who waits: %v", err)
	}
	fail = false
	// The kernel has told its error to the sync above and would say nothing now.
	if err := g.wait(began); !errors.Is(err, unix.EIO) {
		t.Errorf("the one who wrote meanwhile: %v", err)
	}
	if err := g.wait(g.begin()); err != nil {
		t.Errorf("one who begins afterwards: %v", err)
	}
}

func TestAClosedStoreTakesNothing(t *testing.T) {
	store := open(t, t.TempDir())
	if err := errors.Join(store.Close(), store.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(t.Context(), "raw/a", bytes.NewReader(nil), vault.PutOptions{}); !errors.Is(err, ErrClosed) {
		t.Errorf("put: %v", err)
	}
	if err := store.SetTags(t.Context(), "raw/a", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("set tags: %v", err)
	}
}

func TestAFileThatGrewShorterSinceItWasOpenedIsAnError(t *testing.T) {
	store := open(t, t.TempDir())
	if _, err := store.Put(t.Context(), "raw/a", bytes.NewReader(vaulttest.Bytes(100_000)), vault.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	body, _, err := store.Get(t.Context(), "raw/a")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if err := os.Truncate(dirlayout.Object(store.root, "raw/a"), 50_000); err != nil {
		t.Fatal(err)
	}
	var read bytes.Buffer
	if _, err := read.ReadFrom(body); err == nil {
		t.Errorf("%d bytes passed for the whole", read.Len())
	}
}

func TestFilesAreForTheirOwnerAlone(t *testing.T) {
	root := t.TempDir() + "/vault"
	store := open(t, root)
	if _, err := store.Put(t.Context(), "raw/a", bytes.NewReader([]byte("x")), vault.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{root: 0o700, dirlayout.Object(root, "raw/a"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
}
