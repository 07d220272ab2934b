// Package redistest starts a real redis-server for a test. Only tests import it.
package redistest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/readmodel"
)

const (
	program  = "redis-server"
	patience = 20 * time.Second
)

// An Option changes what is started.
type Option func(*settings)

type settings struct {
	appendOnly, snapshots bool
	folder                string
}

// WithAppendOnly has the server log every change to a file.
func WithAppendOnly() Option { return func(s *settings) { s.appendOnly = true } }

// WithSnapshots has the server write a snapshot after every second with a change.
func WithSnapshots() Option { return func(s *settings) { s.snapshots = true } }

// InFolder keeps the server's files in a folder of the caller's, who wants to
// look at them.
func InFolder(path string) Option { return func(s *settings) { s.folder = path } }

// Start starts an empty server on a free port of the loopback interface and ends
// it with the test. Without the binary the test is skipped, and fails where
// CI=true.
func Start(t testing.TB, options ...Option) readmodel.Config {
	t.Helper()
	var set settings
	for _, option := range options {
		option(&set)
	}
	binary := find(t)
	if set.folder == "" {
		set.folder = t.TempDir()
	}
	// Another process may take the port between our looking and the server's
	// listening: then it ends at once and the next port is tried.
	for attempt := 1; ; attempt++ {
		config := readmodel.Config{Address: freePort(t), Password: rand.Text()}
		err := run(t, binary, set, config)
		if err == nil {
			return config
		}
		if attempt == 5 {
			t.Fatalf("%s: %v", program, err)
		}
	}
}

// find looks in PATH and in bin below POSTERN_TOOLS.
func find(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	if tools := os.Getenv("POSTERN_TOOLS"); tools != "" {
		if path, err := exec.LookPath(filepath.Join(tools, "bin", program)); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is neither in PATH nor in $POSTERN_TOOLS/bin", program)
	}
	t.Skipf("%s absent: install it, or put it in PATH or in $POSTERN_TOOLS/bin", program)
	return ""
}

func freePort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// run starts the server and returns when it answers to our password, which no
// other server would.
func run(t testing.TB, binary string, set settings, config readmodel.Config) error {
	host, port, err := net.SplitHostPort(config.Address)
	if err != nil {
		return err
	}
	save, appendOnly := "", "no"
	if set.snapshots {
		save = "1 1"
	}
	if set.appendOnly {
		appendOnly = "yes"
	}
	command := exec.Command(binary, "-") // the password is in no process list
	command.Stdin = strings.NewReader(fmt.Sprintf(
		"bind %s\nport %s\ndir %q\nrequirepass %s\nsave %q\nappendonly %s\nappendfsync always\n",
		host, port, set.folder, config.Password, save, appendOnly))
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	stop := func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			_ = command.Process.Kill()
			<-ended
		}
	}
	if err := await(config, ended); err != nil {
		stop()
		return fmt.Errorf("%w\n%s", err, strings.TrimSpace(output.String()))
	}
	t.Cleanup(stop)
	return nil
}

func await(config readmodel.Config, ended chan error) error {
	model, err := readmodel.Open(config)
	if err != nil {
		return err
	}
	defer model.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := model.Ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case err := <-ended:
			ended <- err // for whoever stops it
			return errors.Join(errors.New("it ended at once"), err)
		case <-ctx.Done():
			return fmt.Errorf("no answer in %v: %w", patience, err)
		case <-tick.C:
		}
	}
}
