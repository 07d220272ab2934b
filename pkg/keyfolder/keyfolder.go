// Package keyfolder reads keys from a folder of the configuration, and again when a
// file in it changes. What the keys are for is its user's to say, what stands in the
// files pkg/signature's. It makes no keys and writes nothing.
package keyfolder

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postern-mail/postern/pkg/signature"
)

// A Kind is one folder within, and what each file in it is read as.
type Kind struct {
	Name string
	Add  func(*signature.Keys, []byte) error
}

// A Form is what a folder must be.
type Form struct {
	Key    string                      // of the configuration, such as verify.keys
	Kinds  []Kind                      // read in this order
	Secret bool                        // others may not read the files, either
	Danger string                      // what others could do who may write there, for the error
	Whole  func(*signature.Keys) error // looks at all that was read; nil: nothing is left to do
}

// again is how often the folder is looked at for changes.
const again = 10 * time.Second

// A Folder is one that is read. It may be used by many goroutines.
type Folder struct {
	dir  string
	form Form
	log  *slog.Logger
	now  func() time.Time

	mu     sync.Mutex
	looked time.Time
	stand  string // the folder's files when they were read, "" before
	keys   signature.Keys
}

// Open reads a folder; "" knows no key. A file that cannot be read as what it should be is an error.
func Open(dir string, form Form, now func() time.Time, log *slog.Logger) (*Folder, error) {
	f := &Folder{dir: dir, form: form, now: now, log: log}
	if dir == "" {
		return f, nil
	}
	if err := f.read(); err != nil {
		return nil, fmt.Errorf("%s: %w", form.Key, err)
	}
	f.looked = now()
	return f, nil
}

// Current gives the keys. Where the folder has changed into something that cannot be read, those of
// before stay and the log says why.
func (f *Folder) Current() signature.Keys {
	if f == nil || f.dir == "" {
		return signature.Keys{}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.now(); now.Sub(f.looked) >= again || now.Before(f.looked) {
		f.looked = now
		if err := f.read(); err != nil {
			f.log.Error("keys are used as they were before", "err", fmt.Errorf("%s: %w", f.form.Key, err))
		}
	}
	return f.keys
}

func (f *Folder) read() error {
	files, stand, err := f.list()
	if err != nil || stand == f.stand {
		return err
	}
	var fresh signature.Keys
	var problems []error
	for _, kind := range f.form.Kinds {
		for _, path := range files[kind.Name] {
			text, err := os.ReadFile(path)
			if err == nil && len(bytes.TrimSpace(text)) == 0 {
				err = errors.New("it is empty")
			}
			if err == nil {
				err = kind.Add(&fresh, text)
			}
			if err != nil {
				problems = append(problems, fmt.Errorf("file %q: %w", path, err))
			}
		}
	}
	if len(problems) == 0 && f.form.Whole != nil {
		problems = append(problems, f.form.Whole(&fresh))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	f.keys, f.stand = fresh, stand
	return nil
}

// list gives the files by kind, and what they look like from outside.
func (f *Folder) list() (files map[string][]string, stand string, err error) {
	files = map[string][]string{}
	var all strings.Builder
	entries, err := f.entries(f.dir)
	if err != nil {
		return nil, "", err
	}
	var names []string
	for _, kind := range f.form.Kinds {
		names = append(names, kind.Name)
	}
	for _, name := range entries {
		if !slices.Contains(names, name) {
			return nil, "", fmt.Errorf("%q is not read: keys belong into %s or %s", filepath.Join(f.dir, name), strings.Join(names[:len(names)-1], ", "), names[len(names)-1])
		}
	}
	for _, name := range names {
		dir := filepath.Join(f.dir, name)
		entries, err := f.entries(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		for _, entry := range entries {
			path := filepath.Join(dir, entry)
			info, err := f.guarded(path)
			if err != nil {
				return nil, "", err
			}
			if !info.Mode().IsRegular() {
				return nil, "", fmt.Errorf("%q is no file", path)
			}
			files[name] = append(files[name], path)
			fmt.Fprintf(&all, "%s %d %d\n", path, info.Size(), info.ModTime().UnixNano())
		}
	}
	return files, "read\n" + all.String(), nil
}

// entries lists a folder without what editors and mounts hide there.
func (f *Folder) entries(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if _, err := f.guarded(dir); err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// Permissions that files and folders may not give. A group may read, as mounted secrets need it.
const (
	written fs.FileMode = 0o022
	readBy  fs.FileMode = 0o007
)

// guarded refuses what others may write, and a secret that they may read.
func (f *Folder) guarded(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	switch mode := info.Mode(); {
	case mode.Perm()&written != 0 && !readOnly(path):
		return nil, fmt.Errorf("%q may be written by others, who could then %s: chmod go-w", path, f.form.Danger)
	case f.form.Secret && !mode.IsDir() && mode.Perm()&readBy != 0:
		return nil, fmt.Errorf("%q may be read by others: chmod o=, and find out who could read it", path)
	}
	return info, nil
}

// readOnly tells of a file system that nobody writes to here, whatever the permissions say: mounted secrets
// are of mode 1777 to look at.
func readOnly(path string) bool {
	var about unix.Statfs_t
	return unix.Statfs(path, &about) == nil && about.Flags&unix.ST_RDONLY != 0
}
