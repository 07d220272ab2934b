package wiring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/postern-mail/postern/pkg/bus/embedded"
	"github.com/postern-mail/postern/pkg/run"
)

// ErrNotRunning says that no process runs on a data directory.
var ErrNotRunning = errors.New("no Postern is running")

// doorPatience is how long a command waits until the process behind the door has let it in.
const doorPatience = 15 * time.Second

// doorOf is the socket through which commands reach the bus of the one process.
func doorOf(dataDir string) string { return filepath.Join(dataDir, "run", "bus.sock") }

// AtBus is for a command that needs nothing but the bus: that of the servers which the
// configuration names, or the one inside the process that runs on the data directory, through
// its door. The command signs in there as anywhere. Close must be called.
func AtBus(config Config, options Options) (*Process, error) {
	p := &Process{Config: config, Clock: run.NewClock(config.Clock.Offset.Std()), Log: options.Log, Health: run.NewHealth(), options: options}
	if p.Log == nil {
		var err error
		if p.Log, err = run.NewLogger(os.Stderr, p.Config.Log); err != nil {
			return nil, err
		}
	}
	if config.NATS.URL == "" {
		if err := p.knock(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Attach opens what a command shares with the Postern that runs: AtBus, and what else the
// configuration names.
func Attach(ctx context.Context, config Config, options Options) (*Process, error) {
	if config.NATS.URL != "" {
		return New(ctx, config, options)
	}
	p, err := AtBus(config, options)
	if err != nil {
		return nil, err
	}
	store, done, err := config.Vault.open()
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	p.closers = append(p.closers, done)
	p.Vault = store
	return p, nil
}

// knock looks whether a process stands behind the door, and goes in by it from then on.
func (p *Process) knock() error {
	visitor := embedded.Visitor{Door: doorOf(p.Config.DataDir)}
	conn, err := visitor.InProcessConn()
	switch {
	case errors.Is(err, embedded.ErrNobody):
		return fmt.Errorf("%w on %s: start it with postern run, or name nats.url where the bus is a server of its own", ErrNotRunning, p.Config.DataDir)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: run the command as the user that Postern runs as", err)
	case err != nil:
		return err
	}
	p.door = visitor
	return conn.Close()
}
