package wiring_test

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/keyring"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// The disk of the data folder dies. What is left is what the README has kept elsewhere: the
// vault, the live copy of the root cell, the signing keys and the users.
func TestAnArchiveComesBackFromItsVaultAndTheCopyOfTheRootCell(t *testing.T) {
	w := newWorld(t)
	live := filepath.Join(t.TempDir(), "live")
	if err := os.Mkdir(live, 0o700); err != nil {
		t.Fatal(err)
	}
	w.change = func(c *wiring.Config) { c.Keyring.Copy = live }
	r := w.start(t)
	r.settled(t, len(w.box.Mails()))
	r.journalled(t)
	before := r.subjects(t)
	r.stop()
	if len(before) < 10 {
		t.Fatalf("only %d tickets show a subject", len(before))
	}

	entries, err := os.ReadDir(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); name != "vault" && name != "keys" && name != "users.yaml" {
			err = errors.Join(err, os.RemoveAll(filepath.Join(w.dir, name)))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	// Without the root nothing comes back, and nothing is made in its place.
	p := w.open(t)
	if _, err := p.Rebuild(t.Context()); !errors.Is(err, keyring.ErrCellLost) {
		t.Errorf("rebuilt without a root: %v", err)
	}
	p.Close()
	if _, err := os.Stat(filepath.Join(w.dir, "keyring", "root.cell")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a root cell: %v", err)
	}
	root, err := os.ReadFile(filepath.Join(live, "root.copy"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "keyring", "root.cell"), root, 0o600); err != nil {
		t.Fatal(err)
	}

	var back []string
	for _, refill := range w.rebuild(t) {
		back = append(back, refill.Stream)
	}
	if all := strings.Join(back, " "); !strings.Contains(all, "ITEMS") || !strings.Contains(all, "TICKETS") || !strings.Contains(all, "AUDIT") {
		t.Errorf("refilled: %s", all)
	}
	again := w.start(t)
	again.settled(t, len(w.box.Mails()))
	until(t, "the desk shows as many tickets", func(ctx context.Context) (bool, error) {
		rows, err := again.rows(ctx)
		return len(rows) == len(before), err
	})
	if after := again.subjects(t); !maps.Equal(after, before) {
		t.Errorf("%d tickets of %d are as they were:\n%v\n%v", len(after), len(before), after, before)
	}
	if records, err := again.records(t.Context()); err != nil || len(records) != len(w.box.Mails()) {
		t.Errorf("%d items of %d mails: %v", len(records), len(w.box.Mails()), err)
	}
}
