package commands

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/postern-mail/postern/test/program"
)

// TestCommandsBesideADemonstrationHaveItsConfiguration: a newcomer tries the commands on
// the demonstration, with the file that it names, also when the desk has moved its clock.
func TestCommandsBesideADemonstrationHaveItsConfiguration(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	l := demo(t, data)
	config := l.says(t, `postern doctor, setaside, customers, retention or audit with --config (\S+)\n`)[1]
	if config != filepath.Join(data, "postern.yaml") {
		t.Fatalf("the configuration is %s", config)
	}
	somebody := program.SignIn(t, l.link)
	l.says(t, `All \d+ mails are `)
	ticket := awaitTickets(t, somebody, 1)[0]
	work := func(when string) {
		t.Helper()
		for _, c := range []struct{ words, says string }{
			{"setaside list", `nothing is set aside|ITEM +MAILBOX`},
			{"audit verify", `the audit log is whole`},
			{"doctor", `ok +mailbox +support: signed in`},
			{"retention hold " + ticket + " --reason case-7", `hold (H\S+) counts for 1 items`},
		} {
			out, complaint, code := typed(t, "", append(strings.Fields(c.words), "--config", config)...)
			if code != done || !regexp.MustCompile(c.says).MatchString(out) {
				t.Errorf("%s, %s: exit %d: %s%s", when, c.words, code, out, complaint)
			}
		}
	}
	work("at the start")
	for range 2 {
		if status, text := somebody.Post(t, "/demo/advance", url.Values{"by": {"1d"}}); status != 200 {
			t.Fatalf("the clock is not moved: %d\n%s", status, text)
		}
	}
	if text := string(read(t, config)); !strings.Contains(text, "offset: 2d\n") {
		t.Errorf("the file says another time:\n%s", text)
	}
	work("with the clock moved")
	if info, err := os.Stat(config); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
	// The second person may approve, and is no administrator.
	second := program.SignIn(t, l.second)
	if status, _ := second.Post(t, "/demo/advance", url.Values{"by": {"1d"}}); status != 403 {
		t.Errorf("the second person moves the clock: %d", status)
	}
	second.Opened(t, "/tickets/"+ticket)
	l.ends(t, data)
}

// TestNobodysFolderIsTakenForData: what is made there lies beside what an earlier run made, or alone.
func TestNobodysFolderIsTakenForData(t *testing.T) {
	t.Parallel()
	theirs, letters := t.TempDir(), t.TempDir()
	for _, path := range []string{filepath.Join(theirs, "thesis.tex"), filepath.Join(letters, "letters", "origin.txt"), filepath.Join(letters, "mailbox", "inbox")} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range []string{"demo", "fleet"} {
		for folder, c := range map[string]struct {
			code int
			says string
		}{
			"":                                  {misuse, "--data names no folder"},
			"/":                                 {failed, "holds files that no earlier run of postern " + command + " made"},
			theirs:                              {failed, "choose one that is empty or not there yet with --data"},
			letters:                             {failed, "holds files that no earlier run of postern " + command + " made"},
			filepath.Join(theirs, "thesis.tex"): {failed, "not a directory"},
		} {
			out, complaint, code := typed(t, "", command, "--data", folder, "--listen", "127.0.0.1:0")
			if code != c.code || !strings.Contains(complaint, c.says) || out != "" {
				t.Errorf("%s --data %q: exit %d: %s%s", command, folder, code, out, complaint)
			}
		}
	}
	if entries, err := os.ReadDir(theirs); err != nil || len(entries) != 1 {
		t.Errorf("left in the folder: %v, %v", entries, err)
	}
}
