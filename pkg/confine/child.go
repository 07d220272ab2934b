package confine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// startTime is how long a child may take to begin.
const startTime = 30 * time.Second

// A program is this program's own file, which children are started from.
type program struct{ file *os.File }

func openProgram() (*program, error) {
	if !entered.Load() {
		return nil, errNotEntered
	}
	file, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("own program: %w", err)
	}
	return &program{file}, nil
}

func (p *program) close() { p.file.Close() }

// A starter starts children from a thread of its own, which lives as long as they do: the kernel
// ends a child when the thread that started it ends. It goes on to live after them, for it may have
// started other processes before, which are nobody's here.
type starter struct{ starts chan func() }

func newStarter() *starter {
	s := &starter{starts: make(chan func())}
	go s.run()
	return s
}

func (s *starter) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for start := range s.starts {
		start()
	}
}

// close lets the thread go. Its children have ended.
func (s *starter) close() { close(s.starts) }

// A child is one confined process, as it is seen from outside.
type child struct {
	cmd  *exec.Cmd
	conn net.Conn
	wire *wire
	room Room
	jobs int
}

// start starts a child and waits until it is shut in.
func (s *starter) start(ctx context.Context, program *program, room Room) (*child, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	text, err := json.Marshal(order{
		UID: os.Geteuid(), GID: os.Getegid(),
		Memory: room.Memory, CPU: uint64(max(1, room.CPU/time.Second)), Processes: uint64(max(1, room.Processes)), //nolint:gosec // positive
		Visible: room.Visible, Scratch: room.Scratch,
	})
	if err != nil {
		ours.Close()
		theirs.Close()
		return nil, err
	}
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{childName, stepEnter, string(text)}, Dir: "/",
		Env: []string{
			"GOMAXPROCS=2", "GOTRACEBACK=none", "HOME=/tmp", "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8",
			"GOMEMLIMIT=" + strconv.FormatInt(room.Memory/4*3, 10), // it collects before it reaches the limit
		},
		ExtraFiles: []*os.File{theirs, program.file},
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
			// What it needs to make its room, and gives up when that is made. The identifiers are mapped from within: this
			// process may be one that nobody of its user can look into.
			AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_SETPCAP},
			Pdeathsig:   syscall.SIGKILL,
			Setsid:      true, // Ctrl-C at a terminal is for who gives the jobs
		},
	}
	started := make(chan error)
	s.starts <- func() { started <- cmd.Start() }
	err = <-started
	theirs.Close() // so that its end is seen here
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("namespaces: %w", err)
	}
	c := &child{cmd: cmd, conn: ours, wire: newWire(ours), room: room}
	if err := c.begin(ctx); err != nil {
		c.end()
		return nil, err
	}
	return c, nil
}

// begin waits for the child to say that it is shut in.
func (c *child) begin(ctx context.Context) error {
	release := context.AfterFunc(ctx, c.cut)
	defer release()
	if err := c.conn.SetReadDeadline(time.Now().Add(startTime)); err != nil {
		return err
	}
	kind, body, err := c.wire.receive()
	switch {
	case err != nil:
		return fmt.Errorf("start: %w", err)
	case kind == frameError:
		return errors.New(string(bytes.ToValidUTF8(body[:min(len(body), errorBytes)], nil))) // of what it could not do; it has seen no mail
	case kind != frameReady:
		return errProtocol
	}
	return c.conn.SetReadDeadline(time.Time{})
}

// cut makes every use of the connection end now.
func (c *child) cut() { _ = c.conn.SetDeadline(time.Unix(1, 0)) }

// silent tells whether nothing of the child waits to be read: what it said before a job is no answer to it.
func (c *child) silent() bool {
	raw, err := c.conn.(syscall.Conn).SyscallConn()
	if err != nil || c.wire.r.Buffered() > 0 {
		return false
	}
	waits := 0
	err = raw.Control(func(fd uintptr) {
		var one [1]byte
		waits, _, _ = unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	})
	return err == nil && waits <= 0
}

// kill ends the child. Whoever has it waits for it.
func (c *child) kill() { _ = c.cmd.Process.Kill() }

// end ends the child and waits for it.
func (c *child) end() {
	c.kill()
	_ = c.cmd.Wait()
	c.conn.Close()
}

// spent counts one more job, and tells whether that was the child's last: it is replaced well before
// the kernel would end it in the middle of one.
func (c *child) spent() bool {
	c.jobs++
	var used unix.Timespec
	clock := int32(^c.cmd.Process.Pid<<3 | 2) //nolint:gosec // clock_getcpuclockid(3)
	if err := unix.ClockGettime(clock, &used); err != nil {
		return true
	}
	return c.jobs >= c.room.Jobs || time.Duration(used.Nano()) > c.room.CPU/2
}

// socketPair is a connection whose other end can be handed to a child.
func socketPair() (ours net.Conn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	file := os.NewFile(uintptr(fds[0]), "socket") //nolint:gosec // a descriptor
	theirs = os.NewFile(uintptr(fds[1]), "socket")
	ours, err = net.FileConn(file)
	file.Close()
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}
