package wiring

import (
	"context"
	"fmt"

	"github.com/postern-mail/postern/pkg/run"
)

// Visit is for a command that looks at one thing after another: it opens nothing by itself,
// and makes no folder, no key and no stream. The bus is that of nats.url. Close must be called.
func Visit(config Config, options Options) *Process {
	return &Process{Config: config, Clock: run.NewClock(config.Clock.Offset.Std()), Log: options.Log, Health: run.NewHealth(), options: options}
}

// OpenModel opens the Redis of a visit.
func (p *Process) OpenModel(ctx context.Context) error { return p.openModel(ctx) }

// OpenVault opens the vault of a visit. One that is a folder is made where it is missing.
func (p *Process) OpenVault() error {
	store, done, err := p.Config.Vault.open()
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	p.closers = append(p.closers, done)
	p.Vault = store
	return nil
}
