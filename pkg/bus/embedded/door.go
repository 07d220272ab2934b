package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// MaxVisitors is how many connections a door takes at once; more wait outside until one ends.
const MaxVisitors = 64

// Modes of a door. Its folder is for the process's own user, and so is the socket in it.
const (
	doorFolder fs.FileMode = 0o700
	doorSocket fs.FileMode = 0o600
)

// acceptPause is how long a door that could not take a connection waits, as where files ran out.
const acceptPause = 100 * time.Millisecond

// A door is a unix socket through which commands of this machine reach the server. It lets
// bytes through and knows nobody: the server asks for a key as it does on any connection.
type door struct {
	path     string
	listener *net.UnixListener
	inside   func() (net.Conn, error)
	log      *slog.Logger
	slots    chan struct{}
	shut     chan struct{}

	mu       sync.Mutex
	closed   bool
	visitors map[net.Conn]bool
	working  sync.WaitGroup
}

// openDoor makes the socket and takes connections. The caller holds the folder for itself: a
// socket that lies there is one that a killed process left, and is replaced.
func openDoor(path string, inside func() (net.Conn, error), log *slog.Logger) (*door, error) {
	folder := filepath.Dir(path)
	if err := ownFolder(folder, os.Geteuid()); err != nil {
		return nil, err
	}
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s is there and is no socket: remove it", path)
	default:
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	listener, err := listen(path)
	if err != nil {
		return nil, err
	}
	d := &door{
		path: path, listener: listener, inside: inside, log: log,
		slots: make(chan struct{}, MaxVisitors), shut: make(chan struct{}), visitors: map[net.Conn]bool{},
	}
	d.working.Go(d.take)
	return d, nil
}

// ownFolder makes the folder, or takes its mode back to what it must be. One that belongs to
// anybody but the process's user, or a link, is refused: whoever owns it can put another socket
// in the door's place. That its mode cannot be changed tells nothing to root, who may change any.
func ownFolder(folder string, user int) error {
	if err := os.Mkdir(folder, doorFolder); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(folder)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is there and is no folder: remove it", folder)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("folder %s does not tell its owner", folder)
	}
	if int64(stat.Uid) != int64(user) {
		return fmt.Errorf("folder %s belongs to user %d and not to %d, who runs this: remove it, or give it to that user", folder, stat.Uid, user)
	}
	return os.Chmod(folder, doorFolder) // a umask may have narrowed it, or somebody opened it
}

func listen(path string) (*net.UnixListener, error) {
	short, done, err := socketPath(path)
	if err != nil {
		return nil, err
	}
	defer done()
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		// The file that bind makes takes its mode from the socket: it is never wider than this.
		controlled := raw.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), uint32(doorSocket)) })
		return errors.Join(controlled, err)
	}}
	made, err := config.Listen(context.Background(), "unix", short)
	if err != nil {
		return nil, bare(path, err)
	}
	listener, ok := made.(*net.UnixListener)
	if !ok {
		made.Close()
		return nil, errors.New("not a unix socket")
	}
	listener.SetUnlinkOnClose(false) // the name may be another's by then; close removes what is ours
	if err := os.Chmod(path, doorSocket); err != nil {
		_ = listener.Close()
		return nil, err
	}
	return listener, nil
}

// take lets visitors in until the door is shut.
func (d *door) take() {
	for {
		select {
		case d.slots <- struct{}{}:
		case <-d.shut:
			return
		}
		visitor, err := d.listener.Accept()
		if err == nil {
			d.working.Go(func() {
				defer func() { <-d.slots }()
				d.lead(visitor)
			})
			continue
		}
		<-d.slots
		if errors.Is(err, net.ErrClosed) {
			return
		}
		d.log.Warn("bus door took no connection", "err", err)
		select {
		case <-d.shut:
			return
		case <-time.After(acceptPause):
		}
	}
}

// lead carries bytes between a visitor and the server until either ends.
func (d *door) lead(visitor net.Conn) {
	defer visitor.Close()
	if !d.note(visitor) {
		return
	}
	defer d.forget(visitor)
	server, err := d.inside()
	if err != nil {
		d.log.Warn("bus door led nowhere", "err", err)
		return
	}
	defer server.Close()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(visitor, server) // how it ended is each end's own to notice
		visitor.Close()
	})
	_, _ = io.Copy(server, visitor)
	server.Close()
	back.Wait()
}

// note remembers a visitor, whom close sends away; false where the door is closed already.
func (d *door) note(visitor net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.visitors[visitor] = true
	}
	return !d.closed
}

func (d *door) forget(visitor net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.visitors, visitor)
}

// close takes nobody any more, sends everybody away and removes the socket.
func (d *door) close() {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return
	}
	d.closed = true
	// First of all: who finds no socket knows that nobody is there.
	_ = os.Remove(d.path) // one that stays is replaced by the next start
	close(d.shut)
	_ = d.listener.Close()
	for visitor := range d.visitors {
		_ = visitor.Close()
	}
	d.mu.Unlock()
	d.working.Wait()
}
