package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// A subject is one process of Postern that is being measured.
type subject struct {
	dir     string
	source  *source
	command *exec.Cmd
	input   io.WriteCloser
	ended   chan struct{} // its output has ended
	ready   chan struct{} // closed with its first report

	mu       sync.Mutex
	trace    []report // what it reported, in order
	tickets  []report
	profiled chan struct{}
}

// startSubject starts this program again as Postern in one process, on an empty mailbox.
func startSubject(ctx context.Context, dir string, tell bool) (*subject, error) {
	source, err := startSource()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(order{Dir: dir, Port: source.port(), Tell: tell})
	if err != nil {
		return nil, err
	}
	s, err := startChild(ctx, dir, childWord, text)
	if err != nil {
		source.close()
		return nil, err
	}
	s.source = source
	return s, nil
}

// startChild starts this program again under a word, with an order and a folder of its own.
func startChild(ctx context.Context, dir, word string, order []byte) (*subject, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &subject{dir: dir, ended: make(chan struct{}), ready: make(chan struct{}), profiled: make(chan struct{}, 1)}
	s.command = exec.CommandContext(ctx, self, word)
	s.command.Stderr = os.Stderr
	if s.input, err = s.command.StdinPipe(); err != nil {
		return nil, err
	}
	output, err := s.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("one process: %w", err)
	}
	go s.listen(output)
	if _, err := fmt.Fprintf(s.input, "%s\n", order); err != nil {
		return nil, errors.Join(fmt.Errorf("one process: %w", err), s.stop())
	}
	select {
	case <-s.ready:
	case <-s.ended:
		return nil, errors.Join(errors.New("one process did not start"), s.stop())
	}
	return s, nil
}

func (s *subject) listen(output io.Reader) {
	defer close(s.ended)
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		var r report
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			continue
		}
		s.mu.Lock()
		switch {
		case r.Profiled:
			s.profiled <- struct{}{}
		case r.UID != 0:
			s.tickets = append(s.tickets, r)
		default:
			if len(s.trace) == 0 {
				close(s.ready)
			}
			s.trace = append(s.trace, r)
		}
		s.mu.Unlock()
	}
}

// last is the newest report.
func (s *subject) last() report {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.trace) == 0 {
		return report{}
	}
	return s.trace[len(s.trace)-1]
}

// settle waits until so many mails are done with, or the time is over.
func (s *subject) settle(ctx context.Context, mails int, longest time.Duration) (report, error) {
	return s.await(ctx, longest, func(r report) bool { return r.Done >= mails })
}

// await waits until it reports something, or the time is over.
func (s *subject) await(ctx context.Context, longest time.Duration, met func(report) bool) (report, error) {
	late := time.NewTimer(longest)
	defer late.Stop()
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		if r := s.last(); met(r) {
			return r, nil
		}
		select {
		case <-ctx.Done():
			return s.last(), ctx.Err()
		case <-s.ended:
			return s.last(), errors.New("one process ended by itself")
		case <-late.C:
			return s.last(), nil
		case <-tick.C:
		}
	}
}

// profile has the process write down where its processor time goes, until stop is called.
func (s *subject) profile(path string) (stop func() error, err error) {
	if _, err := fmt.Fprintf(s.input, "profile %s\n", path); err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	return func() error {
		if _, err := fmt.Fprintln(s.input, "stop"); err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		select {
		case <-s.profiled:
			return nil
		case <-s.ended:
			return errors.New("profile: the process ended")
		}
	}, nil
}

// stop ends the process and removes what it wrote.
func (s *subject) stop() error {
	if s.source != nil {
		s.source.close()
	}
	err := s.input.Close()
	kill := time.AfterFunc(time.Minute, func() { _ = s.command.Process.Signal(syscall.SIGKILL) })
	defer kill.Stop()
	<-s.ended
	return errors.Join(err, s.command.Wait(), os.RemoveAll(s.dir))
}

// folder names a folder of one run.
func (b *bench) folder(name string) string { return filepath.Join(b.dir, name) }
