package verify

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

	"github.com/postern-mail/postern/pkg/signature"
)

type keyFolder struct {
	name string
	add  func(*signature.Keys, []byte) error
}

// The folders of verify.keys, and what each file in one is read as.
var keyFolders = []keyFolder{
	{"openpgp", (*signature.Keys).AddOpenPGP},
	{"certificates", (*signature.Keys).AddCertificates},
	{"roots", (*signature.Keys).AddRoots},
	{"revocations", (*signature.Keys).AddRevocations},
}

// keysAgain is how often the folder is looked at for changes.
const keysAgain = 10 * time.Second

// Keys are what authors sign with, read from a folder and again when it changes. It may be used by
// many goroutines.
type Keys struct {
	dir string
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex
	looked time.Time
	stand  string // the folder's files when they were read, "" before
	keys   signature.Keys
}

// OpenKeys reads a folder; "" knows no key. A file that cannot be read as what it should be is an error.
func OpenKeys(dir string, now func() time.Time, log *slog.Logger) (*Keys, error) {
	k := &Keys{dir: dir, now: now, log: log}
	if dir == "" {
		return k, nil
	}
	if err := k.read(); err != nil {
		return nil, fmt.Errorf("verify.keys: %w", err)
	}
	k.looked = now()
	return k, nil
}

// Current gives the keys. Where the folder has changed into something that cannot be read, those of
// before stay and the log says why.
func (k *Keys) Current() signature.Keys {
	if k == nil || k.dir == "" {
		return signature.Keys{}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := k.now(); now.Sub(k.looked) >= keysAgain || now.Before(k.looked) {
		k.looked = now
		if err := k.read(); err != nil {
			k.log.Error("keys of authors are used as they were before", "err", err)
		}
	}
	return k.keys
}

func (k *Keys) read() error {
	files, stand, err := k.list()
	if err != nil || stand == k.stand {
		return err
	}
	var fresh signature.Keys
	var problems []error
	for _, folder := range keyFolders {
		for _, path := range files[folder.name] {
			text, err := os.ReadFile(path)
			if err == nil && len(bytes.TrimSpace(text)) == 0 {
				err = errors.New("it is empty")
			}
			if err == nil {
				err = folder.add(&fresh, text)
			}
			if err != nil {
				problems = append(problems, fmt.Errorf("file %q: %w", path, err))
			}
		}
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	k.keys, k.stand = fresh, stand
	return nil
}

// list gives the files by folder, and what they look like from outside. Whoever can write here can
// be anybody, so that others may not.
func (k *Keys) list() (files map[string][]string, stand string, err error) {
	files = map[string][]string{}
	var all strings.Builder
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return nil, "", err
	}
	if err := ownAlone(k.dir); err != nil {
		return nil, "", err
	}
	for _, entry := range entries {
		known := slices.ContainsFunc(keyFolders, func(f keyFolder) bool { return f.name == entry.Name() })
		if !known && !strings.HasPrefix(entry.Name(), ".") {
			return nil, "", fmt.Errorf("%q is not read: keys belong into openpgp, certificates, roots or revocations", filepath.Join(k.dir, entry.Name()))
		}
	}
	for _, folder := range keyFolders {
		dir := filepath.Join(k.dir, folder.name)
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		if err := ownAlone(dir); err != nil {
			return nil, "", err
		}
		for _, entry := range entries {
			path := filepath.Join(dir, entry.Name())
			if strings.HasPrefix(entry.Name(), ".") {
				continue
			}
			if err := ownAlone(path); err != nil {
				return nil, "", err
			}
			info, err := os.Stat(path)
			if err != nil {
				return nil, "", err
			}
			if !info.Mode().IsRegular() {
				return nil, "", fmt.Errorf("%q is no file", path)
			}
			files[folder.name] = append(files[folder.name], path)
			fmt.Fprintf(&all, "%s %d %d\n", path, info.Size(), info.ModTime().UnixNano())
		}
	}
	return files, "read\n" + all.String(), nil
}

func ownAlone(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%q may be written by others, who could then sign for anybody: chmod go-w", path)
	}
	return nil
}
