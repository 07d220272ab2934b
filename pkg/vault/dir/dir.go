// Package dir keeps sealed objects as plain files in a folder of a Linux file
// system, for one machine. What Put has returned for survives a power failure as
// far as the disk keeps what it was told to flush (syncfs(2), whose errors the
// kernel reports since Linux 5.8). Writers who wait at the same time share one
// sync. There is no object lock, and network file systems are not promised.
package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/internal/dirlayout"
)

const (
	folderMode = 0o700
	fileMode   = 0o600
)

// ErrClosed says that the store was closed.
var ErrClosed = errors.New("vault: store is closed")

// A Store is a vault in a folder. Several processes may have it open.
type Store struct {
	root  string
	lock  *os.File
	group *group

	mu     sync.Mutex
	closed bool
	active sync.WaitGroup
}

var (
	_ vault.Store = (*Store)(nil)
	_ vault.Filer = (*Store)(nil)
)

// Open opens the vault in the folder root, and creates it where there is none.
// What killed writers left behind is swept unless another process is writing.
func Open(root string) (*Store, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("vault folder: %w", err)
	}
	for _, folder := range []string{root, dirlayout.Objects(root), dirlayout.Temp(root)} {
		if err := os.MkdirAll(folder, folderMode); err != nil {
			return nil, fmt.Errorf("vault folder: %w", err)
		}
	}
	lock, err := os.OpenFile(dirlayout.Lock(root), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, fmt.Errorf("vault lock: %w", err)
	}
	if err := claim(root, lock); err != nil {
		lock.Close()
		return nil, err
	}
	fd := int(lock.Fd())
	s := &Store{root: root, lock: lock, group: newGroup(func() error { return unix.Syncfs(fd) })}
	// The folders themselves must outlive a power failure.
	if err := s.group.wait(s.group.begin()); err != nil {
		lock.Close()
		return nil, fmt.Errorf("vault folder: %w", err)
	}
	return s, nil
}

// claim sweeps temporary files if no other process has the vault open, and ends
// with a shared lock that keeps others from sweeping ours.
func claim(root string, lock *os.File) error {
	switch err := flock(lock, unix.LOCK_EX|unix.LOCK_NB); {
	case err == nil:
		if err := sweep(root); err != nil {
			return err
		}
	case !errors.Is(err, unix.EWOULDBLOCK):
		return fmt.Errorf("vault lock: %w", err)
	}
	// Whoever holds it exclusively is sweeping and soon done.
	if err := flock(lock, unix.LOCK_SH); err != nil {
		return fmt.Errorf("vault lock: %w", err)
	}
	return nil
}

func flock(file *os.File, how int) error {
	for {
		if err := unix.Flock(int(file.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// sweep removes what writers left that did not live to finish.
func sweep(root string) error {
	entries, err := os.ReadDir(dirlayout.Temp(root))
	if err != nil {
		return fmt.Errorf("vault leftovers: %w", err)
	}
	for _, entry := range entries {
		err := os.Remove(filepath.Join(dirlayout.Temp(root), entry.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("vault leftovers: %w", err)
		}
	}
	return nil
}

// Close waits for the writers at work and gives up the lock.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.active.Wait()
	return s.lock.Close()
}

// enter counts the caller as a writer until the function it gets is called.
func (s *Store) enter() (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	s.active.Add(1)
	return s.active.Done, nil
}

// Get opens an object.
func (s *Store) Get(ctx context.Context, name string) (io.ReadCloser, vault.Object, error) {
	if err := errors.Join(vault.CheckName(name), ctx.Err()); err != nil {
		return nil, vault.Object{}, err
	}
	file, err := os.Open(dirlayout.Object(s.root, name))
	if err != nil {
		return nil, vault.Object{}, translate(err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, vault.Object{}, fmt.Errorf("vault object: %w", reason(err))
	}
	object := describe(name, info)
	return &body{file: file, ctx: ctx, left: object.Size}, object, nil
}

// Stat describes an object.
func (s *Store) Stat(ctx context.Context, name string) (vault.Object, error) {
	if err := errors.Join(vault.CheckName(name), ctx.Err()); err != nil {
		return vault.Object{}, err
	}
	info, err := os.Stat(dirlayout.Object(s.root, name))
	if err != nil {
		return vault.Object{}, translate(err)
	}
	return describe(name, info), nil
}

// body reads a file to the length that it had when it was opened, and hides the
// file's other methods.
type body struct {
	file *os.File
	ctx  context.Context
	left int64
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.file.Read(p)
	b.left -= int64(n)
	if err == io.EOF && b.left > 0 {
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

func (b *body) Close() error { return b.file.Close() }

func describe(name string, info fs.FileInfo) vault.Object {
	return vault.Object{Name: name, Size: info.Size(), Modified: info.ModTime().UTC().Truncate(time.Microsecond)}
}

// translate says ErrNotFound for a file that is not there.
func translate(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return vault.ErrNotFound
	}
	return fmt.Errorf("vault object: %w", reason(err))
}

// reason drops the path from an error: the caller knows the name.
func reason(err error) error {
	switch err := err.(type) {
	case *fs.PathError:
		return err.Err
	case *os.LinkError:
		return err.Err
	}
	return err
}
