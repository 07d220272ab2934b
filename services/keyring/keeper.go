package keyring

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
)

var (
	// errNoCell says that there is no root cell and that none ever was.
	errNoCell = errors.New("no root cell yet")
	// ErrCellLost says that state files are there but no root that opens one.
	ErrCellLost = errors.New("keyring: state files are there, but the root cell that opens them is gone or damaged; put the present root cell back, an older copy of it cannot open them")
	// errMoved says that the cell is of another generation than was asked for.
	errMoved = errors.New("root cell has moved on")
)

// A keeper writes and reads the keyring's state: encrypted under a root key that is new
// with every write, in two stores, with the root in the cell.
//
// A write goes: state to both stores, each synced and read back; root to the empty slot,
// synced, read back; only then the old slot is blanked and synced. So at every moment one
// root opens, and when save has returned the former root exists nowhere. A copy of the cell
// gets the new root, and loses the old one, in between: see copy.go.
type keeper struct {
	cell   cell
	copy   *cell // nil: none
	stores [2]Store
}

// stateAt is a state that was opened.
type stateAt struct {
	generation uint64
	plaintext  []byte // the caller clears it
}

// load opens the newest state and finishes whatever a killed process had begun. Only the
// writer may call it. It fails with errNoCell where nothing was ever written.
func (k *keeper) load(ctx context.Context) (*stateAt, error) {
	image, err := k.cell.read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, k.virgin(ctx)
	}
	if err != nil {
		return nil, err
	}
	defer image.clear()
	order := image.newest()
	if len(order) == 0 {
		return nil, k.virgin(ctx)
	}
	for _, i := range order {
		s := &image.slots[i]
		plaintext, ciphertext, err := k.openFrom(ctx, s)
		if err != nil {
			continue // the other slot may still be whole: the write was not finished
		}
		if err := k.finish(ctx, image, i, ciphertext); err != nil {
			clear(plaintext)
			return nil, err
		}
		return &stateAt{s.generation, plaintext}, nil
	}
	return nil, k.lost()
}

// virgin tells a keyring that was never used from one whose cell is lost. Generation 1 is
// empty and nothing ever relied on it, so where no later one is, the cell may be made anew.
func (k *keeper) virgin(ctx context.Context) error {
	highest, err := k.highest(ctx)
	if err != nil {
		return err
	}
	if highest > 1 {
		return k.lost()
	}
	if k.copy != nil {
		if generation, err := k.copy.generation(); err == nil && generation > 1 {
			return k.lost()
		}
	}
	return errNoCell
}

func (k *keeper) highest(ctx context.Context) (uint64, error) {
	var highest uint64
	for n, store := range k.stores {
		generations, err := store.Generations(ctx)
		if err != nil {
			return 0, fmt.Errorf("state store %d: %w", n+1, err)
		}
		for _, g := range generations {
			highest = max(highest, g)
		}
	}
	return highest, nil
}

// openFrom finds the state of a slot in either store.
func (k *keeper) openFrom(ctx context.Context, s *slot) (plaintext, ciphertext []byte, err error) {
	for _, store := range k.stores {
		var data []byte
		data, err = store.Get(ctx, s.generation, s.digest)
		if err != nil {
			continue
		}
		if sha256.Sum256(data) != s.digest {
			err = errors.New("state file differs from its digest")
			continue
		}
		plaintext, err = decryptState(s, data)
		if err == nil {
			return plaintext, data, nil
		}
	}
	return nil, nil, fmt.Errorf("state %d: %w", s.generation, err)
}

// finish brings both stores and the cell to where a whole write would have left them.
func (k *keeper) finish(ctx context.Context, image *cellImage, current int, ciphertext []byte) error {
	s := &image.slots[current]
	// What a killed process wrote is seen by the next one before it is on the medium. So
	// both stores are written again, and the cell is synced, whatever they seem to hold.
	for n, store := range k.stores {
		if err := store.Put(ctx, s.generation, ciphertext); err != nil {
			return fmt.Errorf("state store %d: %w", n+1, err)
		}
	}
	if err := k.cell.sync(); err != nil {
		return err
	}
	if err := k.alone(s); err != nil {
		return err
	}
	for i := range slots {
		if i != current && !image.empty[i] {
			if err := k.cell.blank(i); err != nil {
				return err
			}
		}
	}
	k.sweep(ctx, s.generation)
	return nil
}

// sweep removes the files of other generations, which no root opens. It may leave some.
func (k *keeper) sweep(ctx context.Context, keep uint64) {
	for _, store := range k.stores {
		generations, err := store.Generations(ctx)
		if err != nil {
			continue
		}
		for _, g := range generations {
			if g < keep {
				_ = store.Remove(ctx, g) // noise: nothing depends on its being gone
			}
		}
	}
}

// read opens exactly the state of a generation and writes nothing: for those that only read.
func (k *keeper) read(ctx context.Context, generation uint64) (*stateAt, error) {
	image, err := k.cell.read()
	if err != nil {
		return nil, err
	}
	defer image.clear()
	order := image.newest()
	if len(order) == 0 || image.slots[order[0]].generation != generation {
		return nil, errMoved
	}
	plaintext, _, err := k.openFrom(ctx, &image.slots[order[0]])
	if err != nil {
		return nil, err
	}
	return &stateAt{generation, plaintext}, nil
}

// begin makes the cell, and its copy, where there is none, and gives the first generation.
func (k *keeper) begin() (uint64, error) {
	if k.copy != nil {
		if err := k.copy.create(); err != nil {
			return 0, fmt.Errorf("copy of the %w", err)
		}
	}
	return 1, k.cell.create()
}

// next gives a generation that no file has had. A number is not used twice, even where a
// write failed half way.
func (k *keeper) next(ctx context.Context, current uint64) (uint64, error) {
	highest, err := k.highest(ctx)
	if err != nil {
		return 0, err
	}
	return max(highest, current) + 1, nil
}

// save writes a state under a new root. When it returns nil, the former root is gone. When
// it fails, either is in force: load tells which.
func (k *keeper) save(ctx context.Context, generation uint64, plaintext []byte) error {
	image, err := k.cell.read()
	if err != nil {
		return err
	}
	defer image.clear()
	order := image.newest()
	spare := 0
	if len(order) > 0 {
		if image.slots[order[0]].generation >= generation {
			return errMoved
		}
		spare = 1 - order[0]
	}

	next := slot{generation: generation}
	defer next.clear()
	rand.Read(next.root[:]) //nolint:errcheck // crypto/rand.Read never fails
	ciphertext, err := encryptState(&next, plaintext)
	if err != nil {
		return err
	}
	next.digest = sha256.Sum256(ciphertext)

	for n, store := range k.stores {
		if err := store.Put(ctx, generation, ciphertext); err != nil {
			return fmt.Errorf("state store %d: %w", n+1, err)
		}
		back, err := store.Get(ctx, generation, next.digest)
		if err != nil {
			return fmt.Errorf("state store %d: %w", n+1, err)
		}
		if !bytes.Equal(back, ciphertext) {
			return fmt.Errorf("state store %d does not hold what was written to it", n+1)
		}
	}
	if err := k.cell.write(spare, &next); err != nil {
		return err
	}
	// The new root is on the medium and was read back: now the old one may go, here and there.
	if err := k.alone(&next); err != nil {
		return err
	}
	if err := k.cell.blank(1 - spare); err != nil {
		return err
	}
	k.sweep(ctx, generation)
	return nil
}

// forgotten makes sure that the cell holds one root, of a generation, and its copy the same.
func (k *keeper) forgotten(generation uint64) error {
	image, err := k.cell.read()
	if err != nil {
		return err
	}
	defer image.clear()
	order := image.newest()
	if len(order) != 1 || image.slots[order[0]].generation != generation || !image.empty[1-order[0]] {
		return errCell
	}
	return k.copied(&image.slots[order[0]])
}

// State files are AES-256-GCM under the root: 12 bytes of nonce, then the ciphertext. A root
// encrypts one file only. The generation is bound to it.
func stateCipher(s *slot) (cipher.AEAD, error) {
	block, err := aes.NewCipher(s.root[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func stateContext(generation uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte("postern keyring state"), generation)
}

func encryptState(s *slot, plaintext []byte) ([]byte, error) {
	aead, err := stateCipher(s)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plaintext)+aead.Overhead())
	rand.Read(nonce) //nolint:errcheck // crypto/rand.Read never fails
	return aead.Seal(nonce, nonce, plaintext, stateContext(s.generation)), nil
}

func decryptState(s *slot, ciphertext []byte) ([]byte, error) {
	aead, err := stateCipher(s)
	if err != nil {
		return nil, err
	}
	if len(ciphertext) < aead.NonceSize() {
		return nil, errors.New("state file is cut short")
	}
	nonce, body := ciphertext[:aead.NonceSize()], ciphertext[aead.NonceSize():]
	plaintext, err := aead.Open(nil, nonce, body, stateContext(s.generation))
	if err != nil {
		return nil, errors.New("state file does not open")
	}
	return plaintext, nil
}
