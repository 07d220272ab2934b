package ingest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

// archive takes every mail in, then says of each record that it is archived, all at once.
func archived(t *testing.T, service *ingest.Service, records ...*itemv1.Record) []error {
	t.Helper()
	errs := make([]error, len(records))
	var working sync.WaitGroup
	for i, record := range records {
		working.Go(func() {
			out, err := service.After(t.Context(), nil, &mailv1.Archived{Record: record})
			if len(out) != 0 {
				t.Error("the mailbox action says something")
			}
			errs[i] = err
		})
	}
	working.Wait()
	return errs
}

// taken runs a service on these mails and gives it, still running, with the records by UID.
func taken(t *testing.T, server *dovecot.Server, n int, change func(*ingest.Mailbox)) (*ingest.Service, map[uint32]*itemv1.Record) {
	t.Helper()
	server.Append("ada", "INBOX", mails(n, 500)...)
	w := newWorld(t)
	c := configFor(t, server)
	change(&c.Mailboxes[0])
	service, _ := w.run(c, w.deps())
	w.until("all are said", func() bool { return len(w.said) == n })
	w.mu.Lock()
	defer w.mu.Unlock()
	records := map[uint32]*itemv1.Record{}
	for _, record := range w.records {
		records[record.Uid] = proto.CloneOf(record)
	}
	return service, records
}

func TestNothingIsTouchedBeforeArchivedAndThenOnlyWhatIsArchived(t *testing.T) {
	for _, after := range []ingest.Action{ingest.Keep, ingest.Keyword, ingest.Move, ingest.Delete} {
		t.Run(string(after), func(t *testing.T) {
			t.Parallel()
			server := dovecot.Start(t, "ada")
			service, records := taken(t, server, 4, func(m *ingest.Mailbox) {
				m.After, m.Keyword, m.MoveTo = after, "$Archived", "Done"
			})
			client := server.Client("ada", "INBOX")
			if uids := client.UIDs(); len(uids) != 4 {
				t.Fatalf("mails %v before anything is archived", uids)
			}
			for range 2 { // a repeat changes nothing
				for _, err := range archived(t, service, records[2], records[3]) {
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			client.SelectFolder("INBOX")
			left, flags := client.UIDs(), client.Flags()
			marked := slices.Contains(flags[2], "$Archived") && slices.Contains(flags[3], "$Archived")
			if slices.Contains(flags[1], "$Archived") || slices.Contains(flags[4], "$Archived") {
				t.Error("a mail that is not archived was marked")
			}
			switch after {
			case ingest.Keep:
				if len(left) != 4 || marked {
					t.Errorf("left %v, marked %v", left, marked)
				}
			case ingest.Keyword:
				if len(left) != 4 || !marked {
					t.Errorf("left %v, marked %v", left, marked)
				}
			case ingest.Move:
				if !slices.Equal(left, []uint32{1, 4}) || server.Count("ada", "Done") != 2 {
					t.Errorf("left %v, moved %d", left, server.Count("ada", "Done"))
				}
			case ingest.Delete:
				if !slices.Equal(left, []uint32{1, 4}) {
					t.Errorf("left %v", left)
				}
			}
		})
	}
}

func TestAMailThatIsNoLongerTheSameIsLeftAlone(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	service, records := taken(t, server, 4, func(m *ingest.Mailbox) { m.After = ingest.Delete })
	records[1].UidValidity++
	records[2].Size++
	records[3].InternalDate = timestamppb.New(records[3].InternalDate.AsTime().Add(time.Second))
	gone := proto.CloneOf(records[4])
	gone.Uid = 99
	elsewhere := proto.CloneOf(records[4])
	elsewhere.Mailbox = "another"
	nowhere := proto.CloneOf(records[4])
	nowhere.Folder = "Removed"
	for i, err := range archived(t, service, records[1], records[2], records[3], gone, elsewhere, nowhere) {
		if err != nil {
			t.Errorf("case %d: %v", i, err)
		}
	}
	if n := server.Count("ada", "INBOX"); n != 4 {
		t.Errorf("%d mails left, want 4", n)
	}
}

func TestAnActionThatCannotBeDoneNowWaitsAndIsGivenUpOnlyWhenTheMailIsOld(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	service, records := taken(t, server, 1, func(m *ingest.Mailbox) {
		m.After, m.MoveTo = ingest.Move, "Bad/\x01Name" // which no server makes
	})
	err := archived(t, service, records[1])[0]
	if verdict := fault.Of(err); verdict.Kind != fault.Delayed {
		t.Errorf("%v, want later", err)
	}
	records[1].Received = timestamppb.New(time.Now().Add(-13*24*time.Hour - time.Minute))
	if err := archived(t, service, records[1])[0]; err != nil {
		t.Errorf("an old mail: %v, want it left alone", err)
	}
}

func TestAnActionEndsWithTheService(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	w := newWorld(t)
	c := configFor(t, server)
	c.Mailboxes[0].After = ingest.Delete
	service, stop := w.run(c, w.deps())
	stop()
	record := &itemv1.Record{Item: event.Item("support", "INBOX", 1, 1, 0), Mailbox: "support", Folder: "INBOX"}
	if _, err := service.After(context.Background(), nil, &mailv1.Archived{Record: record}); !fault.IsLater(err) {
		t.Errorf("after the end: %v, want later", err)
	}
	if _, err := service.After(context.Background(), nil, &mailv1.Received{}); !fault.IsFinal(err) || errors.Is(err, context.Canceled) {
		t.Errorf("another event: %v, want final", err)
	}
}
