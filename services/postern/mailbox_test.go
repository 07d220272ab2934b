package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	ingestv1 "github.com/postern-mail/postern/proto/ingest/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// columns are the words of the line of the one folder.
func columns(t *testing.T, out string) string {
	t.Helper()
	for line := range strings.Lines(out) {
		if words := strings.Fields(line); len(words) > 2 && words[0] == "support" && words[1] == "INBOX" {
			return strings.Join(words, " ")
		}
	}
	t.Fatalf("no line of support INBOX in %q", out)
	return ""
}

func TestAMailThatIsMissingIsSeenByACommandAndTakenByAnother(t *testing.T) {
	o := newOne(t)
	if code, _, said := o.command("mailbox", "check"); code != failed || !strings.Contains(said, "no Postern is running on") {
		t.Errorf("exit %d, %q", code, said)
	}
	o.server.Append(mailboxUser, "INBOX", plainMail("first", 500), plainMail("second", 500), plainMail("large", 200_000))
	o.start()
	o.until("two are tickets and one aside", inStates(ticketed, ticketed, asideState))
	if code, out, said := o.command("mailbox", "check"); code != done || columns(t, out) != "support INBOX 3 2 1 0 0 0 0 0" {
		t.Fatalf("check: exit %d, %q, %q", code, out, said)
	}
	reads := regexp.MustCompile(`(?m)^support +INBOX +ok +0 +0 +\S+Z \(\S+ ago\) .* idle +\S+/\d+$`)
	var listed string
	o.until("the list tells how it is read", func([]*itemv1.Record) bool {
		_, listed, _ = o.command("mailbox", "list")
		return reads.MatchString(listed)
	})
	o.stop()

	// What the cursor says is dealt with, ingest never looks at again.
	o.server.Append(mailboxUser, "INBOX", plainMail("forgotten", 500))
	o.skip(4)
	o.server.Append(mailboxUser, "INBOX", plainMail("after it", 500))
	o.start()
	o.until("the last is a ticket", inStates(ticketed, ticketed, asideState, ticketed))
	code, out, said := o.command("mailbox", "check", "support")
	if code != failed || columns(t, out) != "support INBOX 5 3 1 0 0 1 0 0" || !strings.Contains(out, "missing, UID 4: ") {
		t.Errorf("check: exit %d, %q, %q", code, out, said)
	}
	for _, flags := range [][]string{{}, {"--dry-run"}} {
		code, out, said := o.command(append([]string{"mailbox", "backfill", "support"}, flags...)...)
		if code != done || !strings.Contains(out, "support INBOX: 4 already here, 1 missing (0.0 MB), 0 still to come (0.0 MB)\nnothing was changed") {
			t.Errorf("counted: exit %d, %q, %q", code, out, said)
		}
	}
	if code, out, said = o.command("mailbox", "backfill", "support", "--go"); code != done || !strings.Contains(out, "support INBOX: 1 are taken") {
		t.Fatalf("backfill: exit %d, %q, %q", code, out, said)
	}
	o.until("all are here", inStates(ticketed, ticketed, asideState, ticketed, ticketed))
	if code, out, said := o.command("mailbox", "check"); code != done || columns(t, out) != "support INBOX 5 4 1 0 0 0 0 0" {
		t.Errorf("check: exit %d, %q, %q", code, out, said)
	}

	// A file that somebody removed from the vault.
	o.removeOriginal()
	code, out, said = o.command("mailbox", "check")
	if code != failed || columns(t, out) != "support INBOX 5 4 1 0 0 0 0 1" || !strings.Contains(out, "the originals of 1 items") {
		t.Errorf("check: exit %d, %q, %q", code, out, said)
	}
}

// skip has the cursor say that a mail is dealt with.
func (o *one) skip(uid uint32) {
	o.t.Helper()
	c, err := wiring.Load(o.file)
	if err != nil {
		o.t.Fatal(err)
	}
	process, err := wiring.New(o.t.Context(), c, wiring.Options{})
	if err != nil {
		o.t.Fatal(err)
	}
	defer process.Close()
	conn, err := process.Connect(o.t.Context(), topology.Mailbox)
	if err != nil {
		o.t.Fatal(err)
	}
	defer conn.Close()
	last, err := conn.LastFresh(o.t.Context(), topology.Cursors, "cursors.support")
	if err != nil {
		o.t.Fatal(err)
	}
	cursor := new(ingestv1.Cursor)
	if err := proto.Unmarshal(last.Data, cursor); err != nil {
		o.t.Fatal(err)
	}
	cursor.Folders[0].Done = append(cursor.Folders[0].Done, &ingestv1.Range{First: uid, Last: uid})
	data, err := proto.Marshal(cursor)
	if err != nil {
		o.t.Fatal(err)
	}
	if _, err := conn.Publish(o.t.Context(), "cursors.support", data, bus.ExpectLastSubjectSeq(last.Sequence)); err != nil {
		o.t.Fatal(err)
	}
}

// removeOriginal removes one original's file.
func (o *one) removeOriginal() {
	o.t.Helper()
	removed := false
	err := filepath.WalkDir(filepath.Join(o.dir, "data", "vault"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || removed || entry.IsDir() || !strings.Contains(path, "/raw/") {
			return err
		}
		removed = true
		return os.Remove(path)
	})
	if err != nil || !removed {
		o.t.Fatalf("removed: %v, %v", removed, err)
	}
}

func TestAMailboxIsNamedRightOrNothingIsDone(t *testing.T) {
	o := newOne(t)
	for line, want := range map[string]string{
		"mailbox":                                 "usage: postern mailbox",
		"mailbox list support":                    "usage: postern mailbox",
		"mailbox junk":                            "usage: postern mailbox",
		"mailbox check support other":             "is not understood",
		"mailbox check nobody":                    `the configuration has no mailbox "nobody"`,
		"mailbox check --go":                      "usage: postern mailbox",
		"mailbox list --folder INBOX":             "usage: postern mailbox",
		"mailbox check --dry-run":                 "usage: postern mailbox",
		"mailbox backfill":                        "usage: postern mailbox",
		"mailbox backfill support --go --dry-run": "usage: postern mailbox",
		"mailbox backfill support --folder=":      "usage: postern mailbox",
		"mailbox backfill nobody --go":            `the configuration has no mailbox "nobody"`,
	} {
		if code, out, said := o.command(strings.Fields(line)...); code != misuse || out != "" || !strings.Contains(said, want) {
			t.Errorf("%s: exit %d, %q, %q", line, code, out, said)
		}
	}
}
