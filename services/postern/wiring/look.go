package wiring

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/embedded"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/run"
	"github.com/postern-mail/postern/services/archive"
	"github.com/postern-mail/postern/services/audit"
)

// Look opens the bus as it stands, for a command that judges what is there,
// whether a process runs on them or not. It makes no stream and no key, and where the process
// before was killed, the next that runs still learns of it. Close must be called.
func Look(ctx context.Context, config Config, options Options) (*Process, error) {
	p := &Process{Config: config, Clock: run.NewClock(config.Clock.Offset.Std()), Log: options.Log, options: options}
	if err := p.look(ctx); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *Process) look(ctx context.Context) error {
	if p.Log == nil {
		var err error
		if p.Log, err = run.NewLogger(os.Stderr, p.Config.Log); err != nil {
			return err
		}
	}
	if p.Config.NATS.URL == "" {
		err := p.knock()
		if errors.Is(err, ErrNotRunning) {
			err = p.lookAtBus(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lookAtBus starts the server of this process over the streams that there are.
func (p *Process) lookAtBus(ctx context.Context) (err error) {
	if p.public, err = PublicNkeys(p.Config.NATS.Nkeys); err != nil {
		return err
	}
	if err := p.lock(); err != nil {
		return err
	}
	dir := filepath.Join(p.Config.DataDir, "nats")
	var server *embedded.Server
	named(ctx, "bus", func(context.Context) {
		server, err = embedded.Start(embedded.Options{Dir: dir, Keys: p.public, Log: p.Log})
	})
	if err != nil {
		return err
	}
	p.local = server
	p.closers = append(p.closers, func() {
		server.Stop()
		if !server.Unclean() {
			return
		}
		if err := os.WriteFile(filepath.Join(dir, embedded.Running), nil, 0o600); err != nil {
			p.Log.Error("the mark of a process that was killed could not be put back: what it had in work is not looked at again", "err", err)
		}
	})
	return nil
}

// ErrAuditLost says that there was an audit log and is none.
var ErrAuditLost = errors.New("the audit log was lost or removed")

// AuditBegun reports whether the audit log has anything to verify. That the log is missing
// or empty where something shows that there was one is an error.
func (p *Process) AuditBegun(ctx context.Context, conn *bus.Conn) (bool, error) {
	begun := false
	for _, stream := range []string{topology.Audit, topology.Checkpoints} {
		kept, err := conn.Kept(ctx, stream)
		missing := errors.Is(err, bus.ErrNoStream)
		if err != nil && !missing {
			return false, err
		}
		if kept.Last > 0 {
			begun = true
			continue
		}
		state := "empty"
		if missing {
			state = "missing"
		}
		if p.Vault == nil { // a log that is there needs none, and its signer may read none
			if err := p.OpenVault(); err != nil {
				return false, fmt.Errorf("stream %s is %s, and whether the vault has its journal cannot be looked at: %w", stream, state, err)
			}
		}
		some, err := archive.HasJournal(ctx, p.Vault, stream)
		if err != nil {
			return false, err
		}
		if some {
			return false, fmt.Errorf("%w: stream %s is %s, and the vault has its journal: postern rebuild refills it", ErrAuditLost, stream, state)
		}
		if !missing {
			continue
		}
		trace, err := p.auditTrace(ctx, conn)
		if err != nil {
			return false, err
		}
		if trace != "" {
			return false, fmt.Errorf("%w: stream %s is missing, and %s", ErrAuditLost, stream, trace)
		}
	}
	return begun, nil
}

// auditTrace names what shows that the streams of the audit log were there: they are made
// together with all others, and before the first key.
func (p *Process) auditTrace(ctx context.Context, conn *bus.Conn) (string, error) {
	for _, stream := range []string{topology.Audit, topology.Checkpoints, topology.Leases} {
		_, err := conn.Kept(ctx, stream)
		if err == nil {
			return "stream " + stream + " is there", nil
		}
		if !errors.Is(err, bus.ErrNoStream) {
			return "", err
		}
	}
	if last, err := audit.MarkOf(p.Config.Audit.Key).Read(); err != nil || last != nil {
		return "its last checkpoint lies beside the signer's key", err
	}
	switch entries, err := os.ReadDir(p.Config.Keyring.Dir); {
	case err == nil && len(entries) > 0:
		return "a keyring has worked here", nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("keyring.dir: %w", err)
	}
	return "", nil
}
