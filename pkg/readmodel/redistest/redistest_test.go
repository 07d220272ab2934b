package redistest_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/readmodel"
	"github.com/postern-mail/postern/pkg/readmodel/redistest"
)

// A search of a server's files for what must not be in them is worth something
// only if it would find it.
func TestWhatIsWrittenCanBeFoundInTheServersFiles(t *testing.T) {
	folder := t.TempDir()
	config := redistest.Start(t, redistest.InFolder(folder), redistest.WithAppendOnly(), redistest.WithSnapshots())
	model, err := readmodel.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	marker := []byte("marker-5f1d0c")
	err = model.Change(t.Context(), func(tx readmodel.Tx) error {
		tx.Put("a", marker)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		inLog, inSnapshot := false, false
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return nil // a file of the moment
			}
			data, _ := os.ReadFile(path)
			if bytes.Contains(data, marker) {
				inLog = inLog || filepath.Ext(path) == ".aof"
				inSnapshot = inSnapshot || filepath.Base(path) == "dump.rdb"
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if inLog && inSnapshot {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("in the log: %v, in the snapshot: %v", inLog, inSnapshot)
		}
	}
}
