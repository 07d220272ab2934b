package memory_test

import (
	"testing"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/memory"
	"github.com/postern-mail/postern/pkg/vault/vaulttest"
)

func TestTheMemoryVaultKeepsThePromises(t *testing.T) {
	vaulttest.Suite(t, func(*testing.T) vault.Store { return memory.New() })
}

func TestTheMemoryVaultWithLockKeepsThePromises(t *testing.T) {
	vaulttest.Suite(t, func(*testing.T) vault.Store { return memory.New().WithLock() })
}
