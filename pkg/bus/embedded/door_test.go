package embedded_test

import (
	"bufio"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/bus/embedded"
	"github.com/postern-mail/postern/pkg/bus/topology"
)

// A house is a server with a door.
type house struct {
	dir, door string
	seeds     map[string][]byte
	server    *embedded.Server
}

// built starts a server below dir whose door is at a path below it.
func built(t *testing.T, door string) *house {
	t.Helper()
	seeds, keys := bustest.Credentials(t)
	dir := t.TempDir()
	h := &house{dir: dir, door: filepath.Join(dir, door), seeds: seeds}
	if err := os.MkdirAll(filepath.Dir(filepath.Dir(h.door)), 0o700); err != nil {
		t.Fatal(err)
	}
	var err error
	if h.server, err = embedded.Start(embedded.Options{Dir: filepath.Join(dir, "nats"), Keys: keys, Door: h.door}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.server.Stop)
	return h
}

// visit signs in through the door.
func (h *house) visit(t *testing.T, service string, seed []byte) (*bus.Conn, error) {
	t.Helper()
	conn, err := bus.Connect(bustest.Context(t), bus.Options{Local: embedded.Visitor{Door: h.door}, Service: service, Seed: seed})
	if err == nil {
		t.Cleanup(conn.Close)
	}
	return conn, err
}

func TestACommandReachesTheServerThroughItsDoorAndMayDoWhatItsKeyMay(t *testing.T) {
	h := built(t, "run/bus.sock")
	setup, err := h.visit(t, topology.Setup, h.seeds[topology.Setup])
	if err != nil {
		t.Fatal(err)
	}
	if err := setup.Setup(bustest.Context(t), bus.SetupOptions{}); err != nil {
		t.Fatal(err)
	}
	keyring, err := h.visit(t, "keyring", h.seeds["keyring"])
	if err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("x", 1<<20-4096)
	if _, err := keyring.Publish(bustest.Context(t), "items.1", []byte(large)); err != nil {
		t.Fatal(err)
	}
	desk, err := h.visit(t, "desk", h.seeds["desk"])
	if err != nil {
		t.Fatal(err)
	}
	if got, err := desk.Last(bustest.Context(t), "ITEMS", "items.1"); err != nil || string(got.Data) != large {
		t.Errorf("read %v, %v", got, err)
	}
	if _, err := desk.Publish(bustest.Context(t), "items.1", []byte("forged")); !errors.Is(err, bus.ErrDenied) {
		t.Errorf("the desk wrote a record: %v", err)
	}
}

func TestTheDoorLetsNobodyInWithoutAKeyOfAService(t *testing.T) {
	h := built(t, "run/bus.sock")
	stranger, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := stranger.Seed()
	if err != nil {
		t.Fatal(err)
	}
	for name, seed := range map[string][]byte{"no key": nil, "a stranger's key": seed} {
		if _, err := h.visit(t, "desk", seed); !errors.Is(err, bus.ErrDenied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Nor is anything said to who talks without signing in.
	conn, err := embedded.Visitor{Door: h.door}.InProcessConn()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	if info, err := in.ReadString('\n'); err != nil || !strings.Contains(info, `"nonce"`) || !strings.Contains(info, `"auth_required":true`) {
		t.Errorf("%q, %v", info, err)
	}
	if _, err := conn.Write([]byte("CONNECT {}\r\nSUB > 1\r\nPING\r\n")); err != nil {
		t.Fatal(err)
	}
	if said, err := in.ReadString('\n'); err != nil || said != "-ERR 'Authorization Violation'\r\n" {
		t.Errorf("%q, %v", said, err)
	}
	if said, err := in.ReadString('\n'); err == nil {
		t.Errorf("it went on: %q", said)
	}
}

func TestADoorThatAKillLeftIsReplacedAndWhatIsNoneIsLeftAlone(t *testing.T) {
	_, keys := bustest.Credentials(t)
	dir := t.TempDir()
	door := filepath.Join(dir, "run", "bus.sock")
	start := func() (*embedded.Server, error) {
		return embedded.Start(embedded.Options{Dir: filepath.Join(dir, "nats"), Keys: keys, Door: door})
	}
	visitor := embedded.Visitor{Door: door}
	if _, err := visitor.InProcessConn(); !errors.Is(err, embedded.ErrNobody) {
		t.Errorf("where there is nothing: %v", err)
	}
	if err := os.Mkdir(filepath.Dir(door), 0o700); err != nil {
		t.Fatal(err)
	}
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: door, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	if _, err := visitor.InProcessConn(); !errors.Is(err, embedded.ErrNobody) {
		t.Errorf("where a kill left it: %v", err)
	}
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := visitor.InProcessConn()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	s.Stop()
	if _, err := os.Lstat(door); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	if err := os.WriteFile(door, []byte("notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := start(); err == nil || !strings.Contains(err.Error(), "is no socket: remove it") {
		t.Errorf("over a file: %v", err)
	}
	if text, err := os.ReadFile(door); err != nil || string(text) != "notes" {
		t.Errorf("the file is %q, %v", text, err)
	}
	// A start that failed has not made the one after it believe in a clean end.
	if err := os.Remove(door); err != nil {
		t.Fatal(err)
	}
	if s, err = start(); err != nil || !s.Unclean() {
		t.Fatalf("%v, unclean %v", err, s.Unclean())
	}
	s.Stop()
	if err := os.Remove(filepath.Dir(door)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), filepath.Dir(door)); err != nil {
		t.Fatal(err)
	}
	if _, err := start(); err == nil || !strings.Contains(err.Error(), "is no folder") {
		t.Errorf("over a link: %v", err)
	}
}

func TestADoorWithALongNameIsReached(t *testing.T) {
	long := filepath.Join(strings.Repeat("a", 120), strings.Repeat("b", 120), "run", "bus.sock")
	h := built(t, long)
	if _, err := h.visit(t, "desk", h.seeds["desk"]); err != nil {
		t.Error(err)
	}
	h.server.Stop()
	if _, err := (embedded.Visitor{Door: h.door}).InProcessConn(); !errors.Is(err, embedded.ErrNobody) {
		t.Errorf("after its end: %v", err)
	}
}

func TestAStopSendsVisitorsAwayAndWaitsForNone(t *testing.T) {
	h := built(t, "run/bus.sock")
	conn, err := embedded.Visitor{Door: h.door}.InProcessConn()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	h.server.Stop()
	if said, err := in.ReadString('\n'); err == nil {
		t.Errorf("it said %q", said)
	}
	h.server.Stop() // twice is once
}
