package keyring

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// ErrNoRoot says that nothing in a root cell is a root.
var ErrNoRoot = errors.New("root cell: neither slot holds a root")

// LookAtRoot gives the newest generation whose root a keyring's folder holds, and changes
// nothing. Where there is no cell yet, begun says whether a keyring has worked there all
// the same.
func LookAtRoot(dir string) (generation uint64, begun bool, err error) {
	states, err := filepath.Glob(filepath.Join(dir, stateFolder, "*"))
	if err != nil {
		return 0, false, err
	}
	generation, err = newestIn(filepath.Join(dir, cellName))
	return generation, len(states) > 0 || !errors.Is(err, os.ErrNotExist), err
}

// LookAtCopy gives the newest generation whose root the cell's copy holds, and changes nothing.
func LookAtCopy(dir string) (generation uint64, err error) {
	return newestIn(filepath.Join(dir, copyName))
}

func newestIn(path string) (generation uint64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	content := make([]byte, slots*slotSize) // a file cut short reads as zeros
	defer clear(content)
	if _, err := io.ReadFull(file, content); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, fmt.Errorf("root cell: %w", err)
	}
	for half := range slices.Chunk(content, slotSize) {
		if s, ok := parseSlot(half); ok {
			generation = max(generation, s.generation)
			s.clear()
		}
	}
	if generation == 0 {
		return 0, ErrNoRoot
	}
	return generation, nil
}
