package ingest_test

import (
	"testing"
	"time"

	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imap"
	"github.com/postern-mail/postern/services/ingest/imaptest"
	"github.com/postern-mail/postern/services/ingest/imaptest/mailserver"
)

func TestAFolderInWhichNothingMovesIsNotSearched(t *testing.T) {
	onEach(t, nil, func(t *testing.T, kind kind, server *mailserver.Server) {
		server.Append("ada", "INBOX", mails(3, 300)...)
		proxy := imaptest.Cut(t, server.PlainAddr)
		c := serverConfig(t, server)
		c.Mailboxes[0].TLS = imap.Plaintext
		c.Mailboxes[0].Host, c.Mailboxes[0].Port = split(t, proxy.Addr)
		w := newWorld(t)
		_, stop := w.run(c, w.deps())
		last := uint32(3)
		for _, change := range []string{"", "STORE 1 +FLAGS (\\Flagged)", "UID STORE 2 +FLAGS (\\Deleted)", "EXPUNGE"} {
			client := server.Client("ada", "INBOX")
			if change != "" {
				client.Do(change)
			}
			server.Append("ada", "INBOX", mails(1, 300)...)
			last++
			w.until("the new mail is dealt with", func() bool { return w.dealt(last) })
			proxy.Given("EXAMINE", 3) // the last of these is answered when the folder was searched after the mail
			searched := proxy.Commands()["UID SEARCH"]
			proxy.Given("EXAMINE", 10)
			more := proxy.Commands()["UID SEARCH"] - searched
			if kind.name == "courier" && more < 8 {
				t.Errorf("%d searches in 10 looks, and no CONDSTORE", more)
			}
			if kind.name != "courier" && more != 0 {
				t.Errorf("after %q: %d searches in 10 looks at a folder in which nothing moved", change, more)
			}
		}
		stop()
	})
}

// A server that is wrong about HIGHESTMODSEQ, sets it back or loses it hides no mail by it.
func TestAWrongModificationSequenceHidesNoMail(t *testing.T) {
	t.Parallel()
	const long = time.Hour
	for name, each := range map[string]struct {
		believed time.Duration // that nothing has changed
		change   func(*imaptest.Script)
	}{
		"it stands still":                           {long, func(s *imaptest.Script) { s.Next, s.Exists = 5, 4 }},
		"it stands still, only UIDNEXT moves":       {long, func(s *imaptest.Script) { s.Next = 5 }},
		"it stands still, only EXISTS moves":        {long, func(s *imaptest.Script) { s.Exists = 4 }},
		"it goes back":                              {long, func(s *imaptest.Script) { s.ModSeq = 1 }},
		"it is offered and not understood":          {long, func(s *imaptest.Script) { s.Unparsed = true }},
		"it is no longer told":                      {long, func(s *imaptest.Script) { s.ModSeq = 0 }},
		"everything stands still, and mail is told": {long, func(s *imaptest.Script) { s.Stir = 1 }},
		"everything stands still":                   {time.Millisecond, func(*imaptest.Script) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := &imaptest.Script{Validity: 9, Next: 4, Exists: 3, ModSeq: 70, Mails: honest(3)}
			w := newWorld(t)
			deps := w.deps()
			service, err := ingest.New(plaintextConfig(t, script.Serve(t)), deps)
			if err != nil {
				t.Fatal(err)
			}
			ingest.StillFor(service, each.believed)
			stop := w.start(service)
			w.until("the first are dealt with", func() bool { return w.dealt(3) })
			script.Given("EXAMINE", 3)
			script.Change(func(s *imaptest.Script) {
				s.Mails = append(s.Mails, imaptest.ScriptMail{UID: 4, Raw: []byte("Subject: new\r\n\r\n")})
				each.change(s)
			})
			w.until("the new one is said", func() bool { return len(w.said) == 4 })
			stop()
		})
	}
}

func TestAFolderWithAMailInTroubleIsNotHeldForStill(t *testing.T) {
	t.Parallel()
	script := &imaptest.Script{Validity: 9, Next: 4, ModSeq: 70, Mails: honest(3)}
	script.Mails[1].Withheld = true
	w := newWorld(t)
	_, stop := w.run(plaintextConfig(t, script.Serve(t)), w.deps())
	w.until("the others are said", func() bool { return len(w.said) == 2 })
	script.Given("EXAMINE", 3)
	script.Change(func(s *imaptest.Script) { s.Mails[1].Withheld = false })
	w.until("it is said", func() bool { return len(w.said) == 3 })
	stop()
}
