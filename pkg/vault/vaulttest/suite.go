// Package vaulttest holds the suite that every vault must pass and a vault that
// fails where it is told to. Only tests import it.
package vaulttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/postern-mail/postern/pkg/vault"
)

// Suite tests each promise of vault.Store, and those of vault.Filer where the
// store is one. The function makes an empty store.
func Suite(t *testing.T, open func(*testing.T) vault.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, vault.Store)
	}{
		{"what is put is got back, at sizes around every threshold", roundTrip},
		{"a name that is taken is not overwritten", neverOverwrites},
		{"of writers of one name exactly one wins", oneWins},
		{"a body whose reader fails leaves nothing visible", readerFails},
		{"a body of another length than announced leaves nothing visible", otherLength},
		{"a context that has ended stores nothing", contextEnds},
		{"what is not there is not found", notFound},
		{"names that could climb out are refused everywhere", refusesNames},
		{"a list is in name order, within its prefix and after its start", lists},
		{"a list of many pages is complete and may be left early", listsManyPages},
		{"many writers at once all find their objects again", manyWriters},
		{"marks are kept", marks},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// sizes lie around the thresholds of the stores: a single write up to 256 KiB, a
// part of 5 MiB.
var sizes = []int{0, 1, 4096, 256<<10 - 1, 256 << 10, 256<<10 + 1, 5 << 20, 5<<20 + 1, 11 << 20}

func roundTrip(t *testing.T, store vault.Store) {
	for _, size := range sizes {
		for _, known := range []bool{true, false} {
			name := fmt.Sprintf("raw/%d-%v", size, known)
			want := Bytes(size)
			opts := vault.PutOptions{Size: -1}
			if known {
				opts.Size = int64(size)
			}
			put, err := store.Put(t.Context(), name, plain{bytes.NewReader(want)}, opts)
			if err != nil {
				t.Fatalf("put %s: %v", name, err)
			}
			if put.Name != name || put.Size != int64(size) {
				t.Errorf("put %s: %+v", name, put)
			}
			body, got, err := store.Get(t.Context(), name)
			if err != nil {
				t.Fatalf("get %s: %v", name, err)
			}
			data, err := io.ReadAll(body)
			if err := errors.Join(err, body.Close()); err != nil {
				t.Fatalf("read %s: %v", name, err)
			}
			if !bytes.Equal(data, want) {
				t.Errorf("%s came back as %d other bytes", name, len(data))
			}
			stat, err := store.Stat(t.Context(), name)
			if err != nil {
				t.Fatalf("stat %s: %v", name, err)
			}
			for _, object := range []vault.Object{got, stat} {
				if object.Name != name || object.Size != int64(size) || object.Modified.IsZero() {
					t.Errorf("%s is described as %+v", name, object)
				}
			}
		}
	}
}

func neverOverwrites(t *testing.T, store vault.Store) {
	for _, size := range []int{10, 6 << 20} {
		for _, later := range []int{20, 7 << 20} {
			name := fmt.Sprintf("raw/%d-%d", size, later)
			mustPut(t, store, name, Bytes(size))
			for _, length := range []int64{-1, int64(later)} {
				_, err := store.Put(t.Context(), name, plain{bytes.NewReader(Bytes(later))}, vault.PutOptions{Size: length})
				if !errors.Is(err, vault.ErrExists) {
					t.Errorf("second put of %s: %v, want %v", name, err, vault.ErrExists)
				}
			}
			if got := mustGet(t, store, name); !bytes.Equal(got, Bytes(size)) {
				t.Errorf("%s was changed to %d bytes", name, len(got))
			}
		}
	}
}

func oneWins(t *testing.T, store vault.Store) {
	for _, size := range []int{100, 300 << 10} {
		name := fmt.Sprintf("raw/%d", size)
		const writers = 8
		var winners atomic.Int32
		var won atomic.Int64
		var all sync.WaitGroup
		for i := range writers {
			all.Go(func() {
				data := Bytes(size + i)
				_, err := store.Put(t.Context(), name, plain{bytes.NewReader(data)}, vault.PutOptions{})
				switch {
				case err == nil:
					winners.Add(1)
					won.Store(int64(len(data)))
				case !errors.Is(err, vault.ErrExists):
					t.Errorf("writer %d: %v", i, err)
				}
			})
		}
		all.Wait()
		if winners.Load() != 1 {
			t.Fatalf("%d writers of %d bytes won", winners.Load(), size)
		}
		if got := mustGet(t, store, name); !bytes.Equal(got, Bytes(int(won.Load()))) {
			t.Errorf("%d bytes are not the winner's", len(got))
		}
	}
}

func readerFails(t *testing.T, store vault.Store) {
	// The second is what a source says that was cut itself.
	for j, broken := range []error{errors.New("source broke"), io.ErrUnexpectedEOF} {
		for i, cut := range []int{0, 1, 300 << 10, 6 << 20} {
			for _, opts := range []vault.PutOptions{{}, {Size: 8 << 20}} {
				name := fmt.Sprintf("raw/%d-%d-%d", i, j, opts.Size)
				body := io.MultiReader(bytes.NewReader(Bytes(cut)), iotest.ErrReader(broken))
				if _, err := store.Put(t.Context(), name, body, opts); !errors.Is(err, broken) {
					t.Errorf("put cut at %d: %v, want %v", cut, err, broken)
				}
				mustBeAbsent(t, store, name)
				mustPut(t, store, name, Bytes(3))
			}
		}
	}
}

func otherLength(t *testing.T, store vault.Store) {
	for i, c := range []struct {
		length int
		size   int64
	}{{10, 9}, {10, 11}, {0, 1}, {6 << 20, 6<<20 - 1}, {6 << 20, 6<<20 + 1}} {
		name := fmt.Sprintf("raw/%d", i)
		_, err := store.Put(t.Context(), name, plain{bytes.NewReader(Bytes(c.length))}, vault.PutOptions{Size: c.size})
		if !errors.Is(err, vault.ErrSize) {
			t.Errorf("%d bytes announced as %d: %v", c.length, c.size, err)
		}
		mustBeAbsent(t, store, name)
	}
}

func contextEnds(t *testing.T, store vault.Store) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Put(ended, "raw/a", strings.NewReader("x"), vault.PutOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
	mustBeAbsent(t, store, "raw/a")

	// The context ends while the body is being read.
	for i, cut := range []int{1, 6 << 20} {
		ctx, cancel := context.WithCancel(t.Context())
		name := fmt.Sprintf("raw/b%d", i)
		body := io.MultiReader(bytes.NewReader(Bytes(cut)), cancelling{cancel}, bytes.NewReader(Bytes(1<<20)))
		if _, err := store.Put(ctx, name, body, vault.PutOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("put cancelled at %d: %v", cut, err)
		}
		mustBeAbsent(t, store, name)
	}
	mustPut(t, store, "raw/c", Bytes(5))
	if body, _, err := store.Get(ended, "raw/c"); err == nil {
		body.Close()
		t.Error("get under an ended context succeeded")
	}
	if _, err := store.Stat(ended, "raw/c"); err == nil {
		t.Error("stat under an ended context succeeded")
	}
	for _, err := range store.List(ended, "", "") {
		if err == nil {
			t.Error("list under an ended context succeeded")
		}
	}
}

func notFound(t *testing.T, store vault.Store) {
	mustPut(t, store, "raw/abc", Bytes(1))
	for _, name := range []string{"raw/ab", "raw/abcd", "other", "raw/abd/x"} {
		mustBeAbsent(t, store, name)
	}
}

func refusesNames(t *testing.T, store vault.Store) {
	for _, name := range []string{"", "/etc/passwd", "../up", "raw/../../up", "raw//a", "RAW/a", "raw/a/", "raw/\x00", "raw/ä"} {
		if _, err := store.Put(t.Context(), name, strings.NewReader("x"), vault.PutOptions{}); !errors.Is(err, vault.ErrName) {
			t.Errorf("put %q: %v", name, err)
		}
		if body, _, err := store.Get(t.Context(), name); !errors.Is(err, vault.ErrName) {
			if err == nil {
				body.Close()
			}
			t.Errorf("get %q: %v", name, err)
		}
		if _, err := store.Stat(t.Context(), name); !errors.Is(err, vault.ErrName) {
			t.Errorf("stat %q: %v", name, err)
		}
	}
	for _, err := range store.List(t.Context(), "../", "") {
		if !errors.Is(err, vault.ErrName) {
			t.Errorf("list: %v", err)
		}
	}
	if got := mustList(t, store, "", ""); len(got) != 0 {
		t.Errorf("refused names left %q", got)
	}
}

func lists(t *testing.T, store vault.Store) {
	if got := mustList(t, store, "", ""); len(got) != 0 {
		t.Fatalf("a new store lists %q", got)
	}
	names := []string{
		"manifest/1", "raw-old/1", "raw/a-1", "raw/a.1", "raw/a0", "raw/a/1", "raw/a/2", "raw/ab", "raw/b", "raw0/1", "view/1/2/3/4", "x",
	}
	slices.Sort(names)
	for _, i := range rand.Perm(len(names)) {
		mustPut(t, store, names[i], Bytes(i))
	}
	prefixes := []string{"", "raw", "raw/", "raw/a", "raw/a/", "raw/a/1", "raw/zz", "view/1/2", "x", "y"}
	starts := append([]string{"", "a", "raw/", "raw/a/", "raw/a/11", "zz"}, names...)
	for _, prefix := range prefixes {
		for _, after := range starts {
			var want []string
			for _, name := range names {
				if strings.HasPrefix(name, prefix) && name > after {
					want = append(want, name)
				}
			}
			if got := mustList(t, store, prefix, after); !slices.Equal(got, want) {
				t.Errorf("list of %q after %q: %q, want %q", prefix, after, got, want)
			}
		}
	}
	for object, err := range store.List(t.Context(), "raw/b", "") {
		if err != nil || object.Size != int64(slices.Index(names, "raw/b")) || object.Modified.IsZero() {
			t.Errorf("listed as %+v, %v", object, err)
		}
	}
}

func listsManyPages(t *testing.T, store vault.Store) {
	const count = 1203 // S3 gives at most 1,000 a page
	work := make(chan int)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for i := range work {
				if _, err := store.Put(t.Context(), fmt.Sprintf("raw/%04x", i), strings.NewReader("x"), vault.PutOptions{Size: 1}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range count {
		work <- i
	}
	close(work)
	all.Wait()
	names := mustList(t, store, "raw/", "")
	if len(names) != count || !slices.IsSorted(names) {
		t.Fatalf("%d names, sorted: %v", len(names), slices.IsSorted(names))
	}
	seen := 0
	for range store.List(t.Context(), "raw/", "") {
		if seen++; seen == 7 {
			break
		}
	}
	if rest := mustList(t, store, "raw/", names[6]); !slices.Equal(rest, names[7:]) {
		t.Errorf("after seven come %d", len(rest))
	}
}

func manyWriters(t *testing.T, store vault.Store) {
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			for j := range 4 {
				name := fmt.Sprintf("raw/%02d/%d", i, j)
				data := Bytes(1000*i + j)
				if _, err := store.Put(t.Context(), name, plain{bytes.NewReader(data)}, vault.PutOptions{}); err != nil {
					t.Errorf("put %s: %v", name, err)
					continue
				}
				body, _, err := store.Get(t.Context(), name)
				if err != nil {
					t.Errorf("get %s: %v", name, err)
					continue
				}
				got, err := io.ReadAll(body)
				body.Close()
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("%s: %d bytes, %v", name, len(got), err)
				}
			}
		})
	}
	all.Wait()
}
