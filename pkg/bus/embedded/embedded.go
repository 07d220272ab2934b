// Package embedded runs a NATS server inside this process: no port, every write on
// disk before it is acknowledged, and the same accounts and permissions as a server of its
// own. It is one node; it does not cluster and does not speak to others. Commands of the same
// machine reach it through a door, a unix socket, where it has one.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/postern-mail/postern/pkg/bus/topology"
)

// Running is the file in Dir that is there while a server runs, and stays where it is killed.
const Running = "running"

// startTimeout is how long a server may take to recover its streams.
const startTimeout = 2 * time.Minute

// Options say where the server keeps its state and whom it knows.
type Options struct {
	Dir  string            // its store; created with mode 0700
	Keys map[string]string // public nkey of each credential, by service name
	Door string            // socket for commands of this machine, alone in its folder; empty: none
	Log  *slog.Logger
}

// A Server is a running server.
type Server struct {
	ns      *server.Server
	running string // a file that is there while the server runs
	unclean bool
	failed  atomic.Bool // it could store nothing any more
	door    *door       // nil: none
}

// Start starts a server over whatever state it finds in Dir, and returns when it
// takes connections.
func Start(o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	accounts, err := topology.Accounts(o.Keys)
	if err != nil {
		return nil, fmt.Errorf("embedded bus: %w", err)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("embedded bus: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded bus: %w", err)
	}
	running := filepath.Join(dir, Running)
	_, err = os.Lstat(running)
	unclean := err == nil
	if err := os.WriteFile(running, nil, 0o600); err != nil {
		return nil, fmt.Errorf("embedded bus: %w", err)
	}
	opts := new(server.Options)
	if err := opts.ProcessConfigString(accounts); err != nil {
		return nil, fmt.Errorf("embedded bus: accounts: %w", err)
	}
	opts.ServerName = "postern"
	opts.DontListen = true
	opts.NoSigs = true
	opts.JetStream = true
	opts.StoreDir = dir
	opts.SyncAlways = true
	opts.MaxPayload = 1 << 20
	// Also how long a refused sign-in takes: both ends of the pipe are writing then.
	opts.WriteDeadline = 5 * time.Second
	opts.NoSystemAccount = false
	opts.DisableJetStreamBanner = true
	Warn(opts, o.Log)
	ns, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("embedded bus: %w", err)
	}
	ns.SetLoggerV2(logger{o.Log}, false, false, false)
	go ns.Start()
	if !ns.ReadyForConnections(startTimeout) {
		ns.Shutdown()
		return nil, errors.New("embedded bus: not ready in time")
	}
	if !ns.JetStreamEnabled() {
		ns.Shutdown()
		return nil, fmt.Errorf("embedded bus: streams in %s could not be opened", dir)
	}
	s := &Server{ns: ns, running: running, unclean: unclean}
	if o.Door != "" {
		if s.door, err = openDoor(o.Door, ns.InProcessConn, o.Log); err != nil {
			ns.Shutdown()
			ns.WaitForShutdown()
			return nil, fmt.Errorf("embedded bus: door: %w", err)
		}
	}
	return s, nil
}

// InProcessConn is a connection to the server without a network.
func (s *Server) InProcessConn() (net.Conn, error) { return s.ns.InProcessConn() }

// Stop ends the server when its streams are closed.
func (s *Server) Stop() {
	if s.door != nil {
		s.door.close()
	}
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
	if !s.failed.Load() {
		_ = os.Remove(s.running) // left behind, it only makes the next start more careful
	}
}

// glance is how often Watch looks.
const glance = 5 * time.Second

// Watch returns an error once a stream or a consumer of the server can write nothing any more, as on
// a full disk: the server gives it up and does not try again, so only a new start helps. It returns
// nil when ctx ends.
func (s *Server) Watch(ctx context.Context) error {
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for _, bad := range s.ns.Healthz(&server.HealthzOptions{Details: true}).Errors {
			switch bad.Type {
			case server.HealthzErrorJetStream, server.HealthzErrorStream, server.HealthzErrorConsumer:
				s.failed.Store(true)
				return fmt.Errorf("embedded bus: it cannot go on: %s: see that its disk has room, then start again", bad.Error)
			}
		}
	}
}

// Unclean reports whether the server before this one over the same state died without Stop.
// What consumers had in work shortly before is then not known for certain.
func (s *Server) Unclean() bool { return s.unclean }

// Warn says aloud where a configuration defeats what Postern relies on. With a key
// for JetStream configured, the server reports a secure deletion as done and leaves the
// record readable to whoever has the key.
func Warn(o *server.Options, log *slog.Logger) bool {
	if o.JetStreamKey == "" && o.JetStreamOldKey == "" {
		return false
	}
	log.Warn("jetstream.key is configured: secure deletion does nothing under it; encrypt the disk instead")
	return true
}

// CheckConfig reads the configuration file of a server and warns as Warn does.
func CheckConfig(file string, log *slog.Logger) (warned bool, err error) {
	o := new(server.Options)
	if err := o.ProcessConfigFile(file); err != nil {
		return false, fmt.Errorf("nats configuration %s: %w", file, err)
	}
	return Warn(o, log), nil
}

// logger passes the server's notices on. They hold names of streams and subjects,
// never payloads.
type logger struct{ log *slog.Logger }

func (l logger) Noticef(f string, v ...any) {
	l.log.Debug("bus server", "notice", fmt.Sprintf(f, v...))
}
func (l logger) Warnf(f string, v ...any)  { l.log.Warn("bus server", "warning", fmt.Sprintf(f, v...)) }
func (l logger) Errorf(f string, v ...any) { l.log.Error("bus server", "error", fmt.Sprintf(f, v...)) }
func (l logger) Fatalf(f string, v ...any) { l.log.Error("bus server", "fatal", fmt.Sprintf(f, v...)) }
func (l logger) Debugf(string, ...any)     {}
func (l logger) Tracef(string, ...any)     {}
