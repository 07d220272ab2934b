package s3_test

import (
	"testing"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/s3"
	"github.com/postern-mail/postern/pkg/vault/s3/s3test"
	"github.com/postern-mail/postern/pkg/vault/vaulttest"
)

func TestTheS3VaultKeepsThePromises(t *testing.T) {
	vaulttest.Suite(t, func(t *testing.T) vault.Store { return open(t, s3test.Start(t)) })
}

// Object lock brings versions with it.
func TestTheS3VaultWithObjectLockKeepsThePromises(t *testing.T) {
	vaulttest.Suite(t, func(t *testing.T) vault.Store { return open(t, s3test.Start(t, s3test.WithLock(s3.Governance))) })
}

func open(t testing.TB, config s3.Config) *s3.Store {
	t.Helper()
	store, err := s3.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}
