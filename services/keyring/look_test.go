package keyring

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestALookAtTheRootTellsTheNewestGenerationAndChangesNothing(t *testing.T) {
	old, young := slot{generation: 7}, slot{generation: 8}
	torn := young.marshal()
	torn[100] ^= 1
	for name, c := range map[string]struct {
		cell       []byte
		state      bool
		generation uint64
		begun      bool
		err        error
	}{
		"nothing":                {nil, false, 0, false, fs.ErrNotExist},
		"a state without a cell": {nil, true, 0, true, fs.ErrNotExist},
		"two roots":              {append(young.marshal(), old.marshal()...), true, 8, true, nil},
		"one of them torn":       {append(old.marshal(), torn...), true, 7, true, nil},
		"the first slot alone":   {old.marshal(), true, 7, true, nil}, // as a cell begins
		"both torn":              {append(torn, torn...), true, 0, true, ErrNoRoot},
		"zeros":                  {make([]byte, slots*slotSize), true, 0, true, ErrNoRoot},
		"an empty file":          {[]byte{}, false, 0, true, ErrNoRoot},
	} {
		dir := t.TempDir()
		if c.state {
			if err := errors.Join(os.Mkdir(filepath.Join(dir, stateFolder), 0o700), os.WriteFile(filepath.Join(dir, stateName(8)), nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if c.cell != nil {
			if err := os.WriteFile(filepath.Join(dir, cellName), c.cell, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		generation, begun, err := LookAtRoot(dir)
		if generation != c.generation || begun != c.begun || !errors.Is(err, c.err) {
			t.Errorf("%s: generation %d, begun %v, %v", name, generation, begun, err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 2 {
			t.Errorf("%s: %d files, %v", name, len(entries), err)
		}
	}
}
