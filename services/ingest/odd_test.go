package ingest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imaptest"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

// What a server says of dates decides nothing but whether a UID still stands for the same mail.
func TestOddDatesMakeOneItemEachAndNoGeneration(t *testing.T) {
	t.Parallel()
	for _, date := range []string{
		"01-Jan-0000 00:00:00 +0000", // before protobuf's times
		"01-Jan-0001 00:00:00 +0000", // the library's zero
		"31-Dec-9999 23:59:59 -1200", // after protobuf's times
		"31-Feb-2026 25:61:00 +0000", // in no calendar
		"yesterday", "none",
		"21-Nov-2126 12:00:00 +1400", " 1-Jan-1970 00:00:00 +0000", "31-Dec-1969 23:59:59 +0000",
	} {
		t.Run(date, func(t *testing.T) {
			t.Parallel()
			script := among(imaptest.ScriptMail{UID: 5, Raw: []byte("Subject: odd\r\n\r\n"), Date: date})
			address := script.Serve(t)
			w := newWorld(t)
			began := time.Now()
			for range 2 { // the second time without a cursor
				clear(w.cursors)
				clear(w.revision)
				_, stop := w.run(plaintextConfig(t, address), w.deps())
				w.until("all are in the cursor", func() bool { return w.dealt(6) })
				stop()
			}
			if len(w.records) != 3 || w.cursors["support"].Folders[0].Generation != 0 {
				t.Errorf("%d items, cursor %v", len(w.records), w.cursors["support"])
			}
			record := w.record(5)
			if err := record.InternalDate.CheckValid(); err != nil || record.SetAside != nil {
				t.Errorf("record %v: %v", record, err)
			}
			if at := record.Received.AsTime(); at.Before(began.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
				t.Errorf("received %v, which is not our clock", at)
			}
		})
	}
}

func TestADateThatIsNeverTheSameMakesNoSecondItem(t *testing.T) {
	t.Parallel()
	script := among(imaptest.ScriptMail{UID: 5, Raw: []byte("Subject: odd\r\n\r\n")})
	for i := range 59 {
		script.Mails[1].Dates = append(script.Mails[1].Dates, fmt.Sprintf("21-Nov-2026 12:00:%02d +0000", i))
	}
	address := script.Serve(t)
	w := newWorld(t)
	for range 2 {
		clear(w.cursors)
		clear(w.revision)
		_, stop := w.run(plaintextConfig(t, address), w.deps())
		w.until("all are in the cursor", func() bool { return w.dealt(6) })
		stop()
	}
	if len(w.records) != 3 || w.cursors["support"].Folders[0].Generation != 0 {
		t.Errorf("%d items, cursor %v", len(w.records), w.cursors["support"])
	}
}

func TestFoldersOfAnyNameAreReadAndKeptApart(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	// As they stand in the configuration, and in modified UTF-7 (RFC 3501 §5.1.3, whose example
	// holds the last one).
	names := map[string]string{
		"With some  space":  "With some  space",
		"Ärger & Co":        "&AMQ-rger &- Co",
		"Kunden.Größe.Eins": "Kunden.Gr&APYA3w-e.Eins",
		`quoted"name`:       `quoted"name`,
		"日本語":               "&ZeVnLIqe-",
		"100%":              "100%",
	}
	client := server.Client("ada", "INBOX")
	c := configFor(t, server)
	c.Mailboxes[0].Folders = []string{"inbox"} // in any case
	raw := mails(1, 200)[0]
	server.Append("ada", "INBOX", raw)
	for name, wire := range names {
		client.Create(wire)
		client.Append(wire, raw)
		c.Mailboxes[0].Folders = append(c.Mailboxes[0].Folders, name)
	}
	w := newWorld(t)
	for range 2 {
		_, stop := w.run(c, w.deps())
		w.until("each has its item", func() bool { return len(w.records) == len(names)+1 && w.revision["support"] > 0 })
		stop()
	}
	for _, record := range w.records {
		if !slices.Contains(c.Mailboxes[0].Folders, record.Folder) && record.Folder != "INBOX" {
			t.Errorf("an item of the folder %q", record.Folder)
		}
		if string(w.raw(record)) != string(raw) {
			t.Errorf("%s: other bytes", record.Folder)
		}
	}
	if len(w.records) != len(names)+1 {
		t.Errorf("%d items", len(w.records))
	}
}

func TestTheInboxIsOneFolderInWhateverCaseItIsWritten(t *testing.T) {
	t.Parallel()
	c := ingest.Default()
	c.Mailboxes = []ingest.Mailbox{{ID: "support", Host: "localhost", Username: "ada", PasswordFile: "/nowhere", Folders: []string{"Inbox", "INBOX"}}}
	if _, err := c.Complete(); err == nil {
		t.Error("the same folder twice")
	}
	c.Mailboxes[0].Folders = []string{"inbox"}
	if complete, err := c.Complete(); err != nil || complete.Mailboxes[0].Folders[0] != "INBOX" {
		t.Errorf("%v, %v", complete.Mailboxes[0].Folders, err)
	}
	c.Mailboxes[0].After, c.Mailboxes[0].MoveTo = ingest.Move, "Inbox"
	if _, err := c.Complete(); err == nil {
		t.Error("moving into the folder that is read")
	}
	c.Mailboxes[0].After, c.Mailboxes[0].Folders = ingest.Keep, []string{"bad \xff name"}
	if _, err := c.Complete(); err == nil || strings.Contains(err.Error(), "\xff") {
		t.Errorf("a name that is not UTF-8: %v", err)
	}
}
