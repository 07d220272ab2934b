package wiring

import (
	"context"
	"fmt"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/services/keyring"
)

func runKeyring(ctx context.Context, s *service, conn *bus.Conn) error {
	config := s.Config.Keyring
	config.Callers = map[string]string{}
	for name, public := range s.public {
		if name != topology.Setup { // it makes streams and asks for nothing
			config.Callers[public] = name
		}
	}
	second, err := s.secondStore()
	if err != nil {
		return err
	}
	deps := keyring.OnBus(conn, s.Clock.Now)
	deps.Clock, deps.Log, deps.Health, deps.Second = s.Clock, s.Log, s.reporter, second
	if s.options.Disk != nil {
		disk, err := keyring.NewDisk(config.Dir)
		if err != nil {
			return err
		}
		deps.Disk = s.options.Disk(disk)
	}
	ring, err := keyring.New(config, deps)
	if err != nil {
		return err
	}
	return ring.Run(ctx)
}

// secondStore keeps the other copy of the keyring's state.
func (p *Process) secondStore() (keyring.Store, error) {
	if p.Config.Keyring.SecondStore == "vault" {
		return keyring.VaultStore(p.Vault), nil
	}
	disk, err := keyring.NewDisk(p.Config.Keyring.SecondStore)
	if err != nil {
		return nil, fmt.Errorf("keyring.second_store: %w", err)
	}
	return keyring.DiskStore(disk), nil
}
