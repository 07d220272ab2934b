package keyring

import (
	"errors"
	"fmt"
	"io/fs"
)

// The root cell may have a live copy on another disk, for the day on which the first dies. The
// cell alone says which root is in force. A write goes:
//
//	the new root into the cell's spare slot, synced, read back: now it is in force
//	the new root into the copy's spare slot, synced, read back
//	the old root overwritten in the copy, synced, read back
//	the old root overwritten in the cell, synced, read back
//
// So whenever the cell is lost, the copy holds a root that opens: the one in force, or, while a
// write was under way, the one before it. Nobody but a person puts it in the cell's place: a copy
// that was out of use for a while would bring back what was forgotten since.

// ErrCopyNewer says that a copy was written after the root cell that is beside it.
var ErrCopyNewer = errors.New("keyring: the copy of the root cell is newer than the root cell: either an old root cell was put back, then put the copy (root.copy) in its place; or the copy belongs to another keyring, then name another folder in keyring.copy")

// alone brings the copy to hold one root and nothing else, whatever it held.
func (k *keeper) alone(s *slot) error {
	if k.copy == nil {
		return nil
	}
	image, err := k.copy.read()
	if errors.Is(err, fs.ErrNotExist) {
		image, err = new(cellImage), k.copy.create()
	}
	if err != nil {
		return fmt.Errorf("copy of the %w", err)
	}
	defer image.clear()
	at := image.holding(s)
	if at < 0 {
		at = 0
		if order := image.newest(); len(order) > 0 {
			if image.slots[order[0]].generation >= s.generation {
				return ErrCopyNewer
			}
			at = 1 - order[0] // beside the root before, until this one is on the medium
		}
		err = k.copy.write(at, s)
	}
	if err == nil {
		err = k.copy.sync() // its name, too: a killed process may have left it unsynced
	}
	if err == nil && !image.empty[1-at] {
		err = k.copy.blank(1 - at)
	}
	if err != nil {
		return fmt.Errorf("copy of the %w", err)
	}
	return nil
}

// copied makes sure that the copy holds one root, and that this is it.
func (k *keeper) copied(s *slot) error {
	if k.copy == nil {
		return nil
	}
	image, err := k.copy.read()
	if err != nil {
		return fmt.Errorf("copy of the %w", err)
	}
	defer image.clear()
	if at := image.holding(s); at < 0 || !image.empty[1-at] {
		return fmt.Errorf("copy: %w", errCell)
	}
	return nil
}

// lost tells of a lost cell, and of a copy that may take its place.
func (k *keeper) lost() error {
	if k.copy == nil {
		return ErrCellLost
	}
	generation, err := k.copy.generation()
	if err != nil {
		return ErrCellLost
	}
	return fmt.Errorf("%w; keyring.copy holds the root of generation %d: where it was in use to the end, copy its root.copy to root.cell in keyring.dir", ErrCellLost, generation)
}
