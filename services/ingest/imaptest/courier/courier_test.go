package courier_test

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/postern-mail/postern/services/ingest/imaptest/courier"
)

func TestAStartedServerKeepsWhatIsAppendedByteForByteAndOverARestart(t *testing.T) {
	server := courier.Start(t, courier.Settings{}, "ada")
	raw := []byte("From: a@example.org\r\nSubject: one\r\n\r\nbody {3}\r\n")
	server.Append("ada", "INBOX", raw, raw)
	for _, end := range []func(){server.Stop, server.Kill} {
		end()
		server.Restart()
		for uid, digest := range server.List("ada", "INBOX") {
			if digest != sha256.Sum256(raw) {
				t.Errorf("mail %d has another digest", uid)
			}
		}
		client := server.Client("ada", "INBOX")
		if client.Validity() == 0 {
			t.Error("no UIDVALIDITY")
		}
		mails := client.Raw()
		if len(mails) != 2 {
			t.Errorf("folder holds %d mails, want 2", len(mails))
		}
		for uid, got := range mails {
			if !bytes.Equal(got, raw) {
				t.Errorf("mail %d came back as %q", uid, got)
			}
		}
	}
}
