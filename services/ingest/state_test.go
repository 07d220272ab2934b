package ingest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imaptest"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

// Whatever a server answers has a name, holds up no other mailbox, and passes.
func TestEveryTroubleOfAServerIsAClearStateAndPasses(t *testing.T) {
	t.Parallel()
	for _, each := range []struct {
		command, text string
		want          ingest.State
	}{
		{"EXAMINE", "[UNAVAILABLE] Marker is away", ingest.Unavailable},
		{"EXAMINE", "[SERVERBUG] Marker broke", ingest.Unavailable},
		{"EXAMINE", "[OVERQUOTA] Marker used it up", ingest.OverQuota},
		{"EXAMINE", "[LIMIT] Marker is too much", ingest.Throttled},
		{"EXAMINE", "[INUSE] Marker has it", ingest.Throttled},
		{"EXAMINE", "[THROTTLED] Marker is too fast", ingest.Throttled},
		{"EXAMINE", "[NOPERM] Marker may not", ingest.ReadOnly},
		{"EXAMINE", "[READ-ONLY] Marker may not", ingest.ReadOnly},
		{"EXAMINE", "[NONEXISTENT] Marker is not there", ingest.NoFolder},
		{"EXAMINE", "BYE Marker says good bye", ingest.SessionEnded},
		{"EXAMINE", "BYE [UNAVAILABLE] Marker says good bye", ingest.Unavailable},
		{"SEARCH", "[UNAVAILABLE] Marker is away", ingest.Unavailable},
		{"SEARCH", "no Marker", ingest.Refused},
		{"FETCH", "[LIMIT] Marker is too much", ingest.Throttled},
		{"LOGIN", "[AUTHENTICATIONFAILED] Marker is wrong", ingest.SignInRefused},
		{"LOGIN", "[EXPIRED] Marker is old", ingest.SignInRefused},
		{"LOGIN", "[UNAVAILABLE] Marker is away", ingest.Unavailable},
	} {
		t.Run(each.command+" "+each.text, func(t *testing.T) {
			t.Parallel()
			script := &imaptest.Script{Validity: 9, Next: 3, Mails: honest(2), Refuse: map[string]string{each.command: each.text}}
			good := &imaptest.Script{Validity: 9, Next: 3, Mails: honest(2)}
			w := newWorld(t)
			c := plaintextConfig(t, script.Serve(t))
			other := plaintextConfig(t, good.Serve(t)).Mailboxes[0]
			other.ID = "other"
			c.Mailboxes = append(c.Mailboxes, other)
			deps := w.deps()
			log := &logbook{world: w}
			deps.Log = newLog(log)
			service, stop := w.run(c, deps)
			w.until("the other mailbox is read", func() bool { return len(w.said) == 2 })
			for deadline := time.After(20 * time.Second); service.Status()[0].State != each.want; {
				select {
				case <-deadline:
					t.Fatalf("state %v, want %s", service.Status()[0], each.want)
				case <-time.After(time.Millisecond):
				}
			}
			script.Change(func(s *imaptest.Script) { s.Refuse = nil })
			w.until("its mails are said", func() bool { return len(w.said) == 4 && len(w.records) == 4 })
			stop()
			if strings.Contains(log.text.String(), "Marker") {
				t.Errorf("log holds the server's words: %s", log.text.String())
			}
		})
	}
}

// The connection stays open and nothing comes any more: as when a firewall has forgotten it.
func TestAHalfOpenConnectionIsNoticed(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	proxy := imaptest.Cut(t, server.Addr)
	w := newWorld(t)
	c := configFor(t, server)
	c.Mailboxes[0].Host, c.Mailboxes[0].Port = split(t, proxy.Addr)
	c.Silence = config.Duration(time.Second)
	_, stop := w.run(c, w.deps())
	server.Append("ada", "INBOX", mails(1, 200)...)
	w.until("the first is said", func() bool { return len(w.said) == 1 })
	proxy.Freeze()
	server.Append("ada", "INBOX", mails(1, 200)...)
	w.until("the second is said, over another connection", func() bool { return len(w.said) == 2 })
	stop()
}

func TestADeadConnectionIsNoticedWithinTwoMinutesWhateverIsConfigured(t *testing.T) {
	t.Parallel()
	for _, each := range []struct {
		poll, silence time.Duration
		good          bool
	}{
		{2 * time.Minute, 90 * time.Second, true}, {2 * time.Minute, time.Second, true}, {time.Second, 90 * time.Second, true},
		{2 * time.Minute, 91 * time.Second, false}, {2*time.Minute + 1, time.Minute, false},
	} {
		t.Run(fmt.Sprint(each.poll, each.silence), func(t *testing.T) {
			c := ingest.Default()
			c.Silence = config.Duration(each.silence)
			c.Mailboxes = []ingest.Mailbox{{ID: "support", Host: "localhost", Username: "ada", PasswordFile: "/nowhere", Poll: config.Duration(each.poll)}}
			_, err := c.Complete()
			if (err == nil) != each.good {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			if rest := ingest.Rest(c); rest <= 0 || rest+each.silence > 2*time.Minute || rest > each.poll {
				t.Errorf("a sign of life is asked for every %v and waited for %v", rest, each.silence)
			}
		})
	}
}
