package ingest_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/postern-mail/postern/services/ingest/imaptest"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

// healed serves the script, waits until it has misbehaved at least twice, has nothing
// stored by then but what is honest, and all of it once it is mended.
func healed(t *testing.T, script *imaptest.Script, mend func(*imaptest.Script)) *world {
	t.Helper()
	w := newWorld(t)
	_, stop := w.run(plaintextConfig(t, script.Serve(t)), w.deps())
	honest := 0
	for _, mail := range script.Mails {
		if mail.Cut == 0 && mail.Announce == 0 && mail.Size == 0 {
			honest++
		}
	}
	script.Fetched(3)
	w.mu.Lock()
	if len(w.records) > honest || w.stored() > honest {
		t.Errorf("%d items and %d objects of %d honest mails", len(w.records), w.stored(), honest)
	}
	w.mu.Unlock()
	script.Change(mend)
	w.until("every mail is said", func() bool { return len(w.said) >= len(script.Mails) })
	stop()
	for _, record := range w.records {
		for _, mail := range script.Mails {
			if mail.UID == record.Uid && !bytes.Equal(w.raw(record), mail.Raw) {
				t.Errorf("mail %d is not what the server holds", mail.UID)
			}
		}
	}
	if len(w.records) != len(script.Mails) {
		t.Errorf("%d items of %d mails", len(w.records), len(script.Mails))
	}
	return w
}

func TestAConnectionCutWithinALiteralStoresNothing(t *testing.T) {
	t.Parallel()
	for _, size := range []int{500, 700_000} {
		for _, cut := range []int{1, 400, size - 1} {
			raw := bytes.Repeat([]byte("x"), size)
			script := &imaptest.Script{Validity: 9, Mails: []imaptest.ScriptMail{{UID: 5, Raw: raw, Cut: cut}}}
			healed(t, script, func(s *imaptest.Script) { s.Mails[0].Cut = 0 })
		}
	}
}

func TestALiteralLongerThanItsMailStoresNothing(t *testing.T) {
	t.Parallel()
	raw := bytes.Repeat([]byte("x"), 500)
	script := &imaptest.Script{Validity: 9, Mails: []imaptest.ScriptMail{{UID: 5, Raw: raw, Size: 600, Announce: 600}}}
	healed(t, script, func(s *imaptest.Script) { s.Mails[0].Size, s.Mails[0].Announce = 0, 0 })
}

func TestAServerThatFallsSilentIsLeft(t *testing.T) {
	t.Parallel()
	script := &imaptest.Script{Validity: 9, Mails: honest(2), Mute: true}
	w := newWorld(t)
	c := plaintextConfig(t, script.Serve(t))
	c.Silence = 50_000_000 // 50 ms
	_, stop := w.run(c, w.deps())
	script.Fetched(3)
	script.Change(func(s *imaptest.Script) { s.Mute = false })
	w.until("both are said", func() bool { return len(w.said) == 2 })
	stop()
}

func TestUIDsThatGoBackwardsBeginAGeneration(t *testing.T) {
	t.Parallel()
	script := &imaptest.Script{Validity: 9, Next: 12, Mails: []imaptest.ScriptMail{{UID: 10, Raw: []byte("old 10")}, {UID: 11, Raw: []byte("old 11")}}}
	w := newWorld(t)
	c := plaintextConfig(t, script.Serve(t))
	_, stop := w.run(c, w.deps())
	w.until("the old are said", func() bool { return len(w.said) == 2 })
	script.Change(func(s *imaptest.Script) {
		s.Next = 11
		s.Mails = []imaptest.ScriptMail{{UID: 9, Raw: []byte("new 9")}, {UID: 10, Raw: []byte("new 10")}}
	})
	w.until("the new are said", func() bool { return len(w.said) == 4 })
	stop()
	for _, record := range w.records {
		want := map[uint32]map[uint32]string{0: {10: "old 10", 11: "old 11"}, 1: {9: "new 9", 10: "new 10"}}[record.Generation][record.Uid]
		if got := string(w.raw(record)); got != want {
			t.Errorf("generation %d, UID %d: %q, want %q", record.Generation, record.Uid, got, want)
		}
	}
}

// 2,000 mails cost what 2,000 mails cost, wherever their UIDs lie.
func TestASparseFolderCostsWhatItsMailsCost(t *testing.T) {
	t.Parallel()
	asked := map[uint32]int{}
	for _, step := range []uint32{1, 19_000} {
		script := &imaptest.Script{Validity: 9}
		for i := range uint32(2000) {
			script.Mails = append(script.Mails, imaptest.ScriptMail{UID: i*step + 7, Raw: []byte("Subject: sparse\r\n\r\n")})
		}
		w := newWorld(t)
		_, stop := w.run(plaintextConfig(t, script.Serve(t)), w.deps())
		w.until("all are in the cursor", func() bool { return w.dealt(1999*step + 7) })
		stop()
		if len(w.said) != 2000 {
			t.Errorf("%d said of 2000", len(w.said))
		}
		asked[step] = script.Asked()
	}
	if asked[1] != 20 || asked[19_000] != 20 { // of 100 mails each
		t.Errorf("bodies were asked for so many times: %v", asked)
	}
}

func TestAMailThatIsListedAndWithheldIsVisiblyInTrouble(t *testing.T) {
	t.Parallel()
	script := &imaptest.Script{Validity: 9, Mails: honest(3)}
	script.Mails[1].Withheld = true
	w := newWorld(t)
	service, stop := w.run(plaintextConfig(t, script.Serve(t)), w.deps())
	w.until("the others are said", func() bool { return len(w.said) == 2 })
	script.Fetched(3)
	if status := service.Status()[0]; status.Trouble != 1 {
		t.Errorf("status %+v, want one mail in trouble", status)
	}
	script.Change(func(s *imaptest.Script) { s.Mails[1].Withheld = false })
	w.until("it is said", func() bool { return len(w.said) == 3 })
	stop()
	if status := service.Status()[0]; status.Trouble != 0 {
		t.Errorf("status %+v, want none in trouble", status)
	}
}

func TestAConnectionCutAnywhereLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	server.Append("ada", "INBOX", slices.Concat(mails(20, 3000), mails(1, 400_000))...)
	random := rand.New(rand.NewPCG(7, 7))
	cuts := make([]int64, 12)
	for i := range cuts {
		cuts[i] = 1 + random.Int64N(400_000) // from the greeting to the middle of the large one
	}
	proxy := imaptest.Cut(t, server.Addr, cuts...)
	w := newWorld(t)
	c := configFor(t, server)
	c.Mailboxes[0].Host, c.Mailboxes[0].Port = split(t, proxy.Addr)
	_, stop := w.run(c, w.deps())
	w.until("all are in the cursor", func() bool { return w.dealt(21) })
	stop()
	if proxy.Done() == 0 {
		t.Error("no connection was cut")
	}
	t.Logf("%d connections were cut", proxy.Done())
	w.same(server, "INBOX")
	if len(w.records) != 21 {
		t.Errorf("%d items of 21 mails", len(w.records))
	}
}

func TestAUIDThatWasNeverGivenOutHidesNoMail(t *testing.T) {
	t.Parallel()
	script := &imaptest.Script{Validity: 9, Next: 4, Mails: append(honest(3), imaptest.ScriptMail{UID: 4_294_967_295, Raw: []byte("a mistake")})}
	w := newWorld(t)
	_, stop := w.run(plaintextConfig(t, script.Serve(t)), w.deps())
	w.until("the mistake is taken, too", func() bool { return len(w.said) >= 4 })
	script.Change(func(s *imaptest.Script) {
		s.Mails, s.Next = append(honest(3), imaptest.ScriptMail{UID: 4, Raw: []byte("the next one")}), 5
	})
	w.until("the next mail is there", func() bool {
		for _, record := range w.records {
			if record.Uid == 4 {
				return true
			}
		}
		return false
	})
	stop()
}
