package fleet

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// patience is how long a child may take to end before it is killed.
const patience = 20 * time.Second

// A child is one process.
type child struct {
	name    string
	command *exec.Cmd
	ended   chan struct{} // closed when it is no more
}

func (c *child) pid() int { return c.command.Process.Pid }

// how says how it ended.
func (c *child) how() string { return c.command.ProcessState.String() }

// stop ends a process by its id, gently first.
func (c *child) stop(signal syscall.Signal) {
	_ = c.command.Process.Signal(signal) // one that ended by itself needs none
	select {
	case <-c.ended:
	case <-time.After(patience):
		_ = c.command.Process.Kill()
		<-c.ended
	}
}

// A spawner starts children from one thread that lives as long as they: they are killed
// when the thread that started them ends, so that none outlives the fleet however it dies.
type spawner struct{ work chan func() }

func newSpawner() *spawner {
	s := &spawner{make(chan func())}
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for work := range s.work {
			work()
		}
	}()
	return s
}

func (s *spawner) end() { close(s.work) }

// start starts a child whose output goes to its log file.
func (f *Fleet) launch(name string, env []string, program string, args ...string) (*child, error) {
	folder := f.Folder(name)
	log, err := os.OpenFile(f.LogFile(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", name, err)
	}
	defer log.Close()
	command := exec.Command(program, args...)
	command.Dir, command.Env = folder, env
	command.Stdout, command.Stderr = log, log
	// A group of its own: Ctrl-C at a terminal reaches the fleet alone, which ends each in order.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	f.spawn.work <- func() { started <- command.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c := &child{name, command, make(chan struct{})}
	go func() {
		_ = command.Wait() // how it ended stands in its state
		close(c.ended)
	}()
	return c, nil
}

// environment is what a child finds around it: a place for temporary files that is its own,
// and nothing of ours.
func (f *Fleet) environment(name string, more []string) []string {
	folder := f.Folder(name)
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + folder, "TMPDIR=" + filepath.Join(folder, "tmp"), "LANG=C",
	}, more...)
}

// prepare makes the folder of a child, with an empty one for temporary files.
func (f *Fleet) prepare(name string) error {
	temporary := filepath.Join(f.Folder(name), "tmp")
	if err := errors.Join(os.RemoveAll(temporary), os.MkdirAll(temporary, 0o700)); err != nil {
		return fmt.Errorf("folder of %s: %w", name, err)
	}
	return nil
}

// limited keeps the beginning of what is written to it.
type limited struct{ strings.Builder }

func (l *limited) Write(p []byte) (int, error) {
	const most = 64 << 10
	if room := most - l.Len(); room > 0 {
		l.Builder.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func trimLine(text string) string { return strings.TrimSpace(text) }
