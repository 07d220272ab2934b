package ingest

import (
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
)

// By the numbers that are declared: a holder that died with its lease just renewed, a server that counts the
// lease's life in whole seconds, and a successor whose last look was a moment too early and whose next one comes late.
func TestAMailboxMovesWithinFifteenSecondsOfItsHoldersDeath(t *testing.T) {
	const within, counting = 15 * time.Second, time.Second
	longest := leaseRetry/2 + leaseRetry // leaseRetry, half of it more or less
	if worst := bus.LeaseTTL + counting + longest; worst > within {
		t.Errorf("it moves after %v at worst", worst)
	}
}
