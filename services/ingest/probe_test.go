package ingest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imap"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

func TestAProbeTellsWhichMailboxesCanBeRead(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	c := configFor(t, server)
	good := c.Mailboxes[0]
	wrong, missing, away := good, good, good
	wrong.ID, wrong.PasswordFile = "wrong", secret(t, "wrong")
	missing.ID, missing.Folders = "missing", []string{"INBOX", "Nowhere"}
	away.ID, away.Port = "away", 1
	c.Mailboxes = []ingest.Mailbox{good, wrong, missing, away}
	troubles, err := ingest.Probe(t.Context(), c, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]error{"support": nil, "wrong": imap.ErrSignIn, "missing": imap.ErrNoFolder, "away": imap.ErrLost} {
		if !errors.Is(troubles[id], want) || (want == nil) != (troubles[id] == nil) {
			t.Errorf("%s: %v, want %v", id, troubles[id], want)
		}
	}
	c.Mailboxes[0].TLS = "none"
	if _, err := ingest.Probe(t.Context(), c, time.Now); err == nil {
		t.Error("a configuration that cannot work was probed")
	}
}
