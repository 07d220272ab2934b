package keyring

import (
	"testing"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/keys"
)

// A night's work that takes long must not lose its answer on the way.
func TestTheBusCarriesAnAnswerForAsLongAsItIsWaitedFor(t *testing.T) {
	if topology.AnswersWithin <= keys.Patience || topology.AnswersWithin <= keys.AnswerWithin {
		t.Errorf("answers pass for %v, and are waited for %v", topology.AnswersWithin, keys.Patience)
	}
}
