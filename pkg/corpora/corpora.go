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
	at, err := locate()
	if err != nil {
		return nil, err
	}
	return at.read()
})

// errAbsent says that nobody put the archive here: no variable names it, and there is no
// folder ../shared that it would lie in.
var errAbsent = errors.New("no folder ../shared beside the module")

// Open gives the archive as a file system rooted at its top folder, read once a process.
// Where the archive is absent the test is skipped. Where CI=true, and the archive is
// named or its folder is there, a test that cannot read it fails.
func Open(t testing.TB) fs.FS {
	t.Helper()
	files, err := load()
	if line, skip := verdict(err, os.Getenv("CI") == "true"); skip {
		t.Skip(line)
	} else if line != "" {
		t.Fatal(line)
	}
	return files
}

// verdict says what becomes of a test whose archive gave err: one with a line is skipped,
// or fails.
func verdict(err error, ci bool) (line string, skip bool) {
	switch {
	case err == nil:
		return "", false
	case errors.Is(err, errAbsent), errors.Is(err, fs.ErrNotExist) && !ci:
		return fmt.Sprintf("corpora absent: set %s to the archive (%v)", Variable, err), true
	}
	return fmt.Sprintf("corpora: %v", err), false
}

// Files is Open for a benchmark. Where the archive is absent it is fs.ErrNotExist.
func Files() (fs.FS, error) {
	files, err := load()
	if errors.Is(err, errAbsent) {
		err = fmt.Errorf("%w: %w", err, fs.ErrNotExist)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("corpora absent: set %s to the archive: %w", Variable, err)
	}
	return files, err
}

// An archive is a place where the corpora may be.
type archive string

// locate finds the archive: the variable, else ../shared/corpora.tar.gz beside
// the module that holds the test.
func locate() (archive, error) {
	named := os.Getenv(Variable)
	if filepath.IsAbs(named) {
		return archive(named), nil
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	if named != "" {
		return archive(filepath.Join(root, named)), nil
	}
	shared := filepath.Join(root, "..", "shared")
	if _, err := os.Stat(shared); errors.Is(err, fs.ErrNotExist) {
		return "", errAbsent
	}
	return archive(filepath.Join(shared, "corpora.tar.gz")), nil
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

func (a archive) read() (fs.FS, error) {
	file, err := os.Open(string(a))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("corpora archive: %w", err)
	}
	files := fstest.MapFS{}
	members := tar.NewReader(unzipped)
	for {
		head, err := members.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("corpora archive: %w", err)
		}
		if head.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(members)
		if err != nil {
			return nil, fmt.Errorf("corpora archive: %w", err)
		}
		name := strings.TrimPrefix(strings.TrimPrefix(head.Name, "./"), "corpora/")
		files[name] = &fstest.MapFile{Data: data, Mode: 0o444, ModTime: head.ModTime}
	}
}
