// Package program builds the postern binary once for the tests of a package, and starts
// fleets of it. Only tests import it.
package program

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/services/postern/wiring"
)

var built string

// Main builds the program, runs the tests of a package and removes it again. A package's
// TestMain calls it with os.Exit.
func Main(m *testing.M) int {
	wiring.Enter()
	dir, err := os.MkdirTemp("", "postern-program")
	if err != nil {
		fmt.Fprintln(os.Stderr, "program:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	built = filepath.Join(dir, "postern")
	build := exec.Command("go", "build", "-o", built, "github.com/postern-mail/postern/services/postern")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "program: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// Path is where the program is.
func Path(t testing.TB) string {
	t.Helper()
	if built == "" {
		t.Fatal("TestMain does not call program.Main")
	}
	return built
}

// Patience is how long one phase of a story may take.
const Patience = 3 * time.Minute

// Context ends with the test or when a phase of a story takes too long.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), Patience)
	t.Cleanup(cancel)
	return ctx
}

// Fleet starts a fleet that ends with the test. Where servers are not installed the test
// is skipped, and fails where CI=true.
func Fleet(t testing.TB, options fleet.Options) *fleet.Fleet {
	t.Helper()
	if options.Program == "" {
		options.Program = Path(t)
	}
	if options.Dir == "" {
		options.Dir = filepath.Join(t.TempDir(), "fleet")
	}
	f, err := fleet.Start(Context(t), options)
	if errors.Is(err, fleet.ErrMissing) {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.Stop()
		_ = os.RemoveAll(f.Mailbox()) // it may lie outside the test's folder
	})
	return f
}

// As signs in to a fleet with a credential and its configuration, until the test ends.
func As(t testing.TB, f *fleet.Fleet, credential string) *wiring.Tool {
	t.Helper()
	config, err := wiring.Load(f.ConfigFile(credential))
	if err != nil {
		t.Fatal(err)
	}
	config.Trace.Endpoint = ""
	process, err := wiring.New(Context(t), config, wiring.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Close)
	tool, err := process.Tool(Context(t), credential)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tool.Conn.Close)
	return tool
}

// Run runs a command of the program and gives what it printed, both streams, and its exit code.
func Run(t testing.TB, args ...string) (string, int) {
	t.Helper()
	command := exec.CommandContext(Context(t), Path(t), args...)
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), command.ProcessState.ExitCode()
}

// Until waits until something holds, which what names.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, again := Context(t), time.NewTicker(20*time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		case <-again.C:
		}
	}
}
