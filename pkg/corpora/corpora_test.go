package corpora

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhetherATestIsSkippedOrFailsDependsOnWhatIsThere(t *testing.T) {
	for name, c := range map[string]struct {
		shared  bool   // the folder is there
		archive string // good, torn, or none in it
		named   string // by the variable
		ci, not string // skip, fail or run: where CI=true, and where not
	}{
		"nothing is there":                     {false, "none", "", "skip", "skip"},
		"the folder is there, the archive not": {true, "none", "", "fail", "skip"},
		"the archive is torn":                  {true, "torn", "", "fail", "fail"},
		"the archive is there":                 {true, "good", "", "run", "run"},
		"the variable names what is not there": {false, "none", "nowhere.tar.gz", "fail", "skip"},
		"the variable names what is there":     {true, "good", "../shared/corpora.tar.gz", "run", "run"},
		"the variable counts, not the folder":  {true, "good", "nowhere.tar.gz", "fail", "skip"},
		"the variable names something else":    {true, "torn", "../shared/corpora.tar.gz", "fail", "fail"},
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "module")
			within := filepath.Join(root, "pkg", "some")
			if err := os.MkdirAll(within, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, "go.work"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if c.shared {
				put(t, filepath.Join(root, "..", "shared"), c.archive)
			}
			t.Setenv(Variable, c.named)
			t.Chdir(within)
			var files fs.FS
			at, err := locate()
			if err == nil {
				files, err = at.read()
			}
			for ci, want := range map[bool]string{true: c.ci, false: c.not} {
				line, skip := verdict(err, ci)
				got := "run"
				switch {
				case skip:
					got = "skip"
				case line != "":
					got = "fail"
				}
				if got != want || (got == "skip") != strings.Contains(line, "set "+Variable) {
					t.Errorf("CI %v: %s (%s), want %s", ci, got, line, want)
				}
			}
			if c.ci != "run" {
				return
			}
			if text, err := fs.ReadFile(files, "mails/one.eml"); err != nil || string(text) != "hello" {
				t.Errorf("the archive holds %q, %v", text, err)
			}
		})
	}
}

// put writes an archive of one file, or its beginning.
func put(t *testing.T, folder, kind string) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if kind == "none" {
		return
	}
	path := filepath.Join(folder, "corpora.tar.gz")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	zipped := gzip.NewWriter(file)
	members := tar.NewWriter(zipped)
	if err := members.WriteHeader(&tar.Header{Name: "corpora/mails/one.eml", Size: 5, Mode: 0o600, Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	_, err = members.Write([]byte("hello"))
	if err := errors.Join(err, members.Close(), zipped.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	if kind == "torn" {
		if err := os.Truncate(path, 40); err != nil {
			t.Fatal(err)
		}
	}
}
