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

// errTime is how a job ended that took too long.
var errTime = errors.New("time is over")

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
		return errors.New(string(bytes.ToValidUTF8(body, nil)))
	case kind != frameReady:
		return errProtocol
	}
	return c.conn.SetReadDeadline(time.Time{})
}

// cut makes every use of the connection end now.
func (c *child) cut() { _ = c.conn.SetDeadline(time.Unix(1, 0)) }

// allow gives the child time, unless the job is over.
func (c *child) allow(ctx context.Context, d time.Duration) error {
	if err := c.conn.SetDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	return ctx.Err() // whoever ends the job after this cuts after this
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

// do has the child do one job.
func (c *child) do(ctx context.Context, job string, parts [][]byte, answer Answer) ([][]byte, error) {
	within, cancel := context.WithTimeoutCause(ctx, c.room.Time+c.room.Asking, errTime)
	defer cancel()
	release := context.AfterFunc(within, c.cut)
	results, err := c.exchange(within, job, parts, answer)
	whole := release()
	switch {
	case whole && (err == nil || errors.Is(err, ErrJob)):
		return results, err
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded) || within.Err() != nil:
		return nil, fmt.Errorf("%w: %w", ErrDied, errTime)
	default:
		return nil, fmt.Errorf("%w: %w", ErrDied, err)
	}
}

func (c *child) exchange(ctx context.Context, job string, parts [][]byte, answer Answer) ([][]byte, error) {
	left, began := c.room.Time, time.Now()
	if err := c.allow(ctx, left); err != nil {
		return nil, err
	}
	if err := c.wire.write(frameJob, []byte(job)); err != nil {
		return nil, err
	}
	if err := c.wire.sendParts(parts); err != nil {
		return nil, err
	}
	g := gathering{left: c.room.Result}
	for {
		kind, body, err := c.wire.receive()
		if err != nil {
			return nil, err
		}
		switch kind {
		case frameQuestion:
			left -= time.Since(began) // which stands still while it is answered
			if err := c.answer(ctx, answer); err != nil {
				return nil, err
			}
			began = time.Now()
			if err := c.allow(ctx, left); err != nil {
				return nil, err
			}
		case frameMore, framePart:
			if err := g.take(kind, body); err != nil {
				return nil, err
			}
		case frameEnd:
			if g.open {
				return nil, errProtocol
			}
			return g.parts, nil
		case frameError:
			return nil, fmt.Errorf("%w: %s", ErrJob, code(string(body)))
		default:
			return nil, fmt.Errorf("%w: frame %q", errProtocol, kind)
		}
	}
}

// answer answers one question.
func (c *child) answer(ctx context.Context, answer Answer) error {
	if err := c.allow(ctx, c.room.Asking); err != nil {
		return err
	}
	question := &questionReader{w: c.wire}
	var said []byte
	err := errors.New("nobody answers")
	if answer != nil {
		said, err = answer(ctx, question)
	}
	if err := question.skip(); err != nil {
		return err
	}
	if err != nil {
		return c.wire.sendError("unanswered")
	}
	return c.wire.sendParts([][]byte{said})
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
