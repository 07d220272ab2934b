package dir

import (
	"testing"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/vaulttest"
)

func TestTheDirectoryVaultKeepsThePromises(t *testing.T) {
	vaulttest.Suite(t, func(t *testing.T) vault.Store { return open(t, t.TempDir()) })
}

func open(t testing.TB, root string) *Store {
	t.Helper()
	store, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}
