package wiring

import (
	"context"
	"fmt"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/services/archive"
	"github.com/postern-mail/postern/services/keyring"
)

func runKeyring(ctx context.Context, s *service, conn *bus.Conn) error {
	if err := s.awaitRebuilt(ctx, conn); err != nil {
		return nil // ended while waiting
	}
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
		if config.Copy != "" {
			if disk, err = keyring.OpenCopy(config.Copy); err != nil {
				return err
			}
			deps.Copy = s.options.Disk(disk)
		}
	}
	ring, err := keyring.New(config, deps)
	if err != nil {
		return err
	}
	return ring.Run(ctx)
}

// awaitRebuilt returns once no stream is empty of which the vault has a journal: on lost
// streams every mail would seem new, and its record would get keys that nothing else knows.
// Without a keyring nothing happens, and nothing is lost by waiting.
func (s *service) awaitRebuilt(ctx context.Context, conn *bus.Conn) error {
	for {
		lost, err := s.lostStream(ctx, conn)
		if err == nil && lost == "" {
			return nil
		}
		if err != nil {
			s.reporter.Waiting("the bus and the vault: " + err.Error())
		} else {
			s.reporter.Waiting("postern rebuild: stream " + lost + " was lost, and the vault has its journal: stop the services and run it")
			s.Log.Error("stream was lost and must be rebuilt", "stream", lost)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lostAgain):
		}
	}
}

// lostAgain is how often a keyring that waits for a rebuilding looks again.
const lostAgain = 5 * time.Second

// lostStream names a stream that is empty and should not be, of those that the keyring touches.
func (s *service) lostStream(ctx context.Context, conn *bus.Conn) (string, error) {
	for _, stream := range []string{topology.Items, topology.Retention, topology.Audit} {
		kept, err := conn.Kept(ctx, stream)
		if err != nil {
			return "", err
		}
		if kept.Last > 0 {
			continue
		}
		some, err := archive.HasJournal(ctx, s.Vault, stream)
		if err != nil {
			return "", err
		}
		if some {
			return stream, nil
		}
	}
	return "", nil
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
