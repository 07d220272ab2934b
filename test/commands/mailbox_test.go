package commands

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/postern/demo/mailbox"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/test/program"
)

// rowOf is the line that a command prints of a folder, with single blanks.
func rowOf(out, id, folder string) string {
	for line := range strings.Lines(out) {
		if words := strings.Fields(line); len(words) > 2 && words[0] == id && words[1] == folder {
			return strings.Join(words[2:], " ")
		}
	}
	return ""
}

// TestTheArchiveIsComparedWithTheMailboxOfADemonstration: all is there, until a file of the vault is not.
func TestTheArchiveIsComparedWithTheMailboxOfADemonstration(t *testing.T) {
	t.Parallel()
	set, err := mailbox.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	l := demo(t, data)
	l.says(t, `All \d+ mails are `)
	with := func(args ...string) (string, string, int) {
		return typed(t, "", append(args, "--config", filepath.Join(data, "postern.yaml"))...)
	}
	out, complaint, code := with("mailbox", "check")
	counted := regexp.MustCompile(`^(\d+) (\d+) (\d+) (\d+) 0 0 0 0$`).FindStringSubmatch(rowOf(out, "support", "INBOX"))
	if code != done || counted == nil || counted[1] != strconv.Itoa(len(set.Mails)) {
		t.Fatalf("check: exit %d: %s%s", code, out, complaint)
	}
	if out, complaint, code := with("mailbox", "backfill", "support"); code != done || !strings.Contains(out, " 0 missing (0.0 MB), 0 still to come (0.0 MB)\n") {
		t.Errorf("backfill: exit %d: %s%s", code, out, complaint)
	}
	program.Until(t, "the list tells that all is well", func() bool {
		out, _, code = with("mailbox", "list")
		return code == done && strings.HasPrefix(rowOf(out, "support", "INBOX"), "ok 0 0 ")
	})
	removeOne(t, data)
	out, complaint, code = with("mailbox", "check", "support")
	if row := rowOf(out, "support", "INBOX"); code != failed || !strings.HasSuffix(row, " 0 0 0 1") || !strings.Contains(out, "the vault does not have the originals of 1 items") {
		t.Errorf("check without an original: exit %d: %s%s", code, out, complaint)
	}
	l.ends(t, data)
}

// removeOne removes one original below a folder.
func removeOne(t *testing.T, folder string) {
	t.Helper()
	removed := false
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || removed || entry.IsDir() || !strings.Contains(path, "/vault/") || !strings.Contains(path, "/raw/") {
			return err
		}
		removed = true
		return os.Remove(path)
	})
	if err != nil || !removed {
		t.Fatalf("removed: %v, %v", removed, err)
	}
}

// TestInAFleetTheListTellsWhoReadsAMailboxAndThatNobodyDoes: over a real bus, bucket and mail server.
func TestInAFleetTheListTellsWhoReadsAMailboxAndThatNobodyDoes(t *testing.T) {
	t.Parallel()
	f := program.Fleet(t, fleet.Options{Log: t.Output()})
	mail := "From: marge@customer.example\r\nSubject: lamp\r\n\r\nIt is broken.\r\n"
	if err := f.Append(program.Context(t), fleet.Mail{Raw: []byte(mail), Came: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WaitSettled(program.Context(t), 1); err != nil {
		t.Fatal(err)
	}
	command := func(args ...string) string {
		t.Helper()
		out, err := f.Command(program.Context(t), "mailbox", append([]string{"mailbox"}, args...)...)
		if err != nil {
			t.Fatal(out, err)
		}
		return rowOf(out, "support", "INBOX")
	}
	if row := command("check"); row != "1 1 0 0 0 0 0 0" {
		t.Errorf("check: %q", row)
	}
	read := regexp.MustCompile(`^ok 0 0 \S+ \(\S+ ago\) .*(idle|poll) (\S+/` + "\\d+" + `)$`)
	program.Until(t, "the list names who reads", func() bool { return read.MatchString(command("list")) })
	f.StopServices()
	program.Until(t, "the list tells that nobody reads", func() bool {
		return regexp.MustCompile(`^not read now 0 0 \S+ \(\S+ ago\) .*nobody$`).MatchString(command("list"))
	})
	if row := command("check"); row != "1 1 0 0 0 0 0 0" {
		t.Errorf("check while nothing runs: %q", row)
	}
}
