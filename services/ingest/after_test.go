package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imap"
	"github.com/postern-mail/postern/services/ingest/imaptest"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

// archived has these records filed and in the journal, and says of each that it is archived, all at once.
func archived(t *testing.T, w *world, service *ingest.Service, records ...*itemv1.Record) []error {
	t.Helper()
	w.file(true, records...)
	return announced(t, service, records...)
}

func announced(t *testing.T, service *ingest.Service, records ...*itemv1.Record) []error {
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
func taken(t *testing.T, server *dovecot.Server, n int, change func(*ingest.Mailbox)) (*world, *ingest.Service, map[uint32]*itemv1.Record) {
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
	return w, service, records
}

func TestNothingIsTouchedBeforeArchivedAndThenOnlyWhatIsArchived(t *testing.T) {
	for _, after := range []ingest.Action{ingest.Keep, ingest.Keyword, ingest.Move, ingest.Delete} {
		t.Run(string(after), func(t *testing.T) {
			t.Parallel()
			server := dovecot.Start(t, "ada")
			w, service, records := taken(t, server, 4, func(m *ingest.Mailbox) {
				m.After, m.Keyword, m.MoveTo = after, "$Archived", "Done"
			})
			client := server.Client("ada", "INBOX")
			if uids := client.UIDs(); len(uids) != 4 {
				t.Fatalf("mails %v before anything is archived", uids)
			}
			for range 2 { // a repeat changes nothing
				for _, err := range archived(t, w, service, records[2], records[3]) {
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

// Whatever a record with headers alone has come to: its mail is on the server and nowhere else.
func TestAMailOfWhichOnlyTheHeadersAreKeptIsNeverTouched(t *testing.T) {
	for _, after := range []ingest.Action{ingest.Keyword, ingest.Move, ingest.Delete} {
		t.Run(string(after), func(t *testing.T) {
			t.Parallel()
			server := dovecot.Start(t, "ada")
			w, service, records := taken(t, server, 3, func(m *ingest.Mailbox) {
				m.After, m.Keyword, m.MoveTo = after, "$Archived", "Done"
			})
			records[2].HeadersOnly = true
			for _, err := range archived(t, w, service, records[1], records[2], records[3]) {
				if err != nil {
					t.Fatal(err)
				}
			}
			client := server.Client("ada", "INBOX")
			left, flags := client.UIDs(), client.Flags()
			if !slices.Contains(left, 2) || slices.Contains(flags[2], "$Archived") {
				t.Errorf("left %v, flags %v", left, flags[2])
			}
			if after != ingest.Keyword && !slices.Equal(left, []uint32{2}) {
				t.Errorf("left %v", left)
			}
		})
	}
}

func TestAMailThatIsNoLongerTheSameIsLeftAlone(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	w, service, records := taken(t, server, 4, func(m *ingest.Mailbox) { m.After = ingest.Delete })
	records[1].UidValidity++
	records[2].Size++
	records[3].InternalDate = timestamppb.New(records[3].InternalDate.AsTime().Add(time.Second))
	gone := proto.CloneOf(records[4])
	gone.Uid, gone.Item = 99, event.Item("support", "INBOX", gone.UidValidity, 99, 0)
	elsewhere := proto.CloneOf(records[4])
	elsewhere.Mailbox, elsewhere.Item = "another", event.Item("another", "INBOX", gone.UidValidity, 4, 0)
	nowhere := proto.CloneOf(records[4])
	nowhere.Folder, nowhere.Item = "Removed", event.Item("support", "Removed", gone.UidValidity, 4, 0)
	for i, err := range archived(t, w, service, records[1], records[2], records[3], gone, elsewhere, nowhere) {
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
	w, service, records := taken(t, server, 1, func(m *ingest.Mailbox) {
		m.After, m.MoveTo = ingest.Move, "Bad/\x01Name" // which no server makes
	})
	err := archived(t, w, service, records[1])[0]
	if verdict := fault.Of(err); verdict.Kind != fault.Delayed {
		t.Errorf("%v, want later", err)
	}
	records[1].Received = timestamppb.New(time.Now().Add(-13*24*time.Hour - time.Minute))
	if err := archived(t, w, service, records[1])[0]; err != nil {
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
	w.file(true, record)
	if _, err := service.After(context.Background(), nil, &mailv1.Archived{Record: record}); !fault.IsLater(err) {
		t.Errorf("after the end: %v, want later", err)
	}
	if _, err := service.After(context.Background(), nil, &mailv1.Received{}); !fault.IsFinal(err) || errors.Is(err, context.Canceled) {
		t.Errorf("another event: %v, want final", err)
	}
}

func TestNothingLeavesTheServerBeforeTheJournalHasItsRecord(t *testing.T) {
	for _, after := range []ingest.Action{ingest.Keyword, ingest.Move, ingest.Delete} {
		t.Run(string(after), func(t *testing.T) {
			t.Parallel()
			server := dovecot.Start(t, "ada")
			w, service, records := taken(t, server, 1, func(m *ingest.Mailbox) {
				m.After, m.Keyword, m.MoveTo = after, "$Archived", "Done"
			})
			w.file(false, records[1])
			err := announced(t, service, records[1])[0]
			if after == ingest.Keyword {
				if flags := server.Client("ada", "INBOX").Flags(); err != nil || !slices.Contains(flags[1], "$Archived") {
					t.Errorf("a keyword waits: %v, flags %v", err, flags)
				}
				return
			}
			if verdict := fault.Of(err); verdict.Kind != fault.Delayed || verdict.Code != ingest.CodeNotSafe {
				t.Errorf("%v, want later with %s", err, ingest.CodeNotSafe)
			}
			if n := server.Count("ada", "INBOX"); n != 1 {
				t.Fatalf("%d mails left, want 1", n)
			}
			w.file(true, records[1])
			if err := announced(t, service, records[1])[0]; err != nil {
				t.Fatal(err)
			}
			if n := server.Count("ada", "INBOX"); n != 0 {
				t.Errorf("%d mails left, want none", n)
			}
		})
	}
}

func TestWhatIsSetAsideOrUnknownStays(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	w, service, records := taken(t, server, 2, func(m *ingest.Mailbox) { m.After = ingest.Delete })
	w.file(true, records[1])
	w.mu.Lock()
	w.records[records[1].Item].State = itemv1.State_STATE_SET_ASIDE
	delete(w.records, records[2].Item)
	w.mu.Unlock()
	for i, err := range announced(t, service, records[1], records[2]) {
		if !fault.IsLater(err) {
			t.Errorf("case %d: %v, want later", i, err)
		}
	}
	if n := server.Count("ada", "INBOX"); n != 2 {
		t.Errorf("%d mails left, want 2", n)
	}
}

// No event tells of them: the mailbox is gone through, and what is due is done.
func TestMailsWhoseTimeHasComeAreRemovedAndNoOthers(t *testing.T) {
	for _, after := range []ingest.Action{ingest.Keyword, ingest.Move, ingest.Delete} {
		t.Run(string(after), func(t *testing.T) {
			t.Parallel()
			server := dovecot.Start(t, "ada")
			w, service, records := taken(t, server, 5, func(m *ingest.Mailbox) {
				m.After, m.Keyword, m.MoveTo = after, "$Archived", "Done"
				m.AfterDelay = config.Duration(30 * 24 * time.Hour)
			})
			due, young := time.Now().Add(-30*24*time.Hour-time.Minute), time.Now().Add(-30*24*time.Hour+time.Hour)
			for uid, at := range map[uint32]time.Time{1: due, 2: young, 3: due, 4: due, 5: due} {
				records[uid].Received = timestamppb.New(at)
			}
			w.file(true, records[1], records[2], records[3])
			w.file(false, records[4]) // and of mail 5 it is not known that it is archived
			if err := announced(t, service, records[2])[0]; err != nil {
				t.Errorf("an event before the time: %v", err)
			}
			want := []uint32{2, 4, 5}
			if after == ingest.Keyword {
				want = []uint32{2, 5}
			}
			client := server.Client("ada", "INBOX")
			left := func() []uint32 {
				client.SelectFolder("INBOX")
				list := client.UIDs()
				if after == ingest.Keyword {
					flags := client.Flags()
					list = slices.DeleteFunc(list, func(uid uint32) bool { return slices.Contains(flags[uid], "$Archived") })
				}
				return list
			}
			deadline := time.After(30 * time.Second)
			for tick := time.NewTicker(20 * time.Millisecond); !slices.Equal(left(), want); {
				select {
				case <-tick.C:
				case <-deadline:
					t.Fatalf("left %v, want %v", left(), want)
				}
			}
		})
	}
}

// The server has numbered the folder anew: no id leads from a mail's number to its item any more.
func TestMailsOfAFolderWithNewNumbersAreRemovedWhenTheirTimeHasCome(t *testing.T) {
	t.Parallel()
	script := &imaptest.Script{Validity: 9, Next: 4, Mails: honest(3), Greeting: "* OK ready"}
	script.Rewrite = instead("", "IMAP4rev1", "IMAP4rev1 UIDPLUS")
	w := newWorld(t)
	c := plaintextConfig(t, script.Serve(t))
	c.Mailboxes[0].After, c.Mailboxes[0].AfterDelay = ingest.Delete, config.Duration(30*24*time.Hour)
	deps := w.deps()
	deps.Records = newLedger(w)
	w.placed = func(r *keyringv1.Register) *itemv1.Record {
		return w.records[event.Item("support", "INBOX", 9, r.Uid-10, 0)] // nil for what is new
	}
	_, stop := w.run(c, deps)
	w.until("all are dealt with", func() bool { return w.dealt(3) })
	w.mu.Lock()
	var records []*itemv1.Record
	for uid := range uint32(3) {
		record := proto.CloneOf(w.record(uid + 1))
		record.Received = timestamppb.New(time.Now().Add(-31 * 24 * time.Hour))
		if uid == 1 {
			record.Received = timestamppb.New(time.Now().Add(-29 * 24 * time.Hour))
		}
		records = append(records, record)
	}
	w.mu.Unlock()
	removed := map[string]bool{} // the two at once, or each alone; perhaps again
	gone := make(chan struct{})
	script.Change(func(s *imaptest.Script) {
		s.Validity, s.Next = 10, 15
		for i := range s.Mails {
			s.Mails[i].UID += 10
		}
		s.Mails = append(s.Mails, imaptest.ScriptMail{UID: 14, Raw: []byte("Subject: new\r\n\r\n")})
		rewrite := s.Rewrite
		s.Rewrite = func(line string, answer []byte) []byte {
			if _, which, is := strings.Cut(line, " UID EXPUNGE "); is {
				before := removed["11"] && removed["13"]
				for _, uid := range strings.Split(which, ",") {
					removed[uid] = true
				}
				if !before && removed["11"] && removed["13"] {
					close(gone)
				}
			}
			return rewrite(line, answer)
		}
	})
	w.until("all are items under their new numbers", func() bool { return w.dealt(14) })
	w.mu.Lock()
	for _, record := range records {
		record.Place = w.records[record.Item].Place
	}
	w.mu.Unlock()
	w.file(true, records...)
	select {
	case <-gone:
	case <-time.After(time.Minute):
		t.Error("not all were removed whose time had come")
	}
	stop()
	if len(removed) > 2 {
		t.Errorf("removed %v, want 11 and 13", removed)
	}
}

// A server that garbles a mail's date does so when the mail is removed, too; and one that comes to its senses
// then tells it.
func TestAMailWhoseDateWasGarbledIsStillRemoved(t *testing.T) {
	t.Parallel()
	for _, later := range []string{"31-Feb-2026 25:61:00 +0000", ""} {
		script := &imaptest.Script{Validity: 9, Next: 3, Mails: honest(2), Greeting: "* OK ready"}
		script.Mails[1].Date = "31-Feb-2026 25:61:00 +0000"
		removed := map[string]bool{} // the two at once, or each alone; perhaps again
		script.Rewrite = func(line string, answer []byte) []byte {
			if _, which, is := strings.Cut(line, " UID EXPUNGE "); is {
				removed[which] = true
			}
			return bytes.ReplaceAll(answer, []byte("IMAP4rev1"), []byte("IMAP4rev1 UIDPLUS"))
		}
		w := newWorld(t)
		c := plaintextConfig(t, script.Serve(t))
		c.Mailboxes[0].After = ingest.Delete
		service, stop := w.run(c, w.deps())
		w.until("both are dealt with", func() bool { return w.dealt(2) })
		script.Change(func(s *imaptest.Script) { s.Mails[1].Date = later })
		w.mu.Lock()
		one, two := proto.CloneOf(w.record(1)), proto.CloneOf(w.record(2))
		w.mu.Unlock()
		if !two.InternalDate.AsTime().Equal(imap.NoDate) {
			t.Errorf("it is of %v", two.InternalDate.AsTime())
		}
		for _, err := range archived(t, w, service, one, two) {
			if err != nil {
				t.Error(err)
			}
		}
		stop()
		if !removed["1:2"] && !(removed["1"] && removed["2"]) {
			t.Errorf("removed %v", removed)
		}
	}
}

// Exchange computes sizes that are near the truth, and no nearer.
func TestAMailWhoseSizeWasNeverWhatWasToldIsStillKnownForTheSame(t *testing.T) {
	t.Parallel()
	script := &imaptest.Script{Validity: 9, Next: 2, Mails: []imaptest.ScriptMail{{UID: 1, Raw: bytes.Repeat([]byte("x"), 500), Size: 477}}}
	w := newWorld(t)
	c := plaintextConfig(t, script.Serve(t))
	c.Mailboxes[0].After, c.Mailboxes[0].Keyword = ingest.Keyword, "$Archived"
	service, stop := w.run(c, w.deps())
	w.until("it is said", func() bool { return len(w.said) == 1 })
	record := proto.CloneOf(w.record(1))
	w.file(true, record)
	if err := announced(t, service, record)[0]; !errors.Is(err, imap.ErrRefused) { // the script has no keywords: it came that far
		t.Errorf("%v, want that the action was tried", err)
	}
	stop()
}

// A mail whose size was never what was told comes once more before it is removed. Where that answer does
// not end as answers do, nobody knows that it was the mail, and nothing is removed.
func TestNothingIsRemovedAfterAnAnswerThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	raw := bytes.Repeat([]byte("x"), 500)
	literal := "* 1 FETCH (UID 1 BODY[] {500}\r\n" + string(raw)
	for name, end := range map[string]string{
		"a byte too many":   "x)\r\n",
		"no bracket":        "\r\n",
		"no end of line":    ")",
		"a word":            " FLAGS)\r\n",
		"nonsense after it": ")\r\n\x00\r\n",
		"half an answer":    ")\r\n* 7 FETCH (UID\r\n",
	} {
		for _, after := range []ingest.Action{ingest.Move, ingest.Delete} {
			t.Run(name+" "+string(after), func(t *testing.T) {
				t.Parallel()
				script := &imaptest.Script{Validity: 9, Next: 2, Mails: []imaptest.ScriptMail{{UID: 1, Raw: raw, Size: 477}}}
				script.Rewrite = instead("", "IMAP4rev1", "IMAP4rev1 UIDPLUS MOVE")
				script.Greeting = "* OK ready"
				w := newWorld(t)
				c := plaintextConfig(t, script.Serve(t))
				c.Mailboxes[0].After, c.Mailboxes[0].MoveTo = after, "Done"
				service, stop := w.run(c, w.deps())
				w.until("it is dealt with", func() bool { return w.dealt(1) })
				w.mu.Lock()
				record := proto.CloneOf(w.record(1))
				w.mu.Unlock()
				touched := 0
				script.Change(func(s *imaptest.Script) {
					s.Mails[0].BadBody = literal + end
					s.On = func(_ *imaptest.Script, command string, _ int) {
						if command == "STORE" || command == "EXPUNGE" || command == "MOVE" {
							touched++
						}
					}
				})
				w.file(true, record)
				for range 3 {
					if err := announced(t, service, record)[0]; err == nil {
						t.Error("the action was done")
					}
				}
				script.Change(func(s *imaptest.Script) {
					if touched > 0 {
						t.Errorf("the mail was touched %d times", touched)
					}
					s.Mails[0].BadBody = ""
				})
				if err := announced(t, service, record)[0]; err != nil {
					t.Errorf("once the answer ends: %v", err)
				}
				script.Change(func(s *imaptest.Script) {
					if touched == 0 {
						t.Error("nothing was done once the answer ends")
					}
				})
				stop()
			})
		}
	}
}
