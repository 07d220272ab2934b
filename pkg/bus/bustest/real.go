package bustest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
)

// Version of the real server that the tests are about.
const Version = "v2.15.2"

// Each runs a test on the embedded server and on the real one.
func Each(t *testing.T, test func(t *testing.T, b *Bus)) {
	t.Run("embedded", func(t *testing.T) { test(t, Start(t)) })
	t.Run("nats-server", func(t *testing.T) { test(t, StartReal(t)) })
}

// StartReal starts nats-server as a child process, with the configuration that
// deploy/nats holds. Without it the test is skipped; where CI=true it fails.
func StartReal(t testing.TB) *Bus { return StartRealWith(t, "", nil) }

// StartRealWith is StartReal with more lines of configuration, and what they ask of
// those who connect.
func StartRealWith(t testing.TB, more string, secure *tls.Config) *Bus {
	t.Helper()
	program := find(t)
	seeds, public := Credentials(t)
	dir := t.TempDir()
	keys, err := topology.KeysFile(public)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "keys.conf"), keys)
	write(t, filepath.Join(dir, "permissions.conf"), topology.Permissions())
	b := &Bus{Dir: dir, Seeds: seeds, TLS: secure}
	address := "127.0.0.1:-1" // any port; a restart takes the same again
	b.start = func(t testing.TB) (string, bus.Local, func()) {
		config := filepath.Join(dir, "server.conf")
		write(t, config, fmt.Sprintf(`
			listen: %q
			max_payload: 1MB
			jetstream { store_dir: %q, sync_interval: always }
			include "permissions.conf"
			%s
		`, address, filepath.Join(dir, "store"), more))
		var stop func()
		address, stop = run(t, program, config)
		return "nats://" + address, nil, stop
	}
	b.up(t)
	return b
}

var listening = regexp.MustCompile(`Listening for client connections on (\S+)`)

// run starts the server and returns its address once it is ready.
func run(t testing.TB, program, config string) (address string, stop func()) {
	t.Helper()
	cmd := exec.Command(program, "-c", config)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	type heard struct {
		address string
		lines   []string
	}
	ready, ended := make(chan heard, 1), make(chan struct{})
	go func() {
		var h heard
		scanner := bufio.NewScanner(out)
		for scanner.Scan() {
			h.lines = append(h.lines, scanner.Text())
			if m := listening.FindStringSubmatch(scanner.Text()); m != nil {
				h.address = m[1]
			}
			if strings.Contains(scanner.Text(), "Server is ready") {
				ready <- h
			}
		}
		_ = cmd.Wait()
		ready <- h
		close(ended)
	}()
	stop = func() {
		_ = cmd.Process.Kill()
		select {
		case <-ready:
		default:
		}
		<-ended
	}
	select {
	case h := <-ready:
		if h.address == "" {
			t.Fatalf("nats-server ended:\n%s", strings.Join(h.lines, "\n"))
		}
		return h.address, stop
	case <-time.After(30 * time.Second):
		stop()
		t.Fatal("nats-server was not ready in time")
		return "", nil
	}
}

// find looks for the pinned nats-server in PATH, $POSTERN_TOOLS/bin and ~/go/bin.
func find(t testing.TB) string {
	t.Helper()
	candidates := []string{"nats-server"}
	if tools := os.Getenv("POSTERN_TOOLS"); tools != "" {
		candidates = append(candidates, filepath.Join(tools, "bin", "nats-server"))
	}
	if home, err := os.UserHomeDir(); err == nil {
		candidates = append(candidates, filepath.Join(home, "go", "bin", "nats-server"))
	}
	for _, candidate := range candidates {
		program, err := exec.LookPath(candidate)
		if err != nil {
			continue
		}
		out, err := exec.Command(program, "--version").Output()
		if err == nil && strings.HasSuffix(strings.TrimSpace(string(out)), Version) {
			return program
		}
	}
	const missing = "nats-server " + Version + " is not in PATH, $POSTERN_TOOLS/bin or ~/go/bin"
	if os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

func write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
