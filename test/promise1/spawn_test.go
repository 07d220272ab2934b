package promise1

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

// patience is how long one process may take to settle or to be killed: leases of the one
// before it last 10 s.
var patience = allow(90*time.Second, 3*time.Minute)

// errUnsettled says that mails were not at rest after the time that they may take.
var errUnsettled = errors.New("mails are not at rest")

// standstill is after when a sweeper drives an item that stands still.
const standstill = time.Hour

// errSpared says that a process ended without having been killed.
var errSpared = errors.New("the process was not killed")

// run runs one life as a process of its own. It gives a report where the process ended in
// peace, and nil where it was killed as it was to be.
func (l life) run(ctx context.Context) (*report, error) {
	told, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	longest := patience
	if l.Patient {
		longest += found
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	command := exec.CommandContext(ctx, os.Args[0])
	command.Env = append(os.Environ(), childVariable+"="+string(told))
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var complaints strings.Builder
	command.Stderr = &complaints
	if err := command.Start(); err != nil {
		return nil, err
	}
	var result *report
	var complaint error
	dying := false
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "report":
			result = new(report)
			complaint = errors.Join(complaint, json.Unmarshal([]byte(rest), result))
		case "error":
			complaint = errors.Join(complaint, errors.New(rest))
		case "dying":
			dying = true
		case "unsettled":
			complaint = errors.Join(complaint, fmt.Errorf("%w: %s", errUnsettled, rest))
		}
	}
	ended := command.Wait()
	var exit *exec.ExitError
	killed := errors.As(ended, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
	switch {
	case l.Kill != nil && dying && killed:
		return nil, nil
	case l.Kill != nil && !l.Spare:
		return nil, fmt.Errorf("%w (%w): %w", errSpared, ended, errors.Join(complaint, ctx.Err()))
	case errors.Is(complaint, errUnsettled):
		return nil, complaint
	case ended != nil || result == nil:
		return nil, fmt.Errorf("process: %w: %w", errors.Join(ended, complaint, ctx.Err()), errors.New(complaints.String()))
	}
	return result, complaint
}

// A place is a data directory and a mailbox of its own.
type place struct {
	life
	server *dovecot.Server
	mails  [][]byte
	came   map[uint32][sha256.Size]byte // by UID, as they came at first
	aside  int                          // mails that are to be set aside beside those over the size; -1: any whose workers died
}

func newPlace(t *testing.T, server *dovecot.Server, user string, mails ...[]byte) *place {
	t.Helper()
	host, port, err := net.SplitHostPort(server.PlainAddr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	data := quickDir(t)
	password := filepath.Join(data, "password")
	if err := os.WriteFile(password, []byte(dovecot.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	server.Append(user, "INBOX", mails...)
	client := server.Client(user, "INBOX")
	defer client.Close()
	return &place{
		came:   client.Digests(),
		life:   life{Data: data, Host: host, Port: number, User: user, Password: password, Mails: len(mails)},
		server: server, mails: mails,
	}
}

// finish runs the place to its end and checks what is there then. Events that died with
// the bus are said again by sweepers, an hour later.
func (p *place) finish(t *testing.T, l life) *report {
	t.Helper()
	l.Kill = nil
	r, err := l.run(t.Context())
	if errors.Is(err, errUnsettled) {
		t.Logf("left to the sweepers: %v", err)
		l.Ahead += standstill
		l.Patient = true
		r, err = l.run(t.Context())
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, logged(p.Data))
	}
	p.check(t, r)
	return r
}

// check holds promise 1 against what the server has.
func (p *place) check(t *testing.T, r *report) {
	t.Helper()
	client := p.server.Client(p.User, "INBOX")
	var server sight
	switch p.action() {
	case ingest.Keyword:
		server = marked(client)
	case ingest.Move:
		server = left(t, p.came, client)
		server.checkMoved(t, p.server.Client(p.User, moveTo))
	case ingest.Delete:
		server = left(t, p.came, client)
	}
	aside := len(oversizeOf(p.mails)) + p.aside
	if p.aside < 0 {
		aside = -1
	}
	r.check(t, server, aside)
	if t.Failed() {
		t.Log(logged(p.Data))
	}
}

func oversizeOf(mails [][]byte) [][]byte {
	var large [][]byte
	for _, mail := range mails {
		if len(mail) > maxSize {
			large = append(large, mail)
		}
	}
	return large
}
