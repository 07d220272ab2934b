package doctor

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/postern/wiring"
)

// cellOf is a root cell of one generation, by the form that services/keyring describes.
func cellOf(generation uint64) []byte {
	b := make([]byte, 2*4096)
	copy(b, "PSTNROOT")
	binary.BigEndian.PutUint64(b[8:], generation)
	sum := sha256.Sum256(b[:80])
	copy(b[80:], sum[:])
	return b
}

func TestTheCopyOfTheRootIsJudged(t *testing.T) {
	for name, c := range map[string]struct {
		cell, copied uint64 // generations; 0: no file
		change       func(folder string) error
		want         State
		says         string
	}{
		"none is configured":    {5, 5, nil, Doubtful, "who loses its disk loses every mail"},
		"its disk is away":      {5, 0, os.Remove, Ill, "no such file"},
		"it is not yet there":   {5, 0, nil, Doubtful, "is not there yet"},
		"on the same disk":      {5, 5, nil, Doubtful, "lies on the same disk"},
		"of a save under way":   {6, 5, nil, Doubtful, "lies on the same disk"},
		"newer than the cell":   {5, 6, nil, Ill, "is of generation 6, the root cell of 5"},
		"others may read it":    {5, 5, func(f string) error { return os.Chmod(filepath.Join(f, "root.copy"), 0o640) }, Ill, "can be read by others"},
		"it holds another file": {5, 5, func(f string) error { return os.WriteFile(filepath.Join(f, "root.copy"), []byte("x"), 0o600) }, Ill, "neither slot holds a root"},
	} {
		dir, folder := t.TempDir(), filepath.Join(t.TempDir(), "copy")
		err := os.Mkdir(folder, 0o700)
		if c.cell > 0 {
			err = errors.Join(err, os.WriteFile(filepath.Join(dir, "root.cell"), cellOf(c.cell), 0o600))
		}
		if c.copied > 0 {
			err = errors.Join(err, os.WriteFile(filepath.Join(folder, "root.copy"), cellOf(c.copied), 0o600))
		}
		if c.change != nil {
			err = errors.Join(err, c.change(folder))
		}
		if err != nil {
			t.Fatal(err)
		}
		var found []Finding
		x := &examination{config: wiring.Default(), yield: func(f Finding) bool { found = append(found, f); return true }}
		if x.config.Keyring.Dir = dir; name != "none is configured" {
			x.config.Keyring.Copy = folder
		}
		x.rootCopy()
		if len(found) != 1 || found[0].State != c.want || found[0].Subject != "key root" || !strings.Contains(found[0].What, c.says) || found[0].Advice == "" {
			t.Errorf("%s: %+v", name, found)
		}
	}
	if info, err := os.Stat("/proc"); err == nil && sameDisk(info, t.TempDir()) {
		t.Error("two file systems are taken for one disk")
	}
}
