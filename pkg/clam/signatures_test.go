package clam_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/clam"
	"github.com/postern-mail/postern/pkg/clam/clamtest"
)

// installRules does what is done where clamd is deployed.
func installRules(t *testing.T, source string, server *clamtest.Server) {
	t.Helper()
	command := exec.Command("../../deploy/clamav/rules", source, server.Folder)
	command.Env = append(os.Environ(), "RULES_SETTLE=0")
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	server.Reload(t)
}

func signatures(t *testing.T, client *clam.Client) string {
	t.Helper()
	version, err := client.Signatures(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func TestARuleOfOnesOwnFindsItsStringAndIsANewVersion(t *testing.T) {
	server, rules := clamtest.Run(t, map[string]string{"IdleTimeout": "1"}), t.TempDir()
	client := connect(t, server.Address)
	if version, err := client.Signatures(t.Context()); !errors.Is(err, clam.ErrSignatures) {
		t.Fatalf("without published signatures and without rules: %q, %v", version, err)
	}
	installRules(t, rules, server)
	none := signatures(t, client)

	// A file that lies there is no version yet: what clamd has loaded is.
	rule := "rule Invoice_Of_Nobody { strings: $a = \"invoice of nobody 7731\" condition: $a }\n"
	if err := os.WriteFile(filepath.Join(rules, "invoice.yar"), []byte(rule), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := signatures(t, client); got != none {
		t.Errorf("before anything is loaded: %s", got)
	}
	installRules(t, rules, server)
	with := signatures(t, client)
	if with == none || !strings.HasPrefix(with, "clamav-") {
		t.Errorf("%s after %s", with, none)
	}
	for _, content := range []string{"an invoice of nobody 7731.", nested(t, 2, "a.txt", "invoice of nobody 7731")} {
		opinion, err := client.Scan(t.Context(), strings.NewReader(content))
		if err != nil || opinion.Verdict != attachment.Infected || opinion.Signature != "YARA.Invoice_Of_Nobody.UNOFFICIAL" {
			t.Errorf("%+v, %v", opinion, err)
		}
	}
	// The probe's signature finds the probe alone.
	for _, content := range []string{"x" + clam.Probe, clam.Probe + "x", clam.Probe[1:]} {
		if opinion, err := client.Scan(t.Context(), strings.NewReader(content)); err != nil || opinion.Verdict != attachment.Clean {
			t.Errorf("%q: %+v, %v", content, opinion, err)
		}
	}

	// One that does not compile is left out and does not end clamd; the others hold.
	if err := os.WriteFile(filepath.Join(rules, "broken.yara"), []byte("rule Broken { strings: $a = \"x"), 0o600); err != nil {
		t.Fatal(err)
	}
	installRules(t, rules, server)
	if opinion, err := client.Scan(t.Context(), strings.NewReader("invoice of nobody 7731")); err != nil || opinion.Verdict != attachment.Infected {
		t.Errorf("beside a broken rule: %+v, %v", opinion, err)
	}

	for _, name := range []string{"invoice.yar", "broken.yara"} {
		if err := os.Remove(filepath.Join(rules, name)); err != nil {
			t.Fatal(err)
		}
	}
	installRules(t, rules, server)
	if got := signatures(t, client); got != none {
		t.Errorf("without rules again: %s, before %s", got, none)
	}
}

// VERSION tells the daily signatures alone.
func TestWhatClamAVPublishesBesideTheDailySignaturesIsInTheVersion(t *testing.T) {
	source, folder := t.TempDir(), t.TempDir()
	told := func() string {
		t.Helper()
		command := exec.Command("../../deploy/clamav/rules", source, folder)
		command.Env = append(os.Environ(), "RULES_SETTLE=0")
		if said, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		version, err := os.ReadFile(filepath.Join(folder, "postern-version.hsb"))
		if err != nil {
			t.Fatal(err)
		}
		return string(version)
	}
	write := func(name, header string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(fmt.Sprintf("%-512s", header)+strings.Repeat("x", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]string{}
	for _, file := range []string{"nothing", "main.cvd 62", "main.cvd 63", "bytecode.cld 335", "bytecode.cld 336"} {
		if name, version, found := strings.Cut(file, " "); found {
			write(name, "ClamAV-VDB:01 Jan 2026:"+version+":1000")
		}
		now := told()
		if other, twice := seen[now]; twice {
			t.Errorf("%s is the version that was told with %s", file, other)
		}
		seen[now] = file
		write("daily.cld", file) // is told by VERSION
		if told() != now {
			t.Error("another version with other daily signatures")
		}
	}
}

func TestAVersionIsReadOutOfWhatClamdAnswers(t *testing.T) {
	rules := attachment.Opinion{Verdict: attachment.Infected, Reason: attachment.ScannerSignature, Signature: "Postern.Rules.00ff.UNOFFICIAL"}
	other := attachment.Opinion{Verdict: attachment.Infected, Reason: attachment.ScannerSignature, Signature: "Eicar"}
	limit := attachment.Opinion{Verdict: attachment.Limit, Reason: attachment.ScannerLimit}
	none := attachment.Opinion{Verdict: attachment.Clean}
	for _, test := range []struct {
		reply   string
		opinion attachment.Opinion
		want    string // empty: none
	}{
		{"ClamAV 1.4.6/27800/Fri Oct 10 08:00:00 2026", none, "clamav-1.4.6.daily-27800"},
		{"ClamAV 1.4.6/27800/Fri Oct 10 08:00:00 2026", rules, "clamav-1.4.6.daily-27800.rules-00ff"},
		{"ClamAV 1.4.6", rules, "clamav-1.4.6.rules-00ff"},
		{"ClamAV 1.4.6", none, ""},
		{"ClamAV 1.4.6/27800/Fri Oct 10 08:00:00 2026", other, ""},
		{"ClamAV 1.4.6/27800/Fri Oct 10 08:00:00 2026", limit, ""},
		{"ClamAV 1.4.6/4294967295/invalid timestam", none, ""}, // what it says while it has no signatures at all
		{"ClamAV 1.4.6/27800/", none, ""},
		{"ClamAV ", none, ""},
		{"ClamAV 1.4.6/27800/x\ny", none, ""},
	} {
		got, err := clam.SignaturesOf(test.reply, test.opinion)
		if got != test.want || (err != nil) != (test.want == "") || err != nil && !errors.Is(err, clam.ErrSignatures) {
			t.Errorf("%q %+v: %q, %v", test.reply, test.opinion, got, err)
		}
	}
}

func TestOnlyDailySignaturesTellWhichVersionIsNewer(t *testing.T) {
	for _, test := range []struct {
		version, than string
		want          bool
	}{
		{"clamav-1.4.3.daily-27501", "clamav-1.4.3.daily-27500", true},
		{"clamav-1.4.3.daily-27501", "clamav-1.4.3.daily-27501", false},
		{"clamav-1.4.3.daily-9999", "clamav-1.4.3.daily-10000", false},
		{"clamav-1.0.0.daily-27501.rules-aa", "clamav-1.4.3.daily-27500.rules-bb", true},
		{"clamav-1.4.3.daily-27501.rules-bb", "clamav-1.4.3.daily-27501.rules-aa", false},
		{"clamav-1.4.4.daily-27500", "clamav-1.4.3.daily-27500", false},
		{"clamav-1.4.3.daily-27501", "unknown", false},
		{"unknown", "clamav-1.4.3.daily-27500", false},
		{"clamav-1.4.3.rules-daily9", "clamav-1.4.3.daily-1", false},
		{"", "", false},
	} {
		if got := clam.Newer(test.version, test.than); got != test.want {
			t.Errorf("%q newer than %q: %v", test.version, test.than, got)
		}
	}
}
