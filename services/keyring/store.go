package keyring

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strconv"
	"strings"

	"github.com/postern-mail/postern/pkg/vault"
)

// A Store keeps encrypted state files, one a generation.
type Store interface {
	// Put must return nil only when the file would survive a power failure.
	Put(ctx context.Context, generation uint64, ciphertext []byte) error
	// Get gives the file of a generation and a SHA-256 whole, or an error that is
	// fs.ErrNotExist where there is none. The caller checks the digest.
	Get(ctx context.Context, generation uint64, digest [sha256.Size]byte) ([]byte, error)
	// Generations gives those that have a file, in any order.
	Generations(ctx context.Context) ([]uint64, error)
	// Remove drops a file that no root opens any more. It may do nothing.
	Remove(ctx context.Context, generation uint64) error
}

// maxState bounds a state file in bytes.
const maxState = 64 << 20

// DiskStore keeps state files in a Disk's folder "state".
func DiskStore(disk Disk) Store { return diskStore{disk} }

type diskStore struct{ disk Disk }

const stateFolder = "state"

func stateName(generation uint64) string { return fmt.Sprintf("%s/%020d", stateFolder, generation) }

func (s diskStore) Put(_ context.Context, generation uint64, ciphertext []byte) error {
	name := stateName(generation)
	temporary := name + ".new"
	if err := s.disk.Remove(temporary); err != nil {
		return err
	}
	if err := s.disk.WriteAt(temporary, 0, ciphertext); err != nil {
		return err
	}
	if err := s.disk.Sync(temporary); err != nil {
		return err
	}
	if err := s.disk.Rename(temporary, name); err != nil {
		return err
	}
	return s.disk.SyncFolder(stateFolder)
}

func (s diskStore) Get(_ context.Context, generation uint64, _ [sha256.Size]byte) ([]byte, error) {
	return s.disk.Read(stateName(generation))
}

func (s diskStore) Generations(context.Context) ([]uint64, error) {
	names, err := s.disk.List(stateFolder)
	if err != nil {
		return nil, err
	}
	var out []uint64
	for _, name := range names {
		if g, err := strconv.ParseUint(strings.TrimSuffix(name, ".new"), 10, 64); err == nil {
			out = append(out, g)
		}
	}
	return out, nil
}

func (s diskStore) Remove(_ context.Context, generation uint64) error {
	return errors.Join(s.disk.Remove(stateName(generation)), s.disk.Remove(stateName(generation)+".new"))
}

// An Objects is a store of named objects, such as the vault.
type Objects interface {
	Put(ctx context.Context, name string, body io.Reader, opts vault.PutOptions) (vault.Object, error)
	Get(ctx context.Context, name string) (io.ReadCloser, vault.Object, error)
	List(ctx context.Context, prefix, after string) iter.Seq2[vault.Object, error]
}

// VaultStore keeps state files in a vault, as keyring/state/<generation>.<digest>: the name
// belongs to one attempt. It does not remove them: a state file whose root is gone is noise.
func VaultStore(objects Objects) Store { return vaultStore{objects} }

type vaultStore struct{ objects Objects }

const vaultPrefix = "keyring/state/"

func (s vaultStore) name(generation uint64, digest [sha256.Size]byte) string {
	return fmt.Sprintf("%s%020d.%x", vaultPrefix, generation, digest[:8])
}

func (s vaultStore) Put(ctx context.Context, generation uint64, ciphertext []byte) error {
	name := s.name(generation, sha256.Sum256(ciphertext))
	_, err := s.objects.Put(ctx, name, bytes.NewReader(ciphertext), vault.PutOptions{Size: int64(len(ciphertext))})
	if errors.Is(err, vault.ErrExists) { // an attempt whose outcome was open left it
		return nil
	}
	return err
}

func (s vaultStore) Get(ctx context.Context, generation uint64, digest [sha256.Size]byte) ([]byte, error) {
	body, _, err := s.objects.Get(ctx, s.name(generation, digest))
	if errors.Is(err, vault.ErrNotFound) {
		return nil, fmt.Errorf("state %d: %w", generation, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, maxState+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxState {
		return nil, fmt.Errorf("state %d: over %d bytes", generation, maxState)
	}
	return data, nil
}

func (s vaultStore) Generations(ctx context.Context) ([]uint64, error) {
	var out []uint64
	for object, err := range s.objects.List(ctx, vaultPrefix, "") {
		if err != nil {
			return nil, err
		}
		number, _, _ := strings.Cut(strings.TrimPrefix(object.Name, vaultPrefix), ".")
		if g, err := strconv.ParseUint(number, 10, 64); err == nil {
			out = append(out, g)
		}
	}
	return out, nil
}

func (s vaultStore) Remove(context.Context, uint64) error { return nil }
