package wholefile_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/postern-mail/postern/pkg/wholefile"
	"github.com/postern-mail/postern/pkg/wholefile/smalldisk"
)

func TestAFileIsReplacedOrMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, step := range []struct {
		write func(string, []byte, fs.FileMode) error
		text  string
		mode  fs.FileMode
		err   error
		want  string
	}{
		{wholefile.Make, "one", 0o640, nil, "one"},
		{wholefile.Make, "two", 0o600, fs.ErrExist, "one"},
		{wholefile.Put, "three", 0o604, nil, "three"},
	} {
		if err := step.write(path, []byte(step.text), step.mode); !errors.Is(err, step.err) {
			t.Errorf("%s: %v", step.text, err)
		}
		if got, err := os.ReadFile(path); string(got) != step.want {
			t.Errorf("%s: the file holds %q, %v", step.text, got, err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o604 {
		t.Errorf("its mode: %v, %v", info.Mode(), err)
	}
	left(t, filepath.Dir(path), "file")
}

// A full disk takes nothing away: neither a file that was there, nor does it leave a part of a
// new one.
func TestAFullDiskLeavesWhatWasThere(t *testing.T) {
	folder := t.TempDir()
	smalldisk.Mount(t, folder, 64<<10)
	path := filepath.Join(folder, "file")
	if err := wholefile.Put(path, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Once there is room for a part of it, once for nothing.
	if err := os.WriteFile(filepath.Join(folder, "ballast"), make([]byte, 32<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		large := bytes.Repeat([]byte("after "), 8<<10)
		if err := wholefile.Put(path, large, 0o600); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("put on a full disk: %v", err)
		}
		if err := wholefile.Make(path+"2", large, 0o600); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("made on a full disk: %v", err)
		}
		if got, err := os.ReadFile(path); string(got) != "before" {
			t.Errorf("what was there is %d bytes now, %v", len(got), err)
		}
		left(t, folder, "ballast", "file")
		if err := os.WriteFile(filepath.Join(folder, "ballast"), make([]byte, 60<<10), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(folder, "ballast")); err != nil {
		t.Fatal(err)
	}
	if err := wholefile.Put(path, []byte("after"), 0o600); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func left(t *testing.T, folder string, want ...string) {
	t.Helper()
	var names []string
	entries, err := os.ReadDir(folder)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if err != nil || !slices.Equal(names, want) {
		t.Errorf("in the folder: %q, %v; want %q", names, err, want)
	}
}
