package ingest_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/services/ingest/imaptest"
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

// 2,000 mails cost what 2,000 mails cost, wherever their UIDs lie: the same commands, and no more bytes than the
// longer numbers are.
func TestASparseFolderCostsWhatItsMailsCost(t *testing.T) {
	t.Parallel()
	commands, anew, bytes := map[uint32]map[string]int{}, map[uint32]map[string]int{}, map[uint32]int64{}
	for _, step := range []uint32{1, 19_000} { // to UID 2,006 and 37,981,007
		script := &imaptest.Script{Validity: 9}
		for i := range uint32(2000) {
			script.Mails = append(script.Mails, imaptest.ScriptMail{UID: i*step + 7, Raw: []byte("Subject: sparse\r\n\r\n")})
		}
		proxy := imaptest.Cut(t, script.Serve(t))
		w := newWorld(t)
		c := plaintextConfig(t, proxy.Addr)
		c.Mailboxes[0].Poll = config.Duration(2 * time.Minute) // nothing is looked at a second time
		_, stop := w.run(c, w.deps())
		w.until("all are said", func() bool { return len(w.said) == 2000 })
		stop()
		commands[step], bytes[step] = proxy.Commands(), proxy.Bytes()
		// The same again, by a server that has numbered the folder anew.
		script.Change(func(s *imaptest.Script) { s.Validity = 10 })
		_, stop = w.run(c, w.deps())
		w.until("all are said under their new numbers", func() bool { return len(w.said) == 4000 })
		stop()
		anew[step] = proxy.Commands()
		for command, n := range commands[step] {
			anew[step][command] -= n
		}
	}
	for name, counted := range map[string]map[uint32]map[string]int{"at first": commands, "numbered anew": anew} {
		for _, command := range []string{"EXAMINE", "UID SEARCH", "UID FETCH"} {
			if dense, sparse := counted[1][command], counted[19_000][command]; sparse > dense+2 {
				t.Errorf("%s, %s: %d times for dense UIDs, %d for sparse ones", name, command, dense, sparse)
			}
		}
		if n := counted[19_000]["UID FETCH"]; n != 40 { // sizes and bodies of 100 mails each
			t.Errorf("%s: %d times FETCH", name, n)
		}
	}
	// A UID stands in the listing, in the answer of sizes and in that of the body, with four digits more at most;
	// and the listing comes twice, since what is not listed is asked for again.
	if most := bytes[1] + 2000*4*5; bytes[19_000] > most {
		t.Errorf("%d bytes for dense UIDs, %d for sparse ones", bytes[1], bytes[19_000])
	}
	t.Logf("commands %v, numbered anew %v, bytes %v", commands, anew, bytes)
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

// The size and the literal's length agree with one another and not with the bytes that come.
func TestALengthThatIsToldWrongTwiceMakesNoShorterMail(t *testing.T) {
	t.Parallel()
	for _, size := range []int{500, 700_000} {
		for _, short := range []int{1, 2, 40, size / 3} {
			t.Run(fmt.Sprintf("%d less of %d", short, size), func(t *testing.T) {
				t.Parallel()
				told := int64(size - short)
				script := among(imaptest.ScriptMail{UID: 5, Raw: bytes.Repeat([]byte("x\r\n"), size/3+1)[:size], Size: told, Announce: told})
				w := newWorld(t)
				_, stop := w.run(plaintextConfig(t, script.Serve(t)), w.deps())
				w.until("the others are items", func() bool { return len(w.records) >= 2 })
				script.Fetched(4)
				script.Change(func(s *imaptest.Script) { s.Mails[1].Size, s.Mails[1].Announce = 0, 0 })
				w.until("all are in the cursor", func() bool { return w.dealt(6) })
				stop()
				if !bytes.Equal(w.raw(w.record(5)), script.Mails[1].Raw) {
					t.Errorf("the item holds %d bytes of %d", len(w.raw(w.record(5))), size)
				}
			})
		}
	}
}
