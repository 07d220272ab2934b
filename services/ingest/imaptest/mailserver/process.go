package mailserver

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A Program is one process to run. Where several are named, they are started in
// order and stopped in the other one.
type Program struct {
	Path        string
	Args        []string
	Environment []string // all of it
	As          *Owner   // nil: whoever runs the test
}

// A child is a running program with a group of its own, so that its children end with it.
type child struct {
	command *exec.Cmd
	ended   chan struct{}
	output  output
}

// launch starts the programs and waits for the greeting of both ports.
func (s *Server) launch() error {
	programs, err := s.start()
	if err != nil {
		return err
	}
	for _, program := range programs {
		c := &child{command: exec.Command(program.Path, program.Args...), ended: make(chan struct{})}
		c.command.Env, c.command.Dir = program.Environment, s.Dir
		c.command.Stdout, c.command.Stderr = &c.output, &c.output
		c.command.WaitDelay = patience // for children of its that hold on to its output
		c.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
		if program.As != nil && syscall.Geteuid() == 0 {
			c.command.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(program.As.UID), Gid: uint32(program.As.GID)}
		}
		if err := c.command.Start(); err != nil {
			s.Stop()
			return err
		}
		go func() {
			_ = c.command.Wait()
			close(c.ended)
		}()
		s.children = append(s.children, c)
	}
	if err := s.greeted(); err != nil {
		err = fmt.Errorf("%w\n%s", err, s.Output())
		s.Stop()
		return err
	}
	return nil
}

// greeted waits until both ports greet.
func (s *Server) greeted() error {
	deadline := time.After(patience)
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for {
		err := errors.Join(greeting(s.PlainAddr, nil), greeting(s.Addr, s.TLS()))
		if err == nil {
			return nil
		}
		for _, child := range s.children {
			select {
			case <-child.ended:
				return fmt.Errorf("%s ended at start", child.command.Path)
			default:
			}
		}
		select {
		case <-deadline:
			return fmt.Errorf("no greeting: %w", err)
		case <-retry.C:
		}
	}
}

func greeting(address string, trust *tls.Config) error {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if trust != nil {
		conn = tls.Client(conn, trust)
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// Kill ends all processes of the server at once, whatever they are doing.
func (s *Server) Kill() {
	for _, child := range s.children {
		_ = syscall.Kill(-child.command.Process.Pid, syscall.SIGKILL)
	}
	for _, child := range s.children {
		<-child.ended
	}
	s.children = nil
}

// Stop ends the server in its own way, and kills what is left of it.
func (s *Server) Stop() {
	for _, child := range slices.Backward(s.children) {
		_ = syscall.Kill(child.command.Process.Pid, syscall.SIGTERM)
		select {
		case <-child.ended:
		case <-time.After(patience):
		}
	}
	s.Kill()
}

// Output is what the processes that run now have written so far, and the log.
func (s *Server) Output() string {
	var whole bytes.Buffer
	if log, err := os.ReadFile(s.LogFile); err == nil {
		whole.Write(log)
	}
	for _, child := range s.children {
		whole.WriteString(child.output.String())
	}
	return whole.String()
}

// output keeps what a process writes.
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
