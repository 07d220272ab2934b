package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/signet"
	"github.com/postern-mail/postern/services/postern/wiring"
)

func TestTheVerificationOfNoLogFindsNothingWhole(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "postern.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "data_dir: %s\nlog: {level: error}\n", dir), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := wiring.MakeNkeys(filepath.Join(dir, "nkeys")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := signet.Load(filepath.Join(dir, "keys", "audit.ed25519")); err != nil {
		t.Fatal(err)
	}
	verify := func() (int, string) {
		var said strings.Builder
		code := auditCommand(t.Context(), []string{"verify", "--config", config}, stdio{out: &said, err: &said})
		return code, said.String()
	}
	if code, said := verify(); code != done || !strings.Contains(said, "no entry was ever written") || strings.Contains(said, "whole") {
		t.Errorf("nothing at all: exit %d, %q", code, said)
	}
	// A keyring that has worked wrote entries.
	if err := os.MkdirAll(filepath.Join(dir, "keyring", "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	if code, said := verify(); code != failed || !strings.Contains(said, "AUDIT is missing") {
		t.Errorf("a log that was removed: exit %d, %q", code, said)
	}
}
