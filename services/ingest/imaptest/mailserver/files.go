package mailserver

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Files are the files of Debian packages, where they were unpacked or installed.
type Files struct{ root string }

// Find gives a server's files: those that scripts/install-tools has unpacked under this
// name, else the machine's own. The test is skipped where the program is in neither, and
// fails there when CI=true.
func Find(t testing.TB, name, program string) Files {
	t.Helper()
	tools := os.Getenv("POSTERN_TOOLS")
	if home, err := os.UserHomeDir(); err == nil && tools == "" {
		tools = filepath.Join(home, ".cache/postern/tools")
	}
	for _, root := range []string{filepath.Join(tools, "servers", name), "/"} {
		if exists(filepath.Join(root, program)) {
			return Files{root}
		}
	}
	Absent(t, name+" absent: run scripts/install-tools")
	return Files{}
}

// Near copies unpacked files into the server's folder, because whoever the server
// becomes may not be able to look into the one where they are.
func (f Files) Near(s *Server) Files {
	s.t.Helper()
	if f.root == "/" {
		return f
	}
	root := filepath.Join(s.Dir, "files")
	Must(s.t, os.CopyFS(root, os.DirFS(f.root)))
	return Files{root}
}

// Path is where a file of the packages is: usr/sbin/program.
func (f Files) Path(name string) string { return filepath.Join(f.root, name) }

// Library gives the path of a shared library that a package puts into one of the usual folders.
func (f Files) Library(t testing.TB, name string) string {
	t.Helper()
	for _, folder := range f.libraries() {
		if path, err := filepath.EvalSymlinks(filepath.Join(folder, name)); err == nil {
			return path
		}
	}
	t.Fatalf("mail server: no %s among its files", name)
	return ""
}

// Environment is what a program of these packages needs to find its libraries, those in
// the first folders before all others, and what else is given.
func (f Files) Environment(first []string, more ...string) []string {
	folders := first
	if f.root != "/" {
		folders = slices.Concat(first, f.libraries())
	}
	environment := []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "LD_LIBRARY_PATH=" + strings.Join(folders, ":")}
	for _, folder := range folders {
		if unsynced := filepath.Join(folder, "libeatmydata.so"); exists(unsynced) {
			environment = append(environment, "LD_PRELOAD="+unsynced) // nothing waits for the disk
		}
	}
	return append(environment, more...)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (f Files) libraries() []string {
	return folders(f.root, "usr/lib/*-linux-gnu", "lib/*-linux-gnu", "usr/lib")
}

// Modules are the folders, one after the other, where a library's modules may be: those of
// the packages and the machine's.
func (f Files) Modules(name string) string {
	pattern := "usr/lib/*-linux-gnu/" + name
	return strings.Join(slices.Compact(append(folders(f.root, pattern), folders("/", pattern)...)), ":")
}

func folders(root string, patterns ...string) []string {
	var found []string
	for _, pattern := range patterns {
		some, _ := filepath.Glob(filepath.Join(root, pattern))
		found = append(found, some...)
	}
	return found
}
