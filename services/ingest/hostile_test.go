package ingest_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imaptest"
)

// state waits until the service's first folder is in a state.
func (w *world) state(service *ingest.Service, want ...ingest.State) {
	w.t.Helper()
	late := time.After(time.Minute)
	for tick := time.NewTicker(2 * time.Millisecond); !slices.Contains(want, service.Status()[0].State); {
		select {
		case <-tick.C:
		case <-late:
			w.t.Fatalf("state %v, want %v", service.Status()[0], want)
		}
	}
}

// A certificate is renewed and all goes on; one that is not the server's gets neither the
// password nor a word.
func TestACertificateThatChangesIsTakenOrRefusedByWhoSignedIt(t *testing.T) {
	t.Parallel()
	authority, stranger := imaptest.NewAuthority(t), imaptest.NewAuthority(t)
	good := time.Now().Add(time.Hour)
	script := &imaptest.Script{Validity: 9, Mails: honest(1), Certificate: authority.Issue("127.0.0.1", good)}
	c := plaintextConfig(t, script.ServeTLS(t))
	c.Mailboxes[0].TLS, c.Mailboxes[0].CAFile = "implicit", authority.File
	w := newWorld(t)
	service, stop := w.run(c, w.deps())
	uid := uint32(1)
	more := func() {
		uid++
		script.Change(func(s *imaptest.Script) {
			s.Mails = append(s.Mails, imaptest.ScriptMail{UID: uid, Raw: fmt.Appendf(nil, "Subject: %d\r\n\r\n", uid)})
		})
	}
	hangUp := func(s *imaptest.Script, command string, _ int) {
		if command == "EXAMINE" {
			s.Refuse = map[string]string{"EXAMINE": "BYE going"}
		}
	}
	w.until("the first is dealt with", func() bool { return w.dealt(1) })
	for name, each := range map[string]*imaptest.Authority{"renewed": authority, "of a stranger": stranger} {
		_ = name
		script.Change(func(s *imaptest.Script) { s.Certificate, s.On = each.Issue("127.0.0.1", good), hangUp })
		script.Given("EXAMINE", 1)
		more()
		if each == authority {
			script.Change(func(s *imaptest.Script) { s.On, s.Refuse = nil, nil })
			w.until("all are dealt with under the new certificate", func() bool { return w.dealt(uid) })
			continue
		}
		refused(t, w, service, script, func(s *imaptest.Script) { s.Certificate = authority.Issue("127.0.0.1", good) }, uid)
	}
	for name, until := range map[string]time.Time{"mail.example.org": good, "127.0.0.1": time.Now().Add(-time.Minute)} {
		script.Change(func(s *imaptest.Script) { s.Certificate, s.On = authority.Issue(name, until), hangUp })
		script.Given("EXAMINE", 1)
		more()
		refused(t, w, service, script, func(s *imaptest.Script) { s.Certificate = authority.Issue("127.0.0.1", good) }, uid)
	}
	stop()
}

// refused waits until the server's certificate is refused, sees that nobody signs in meanwhile, and mends it.
func refused(t *testing.T, w *world, service *ingest.Service, script *imaptest.Script, mend func(*imaptest.Script), uid uint32) {
	t.Helper()
	w.state(service, ingest.TLSFailed)
	script.Change(func(s *imaptest.Script) {
		s.Refuse, s.On = nil, func(*imaptest.Script, string, int) {
			t.Error("a command was given under a certificate that is not the server's")
		}
	})
	script.Sessions(script.Opened() + 3)
	script.Change(func(s *imaptest.Script) { s.On = nil; mend(s) })
	w.until("all are dealt with again", func() bool { return w.dealt(uid) })
}

// flood writes a text until so much is written or nobody takes it any more.
func flood(text string, limit int64) func(io.Writer) error {
	piece := []byte(strings.Repeat(text, 1+(64<<10)/len(text)))
	return func(to io.Writer) error {
		for left := limit; left > 0; left -= int64(len(piece)) {
			if _, err := to.Write(piece); err != nil {
				return err
			}
		}
		return nil
	}
}

// Not parallel: it measures the process.
func TestWhatAServerSaysWithoutEndIsLeftAndNotKept(t *testing.T) {
	const (
		much  = 100 << 20
		bound = 40 << 20 // three sessions of what is taken at most, and what garbage waits for collection
	)
	for name, each := range map[string]struct{ text, begin string }{
		"a line":              {"x", "* OK "},
		"a preamble of lines": {"* OK nothing to say\r\n", ""},
		"lines that are none": {"\x00\xff\xfe\r\n", ""},
		"a list of flags":     {"\\Seen ", "* FLAGS ("},
		"a listing":           {" 7", "* SEARCH"},
		"unasked-for news":    {"* 3 EXISTS\r\n", ""},
		"a literal":           {"x", "* 1 FETCH (UID 1 BODY[] {104857600}\r\n"},
		"brackets":            {"(", "* 1 FETCH "},
	} {
		for _, command := range []string{"GREETING", "LOGIN", "EXAMINE", "SEARCH", "FETCH"} {
			t.Run(name+" before "+command, func(t *testing.T) {
				script := &imaptest.Script{Validity: 9, Mails: honest(2)}
				script.Before = map[string]func(io.Writer) error{command: func(to io.Writer) error {
					if _, err := io.WriteString(to, each.begin); err != nil {
						return err
					}
					return flood(each.text, much)(to)
				}}
				w := newWorld(t)
				c := plaintextConfig(t, script.Serve(t))
				height := peak()
				service, stop := w.run(c, w.deps())
				script.Sessions(3)
				if rose := height(); rose > bound {
					t.Errorf("heap rose by %d", rose)
				}
				if state := service.Status()[0].State; state == ingest.OK {
					t.Errorf("state %v", state)
				}
				if len(w.records) > 0 && command != "FETCH" {
					t.Errorf("%d items", len(w.records))
				}
				script.Change(func(s *imaptest.Script) { s.Before = nil })
				w.until("both are dealt with", func() bool { return w.dealt(2) })
				stop()
			})
		}
	}
}

func TestEveryByteThereIsComesThroughAMail(t *testing.T) {
	t.Parallel()
	var all []byte
	for i := range 256 {
		all = append(all, byte(i), '\r', '\n', byte(i), ')', '\r', '\n', byte(255-i))
	}
	script := &imaptest.Script{Validity: 9, Mails: []imaptest.ScriptMail{
		{UID: 1, Raw: all}, {UID: 2, Raw: bytes.Repeat([]byte{0}, 700_000)}, {UID: 3, Raw: bytes.Repeat([]byte{0xff}, 500)},
		{UID: 4, Raw: []byte("{5}\r\nabc)\r\nT7 OK done\r\n* BYE\r\n")},
	}}
	w := newWorld(t)
	_, stop := w.run(plaintextConfig(t, script.Serve(t)), w.deps())
	w.until("all are dealt with", func() bool { return w.dealt(4) })
	stop()
	for _, mail := range script.Mails {
		if !bytes.Equal(w.raw(w.record(mail.UID)), mail.Raw) {
			t.Errorf("mail %d has other bytes", mail.UID)
		}
	}
}

// News that no standard allows at that moment, and of mails that are not there.
func TestUnsolicitedNewsLosesNothing(t *testing.T) {
	t.Parallel()
	for _, news := range []string{
		"* 1 EXPUNGE\r\n", "* 2 EXPUNGE\r\n* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n", "* 4294967295 EXPUNGE\r\n", "* 0 EXPUNGE\r\n",
		"* 99 EXISTS\r\n", "* 0 EXISTS\r\n", "* VANISHED 1:3\r\n", "* OK [UIDVALIDITY 77] changed\r\n", "* OK [UIDNEXT 1] back\r\n",
		"* NO \x00\xff\r\n", "* OK [ALERT] \xc3\x28\r\n", "* 1 FETCH (UID 4294967295 FLAGS ())\r\n", "+ go on\r\n", "\r\n", "* 5 RECENT\r\n",
	} {
		for _, command := range []string{"LOGIN", "EXAMINE", "SEARCH", "FETCH", "NOOP"} {
			t.Run(fmt.Sprintf("%q before %s", news, command), func(t *testing.T) {
				t.Parallel()
				script := &imaptest.Script{Validity: 9, Mails: honest(3)}
				left := 3 // times that it is said
				script.On = func(s *imaptest.Script, given string, _ int) {
					s.Before = nil
					if given == command && left > 0 {
						left--
						s.Before = map[string]func(io.Writer) error{command: func(to io.Writer) error {
							_, err := io.WriteString(to, news)
							return err
						}}
					}
				}
				w := newWorld(t)
				_, stop := w.run(plaintextConfig(t, script.Serve(t)), w.deps())
				w.until("all are dealt with", func() bool { return w.dealt(3) })
				script.Given("NOOP", 4)
				stop()
				if len(w.records) != 3 {
					t.Errorf("%d items of 3 mails", len(w.records))
				}
				for _, mail := range script.Mails {
					if !bytes.Equal(w.raw(w.record(mail.UID)), mail.Raw) {
						t.Errorf("mail %d has other bytes", mail.UID)
					}
				}
			})
		}
	}
}

// One answer among good ones that makes no sense: those around it get through at once, and it is set aside
// visibly in the end, or taken when the server comes to its senses.
func TestAMalformedAnswerBetweenGoodOnesHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"* 2 FETCH (UID 2 RFC822.SIZE abc)\r\n", "* 2 FETCH (UID 2\r\n", "* 2 FETCH UID 2)\r\n", "* 2 FETCH (UID 2 BODY[] {-1}\r\n)\r\n",
		"* 2 FETCH (UID 2 NONSENSE (1 2 3))\r\n", "* FETCH\r\n", "* 2 FETCH (UID 99999999999 RFC822.SIZE 7)\r\n", "* 2 FETCH ()\r\n",
		"* 2 FETCH (UID 2 BODY[] NIL)\r\n", "* 2 FETCH (UID 77 BODY[] {3}\r\nabc)\r\n", "* 2 FETCH (UID 2 ENVELOPE (NIL))\r\n", "\x00\x01\x02\r\n", "* 2 FETCH (UID 2 BODY[] {3}\r\nabcdefg)\r\n",
	} {
		for _, where := range []string{"size", "body"} {
			for _, mends := range []bool{true, false} {
				t.Run(fmt.Sprintf("%q as %s, mended %v", bad, where, mends), func(t *testing.T) {
					t.Parallel()
					script := &imaptest.Script{Validity: 9, Next: 6, Mails: honest(5)}
					if where == "size" {
						script.Mails[1].BadSize = bad
					} else {
						script.Mails[1].BadBody = bad
					}
					w := newWorld(t)
					_, stop := w.run(plaintextConfig(t, script.Serve(t)), w.deps())
					w.until("the others are items", func() bool {
						uids := w.uids()
						return uids[1] && uids[3] && uids[4] && uids[5]
					})
					if mends {
						script.Change(func(s *imaptest.Script) { s.Mails[1].BadSize, s.Mails[1].BadBody = "", "" })
					}
					w.until("all are dealt with", func() bool { return w.dealt(5) })
					stop()
					if len(w.records) != 5 {
						t.Errorf("%d items of 5 mails", len(w.records))
					}
					record := w.record(2)
					if record.GetSetAside() == nil && !bytes.Equal(w.raw(record), script.Mails[1].Raw) {
						t.Error("the mail has other bytes")
					}
					if !mends && record.GetSetAside() == nil {
						t.Error("the mail that never came right is not set aside")
					}
				})
			}
		}
	}
}

func TestABodyThatComesTwiceIsOneItemAndHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	script := &imaptest.Script{Validity: 9, Mails: honest(5)}
	script.Mails[1].Twice, script.Mails[4].Twice = true, true
	w := newWorld(t)
	_, stop := w.run(plaintextConfig(t, script.Serve(t)), w.deps())
	w.until("all are dealt with", func() bool { return w.dealt(5) })
	stop()
	if len(w.records) != 5 || w.cursors["support"].Folders[0].Generation != 0 {
		t.Errorf("%d items of 5 mails, cursor %v", len(w.records), w.cursors["support"])
	}
}

// A listing in no order, with UIDs that stand there again and again.
func TestAListingInAnyOrderAndWithRepetitionsIsOneOfItsMails(t *testing.T) {
	t.Parallel()
	script := &imaptest.Script{Validity: 9, Mails: honest(9)}
	slices.Reverse(script.Mails)
	script.On = func(s *imaptest.Script, command string, _ int) {
		if command == "SEARCH" {
			s.Before = map[string]func(io.Writer) error{"SEARCH": func(to io.Writer) error {
				_, err := io.WriteString(to, "* SEARCH 9 9 3 1 3 9 2\r\n* SEARCH 4 4 4\r\n")
				return err
			}}
		}
	}
	w := newWorld(t)
	_, stop := w.run(plaintextConfig(t, script.Serve(t)), w.deps())
	w.until("all are dealt with", func() bool { return w.dealt(9) })
	stop()
	if len(w.records) != 9 || len(w.said) != 9 {
		t.Errorf("%d items and %d events of 9 mails", len(w.records), len(w.said))
	}
}

// The folder is numbered anew between any two commands of a session that reads it.
func TestUIDVALIDITYThatChangesInTheMiddleLosesNothing(t *testing.T) {
	t.Parallel()
	for command, times := range map[string]int{"LOGIN": 1, "EXAMINE": 3, "SEARCH": 3, "FETCH": 2, "NOOP": 3} {
		for nth := 1; nth <= times; nth++ {
			t.Run(fmt.Sprintf("at %s %d", command, nth), func(t *testing.T) {
				t.Parallel()
				script := &imaptest.Script{Validity: 9, Next: 4, Mails: honest(3)}
				anew := []imaptest.ScriptMail{
					{UID: 1, Raw: []byte("Subject: other first\r\n\r\n")}, {UID: 2, Raw: honest(3)[0].Raw}, {UID: 3, Raw: honest(3)[1].Raw}, {UID: 4, Raw: []byte("Subject: last\r\n\r\n")},
				}
				script.On = func(s *imaptest.Script, given string, n int) {
					if given == command && n == nth {
						s.Validity, s.Next, s.Mails, s.On = 10, 5, anew, nil
					}
				}
				w := newWorld(t)
				_, stop := w.run(plaintextConfig(t, script.Serve(t)), w.deps())
				w.until("the new folder is dealt with", func() bool { return w.dealt(4) && w.cursors["support"].Folders[0].UidValidity == 10 })
				stop()
				for _, mail := range anew {
					found := false
					for _, record := range w.records {
						found = found || record.UidValidity == 10 && record.Uid == mail.UID && bytes.Equal(w.raw(record), mail.Raw)
					}
					if !found {
						t.Errorf("mail %d of the new folder is no item", mail.UID)
					}
				}
			})
		}
	}
}

// One server hands its mails over byte by byte: those of others pass it by, whatever their size.
func TestAMailboxThatTricklesSlowsNoOther(t *testing.T) {
	t.Parallel()
	large := bytes.Repeat([]byte("x"), 700_000)
	slow := &imaptest.Script{Validity: 9, Mails: []imaptest.ScriptMail{{UID: 1, Raw: large}}, Drip: 100, Pause: 20 * time.Millisecond}
	quick := &imaptest.Script{Validity: 9, Mails: append(honest(2), imaptest.ScriptMail{UID: 3, Raw: large})}
	w := newWorld(t)
	c := plaintextConfig(t, quick.Serve(t))
	other := plaintextConfig(t, slow.Serve(t)).Mailboxes[0]
	other.ID = "slow"
	c.Mailboxes = append(c.Mailboxes, other)
	c.Streams = 1
	service, err := ingest.New(c, w.deps())
	if err != nil {
		t.Fatal(err)
	}
	ingest.Laggards(service, 5*time.Millisecond)
	stop := w.start(service)
	slow.Fetched(1)
	w.until("the other mailbox is dealt with", func() bool { return w.dealt(3) })
	quick.Change(func(s *imaptest.Script) { s.Mails = append(s.Mails, imaptest.ScriptMail{UID: 4, Raw: large}) })
	w.until("and its next large mail", func() bool { return w.dealt(4) })
	w.mu.Lock()
	if n := w.revision["slow"]; n != 0 {
		t.Errorf("the slow one was done first: its cursor was saved %d times", n)
	}
	w.mu.Unlock()
	stop()
}
