package ingest_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/fault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imap"
	"github.com/postern-mail/postern/services/ingest/imaptest/mailserver"
)

// Mailbox actions on every kind of server: with all that it offers, without MOVE (then COPY,
// STORE and UID EXPUNGE), and without UIDPLUS, too, which would take what others have marked.
func TestWhatIsArchivedIsMarkedMovedOrDeletedOnEveryServerAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, without := range map[string][]string{"all": nil, "no MOVE": {"MOVE"}, "no UIDPLUS": {"MOVE", "UIDPLUS"}} {
		t.Run(name, func(t *testing.T) {
			run := onEachNaming
			if without != nil {
				run = func(t *testing.T, test func(*testing.T, kind, *mailserver.Server)) { onEach(t, without, test) }
			}
			run(t, func(t *testing.T, _ kind, server *mailserver.Server) {
				client := server.Client("ada", "INBOX")
				for _, extension := range without {
					if slices.Contains(client.Capabilities(), extension) {
						t.Fatalf("%s is offered", extension)
					}
				}
				for _, after := range []ingest.Action{ingest.Keyword, ingest.Move, ingest.Delete} {
					safe := after == ingest.Keyword || !slices.Contains(without, "UIDPLUS")
					actOn(t, server, after, safe)
				}
			})
		})
	}
}

// actOn has mails 2 and 3 of five archived, of which somebody else has marked 4 as deleted.
func actOn(t *testing.T, server *mailserver.Server, after ingest.Action, safe bool) {
	t.Helper()
	client := server.Client("ada", "INBOX")
	box, done := server.Folder("Box-"+string(after)), server.Folder("Done", "Grüße "+string(after))
	encoded := server.Folder("Done", "Gr&APwA3w-e "+string(after))
	client.Create(box)
	server.Append("ada", box, mails(5, 400)...)
	client.SelectFolder(box)
	before := client.Digests()

	w := newWorld(t)
	c := serverConfig(t, server, box)
	c.Mailboxes[0].After, c.Mailboxes[0].Keyword, c.Mailboxes[0].MoveTo = after, "$Archived", done
	service, stop := w.run(c, w.deps())
	w.until("all are dealt with", func() bool { return w.dealt(5) })
	client.Do(`UID STORE 4 +FLAGS (\Deleted)`)
	records := map[uint32]*itemv1.Record{}
	for _, record := range w.records {
		records[record.Uid] = proto.CloneOf(record)
	}
	for range 2 { // a repeat changes nothing
		for _, err := range archived(t, w, service, records[2], records[3]) {
			switch {
			case safe && err != nil:
				t.Errorf("%s: %v", after, err)
			case !safe && (!errors.Is(err, imap.ErrUnsafe) || fault.Of(err).Code != ingest.CodeMailboxRefused):
				t.Errorf("%s: %v, want that it waits since the server cannot do it safely", after, err)
			}
		}
	}
	stop()

	client.SelectFolder(box)
	left := slices.Sorted(maps.Keys(client.Digests()))
	want := []uint32{1, 2, 3, 4, 5}
	if safe && after != ingest.Keyword {
		want = []uint32{1, 4, 5}
	}
	if !slices.Equal(left, want) {
		t.Errorf("%s: %v are left, want %v", after, left, want)
	}
	for uid, flags := range client.Flags() {
		marked := slices.ContainsFunc(flags, func(flag string) bool { return strings.EqualFold(flag, "$Archived") })
		if marked != (after == ingest.Keyword && (uid == 2 || uid == 3)) {
			t.Errorf("%s: mail %d has the flags %v", after, uid, flags)
		}
		if slices.Contains(flags, `\Deleted`) != (uid == 4) {
			t.Errorf("%s: mail %d has the flags %v", after, uid, flags)
		}
	}
	if after == ingest.Move && safe {
		moved := slices.Collect(maps.Values(server.List("ada", encoded)))
		if len(moved) != 2 || !slices.Contains(moved, before[2]) || !slices.Contains(moved, before[3]) {
			t.Errorf("%d mails moved, or others than those archived", len(moved))
		}
	}
}
