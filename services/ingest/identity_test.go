package ingest_test

import (
	"fmt"
	"testing"

	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

// What a sender writes makes no mail another's: neither its Message-ID, nor the lack of one, nor being the same
// byte for byte.
func TestEachMailIsAnItemOfItsOwnWhateverItsMessageIDSays(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada", "bob")
	text := "From: c@example.org\r\n%sSubject: %s\r\n\r\nHello.\r\n"
	list := [][]byte{
		fmt.Appendf(nil, text, "Message-ID: <one@example.org>\r\n", "first"), fmt.Appendf(nil, text, "Message-ID: <one@example.org>\r\n", "second"),
		fmt.Appendf(nil, text, "", "no Message-ID"), fmt.Appendf(nil, text, "", "none again"),
		fmt.Appendf(nil, text, "Message-ID:\r\n", "empty"), fmt.Appendf(nil, text, "Message-ID: <>\r\n", "as good as empty"),
		fmt.Appendf(nil, text, "Message-ID: <a@x>\r\nMessage-ID: <b@x>\r\n", "two"), fmt.Appendf(nil, text, "Message-ID: <one@example.org>\r\n", "first"),
	}
	for _, user := range []string{"ada", "bob"} {
		server.Append(user, "INBOX", list...)
	}
	c := configFor(t, server)
	other := c.Mailboxes[0]
	other.ID, other.Username = "sales", "bob"
	same := c.Mailboxes[0] // one account under two names is two mailboxes
	same.ID = "again"
	c.Mailboxes = append(c.Mailboxes, other, same)
	w := newWorld(t)
	_, stop := w.run(c, w.deps())
	w.until("each is said", func() bool { return len(w.said) == 3*len(list) })
	stop()
	count := map[string]int{}
	for _, record := range w.records {
		if string(w.raw(record)) != string(list[record.Uid-1]) {
			t.Errorf("%s, mail %d: other bytes", record.Mailbox, record.Uid)
		}
		count[record.Mailbox]++
	}
	for _, mailbox := range []string{"support", "sales", "again"} {
		if count[mailbox] != len(list) {
			t.Errorf("%s: %d items of %d mails", mailbox, count[mailbox], len(list))
		}
	}
}
