package erase

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/internal/dirlayout"
)

type folder struct{ root string }

// Dir is the eraser of a directory vault, which may be open in this process or
// others at the same time.
func Dir(root string) (Eraser, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("vault folder: %w", err)
	}
	if _, err := os.Stat(dirlayout.Objects(root)); err != nil {
		return nil, fmt.Errorf("vault folder: %w", err)
	}
	return &folder{root: root}, nil
}

func (f *folder) Erase(ctx context.Context, name string) (Report, error) {
	if err := vault.CheckName(name); err != nil {
		return Report{}, err
	}
	return eraseAll(ctx,
		func(ctx context.Context) (Report, error) { return f.remove(ctx, name) },
		func(ctx context.Context) (Report, error) { return f.Remains(ctx, name) })
}

// remove removes leftovers first, for a writer at work could still give one the
// object's name; then the tags, so that no crash leaves tags without an object;
// then the object. The last sync has the removal outlive a power failure.
func (f *folder) remove(ctx context.Context, name string) (removed Report, err error) {
	leftovers, err := f.leftovers(ctx, name)
	if err != nil {
		return removed, err
	}
	for _, path := range leftovers {
		n, err := remove(path)
		removed.Uploads += n
		if err != nil {
			return removed, err
		}
	}
	object := dirlayout.Object(f.root, name)
	if _, err := remove(dirlayout.Tags(f.root, name)); err != nil {
		return removed, err
	}
	if removed.Versions, err = remove(object); err != nil {
		return removed, err
	}
	f.tidy(filepath.Dir(object))
	return removed, f.sync()
}

func (f *folder) Remains(ctx context.Context, name string) (left Report, err error) {
	if err := errors.Join(vault.CheckName(name), ctx.Err()); err != nil {
		return Report{}, err
	}
	leftovers, err := f.leftovers(ctx, name)
	if err != nil {
		return Report{}, err
	}
	left.Uploads = len(leftovers)
	for _, path := range []string{dirlayout.Object(f.root, name), dirlayout.Tags(f.root, name)} {
		switch _, err := os.Lstat(path); {
		case err == nil:
			left.Versions = 1
		case !absent(err):
			return Report{}, fmt.Errorf("erase: %w", err)
		}
	}
	left.Gone = left.Versions+left.Uploads == 0
	return left, nil
}

// Sweep cannot tell the names of leftovers, which are digests, and so removes
// those of every prefix.
func (f *folder) Sweep(ctx context.Context, prefix string, before time.Time) (int, error) {
	if err := vault.CheckPrefix(prefix); err != nil {
		return 0, err
	}
	entries, err := os.ReadDir(dirlayout.Temp(f.root))
	if err != nil {
		return 0, fmt.Errorf("erase: %w", err)
	}
	swept := 0
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return swept, err
		}
		info, err := entry.Info()
		if absent(err) || err == nil && !info.ModTime().Before(before) {
			continue
		}
		if err != nil {
			return swept, fmt.Errorf("erase: %w", err)
		}
		n, err := remove(filepath.Join(dirlayout.Temp(f.root), entry.Name()))
		swept += n
		if err != nil {
			return swept, err
		}
	}
	return swept, f.sync()
}

// leftovers are the paths of temporary files of that name.
func (f *folder) leftovers(ctx context.Context, name string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dirlayout.Temp(f.root))
	if err != nil {
		return nil, fmt.Errorf("erase: %w", err)
	}
	var paths []string
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), dirlayout.TempPrefix(name)) {
			paths = append(paths, filepath.Join(dirlayout.Temp(f.root), entry.Name()))
		}
	}
	return paths, nil
}

// tidy removes folders that became empty: their names may hold an item's id. A
// writer that wants one makes it anew.
func (f *folder) tidy(path string) {
	for path != dirlayout.Objects(f.root) && os.Remove(path) == nil {
		path = filepath.Dir(path)
	}
}

func (f *folder) sync() error {
	root, err := os.Open(f.root)
	if err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	defer root.Close()
	if err := unix.Syncfs(int(root.Fd())); err != nil {
		return fmt.Errorf("erase sync: %w", err)
	}
	return nil
}

// remove removes a file and counts it; one that is not there counts nothing.
func remove(path string) (int, error) {
	err := os.Remove(path)
	if absent(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("erase: %w", err)
	}
	return 1, nil
}

func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) }
