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

// Attach opens what a command shares with the Postern that runs: the servers that the
// configuration names, or the bus inside the process that runs on the data directory, through
// its door. The command signs in there as anywhere. Close must be called.
func Attach(ctx context.Context, config Config, options Options) (*Process, error) {
	if config.NATS.URL != "" {
		return New(ctx, config, options)
	}
	p := &Process{Config: config, Clock: run.NewClock(config.Clock.Offset.Std()), Log: options.Log, Health: run.NewHealth(), options: options}
	if err := p.attach(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *Process) attach() (err error) {
	if p.Log == nil {
		if p.Log, err = run.NewLogger(os.Stderr, p.Config.Log); err != nil {
			return err
		}
	}
	if err := p.knock(); err != nil {
		return err
	}
	store, done, err := p.Config.Vault.open()
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	p.closers = append(p.closers, done)
	p.Vault = store
	return nil
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
