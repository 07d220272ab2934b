package keyring

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
)

// The root cell is the one file that must truly forget: two slots, overwritten in place.
//
//	offset  0  magic "PSTNROOT"
//	offset  8  generation, 8 bytes big endian
//	offset 16  root key, 32 bytes
//	offset 48  SHA-256 of the state file of that generation
//	offset 80  SHA-256 of the 80 bytes above
//	offset 112 zeros up to 4096
//
// A slot of zeros is empty. A slot that is neither empty nor has its checksum was torn.
const (
	cellName = "root.cell"
	copyName = "root.copy" // never a cell's own name: no keyring's cell can be taken for a copy
	slotSize = 4096
	rootSize = 32
	slots    = 2

	slotUsed = 112
)

var slotMagic = [8]byte{'P', 'S', 'T', 'N', 'R', 'O', 'O', 'T'}

// errCell says that a write to the root cell did not come back as written.
var errCell = errors.New("root cell does not hold what was written to it")

type slot struct {
	generation uint64
	root       [rootSize]byte
	digest     [sha256.Size]byte
}

func (s *slot) clear() { clear(s.root[:]) }

func (s *slot) marshal() []byte {
	b := make([]byte, slotSize)
	copy(b, slotMagic[:])
	binary.BigEndian.PutUint64(b[8:], s.generation)
	copy(b[16:], s.root[:])
	copy(b[48:], s.digest[:])
	sum := sha256.Sum256(b[:80])
	copy(b[80:], sum[:])
	return b
}

// parseSlot reads a slot; ok is false for an empty and for a torn one.
func parseSlot(b []byte) (s slot, ok bool) {
	if len(b) != slotSize || !bytes.Equal(b[:8], slotMagic[:]) {
		return slot{}, false
	}
	if sum := sha256.Sum256(b[:80]); !bytes.Equal(sum[:], b[80:slotUsed]) {
		return slot{}, false
	}
	for _, c := range b[slotUsed:] {
		if c != 0 {
			return slot{}, false
		}
	}
	s.generation = binary.BigEndian.Uint64(b[8:])
	copy(s.root[:], b[16:])
	copy(s.digest[:], b[48:])
	return s, s.generation > 0
}

// is says whether two slots are the same root.
func (s *slot) is(other *slot) bool { return *s == *other }

// cellImage is the cell as it was read.
type cellImage struct {
	slots [slots]slot
	valid [slots]bool
	empty [slots]bool
}

func (c *cellImage) clear() {
	for i := range c.slots {
		c.slots[i].clear()
	}
}

// holding gives the index of the slot that holds a root, -1 where none does.
func (c *cellImage) holding(s *slot) int {
	for i := range c.slots {
		if c.valid[i] && c.slots[i].is(s) {
			return i
		}
	}
	return -1
}

// newest gives the indices of the valid slots, the highest generation first.
func (c *cellImage) newest() []int {
	var order []int
	for i := range c.slots {
		if c.valid[i] {
			order = append(order, i)
		}
	}
	if len(order) == 2 && c.slots[order[0]].generation < c.slots[order[1]].generation {
		order[0], order[1] = order[1], order[0]
	}
	return order
}

// A cell is one file of a disk.
type cell struct {
	disk Disk
	name string
}

func rootCell(disk Disk) cell { return cell{disk, cellName} }

// read gives both slots. There is none where the file is not: fs.ErrNotExist.
func (c cell) read() (*cellImage, error) {
	data, err := c.disk.Read(c.name)
	if err != nil {
		return nil, fmt.Errorf("root cell: %w", err)
	}
	defer clear(data)
	image := new(cellImage)
	for i := range slots {
		part := make([]byte, slotSize) // a file cut short reads as zeros
		if start := i * slotSize; start < len(data) {
			copy(part, data[start:])
		}
		image.slots[i], image.valid[i] = parseSlot(part)
		image.empty[i] = isZero(part)
		clear(part)
	}
	return image, nil
}

// generation reads only how new the cell is, and no root.
func (c cell) generation() (uint64, error) {
	image, err := c.read()
	if err != nil {
		return 0, err
	}
	defer image.clear()
	order := image.newest()
	if len(order) == 0 {
		return 0, fmt.Errorf("root cell: no slot is whole")
	}
	return image.slots[order[0]].generation, nil
}

// create makes a cell of two empty slots where there is none.
func (c cell) create() error {
	switch _, err := c.disk.Read(c.name); {
	case err == nil: // a first start that was cut short left it
		return c.sync()
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("root cell: %w", err)
	}
	if err := c.disk.WriteAt(c.name, 0, make([]byte, slots*slotSize)); err != nil {
		return fmt.Errorf("root cell: %w", err)
	}
	return c.sync()
}

// sync brings the cell and its name to the medium.
func (c cell) sync() error {
	if err := c.disk.Sync(c.name); err != nil {
		return fmt.Errorf("root cell: %w", err)
	}
	if err := c.disk.SyncFolder("."); err != nil {
		return fmt.Errorf("root cell: %w", err)
	}
	return nil
}

// write puts a slot in place, syncs it and reads it back.
func (c cell) write(i int, s *slot) error {
	b := s.marshal()
	defer clear(b)
	return c.put(i, b)
}

// blank overwrites a slot with zeros: what stood there is forgotten when it returns nil.
func (c cell) blank(i int) error { return c.put(i, make([]byte, slotSize)) }

func (c cell) put(i int, b []byte) error {
	if err := c.disk.WriteAt(c.name, int64(i)*slotSize, b); err != nil {
		return fmt.Errorf("root cell: %w", err)
	}
	if err := c.disk.Sync(c.name); err != nil {
		return fmt.Errorf("root cell: %w", err)
	}
	data, err := c.disk.Read(c.name)
	if err != nil {
		return fmt.Errorf("root cell: %w", err)
	}
	defer clear(data)
	start := i * slotSize
	if len(data) < start+slotSize || !bytes.Equal(data[start:start+slotSize], b) {
		return errCell
	}
	return nil
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
