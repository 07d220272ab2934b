package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/postern-mail/postern/deploy"
)

// testVirus is what the one signature knows: the standard test file (eicar.org), in pieces,
// so that scanners do not find it here.
var testVirus = []string{`X5O!P%@AP[4\PZX54(P^)7CC)7}$`, `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`}

// startClamd starts the scanner with the settings that Postern is deployed with and a
// signature database of its own.
func (f *Fleet) startClamd(ctx context.Context) (*child, error) {
	folder := f.Folder(folderClamd)
	database := filepath.Join(folder, "db")
	if err := os.MkdirAll(database, 0o700); err != nil {
		return nil, err
	}
	signature := "Postern.Fleet.Eicar:0:0:" + hex.EncodeToString([]byte(strings.Join(testVirus, ""))) + "\n"
	if err := os.WriteFile(filepath.Join(database, "own.ndb"), []byte(signature), 0o600); err != nil {
		return nil, fmt.Errorf("clamd signatures: %w", err)
	}
	if err := f.memoryFolder(); err != nil {
		return nil, err
	}
	socket := filepath.Join(f.short, "clamd")
	settings := deploy.ClamdSettings(map[string]string{
		"LocalSocket": socket, "LocalSocketGroup": "", "User": "",
		"TemporaryDirectory": f.servers.scratch, "DatabaseDirectory": database, "Bytecode": "no",
	})
	config := filepath.Join(folder, "clamd.conf")
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		return nil, fmt.Errorf("clamd configuration: %w", err)
	}
	f.servers.clamd = "unix:" + socket
	c, err := f.server(folderClamd, nil, "clamd", "--foreground", "--config-file", config)
	if err != nil {
		return c, err
	}
	return c, await(ctx, c, greets("unix", socket, "nPING\n", "PONG"))
}

// memoryFolder gives clamd a place for temporary files: it writes there in the clear what
// it scans, so it must be memory.
func (f *Fleet) memoryFolder() error {
	if f.servers.scratch != "" {
		return nil
	}
	const memory = "/dev/shm"
	parent := memory
	var system unix.Statfs_t
	if err := unix.Statfs(memory, &system); err != nil || system.Type != unix.TMPFS_MAGIC {
		parent = f.short
		fmt.Fprintf(f.options.Log, "There is no %s in memory here: clamd writes what it scans to %s while it scans.\n", memory, parent)
	}
	// The same name each time: what a fleet that was killed left there goes now.
	scratch := filepath.Join(parent, fmt.Sprintf("postern-fleet-clamd-%x", sha256.Sum256([]byte(f.dir)))[:40])
	if err := errors.Join(os.RemoveAll(scratch), os.Mkdir(scratch, 0o700)); err != nil {
		return fmt.Errorf("clamd's temporary files: %w", err)
	}
	f.servers.scratch = scratch
	f.undo = append(f.undo, func() { _ = os.RemoveAll(scratch) })
	return nil
}
