// Package fleet runs Postern as a fleet on one machine, for demonstrations and tests: a
// real nats-server, S3 gateway, Redis, Dovecot and clamd, and every service as a process
// of its own with its own credential, all on the loopback interface and below one folder.
// It is no way to run Postern for others: it holds every service's secrets in one place.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/services/verify"
)

// DemoUser may do everything at the desk of a fleet, and signs in by a link only.
const DemoUser = "demo"

// Options say how a fleet is to be.
type Options struct {
	// Dir keeps everything; a second start goes on from there.
	Dir string
	// Program is the postern binary. Empty: the one that runs.
	Program string
	// Zone is what the DNS says. Nil: every look-up is a temporary failure.
	Zone map[string]*dns.Entry
	// TrustMX are the hosts whose Received lines are believed.
	TrustMX []string
	// Ours is who we are, for signs that a sender is taken for us.
	Ours verify.Ours
	// Listen is the desk's address. Empty: a free port.
	Listen string
	// ClockOffset is how far the clocks of all services run ahead.
	ClockOffset time.Duration
	// Trace is the URL of an OTLP/HTTP collector that gets every span. Empty: no spans.
	Trace string
	// Env is added to the environment of every service and command of the program.
	Env []string
	// Change may alter the configuration of a service before it is written.
	Change func(service string, config Section)
	// Before is called when the servers and the streams are there, and before the first
	// service starts. Nil: nothing is.
	Before func(context.Context, *Fleet) error
	// Without are services that somebody else starts, with the configuration that is written for them.
	Without []string
	// Log gets a line for what a person should know. Nil: nobody.
	Log io.Writer
}

// A Fleet is running. Its methods may be used by many goroutines.
type Fleet struct {
	options  Options
	dir      string // absolute
	short    string // for sockets, whose names must be short
	programs map[string]string
	spawn    *spawner
	servers  servers
	names    *nameServer
	offset   time.Duration
	undo     []func() // in the order in which things were begun

	mu       sync.Mutex
	children map[string]*child
	killed   *child // a server that is to be started again
	resting  bool   // services that end are not started again
	keepers  sync.WaitGroup
	failed   chan error // what ended by itself and must not
	quit     chan struct{}
	stopped  sync.Once
}

// Folders of services are named by the service; these are the others'.
const (
	folderNATS    = "nats"
	folderS3      = "s3"
	folderRedis   = "redis"
	folderDovecot = "dovecot"
	folderClamd   = "clamd"
	folderTLS     = "tls"
	folderSecrets = "secrets"
)

// Start starts everything and returns when every service is ready. Stop must be called.
func Start(ctx context.Context, options Options) (*Fleet, error) {
	f := &Fleet{
		options: options, offset: options.ClockOffset, children: map[string]*child{},
		failed: make(chan error, 1), quit: make(chan struct{}),
	}
	if f.options.Log == nil {
		f.options.Log = io.Discard
	}
	if err := f.start(ctx); err != nil {
		f.Stop()
		return nil, err
	}
	return f, nil
}

func (f *Fleet) start(ctx context.Context) error {
	var err error
	if f.dir, err = filepath.Abs(f.options.Dir); err != nil {
		return err
	}
	if f.options.Program == "" {
		if f.options.Program, err = os.Executable(); err != nil {
			return err
		}
	}
	if f.programs, err = findAll(); err != nil {
		return err
	}
	// Dovecot's own user must reach its folder below; every other folder is closed.
	if err := errors.Join(os.MkdirAll(f.dir, 0o711), os.Chmod(f.dir, 0o711)); err != nil {
		return fmt.Errorf("fleet folder: %w", err)
	}
	if err := f.lock(); err != nil {
		return err
	}
	if f.short, err = os.MkdirTemp("", "postern-fleet"); err != nil {
		return fmt.Errorf("fleet folder for sockets: %w", err)
	}
	f.undo = append(f.undo, func() { _ = os.RemoveAll(f.short) })
	if err := os.Chmod(f.short, 0o755); err != nil {
		return fmt.Errorf("fleet folder for sockets: %w", err)
	}
	f.spawn = newSpawner()
	f.undo = append(f.undo, f.spawn.end)
	if f.options.Zone != nil {
		if f.names, err = serveNames(f.options.Zone); err != nil {
			return err
		}
		f.undo = append(f.undo, f.names.stop)
	}
	if err := f.startServers(ctx); err != nil {
		return err
	}
	if err := f.command(ctx, "setup", "setup"); err != nil {
		return err
	}
	users := desk.NewDirectory(filepath.Join(f.Folder("desk"), "users.yaml"))
	if err := users.Save(desk.User{Name: DemoUser, Roles: desk.Roles}); err != nil {
		return err
	}
	if f.options.Before != nil {
		if err := f.options.Before(ctx, f); err != nil {
			return err
		}
	}
	f.StartServices()
	return f.WaitReady(ctx)
}

// lock keeps a second fleet out of the folder.
func (f *Fleet) lock() error {
	file, err := os.OpenFile(filepath.Join(f.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("fleet lock: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("fleet folder %s: another fleet runs there", f.dir), file.Close())
	}
	f.undo = append(f.undo, func() { _ = file.Close() })
	return nil
}

// command runs a command of the program with a credential's configuration, and gives
// nothing but its failure.
func (f *Fleet) command(ctx context.Context, credential string, args ...string) error {
	_, err := f.Command(ctx, credential, args...)
	return err
}

// Command runs a command of the program, such as "audit", "verify", with a credential's
// configuration, and gives what it printed.
func (f *Fleet) Command(ctx context.Context, credential string, args ...string) (string, error) {
	args = append(slices.Clone(args), "--config", f.ConfigFile(credential))
	command := exec.CommandContext(ctx, f.options.Program, args...)
	command.Env = f.environment(credential, f.options.Env)
	command.Dir = f.Folder(credential)
	var out, complaint limited
	command.Stdout, command.Stderr = &out, &complaint
	if err := command.Run(); err != nil {
		return out.String(), fmt.Errorf("postern %v: %w: %s", args, err, complaint.String())
	}
	return out.String(), nil
}

// Stop ends the services in their order, then the servers.
func (f *Fleet) Stop() {
	f.stopped.Do(func() {
		close(f.quit)
		f.StopServices()
		for _, undo := range slices.Backward(f.undo) {
			undo()
		}
	})
}

// Failed tells when something ended that the fleet cannot go on without.
func (f *Fleet) Failed() <-chan error { return f.failed }

func (f *Fleet) fail(err error) {
	select {
	case f.failed <- err:
	default: // the first is told
	}
}

// Services are the names of the services of a fleet.
func Services() []string { return slices.Clone(wiring.Order) }

// Dir is the folder that holds everything.
func (f *Fleet) Dir() string { return f.dir }

// Folder is the folder of a service, a server or a credential.
func (f *Fleet) Folder(name string) string { return filepath.Join(f.dir, name) }

// ConfigFile is the configuration of a service or of another credential.
func (f *Fleet) ConfigFile(name string) string { return filepath.Join(f.Folder(name), "postern.yaml") }

// LogFile is where a service or a server writes its log.
func (f *Fleet) LogFile(name string) string { return filepath.Join(f.Folder(name), "log") }

// Mailbox is where Dovecot keeps the mailbox: the customer's own place, which Postern reads.
func (f *Fleet) Mailbox() string { return f.servers.mailbox }

// Scratch are the folders for temporary files of each service and server.
func (f *Fleet) Scratch() []string {
	scratch := []string{f.short, f.servers.scratch}
	for _, name := range append(Services(), folderNATS, folderS3, folderRedis, folderDovecot) {
		scratch = append(scratch, filepath.Join(f.Folder(name), "tmp"))
	}
	return scratch
}

// Desk is the address of the desk, host:port.
func (f *Fleet) Desk() string { return f.servers.desk }

// Link makes a link that signs the fleet's user in, once.
func (f *Fleet) Link(ctx context.Context) (string, error) {
	out, err := f.Command(ctx, "desk", "user", "link", DemoUser)
	return trimLine(out), err
}

// Servers are the names of the servers of a fleet.
func Servers() []string {
	return []string{folderNATS, folderRedis, folderS3, folderClamd, folderDovecot}
}
