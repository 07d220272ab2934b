package keyring

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A Disk keeps the keyring's own files below one folder. It is the seam at which tests cut
// the power. Names use slashes.
type Disk interface {
	// Read gives a file whole, from the medium where the system lets us; fs.ErrNotExist.
	Read(name string) ([]byte, error)
	// WriteAt writes bytes in place and creates the file where it is not. What it wrote
	// may be lost, or be there in part, until Sync returned.
	WriteAt(name string, offset int64, data []byte) error
	// Sync must return only when the file's bytes would survive a power failure.
	Sync(name string) error
	// Rename replaces to. It may be undone by a power failure until SyncFolder returned.
	Rename(from, to string) error
	// Remove deletes a file; one that is not there is no error.
	Remove(name string) error
	// SyncFolder must return only when the folder's names would survive a power failure.
	SyncFolder(folder string) error
	// List gives the names of the files in a folder.
	List(folder string) ([]string, error)
}

// folder is a Disk on the file system.
type folder struct{ root string }

// NewDisk keeps files below a folder, which is created where it is not (mode 0700).
func NewDisk(root string) (Disk, error) {
	for _, dir := range []string{root, filepath.Join(root, "state")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("keyring folder: %w", err)
		}
	}
	return folder{root}, nil
}

// OpenCopy gives the folder of the root cell's copy. It makes none: where a disk is not
// mounted, the root would be written to another.
func OpenCopy(root string) (Disk, error) {
	info, err := os.Stat(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("keyring.copy: %s is not there: make the folder, on a disk that is not that of keyring.dir", root)
	case err != nil:
		return nil, fmt.Errorf("keyring.copy: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("keyring.copy: %s is no folder", root)
	}
	return folder{root}, nil
}

func (d folder) path(name string) string { return filepath.Join(d.root, filepath.FromSlash(name)) }

func (d folder) Read(name string) ([]byte, error) {
	f, err := os.Open(d.path(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// Ask for the medium's bytes, not the cache's. What is not yet written stays, so this
	// can only make the answer truer.
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	return io.ReadAll(f)
}

func (d folder) WriteAt(name string, offset int64, data []byte) error {
	f, err := os.OpenFile(d.path(name), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(data, offset); err != nil {
		f.Close() //nolint:errcheck // the write's error counts
		return err
	}
	return f.Close()
}

func (d folder) Sync(name string) error { return syncPath(d.path(name)) }

func (d folder) SyncFolder(name string) error { return syncPath(d.path(name)) }

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close() //nolint:errcheck // the sync's error counts
		return err
	}
	return f.Close()
}

func (d folder) Rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }

func (d folder) Remove(name string) error {
	if err := os.Remove(d.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d folder) List(name string) ([]string, error) {
	entries, err := os.ReadDir(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}
