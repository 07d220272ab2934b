package ingest_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/event"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imaptest"
)

// among gives two honest mails around one.
func among(mail imaptest.ScriptMail) *imaptest.Script {
	return &imaptest.Script{Validity: 9, Next: 7, Mails: []imaptest.ScriptMail{
		{UID: 4, Raw: []byte("Subject: honest\r\n\r\n")}, mail, {UID: 6, Raw: []byte("Subject: honest too\r\n\r\n")},
	}}
}

// record gives the item of a UID; nothing runs.
func (w *world) record(uid uint32) *itemv1.Record {
	for _, record := range w.records {
		if record.Uid == uid {
			return record
		}
	}
	w.t.Fatalf("no item of mail %d", uid)
	return nil
}

func TestAWrongSizeIsTakenWhenTwoSessionsGiveTheSameBytes(t *testing.T) {
	t.Parallel()
	for _, size := range []int{500, 700_000} {
		for _, told := range []int64{1, int64(size) - 1, int64(size) + 1, 10_000_000} {
			t.Run(fmt.Sprintf("%d told as %d", size, told), func(t *testing.T) {
				t.Parallel()
				raw := bytes.Repeat([]byte("x"), size)
				script := among(imaptest.ScriptMail{UID: 5, Raw: raw, Size: told})
				w := newWorld(t)
				address := script.Serve(t)
				_, stop := w.run(plaintextConfig(t, address), w.deps())
				w.until("all are in the cursor", func() bool { return w.dealt(6) })
				stop()
				record := w.record(5)
				if !bytes.Equal(w.raw(record), raw) || record.Size != int64(size) || record.State != itemv1.State_STATE_REGISTERED {
					t.Errorf("item of %d bytes in state %v", record.Size, record.State)
				}
				if n := w.stored(); n != 3 {
					t.Errorf("%d objects of 3 mails", n)
				}
				// The same mail again, after the cursor was lost, is the same item.
				clear(w.cursors)
				clear(w.revision)
				_, stop = w.run(plaintextConfig(t, address), w.deps())
				w.until("all are in the cursor again", func() bool { return w.dealt(6) })
				stop()
				if len(w.records) != 3 || w.cursors["support"].Folders[0].Generation != 0 {
					t.Errorf("%d items, cursor %v", len(w.records), w.cursors["support"])
				}
			})
		}
	}
}

// aside runs until the mails with UID 4 to 6 are dealt with and gives the one in the middle.
func aside(t *testing.T, script *imaptest.Script, change func(*ingest.Config)) (*world, *itemv1.Record) {
	t.Helper()
	w := newWorld(t)
	c := plaintextConfig(t, script.Serve(t))
	change(&c)
	_, stop := w.run(c, w.deps())
	w.until("the honest ones are said", func() bool { return len(w.said) >= 2 && w.uids()[4] && w.uids()[6] })
	w.until("all are in the cursor", func() bool { return w.dealt(6) })
	stop()
	record := w.record(5)
	said := map[string]int{}
	for _, envelope := range w.said {
		said[envelope.Type]++
	}
	if said["mail.v1.SetAside"] != 1 || said["mail.v1.Received"] != 2 || record.State != itemv1.State_STATE_SET_ASIDE {
		t.Errorf("said %v, state %v", said, record.State)
	}
	if troubles := w.cursors["support"].Folders[0].Troubles; len(troubles) != 0 {
		t.Errorf("the cursor keeps %v", troubles)
	}
	return w, record
}

func TestAMailThatComesOtherwiseEachTimeIsSetAsideWithItsHeaders(t *testing.T) {
	t.Parallel()
	for _, size := range []int{300, 600_000} {
		script := among(imaptest.ScriptMail{UID: 5, Size: int64(size) + 500, Vary: func(n int) []byte {
			return append([]byte("Subject: never the same\r\n\r\n"), bytes.Repeat([]byte{'a' + byte(n%20)}, size)...)
		}})
		w, record := aside(t, script, func(*ingest.Config) {})
		if record.SetAside.Code != ingest.CodeUnclearSize || string(w.raw(record)) != "Subject: never the same\r\n\r\n" {
			t.Errorf("code %q, sealed %d bytes", record.SetAside.Code, len(w.raw(record)))
		}
	}
}

func TestAMailThatIsNeverHandedOverIsSetAside(t *testing.T) {
	t.Parallel()
	for name, mail := range map[string]imaptest.ScriptMail{
		"body":  {UID: 5, Raw: []byte("Subject: kept back\r\n\r\n"), Withheld: true},
		"sizes": {UID: 5, Raw: []byte("Subject: kept back\r\n\r\n"), Undescribed: 1 << 30, Withheld: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, record := aside(t, among(mail), func(*ingest.Config) {}); record.SetAside.Code != ingest.CodeWithheld {
				t.Errorf("code %q", record.SetAside.Code)
			}
		})
	}
}

func TestAMailThatEndsTheSessionHoldsUpNoOtherAndIsSetAside(t *testing.T) {
	t.Parallel()
	for name, mail := range map[string]imaptest.ScriptMail{
		"ends":   {UID: 5, Raw: []byte("Subject: bad\r\n\r\n"), Breaks: true},
		"cut":    {UID: 5, Raw: bytes.Repeat([]byte("x"), 500), Cut: 100},
		"cut up": {UID: 5, Raw: bytes.Repeat([]byte("x"), 700_000), Cut: 400_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, record := aside(t, among(mail), func(*ingest.Config) {}); record.SetAside.Code != ingest.CodeBreaks {
				t.Errorf("code %q", record.SetAside.Code)
			}
		})
	}
}

func TestAMailThatTurnsOutToBeOverTheLimitIsOversize(t *testing.T) {
	t.Parallel()
	raw := append([]byte("Subject: large\r\n\r\n"), bytes.Repeat([]byte("x"), 300_000)...)
	script := among(imaptest.ScriptMail{UID: 5, Raw: raw, Size: 1000})
	w, record := aside(t, script, func(c *ingest.Config) { c.MaxSize = config.Size(100 << 10) })
	if record.SetAside.Code != ingest.CodeOversize || record.Size != int64(len(raw)) || !strings.HasPrefix(string(w.raw(record)), "Subject: large") {
		t.Errorf("code %q, size %d", record.SetAside.Code, record.Size)
	}
}

// A literal that goes on for ever costs its announced length at most, and nobody else anything.
func TestAnEndlessLiteralIsNotRead(t *testing.T) {
	t.Parallel()
	script := among(imaptest.ScriptMail{UID: 5, Raw: []byte("Subject: endless\r\n\r\nx"), Announce: 1 << 50})
	if _, record := aside(t, script, func(*ingest.Config) {}); record.SetAside.Code != ingest.CodeOversize || record.Size != 1<<50 {
		t.Errorf("code %q, size %d", record.SetAside.Code, record.Size)
	}
}

// The process dies between the record and its setting aside: whoever comes after says the same.
func TestAMailThatWasAboutToBeSetAsideIsNotSaidAsReceived(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	item := event.Item("support", "INBOX", 9, 5, 0)
	record := &itemv1.Record{Item: item, Mailbox: "support", Folder: "INBOX", UidValidity: 9, Uid: 5, State: itemv1.State_STATE_REGISTERED,
		Layers: []*itemv1.Layer{{Kind: itemv1.LayerKind_LAYER_KIND_RAW, Size: 90}}}
	w.records[item] = record
	w.intend("support", 9, 5, ingest.CodeUnclearSize)
	service, err := ingest.New(plaintextConfig(t, "127.0.0.1:1"), w.deps())
	if err != nil {
		t.Fatal(err)
	}
	if err := ingest.Redrive(service, t.Context(), record); err != nil {
		t.Fatal(err)
	}
	if len(w.said) != 1 || w.said[0].Type != "mail.v1.SetAside" || w.records[item].SetAside.GetCode() != ingest.CodeUnclearSize {
		t.Errorf("said %v, record %v", w.said, w.records[item])
	}
}
