package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFolderOfAnEarlierRunIsKnownByItsOwnFiles(t *testing.T) {
	for name, c := range map[string]struct {
		own  own
		file string
		says string // "" where it is taken
	}{
		"a demonstration's":                  {ownDemo, "mailbox/lock", ""},
		"a fleet's":                          {ownFleet, "letters/origin.json", ""},
		"a demonstration's, for a fleet":     {ownFleet, "mailbox/lock", "postern fleet"},
		"a fleet's, for a demonstration":     {ownDemo, "letters/origin.json", "postern demo"},
		"one with a folder of the same name": {ownDemo, "mailbox/lock/x", "postern demo"},
	} {
		dir := t.TempDir()
		if err := c.own.check(dir); err != nil {
			t.Errorf("an empty one: %v", err)
		}
		path := filepath.Join(dir, c.file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.own.check(dir); (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := ownDemo.check(filepath.Join(t.TempDir(), "not", "there")); err != nil {
		t.Errorf("one that is not there: %v", err)
	}
}

func TestAFolderInUseIsToldBeforeAnAddressInUse(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "mailbox"), 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	code, _, said := typed(t, "", "demo", "--data", dir, "--listen", "no address")
	if code != failed || !strings.Contains(said, "another demonstration runs there") || strings.Contains(said, "--listen") {
		t.Errorf("exit %d, %q", code, said)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if code, _, said := typed(t, "", "demo", "--data", dir, "--listen", "no address"); code != failed || !strings.Contains(said, "choose another address with --listen") {
		t.Errorf("exit %d, %q", code, said)
	}
}
