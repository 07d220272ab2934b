package dovecot_test

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

func TestAStartedServerKeepsWhatIsAppendedByteForByte(t *testing.T) {
	server := dovecot.Start(t, "ada")
	raw := []byte("From: a@example.org\r\nSubject: one\r\n\r\nbody {3}\r\n")
	server.Append("ada", "INBOX", raw, raw)
	if n := server.Count("ada", "INBOX"); n != 2 {
		t.Fatalf("folder holds %d mails, want 2", n)
	}
	for uid, digest := range server.List("ada", "INBOX") {
		if digest != sha256.Sum256(raw) {
			t.Errorf("mail %d has another digest", uid)
		}
	}
	client := server.Client("ada", "INBOX")
	if client.Validity() == 0 {
		t.Error("no UIDVALIDITY")
	}
	for uid, got := range client.Raw() {
		if !bytes.Equal(got, raw) {
			t.Errorf("mail %d came back as %q", uid, got)
		}
	}
}
