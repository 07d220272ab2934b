// Package s3test starts a real S3 gateway, the versitygw binary, for a test. Only
// tests import it.
package s3test

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

	"golang.org/x/sys/unix"

	"github.com/postern-mail/postern/pkg/vault/s3"
)

const (
	program  = "versitygw"
	patience = 20 * time.Second
)

// An Option changes what is started.
type Option func(*settings)

type settings struct {
	lock     s3.Lock
	versions bool
	folder   string
}

// WithVersions has the bucket keep what is overwritten or deleted.
func WithVersions() Option { return func(s *settings) { s.versions = true } }

// WithLock gives the bucket object lock, and versions with it.
func WithLock(lock s3.Lock) Option { return func(s *settings) { s.lock = lock } }

// InFolder keeps everything below a folder of the caller's, who wants to look at
// the files.
func InFolder(path string) Option { return func(s *settings) { s.folder = path } }

// Start starts a gateway on a free port of the loopback interface with an empty
// bucket, and ends it with the test. Without the binary the test is skipped, and
// fails where CI=true.
func Start(t testing.TB, options ...Option) s3.Config {
	t.Helper()
	var set settings
	for _, option := range options {
		option(&set)
	}
	binary := find(t)
	if set.folder == "" {
		set.folder = t.TempDir()
	}
	config := s3.Config{
		Bucket: "postern", AccessKey: "test", SecretKey: rand.Text(),
		PathStyle: true, Plaintext: true, Lock: set.lock,
	}
	// Another process may take the port between our looking and the gateway's
	// listening: then it ends at once and the next port is tried.
	for attempt := 1; ; attempt++ {
		config.Endpoint = freePort(t)
		err := run(t, binary, set, config)
		if err == nil {
			break
		}
		if attempt == 5 {
			t.Fatalf("%s: %v", program, err)
		}
	}
	prepare(t, config, set)
	return config
}

// find looks in PATH, in bin below POSTERN_TOOLS, and where go install puts
// programs.
func find(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	var folders []string
	if tools := os.Getenv("POSTERN_TOOLS"); tools != "" {
		folders = append(folders, filepath.Join(tools, "bin"))
	}
	if home, err := os.UserHomeDir(); err == nil {
		folders = append(folders, filepath.Join(home, "go", "bin"))
	}
	for _, folder := range folders {
		if path, err := exec.LookPath(filepath.Join(folder, program)); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is neither in PATH nor in $POSTERN_TOOLS/bin nor in ~/go/bin", program)
	}
	t.Skipf("%s absent: put it in PATH, in $POSTERN_TOOLS/bin or in ~/go/bin", program)
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

// run starts the gateway and returns when it answers to our keys, which no other
// server would.
func run(t testing.TB, binary string, set settings, config s3.Config) error {
	folder := set.folder
	objects, versions, sidecar := filepath.Join(folder, "objects"), filepath.Join(folder, "versions"), filepath.Join(folder, "sidecar")
	for _, path := range []string{objects, versions, sidecar} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	arguments := []string{"--port", config.Endpoint, "--quiet", "posix"}
	if set.versions || set.lock != s3.NoLock {
		arguments = append(arguments, "--versioning-dir", versions)
	}
	if !keepsAttributes(objects) {
		arguments = append(arguments, "--sidecar", sidecar)
	}
	command := exec.Command(binary, append(arguments, objects)...)
	command.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+config.AccessKey, "ROOT_SECRET_KEY="+config.SecretKey)
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

// await asks for the bucket until there is an answer; "no such bucket" is one.
func await(config s3.Config, ended chan error) error {
	config.Tries = 1
	store, err := s3.New(config)
	if err != nil {
		return err
	}
	defer store.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		_, _, err := store.Get(ctx, "nothing")
		if err != nil && strings.Contains(err.Error(), "bucket does not exist") {
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

func prepare(t testing.TB, config s3.Config, set settings) {
	t.Helper()
	store, err := s3.New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.CreateBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	if set.versions {
		if err := store.EnableVersions(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// keepsAttributes tells whether the file system has user attributes, in which
// the gateway keeps what it knows of an object.
func keepsAttributes(folder string) bool {
	return unix.Setxattr(folder, "user.postern-test", []byte("x"), 0) == nil
}
