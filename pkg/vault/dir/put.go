package dir

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/internal/dirlayout"
)

// placeAttempts bounds how often a folder is made anew that an eraser removes at
// the same moment because it was empty.
const placeAttempts = 8

// Put stores an object: the body goes into a temporary file, a sync puts it on
// disk, a rename that does not replace gives it its name, a second sync puts the
// name on disk. With one sync after the rename, a power failure could leave the
// name with half a body. Under load it costs nothing: one sync serves those who
// wait for their data and those who wait for their name.
func (s *Store) Put(ctx context.Context, name string, body io.Reader, opts vault.PutOptions) (vault.Object, error) {
	leave, err := s.enter()
	if err != nil {
		return vault.Object{}, err
	}
	defer leave()
	if err := errors.Join(vault.CheckName(name), vault.CheckTags(opts.Tags), ctx.Err()); err != nil {
		return vault.Object{}, err
	}
	// Asked now to spare the work; the rename decides.
	if _, err := os.Lstat(dirlayout.Object(s.root, name)); err == nil {
		return vault.Object{}, vault.ErrExists
	}

	began := s.group.begin()
	temp, object, err := s.write(name, &watched{ctx: ctx, body: vault.Sized(body, opts.Size)})
	if err != nil {
		return vault.Object{}, err
	}
	defer os.Remove(temp) // after the rename there is nothing to remove
	labels, err := s.writeTags(name, opts.Tags)
	if err != nil {
		return vault.Object{}, err
	}
	defer os.Remove(labels)

	if err := s.group.wait(began); err != nil {
		return vault.Object{}, fmt.Errorf("vault sync: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return vault.Object{}, err
	}
	if err := place(temp, dirlayout.Object(s.root, name), renameNew); err != nil {
		return vault.Object{}, err
	}
	if err := s.finish(name, labels, began); err != nil {
		// The caller is told that nothing was stored; let that be true.
		os.Remove(dirlayout.Tags(s.root, name))
		os.Remove(dirlayout.Object(s.root, name))
		return vault.Object{}, err
	}
	return object, nil
}

// finish gives the tags their place beside an object that has its own, and puts
// both names on disk.
func (s *Store) finish(name, labels string, began mark) error {
	if labels != "" {
		if err := place(labels, dirlayout.Tags(s.root, name), os.Rename); err != nil {
			return err
		}
		// An eraser that came in between has found no tags; leave it none.
		if _, err := os.Lstat(dirlayout.Object(s.root, name)); err != nil {
			return translate(err)
		}
	}
	if err := s.group.wait(began); err != nil {
		return fmt.Errorf("vault sync: %w", err)
	}
	return nil
}

// write copies body into a temporary file for name.
func (s *Store) write(name string, body io.Reader) (path string, object vault.Object, err error) {
	file, err := s.temp(name)
	if err != nil {
		return "", vault.Object{}, err
	}
	defer func() {
		file.Close()
		if err != nil {
			os.Remove(file.Name())
		}
	}()
	if _, err := io.Copy(onlyWriter{file}, body); err != nil {
		return "", vault.Object{}, fmt.Errorf("vault body: %w", reason(err))
	}
	info, err := file.Stat()
	if err != nil {
		return "", vault.Object{}, fmt.Errorf("vault body: %w", reason(err))
	}
	return file.Name(), describe(name, info), nil
}

func (s *Store) temp(name string) (*os.File, error) {
	path := filepath.Join(dirlayout.Temp(s.root), dirlayout.TempPrefix(name)+rand.Text())
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, fmt.Errorf("vault body: %w", reason(err))
	}
	return file, nil
}

// place gives a temporary file its final name and makes the folders it needs.
func place(temp, path string, rename func(from, to string) error) error {
	for attempt := 1; ; attempt++ {
		err := rename(temp, path)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, fs.ErrExist):
			return vault.ErrExists
		case !errors.Is(err, fs.ErrNotExist) || attempt == placeAttempts:
			return fmt.Errorf("vault object: %w", reason(err))
		}
		if err := os.MkdirAll(filepath.Dir(path), folderMode); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("vault folder: %w", reason(err))
		}
	}
}

// renameNew renames and does not replace.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// A file system without that flag: a link does not replace either, and
		// the caller removes the temporary name.
		return os.Link(from, to)
	}
	return err
}

// SetTags replaces the object's tags.
func (s *Store) SetTags(ctx context.Context, name string, tags map[string]string) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := vault.CheckTags(tags); err != nil {
		return err
	}
	if _, err := s.Stat(ctx, name); err != nil {
		return err
	}
	began := s.group.begin()
	if len(tags) == 0 {
		err := os.Remove(dirlayout.Tags(s.root, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("vault tags: %w", reason(err))
		}
		return s.finish(name, "", began)
	}
	temp, err := s.writeTags(name, tags)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	if err := s.group.wait(began); err != nil {
		return fmt.Errorf("vault sync: %w", err)
	}
	err = s.finish(name, temp, began)
	if errors.Is(err, vault.ErrNotFound) {
		os.Remove(dirlayout.Tags(s.root, name))
	}
	return err
}

// Retain always answers ErrNoLock for an object that is there.
func (s *Store) Retain(ctx context.Context, name string, _ time.Time) error {
	if _, err := s.Stat(ctx, name); err != nil {
		return err
	}
	return vault.ErrNoLock
}

// Marks tells the object's tags.
func (s *Store) Marks(ctx context.Context, name string) (vault.Marks, error) {
	if _, err := s.Stat(ctx, name); err != nil {
		return vault.Marks{}, err
	}
	data, err := os.ReadFile(dirlayout.Tags(s.root, name))
	if errors.Is(err, fs.ErrNotExist) {
		return vault.Marks{}, nil
	}
	if err != nil {
		return vault.Marks{}, fmt.Errorf("vault tags: %w", reason(err))
	}
	marks := vault.Marks{}
	if err := json.Unmarshal(data, &marks.Tags); err != nil {
		return vault.Marks{}, fmt.Errorf("vault tags: %w", err)
	}
	return marks, nil
}

// writeTags writes tags to a temporary file; the path is empty where there are
// none.
func (s *Store) writeTags(name string, tags map[string]string) (path string, err error) {
	if len(tags) == 0 {
		return "", nil
	}
	data, err := json.Marshal(tags)
	if err != nil {
		return "", fmt.Errorf("vault tags: %w", err)
	}
	file, err := s.temp(name)
	if err != nil {
		return "", err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Close()); err != nil {
		os.Remove(file.Name())
		return "", fmt.Errorf("vault tags: %w", reason(err))
	}
	return file.Name(), nil
}

// watched ends a body when its context does.
type watched struct {
	ctx  context.Context
	body io.Reader
}

func (w *watched) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.body.Read(p)
}

// onlyWriter hides ReadFrom, so the body is copied through a small buffer.
type onlyWriter struct{ w io.Writer }

func (o onlyWriter) Write(p []byte) (int, error) { return o.w.Write(p) }
