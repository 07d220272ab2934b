package embedded

import (
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOnlyTheOwnersUserMayUseTheDoor(t *testing.T) {
	for name, umask := range map[string]int{"none": 0, "usual": 0o022, "all": 0o777} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			open := func() *door {
				old := unix.Umask(umask)
				defer unix.Umask(old)
				d, err := openDoor(filepath.Join(dir, "run", "bus.sock"), new(crowd).enter, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				return d
			}
			for range 2 {
				d := open()
				for path, want := range map[string]fs.FileMode{"run": fs.ModeDir | 0o700, "run/bus.sock": fs.ModeSocket | 0o600} {
					if info, err := os.Lstat(filepath.Join(dir, path)); err != nil || info.Mode() != want {
						t.Errorf("%s: %v, %v", path, info.Mode(), err)
					}
				}
				d.close()
				// Somebody opens the folder to all; the next start closes it again.
				if err := os.Chmod(filepath.Join(dir, "run"), 0o777); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestAFolderOfAnotherUserIsNoPlaceForADoor(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "run")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	refused := func(err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "belongs to user") {
			t.Errorf("error %v", err)
		}
		if info, err := os.Lstat(folder); err != nil || info.Mode() != fs.ModeDir|0o755 {
			t.Errorf("its mode was changed: %v, %v", info.Mode(), err)
		}
	}
	refused(ownFolder(folder, os.Geteuid()+1))
	if os.Geteuid() != 0 {
		return // only root can give a folder away, and only root may change the mode of another's
	}
	if err := os.Chown(folder, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	_, err := openDoor(filepath.Join(folder, "bus.sock"), new(crowd).enter, slog.New(slog.DiscardHandler))
	refused(err)
}

// crowd counts who is inside at once.
type crowd struct {
	mu       sync.Mutex
	in, most int
}

// enter gives a server's end that greets and then only listens.
func (c *crowd) enter() (net.Conn, error) {
	near, far := net.Pipe()
	c.mu.Lock()
	c.in++
	c.most = max(c.most, c.in)
	c.mu.Unlock()
	go func() {
		_, _ = far.Write([]byte("!"))
		_, _ = far.Read(make([]byte, 1))
		far.Close()
	}()
	return &leaving{Conn: near, crowd: c}, nil
}

type leaving struct {
	net.Conn
	crowd *crowd
	once  sync.Once
}

func (l *leaving) Close() error {
	l.once.Do(func() {
		l.crowd.mu.Lock()
		l.crowd.in--
		l.crowd.mu.Unlock()
	})
	return l.Conn.Close()
}

func TestADoorTakesSoManyVisitorsAtOnceAndTheOthersWhenSomeHaveGone(t *testing.T) {
	c := new(crowd)
	path := filepath.Join(t.TempDir(), "run", "bus.sock")
	d, err := openDoor(path, c.enter, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	const extra = 10
	greeted := make(chan net.Conn, MaxVisitors+extra)
	for range MaxVisitors + extra {
		visitor, err := Visitor{Door: path}.InProcessConn()
		if err != nil {
			t.Fatal(err)
		}
		defer visitor.Close()
		go func() {
			if _, err := visitor.Read(make([]byte, 1)); err == nil {
				greeted <- visitor
			}
		}()
	}
	for i := range MaxVisitors + extra {
		visitor := <-greeted
		if i < extra { // makes room for one that waits outside
			visitor.Close()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.most != MaxVisitors {
		t.Errorf("%d were inside at once, the door takes %d", c.most, MaxVisitors)
	}
}

func TestAStopThatComesWhileVisitorsComeLeavesNobodyBehind(t *testing.T) {
	for range 50 {
		c := new(crowd)
		path := filepath.Join(t.TempDir(), "run", "bus.sock")
		d, err := openDoor(path, c.enter, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		var coming sync.WaitGroup
		for range 8 {
			coming.Go(func() {
				visitor, err := Visitor{Door: path}.InProcessConn()
				if err != nil {
					return
				}
				_, _ = visitor.Read(make([]byte, 2))
				_, _ = visitor.Read(make([]byte, 2)) // until it is sent away
				visitor.Close()
			})
		}
		d.close()
		coming.Wait()
		if c.in != 0 {
			t.Fatalf("%d are still inside", c.in)
		}
	}
}
