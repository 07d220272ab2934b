// Package corpora opens the shared test material: third-party mails, standards'
// test suites and RFC texts, kept outside the project in one archive. Only tests
// and benchmarks import it.
package corpora

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
)

// Variable names the environment variable that holds the archive's path.
const Variable = "POSTERN_CORPORA"

var load = sync.OnceValues(func() (fs.FS, error) {
	path, err := locate()
	if err != nil {
		return nil, err
	}
	return read(path)
})

// Open gives the archive as a file system rooted at its top folder, read once a
// process. Where the archive is absent the test is skipped, and fails where
// CI=true: there it is always present.
func Open(t testing.TB) fs.FS {
	t.Helper()
	files, err := load()
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") != "true" {
		t.Skipf("corpora absent: set %s to the archive (%v)", Variable, err)
	}
	if err != nil {
		t.Fatalf("corpora: %v", err)
	}
	return files
}

// Files is Open for a benchmark. Where the archive is absent it is fs.ErrNotExist.
func Files() (fs.FS, error) {
	files, err := load()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("corpora absent: set %s to the archive: %w", Variable, err)
	}
	return files, err
}

// locate finds the archive: the variable, else ../shared/corpora.tar.gz beside
// the module that holds the test.
func locate() (string, error) {
	if path := os.Getenv(Variable); path != "" {
		if filepath.IsAbs(path) {
			return path, nil
		}
		root, err := moduleRoot()
		if err != nil {
			return "", err
		}
		return filepath.Join(root, path), nil
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	return filepath.Join(root, "..", "shared", "corpora.tar.gz"), nil
}

// moduleRoot is the nearest folder upwards that holds go.work.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("go.work: %w", fs.ErrNotExist)
		}
		dir = parent
	}
}

func read(path string) (fs.FS, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("corpora archive: %w", err)
	}
	files := fstest.MapFS{}
	archive := tar.NewReader(unzipped)
	for {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("corpora archive: %w", err)
		}
		if head.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			return nil, fmt.Errorf("corpora archive: %w", err)
		}
		name := strings.TrimPrefix(strings.TrimPrefix(head.Name, "./"), "corpora/")
		files[name] = &fstest.MapFile{Data: data, Mode: 0o444, ModTime: head.ModTime}
	}
}
