package erase_test

import (
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/erase"
	"github.com/postern-mail/postern/pkg/vault/memory"
)

func TestALockInMemoryHoldsUntilItsDateByTheVaultsClock(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	store := memory.NewAt(func() time.Time { return now }).WithLock()
	eraser := erase.Memory(store)
	until := now.Add(time.Hour)
	put(t, store, "raw/a", 10, vault.PutOptions{RetainUntil: until})
	expect(t, "raw/a", eraser.Erase, erase.Report{LockedUntil: until})
	now = until
	expect(t, "raw/a", eraser.Erase, erase.Report{Versions: 1, Gone: true})
}
