package ingest_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/vault/vaulttest"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imap"
	"github.com/postern-mail/postern/services/ingest/imaptest"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

// same fails unless items and the server's folder are the same mails.
func (w *world) same(server *dovecot.Server, folder string) {
	w.t.Helper()
	want := server.List("ada", folder)
	got := map[uint32][sha256.Size]byte{}
	for _, record := range w.records {
		if record.Folder == folder {
			got[record.Uid] = w.digest(record)
		}
	}
	if !maps.Equal(got, want) {
		w.t.Errorf("%s: %d items differ from %d mails on the server", folder, len(got), len(want))
	}
}

func TestEveryMailBecomesAnItemWithTheServersBytes(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	list := slices.Concat(mails(120, 4000), mails(3, 700_000), [][]byte{[]byte("x"), []byte("\x00\xff no header\n")})
	server.Append("ada", "INBOX", list...)
	client := server.Client("ada", "INBOX")
	client.Create("Other")
	server.Append("ada", "Other", mails(5, 100)...)

	w := newWorld(t)
	c := configFor(t, server)
	c.Mailboxes[0].Folders = []string{"INBOX", "Other"}
	_, stop := w.run(c, w.deps())
	w.until("every mail is said", func() bool { return len(w.said) == len(list)+5 })
	server.Append("ada", "INBOX", mails(1, 50)...)
	w.until("the new mail is said", func() bool { return len(w.said) == len(list)+6 })
	stop()

	w.same(server, "INBOX")
	w.same(server, "Other")
	for _, envelope := range w.said {
		data, err := event.Marshal(envelope)
		if err != nil {
			t.Fatal(err)
		}
		_, msg, err := event.Open("mail.v1.Received", data)
		received, ok := msg.(*mailv1.Received)
		if err != nil || !ok || envelope.Id != event.ID(envelope.Item, "ingest", 0) || w.records[received.GetRecord().GetItem()] == nil {
			t.Fatalf("an event that is not Received of a record: %v", err)
		}
	}
	for uid, flags := range server.Client("ada", "INBOX").Flags() {
		if slices.Contains(flags, `\Seen`) {
			t.Errorf("mail %d was marked as seen", uid)
		}
	}
	for _, folder := range w.cursors["support"].Folders {
		if len(folder.Done) != 1 {
			t.Errorf("folder %s: cursor in %d ranges, want 1", folder.Name, len(folder.Done))
		}
	}
}

func TestASecondRunTakesOnlyWhatIsNew(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	server.Append("ada", "INBOX", mails(10, 300)...)
	w := newWorld(t)
	_, stop := w.run(configFor(t, server), w.deps())
	w.until("all are said", func() bool { return len(w.said) == 10 })
	stop()
	server.Append("ada", "INBOX", mails(2, 300)...)
	stored := w.stored()
	_, stop = w.run(configFor(t, server), w.deps())
	w.until("two more are said", func() bool { return len(w.said) == 12 })
	stop()
	if n := w.stored() - stored; n != 2 {
		t.Errorf("%d objects were stored, want 2", n)
	}
	w.same(server, "INBOX")
}

func TestALostCursorMakesNoSecondItem(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	server.Append("ada", "INBOX", mails(10, 300)...)
	w := newWorld(t)
	_, stop := w.run(configFor(t, server), w.deps())
	w.until("all are said", func() bool { return len(w.said) == 10 })
	stop()
	clear(w.cursors)
	clear(w.revision)
	_, stop = w.run(configFor(t, server), w.deps())
	w.until("all are said again", func() bool { return len(w.said) == 20 })
	stop()
	if len(w.records) != 10 {
		t.Errorf("%d items, want 10", len(w.records))
	}
	ids := map[string]bool{}
	for _, envelope := range w.said {
		ids[envelope.Id] = true
	}
	if len(ids) != 10 {
		t.Errorf("%d event ids, want 10", len(ids))
	}
}

func TestANewUIDValidityStartsANewScan(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	client := server.Client("ada", "INBOX")
	client.Create("Box")
	server.Append("ada", "Box", mails(3, 300)...)
	c := configFor(t, server)
	c.Mailboxes[0].Folders = []string{"Box"}
	w := newWorld(t)
	_, stop := w.run(c, w.deps())
	w.until("three are said", func() bool { return len(w.said) == 3 })
	stop()
	before := w.cursors["support"].Folders[0]
	client.Remove("Box")
	client.Do("CREATE Box")
	server.Append("ada", "Box", mails(2, 300)...)
	_, stop = w.run(c, w.deps())
	w.until("two more are said", func() bool { return len(w.said) == 5 })
	stop()
	after := w.cursors["support"].Folders[0]
	if before.UidValidity == after.UidValidity || after.Done[0].Last != 2 || after.Generation != 0 {
		t.Errorf("cursor was %v, is %v", before, after)
	}
}

func TestAnIdThatStandsForAnotherMailRaisesTheGeneration(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	server.Append("ada", "INBOX", mails(3, 300)...)
	w := newWorld(t)
	w.refuse = func(r *keyringv1.Register) error {
		if r.Uid == 2 && r.Generation == 0 {
			return fmt.Errorf("register: %w", keys.Conflict)
		}
		return nil
	}
	_, stop := w.run(configFor(t, server), w.deps())
	w.until("generation 1 is whole", func() bool { return w.dealt(3) && w.cursors["support"].Folders[0].Generation == 1 })
	stop()
}

func TestAnAttemptThatComesTooLateIsSealedAnew(t *testing.T) {
	t.Parallel()
	for _, refusal := range []keys.Refusal{keys.Late, keys.ClosedBucket} {
		server := dovecot.Start(t, "ada")
		server.Append("ada", "INBOX", mails(2, 300)...)
		server.Append("ada", "INBOX", mails(1, 400_000)...)
		w := newWorld(t)
		refused := map[uint32]string{}
		w.refuse = func(r *keyringv1.Register) error {
			if refused[r.Uid] == "" {
				refused[r.Uid] = r.Raw.Object
				return fmt.Errorf("register: %w", refusal)
			}
			if refused[r.Uid] == r.Raw.Object {
				t.Errorf("%s: the same attempt came again", refusal)
			}
			return nil
		}
		_, stop := w.run(configFor(t, server), w.deps())
		w.until("all are said", func() bool { return len(w.said) == 3 })
		stop()
		w.same(server, "INBOX")
	}
}

func TestAMailOverTheLimitIsSetAsideWithItsHeadersAndStays(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	fits := mails(1, 100_000)[0]
	over := bytes.Replace(fits, []byte("Subject: "), []byte("Subject: +"), 1) // one byte more
	server.Append("ada", "INBOX", over, fits)
	w := newWorld(t)
	c := configFor(t, server)
	c.MaxSize = config.Size(len(fits))
	_, stop := w.run(c, w.deps())
	w.until("both are said", func() bool { return len(w.said) == 2 })
	stop()
	for _, record := range w.records {
		raw := w.raw(record)
		switch record.Uid {
		case 1:
			end := bytes.Index(over, []byte("\r\n\r\n")) + 4
			if record.GetSetAside().GetCode() != "oversize" || record.Size != int64(len(over)) || !bytes.Equal(raw, over[:end]) {
				t.Errorf("oversize: state %v, size %d, sealed %d bytes, want the %d of its headers", record.State, record.Size, len(raw), end)
			}
		case 2:
			if record.State != itemv1.State_STATE_REGISTERED || !bytes.Equal(raw, fits) {
				t.Errorf("at the limit: state %v, sealed %d bytes", record.State, len(raw))
			}
		}
	}
	types := map[string]int{}
	for _, envelope := range w.said {
		types[envelope.Type]++
	}
	if types["mail.v1.SetAside"] != 1 || types["mail.v1.Received"] != 1 {
		t.Errorf("said %v", types)
	}
	if n := server.Count("ada", "INBOX"); n != 2 {
		t.Errorf("%d mails left on the server, want 2", n)
	}
}

func TestNothingIsSkippedWhenStoreOrBusFails(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	server.Append("ada", "INBOX", mails(8, 300)...)
	server.Append("ada", "INBOX", mails(1, 600_000)...)
	w := newWorld(t)
	failures := 3
	w.failing = func() error {
		if failures--; failures >= 0 {
			return errors.New("bus away")
		}
		return nil
	}
	faulty := vaulttest.NewFaulty(w.objects)
	faulty.Cut(9, 100_000) // the large one, or a small one on the way: whoever is ninth
	w.vault = faulty
	_, stop := w.run(configFor(t, server), w.deps())
	w.until("all are said", func() bool { return len(w.said) >= 9 })
	stop()
	w.same(server, "INBOX")
	said := map[string]bool{}
	for _, envelope := range w.said {
		said[envelope.Item] = true
	}
	if len(said) != 9 || len(w.records) != 9 {
		t.Errorf("%d items said, %d registered, want 9", len(said), len(w.records))
	}
}

func TestWhatIsAlreadyFurtherOnIsNotSaidAgain(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	server.Append("ada", "INBOX", mails(2, 300)...)
	w := newWorld(t)
	_, stop := w.run(configFor(t, server), w.deps())
	w.until("both are said", func() bool { return len(w.said) == 2 })
	stop()
	for _, record := range w.records {
		if record.Uid == 1 {
			record.State = itemv1.State_STATE_TOMBSTONE
		} else {
			record.State = itemv1.State_STATE_FILED
		}
	}
	clear(w.cursors)
	clear(w.revision)
	_, stop = w.run(configFor(t, server), w.deps())
	w.until("the cursor is back", func() bool { return w.dealt(2) })
	stop()
	if len(w.said) != 2 {
		t.Errorf("%d events, want 2", len(w.said))
	}
}

func TestACursorThatAnotherProcessMovedIsReadAnew(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	server.Append("ada", "INBOX", mails(2, 300)...)
	w := newWorld(t)
	_, stop := w.run(configFor(t, server), w.deps())
	w.until("cursor is saved", func() bool { return w.revision["support"] > 0 && len(w.said) == 2 })
	w.mu.Lock()
	w.revision["support"] += 7
	w.mu.Unlock()
	server.Append("ada", "INBOX", mails(1, 300)...)
	w.until("the third is in the cursor", func() bool { return w.dealt(3) })
	stop()
	if len(w.records) != 3 {
		t.Errorf("%d items, want 3", len(w.records))
	}
}

func TestAMailboxInTroubleDoesNotSlowAnother(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada", "bob")
	server.Append("ada", "INBOX", mails(1, 300)...)
	w := newWorld(t)
	c := configFor(t, server)
	wrong, nowhere := c.Mailboxes[0], c.Mailboxes[0]
	wrong.ID, wrong.PasswordFile = "wrong", secret(t, "wrong")
	nowhere.ID, nowhere.Folders = "nowhere", []string{"Missing"}
	c.Mailboxes = append([]ingest.Mailbox{wrong, nowhere}, c.Mailboxes...)
	deps := w.deps()
	log := &logbook{world: w}
	deps.Log = newLog(log)
	service, stop := w.run(c, deps)
	w.until("the good one's mail is said", func() bool { return len(w.said) == 1 })
	w.until("the others' troubles are told", func() bool {
		return strings.Contains(log.text.String(), "sign-in") && strings.Contains(log.text.String(), "no such folder")
	})
	stop()
	for _, status := range service.Status() {
		want := map[string]error{"wrong": imap.ErrSignIn, "nowhere": imap.ErrNoFolder, "support": nil}[status.Mailbox]
		if !errors.Is(status.LastError, want) {
			t.Errorf("%s: %v, want %v", status.Mailbox, status.LastError, want)
		}
	}
}

func TestPlaintextIsRefusedUnlessItIsNamed(t *testing.T) {
	t.Parallel()
	c := ingest.Default()
	base := ingest.Mailbox{ID: "support", Host: "localhost", Username: "ada", PasswordFile: "/nowhere"}
	for tls, good := range map[imap.Security]bool{"": true, "implicit": true, "starttls": true, "plaintext-insecure": true, "plaintext": false, "none": false} {
		base.TLS = tls
		c.Mailboxes = []ingest.Mailbox{base}
		complete, err := c.Complete()
		if (err == nil) != good {
			t.Errorf("tls %q: %v", tls, err)
		}
		if tls == "" && complete.Mailboxes[0].TLS != imap.Implicit {
			t.Errorf("tls is %q where nothing is said", complete.Mailboxes[0].TLS)
		}
	}
}

func TestALogHoldsNothingOfAMail(t *testing.T) {
	t.Parallel()
	// The words that a sender chose stand in no error of the IMAP door; a server that
	// answers with them is the way they could come in.
	for _, script := range []*imaptest.Script{
		{Validity: 1, Mails: honest(1), RefuseFetch: "Marker-Person sold a horse"},
		{Validity: 1, Mails: honest(1), Garble: "* 1 FETCH (Marker-Person horse)\r\n"},
		{Validity: 1, Mails: honest(1), Garble: "* Marker-Person horse\r\n"},
		{Validity: 1, Mails: honest(1), Garble: "Marker-Person OK horse\r\n"},
	} {
		w := newWorld(t)
		log := &logbook{world: w}
		deps := w.deps()
		deps.Log = newLog(log)
		_, stop := w.run(plaintextConfig(t, script.Serve(t)), deps)
		w.until("the interruption is logged", func() bool { return strings.Contains(log.text.String(), "folder interrupted") })
		stop()
		if strings.Contains(log.text.String(), "Marker") || strings.Contains(log.text.String(), "horse") {
			t.Errorf("log holds the server's words: %s", log.text.String())
		}
	}
}

func honest(n int) []imaptest.ScriptMail {
	var list []imaptest.ScriptMail
	for i, raw := range mails(n, 400) {
		list = append(list, imaptest.ScriptMail{UID: uint32(i + 1), Raw: raw})
	}
	return list
}
