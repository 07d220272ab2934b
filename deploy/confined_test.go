package deploy_test

import (
	"os"
	"testing"

	"github.com/postern-mail/postern/services/postern/wiring"
)

// The tests' own binary is what confined processes are started from.
func TestMain(m *testing.M) {
	wiring.Enter()
	os.Exit(m.Run())
}
