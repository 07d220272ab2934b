package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNobody says that no server stands behind a door: no process runs there.
var ErrNobody = errors.New("nobody is behind the door")

// knockTimeout is how long a door that takes no more visitors is stood before.
const knockTimeout = 10 * time.Second

// A Visitor reaches the server of another process through its door. It is a bus.Local.
type Visitor struct {
	Door string // path of the socket
}

// InProcessConn is a connection to the server behind the door; ErrNobody where there is none.
func (v Visitor) InProcessConn() (net.Conn, error) {
	short, done, err := socketPath(v.Door)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNobody
	}
	if err != nil {
		return nil, fmt.Errorf("embedded bus: %w", err)
	}
	defer done()
	ctx, cancel := context.WithTimeout(context.Background(), knockTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", short)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED): // none, or one that a kill left behind
		return nil, ErrNobody
	case err != nil:
		return nil, fmt.Errorf("embedded bus: %w", bare(v.Door, err))
	}
	return conn, nil
}

// maxSocketPath is the longest name that a unix socket may have (unix(7): 108 bytes with
// the zero that ends it).
const maxSocketPath = 107

// socketPath gives a name of a socket that is short enough, which holds until done: where its
// own is too long, one by way of an open folder (proc(5): /proc/self/fd).
func socketPath(path string) (short string, done func(), err error) {
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	folder, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, fmt.Errorf("socket %s: %w", path, err)
	}
	done = func() { _ = unix.Close(folder) }
	short = fmt.Sprintf("/proc/self/fd/%d/%s", folder, filepath.Base(path))
	if _, err := os.Stat(filepath.Dir(short)); err != nil || len(short) > maxSocketPath {
		done()
		return "", nil, fmt.Errorf("socket %s: its name has %d bytes and may have %d, as /proc is not there to shorten it: choose a data_dir with a shorter name", path, len(path), maxSocketPath)
	}
	return short, done, nil
}

// bare is an error of the network without the name that was used for a socket.
func bare(path string, err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return fmt.Errorf("socket %s: %w", path, err)
}
