package vaulttest

import (
	"bytes"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/vault"
)

func marks(t *testing.T, store vault.Store) {
	filer, ok := store.(vault.Filer)
	if !ok {
		t.Skip("the store is no Filer")
	}
	tags := map[string]string{"class": "support", "due": "2026-12-24"}
	if _, err := store.Put(t.Context(), "raw/a", bytes.NewReader(Bytes(9)), vault.PutOptions{Tags: tags}); err != nil {
		t.Fatal(err)
	}
	mustPut(t, store, "raw/b", Bytes(9))
	mustHaveTags(t, filer, "raw/a", tags)
	mustHaveTags(t, filer, "raw/b", nil)
	for _, tags := range []map[string]string{{"class": "legal"}, {"a": "", "b": "x y"}, nil} {
		if err := filer.SetTags(t.Context(), "raw/a", tags); err != nil {
			t.Fatalf("set tags: %v", err)
		}
		mustHaveTags(t, filer, "raw/a", tags)
	}
	if err := filer.SetTags(t.Context(), "raw/a", map[string]string{"<": "x"}); err == nil {
		t.Error("a tag that S3 would refuse was accepted")
	}
	if _, err := store.Put(t.Context(), "raw/c", bytes.NewReader(nil), vault.PutOptions{Tags: map[string]string{"": "x"}}); err == nil {
		t.Error("a tag without a key was accepted")
	}
	mustBeAbsent(t, store, "raw/c")

	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	switch err := filer.Retain(t.Context(), "raw/a", until); {
	case errors.Is(err, vault.ErrNoLock):
		if found, err := filer.Marks(t.Context(), "raw/a"); err != nil || !found.RetainUntil.IsZero() {
			t.Errorf("a store without lock says %v, %v", found.RetainUntil, err)
		}
	case err != nil:
		t.Fatalf("retain: %v", err)
	default:
		locks(t, store, filer, until)
	}
	if got := mustGet(t, store, "raw/a"); !bytes.Equal(got, Bytes(9)) {
		t.Error("marks changed the object")
	}

	for what, err := range map[string]error{
		"set tags": filer.SetTags(t.Context(), "raw/z", tags),
		"retain":   filer.Retain(t.Context(), "raw/z", until),
		"marks":    func() error { _, err := filer.Marks(t.Context(), "raw/z"); return err }(),
	} {
		if !errors.Is(err, vault.ErrNotFound) {
			t.Errorf("%s of what is not there: %v", what, err)
		}
	}
}

// locks runs with raw/a retained until then.
func locks(t *testing.T, store vault.Store, filer vault.Filer, until time.Time) {
	if found, err := filer.Marks(t.Context(), "raw/a"); err != nil || !found.RetainUntil.Equal(until) {
		t.Errorf("retained until %v, want %v (%v)", found.RetainUntil, until, err)
	}
	if err := filer.Retain(t.Context(), "raw/a", until.Add(time.Hour)); err != nil {
		t.Errorf("moving retention on: %v", err)
	}
	if err := filer.Retain(t.Context(), "raw/a", until); err == nil {
		t.Error("retention was moved back")
	}
	if found, err := filer.Marks(t.Context(), "raw/a"); err != nil || !found.RetainUntil.Equal(until.Add(time.Hour)) {
		t.Errorf("retained until %v (%v)", found.RetainUntil, err)
	}
	if _, err := store.Put(t.Context(), "raw/d", bytes.NewReader(Bytes(6<<20)), vault.PutOptions{RetainUntil: until}); err != nil {
		t.Fatalf("put with a date: %v", err)
	}
	if found, err := filer.Marks(t.Context(), "raw/d"); err != nil || !found.RetainUntil.Equal(until) {
		t.Errorf("put with the date %v is retained until %v (%v)", until, found.RetainUntil, err)
	}
}

func mustHaveTags(t *testing.T, filer vault.Filer, name string, want map[string]string) {
	t.Helper()
	found, err := filer.Marks(t.Context(), name)
	if err != nil {
		t.Fatalf("marks of %s: %v", name, err)
	}
	if !maps.Equal(found.Tags, want) {
		t.Errorf("%s has tags %v, want %v", name, found.Tags, want)
	}
}
