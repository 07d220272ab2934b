package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/signet"
	"github.com/postern-mail/postern/services/retain"
)

// typed is what a command line gives: the exit code, and what was printed.
func typed(t *testing.T, in string, args ...string) (code int, out, complaint string) {
	t.Helper()
	var stdout, stderr strings.Builder
	code = dispatch(t.Context(), args, stdio{strings.NewReader(in), &stdout, &stderr})
	return code, stdout.String(), stderr.String()
}

func TestEveryCommandExplainsItselfWithHelp(t *testing.T) {
	for _, c := range commands() {
		code, out, said := typed(t, "", c.name, "--help")
		if code != done || out != "" || !strings.Contains(said, "usage: postern "+c.name) {
			t.Errorf("%s: exit %d, %q, %q", c.name, code, out, said)
		}
	}
}

func TestACertificateIsVerifiedAsHelpWritesIt(t *testing.T) {
	dir := t.TempDir()
	key, err := signet.Load(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := retain.Issue(retain.Certificate{ID: "C01", Plan: "P01", Cause: "expiry"}, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "C01.json")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	public := filepath.Join(dir, "key.pub")
	for _, args := range [][]string{
		{"verify", path, "--key", public}, {"verify", "--key", public, path}, {"--key", public, "verify", path},
	} {
		if code, out, said := typed(t, "", append([]string{"certificate"}, args...)...); code != done || !strings.Contains(out, "good, signed by key") {
			t.Errorf("%q: exit %d, %q, %q", args, code, out, said)
		}
	}
	if code, _, said := typed(t, "", "certificate", "verify", "--key", public); code != misuse || said == "" {
		t.Errorf("no certificate: exit %d, %q", code, said)
	}
}

func TestWhatIsNotUnderstoodIsRefusedAndNothingIsDone(t *testing.T) {
	for _, line := range []string{
		"setup extra --config none.yaml", "setup --config none.yaml extra", "rebuild junk --config none.yaml", "doctor junk --config none.yaml",
		"run junk --config none.yaml", "run verify junk --config none.yaml", "run --config none.yaml junk", "demo junk", "fleet junk", "version junk",
		"audit", "audit junk --config none.yaml", "audit verify junk --config none.yaml", "certificate", "certificate junk",
		"user", "user list me --config none.yaml", "user add --config none.yaml", "user add a b --config none.yaml", "user junk a --config none.yaml",
	} {
		if code, out, said := typed(t, "", strings.Fields(line)...); code != misuse || out != "" || said == "" {
			t.Errorf("%s: exit %d, %q, %q", line, code, out, said)
		}
	}
	if code, _, _ := typed(t, "", "version", "junk"); code != misuse {
		t.Errorf("version junk: exit %d", code)
	}
}

func TestTheConfigurationIsReadWhereverItIsNamed(t *testing.T) {
	for _, line := range []string{
		"run verify --config none.yaml", "run --config none.yaml verify", "run verify --config none.yaml scan",
		"audit verify --config none.yaml", "audit --config none.yaml verify", "user list --config none.yaml", "user --config none.yaml list",
		"setup --config none.yaml", "rebuild --config none.yaml",
	} {
		if code, out, said := typed(t, "", strings.Fields(line)...); code != failed || out != "" || !strings.Contains(said, "none.yaml") {
			t.Errorf("%s: exit %d, %q, %q", line, code, out, said)
		}
	}
}
