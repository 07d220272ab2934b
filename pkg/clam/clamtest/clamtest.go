// Package clamtest starts a private clamd for tests, with the settings of
// deploy/clamd.conf and a few signatures of its own. Only tests import it.
package clamtest

import (
	"bufio"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Marker is what the signature Postern.Test.Marker finds anywhere in a file.
const Marker = "postern-test-marker-5f1c0e"

// eicar is the standard test string (eicar.org), in two pieces so that this
// source is no test file.
const eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`

// Start runs clamd until the test ends and gives its address, "unix:PATH". Where
// clamd is not installed the test is skipped, and fails where CI=true.
func Start(t testing.TB) (address string) {
	t.Helper()
	return StartWith(t, nil)
}

// StartWith is Start with some settings of deploy/clamd.conf replaced.
func StartWith(t testing.TB, settings map[string]string) (address string) {
	t.Helper()
	return Run(t, settings).Address
}

// A Server is a clamd whose signatures can be changed.
type Server struct {
	Address string // unix:PATH
	Folder  string // of its signatures

	socket string
	loaded chan struct{} // something was loaded anew
}

// Reload has clamd read its folder anew, and returns when it has.
func (s *Server) Reload(t testing.TB) {
	t.Helper()
	conn, err := net.Dial("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "zRELOAD\x00"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.loaded:
	case <-t.Context().Done():
		t.Fatal("clamd did not load its signatures anew")
	}
}

// Run is StartWith for a test that changes signatures.
func Run(t testing.TB, settings map[string]string) *Server {
	t.Helper()
	program, err := findProgram()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("clamd is not installed: apt-get install clamav-daemon")
		}
		t.Skip("clamd is not installed: apt-get install clamav-daemon")
	}
	dir := t.TempDir()
	// A socket's path has room for 107 bytes, which a test's folder may exceed.
	short, err := os.MkdirTemp("", "clamd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	socket := filepath.Join(short, "sock")
	writeSignatures(t, filepath.Join(dir, "db"))
	mkdir(t, filepath.Join(dir, "tmp"))
	replace := map[string]string{
		"LocalSocket": socket, "LocalSocketGroup": "", "User": "",
		"TemporaryDirectory": filepath.Join(dir, "tmp"), "DatabaseDirectory": filepath.Join(dir, "db"),
		"LogVerbose": "yes",
	}
	for k, v := range settings {
		replace[k] = v
	}
	config := filepath.Join(dir, "clamd.conf")
	if err := os.WriteFile(config, []byte(rewrite(readSettings(t), replace)), 0o600); err != nil {
		t.Fatal(err)
	}
	server := &Server{Address: "unix:" + socket, Folder: replace["DatabaseDirectory"], socket: socket, loaded: make(chan struct{}, 16)}
	server.run(t, program, config)
	return server
}

func findProgram() (string, error) {
	if program, err := exec.LookPath("clamd"); err == nil {
		return program, nil
	}
	return exec.LookPath("/usr/sbin/clamd")
}

func mkdir(t testing.TB, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

// writeSignatures writes the test string and the marker as body signatures:
// name, any target, offset, bytes.
func writeSignatures(t testing.TB, dir string) {
	t.Helper()
	mkdir(t, dir)
	lines := "Postern.Test.Eicar:0:0:" + hex.EncodeToString([]byte(eicar)) + "\n" +
		"Postern.Test.Marker:0:*:" + hex.EncodeToString([]byte(Marker)) + "\n"
	if err := os.WriteFile(filepath.Join(dir, "own.ndb"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
}

// readSettings reads deploy/clamd.conf from the top of the module.
func readSettings(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		content, err := os.ReadFile(filepath.Join(dir, "deploy", "clamd.conf"))
		if err == nil {
			return string(content)
		}
		if !errors.Is(err, fs.ErrNotExist) || filepath.Dir(dir) == dir {
			t.Fatalf("deploy/clamd.conf: %v", err)
		}
		dir = filepath.Dir(dir)
	}
}

// rewrite replaces settings by name; an empty value drops the line.
func rewrite(settings string, replace map[string]string) string {
	var out strings.Builder
	for line := range strings.Lines(settings) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, ok := replace[name]; !ok {
			out.WriteString(line)
		}
	}
	for name, value := range replace {
		if value != "" {
			out.WriteString(name + " " + value + "\n")
		}
	}
	return out.String()
}

// run starts clamd and waits until it says that it listens.
func (s *Server) run(t testing.TB, program, config string) {
	t.Helper()
	command := exec.Command(program, "--foreground", "--config-file", config)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	command.Stderr = command.Stdout
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
	})
	listens := make(chan bool)
	var said strings.Builder
	go func() {
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if said.Len() < 64<<10 {
				said.WriteString(lines.Text() + "\n")
			}
			if strings.Contains(lines.Text(), "Listening daemon") {
				listens <- true
				s.watch(lines)
				return
			}
		}
		close(listens)
	}()
	if !<-listens {
		t.Fatalf("clamd ended before it listened:\n%s", said.String())
	}
}

// watch reads on, for nothing must fill up, and tells when signatures were loaded anew.
func (s *Server) watch(lines *bufio.Scanner) {
	for lines.Scan() {
		if strings.Contains(lines.Text(), "Activating the newly loaded database") {
			select {
			case s.loaded <- struct{}{}:
			default:
			}
		}
	}
}
