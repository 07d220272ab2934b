// Package commands runs the program's commands as somebody who meets them for the first
// time does: as processes, by what they print and with which code they end.
package commands

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/postern-mail/postern/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// Exit codes.
const (
	done   = 0
	failed = 1
	misuse = 2
)

// A process is a command that runs until it is interrupted.
type process struct {
	command *exec.Cmd
	out     output
	ended   chan struct{}
}

// start starts a command, with the folder that it has for temporary files.
func start(t *testing.T, temporary string, args ...string) *process {
	t.Helper()
	p := &process{command: exec.Command(program.Path(t), args...), ended: make(chan struct{})}
	p.command.Env = append(os.Environ(), "TMPDIR="+temporary)
	p.command.Stdout, p.command.Stderr = &p.out, &p.out
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.command.Wait() // how it ended stands in its state
	}()
	t.Cleanup(func() {
		_ = p.command.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(program.Patience):
			_ = p.command.Process.Kill()
			<-p.ended
		}
	})
	return p
}

// says waits until what was printed matches, and gives the match.
func (p *process) says(t *testing.T, pattern string) []string {
	t.Helper()
	match, found := p.mayStart(t, pattern)
	if !found {
		t.Fatalf("it ended with %d and did not say %q:\n%s", p.command.ProcessState.ExitCode(), pattern, p.out.String())
	}
	return match
}

// mayStart is says for a process that may end instead.
func (p *process) mayStart(t *testing.T, pattern string) (match []string, found bool) {
	t.Helper()
	wanted := regexp.MustCompile(pattern)
	program.Until(t, "it says "+pattern, func() bool {
		over := false
		select {
		case <-p.ended:
			over = true
		default:
		}
		match = wanted.FindStringSubmatch(p.out.String())
		return over || match != nil
	})
	return match, match != nil
}

// interrupt is Ctrl-C. It gives the exit code.
func (p *process) interrupt(t *testing.T) int {
	t.Helper()
	if err := p.command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-program.Context(t).Done():
		t.Fatalf("it does not end:\n%s", p.out.String())
	}
	return p.command.ProcessState.ExitCode()
}

// output is what a process printed so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// typed runs a command with what somebody types, and gives what it printed and its exit code.
func typed(t *testing.T, in string, args ...string) (out, complaint string, code int) {
	t.Helper()
	command := exec.CommandContext(program.Context(t), program.Path(t), args...)
	var stdout, stderr strings.Builder
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(in), &stdout, &stderr
	_ = command.Run() // how it ended stands in its state
	if command.ProcessState == nil {
		t.Fatalf("%q did not start", args)
	}
	return stdout.String(), stderr.String(), command.ProcessState.ExitCode()
}

// short is a folder whose path is short enough for sockets.
func short(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "pc")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(folder, 0o755); err != nil { // a server's own user reaches its socket there
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

// leftovers are the files below a folder, and the sockets of all.
func leftovers(t *testing.T, temporary, data string) (left []string) {
	t.Helper()
	walk := func(root string, wanted func(os.DirEntry) bool) {
		err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
			if err == nil && path != root && wanted(entry) {
				left = append(left, path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	walk(temporary, func(os.DirEntry) bool { return true })
	walk(data, func(entry os.DirEntry) bool { return entry.Type()&os.ModeSocket != 0 })
	return left
}

// write makes a configuration file in a folder of its own.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "postern.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var ticket = regexp.MustCompile(`href="/tickets/(T[0-9a-f]{20})"`)

// tickets are the ids of what the desk lists.
func tickets(t *testing.T, somebody *program.Browser) []string {
	t.Helper()
	var ids []string
	for _, match := range ticket.FindAllStringSubmatch(somebody.Opened(t, "/tickets"), -1) {
		ids = append(ids, match[1])
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// awaitTickets waits until the desk lists so many; it folds what was there before first.
func awaitTickets(t *testing.T, somebody *program.Browser, n int) []string {
	t.Helper()
	var ids []string
	program.Until(t, "the desk lists all tickets", func() bool {
		ids = tickets(t, somebody)
		return len(ids) >= n
	})
	return ids
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
