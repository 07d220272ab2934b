package fleet

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Programs that a fleet needs, and where they come from.
var needed = []struct{ name, from string }{
	{"nats-server", "run scripts/install-tools"},
	{"versitygw", "run scripts/install-tools"},
	{"redis-server", "apt-get install redis-server"},
	{"dovecot", "apt-get install dovecot-imapd"},
	{"clamd", "apt-get install clamav-daemon"},
}

// ErrMissing says that a server is not installed.
var ErrMissing = errors.New("not installed")

// findAll finds every program, or names all that are missing.
func findAll() (map[string]string, error) {
	found := map[string]string{}
	var missing []error
	for _, program := range needed {
		path, err := Find(program.name)
		if err != nil {
			missing = append(missing, fmt.Errorf("%s is %w: %s", program.name, ErrMissing, program.from))
		}
		found[program.name] = path
	}
	return found, errors.Join(missing...)
}

// Find gives the path of a program. It looks in PATH, where our own tools are, where go install puts programs, and where
// Debian keeps servers.
func Find(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return filepath.Abs(path)
	}
	var folders []string
	if tools := os.Getenv("POSTERN_TOOLS"); tools != "" {
		folders = append(folders, filepath.Join(tools, "bin"))
	}
	if home, err := os.UserHomeDir(); err == nil {
		folders = append(folders, filepath.Join(home, ".cache/postern/tools/bin"), filepath.Join(home, "go/bin"))
	}
	for _, folder := range append(folders, "/usr/sbin", "/usr/local/bin") {
		if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", ErrMissing
}
