package audit_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/audit"
)

func TestALogThatIsCutTogetherWithItsCheckpointsIsCaught(t *testing.T) {
	messages := log(10)
	checkpoints := signed(t, messages, 4, 8)
	mark := audit.MarkOf(filepath.Join(t.TempDir(), "audit.ed25519"))
	if err := mark.Keep(checkpoints[1]); err != nil {
		t.Fatal(err)
	}
	for name, left := range map[string]struct{ entries, checkpoints int }{"the end": {5, 1}, "all checkpoints": {3, 0}, "everything": {0, 0}} {
		remembered, err := mark.With(checkpoints[:left.checkpoints], public())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := audit.Verify(each(messages[:left.entries]), remembered, public()); !errors.Is(err, audit.ErrAltered) {
			t.Errorf("%s: %v", name, err)
		}
	}
	remembered, err := mark.With(checkpoints, public())
	if err != nil {
		t.Fatal(err)
	}
	if report, err := audit.Verify(each(messages), remembered, public()); err != nil || report.Signed != 8 {
		t.Errorf("the whole log: %+v, %v", report, err)
	}
}

func TestAMarkThatWasAlteredIsCaught(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.ed25519")
	mark := audit.MarkOf(path)
	if err := mark.Keep(signed(t, log(4), 4)[0]); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"garbage", "", "\n"} {
		if err := os.WriteFile(path+".last", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := mark.With(nil, public()); !errors.Is(err, audit.ErrSignature) || !strings.Contains(err.Error(), "garbled or empty") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if kept, err := audit.MarkOf(filepath.Join(t.TempDir(), "none")).Read(); kept != nil || err != nil {
		t.Errorf("no mark: %v, %v", kept, err)
	}
}
