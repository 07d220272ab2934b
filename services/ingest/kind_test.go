package ingest_test

import (
	"fmt"
	"strings"
	"testing"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

// Nothing is dropped for what it is: each is an item, which says it.
func TestWhoMadeAMailIsToldAtTheDoorByItsHeadersAlone(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	w := newWorld(t)
	each := []struct {
		header, kind string
		loops        bool
		body         int
	}{
		{"Subject: hello", "person", false, 100},
		{"Subject: away\r\nAuto-Submitted: auto-replied (vacation)", "auto_reply", false, 100},                               // RFC 3834 §5
		{"Return-Path: <>\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b", "bounce", false, 100}, // RFC 3464 §2
		{"Content-Type: multipart/report;\r\n report-type=disposition-notification;\r\n boundary=b", "receipt", false, 100},  // RFC 8098 §3
		{"List-Id: <news.shop.example>\r\nList-Unsubscribe: <https://shop.example/u>", "list", false, 100},                   // RFC 2919 §3
		{"Precedence: bulk", "list", false, 100},
		{"Subject: round\r\n" + strings.TrimSpace(strings.Repeat("Received: from a by b\r\n", 60)), "person", true, 100},
		{"X-Loop: ada\r\nAuto-Submitted: auto-generated", "auto_reply", true, 100},
		{"Precedence: list\r\nSubject: large", "list", false, 700_000}, // it streams
		{"Precedence: list\r\nSubject: over the limit", "list", false, 3 << 20},
		{"Subject: in the body\r\n\r\nList-Id: <a.example>", "person", false, 100},
	}
	for i, one := range each {
		text := fmt.Sprintf("From: c%d@example.org\r\n%s\r\n\r\n%s", i, one.header, strings.Repeat("A line of text.\r\n", one.body/17))
		server.Append("ada", "INBOX", []byte(text))
	}
	c := configFor(t, server)
	c.MaxSize = 2 << 20
	_, stop := w.run(c, w.deps())
	w.until("all are items", func() bool { return w.dealt(uint32(len(each))) })
	stop()
	byUID := map[uint32]*itemv1.Record{}
	for _, record := range w.records {
		byUID[record.Uid] = record
	}
	for i, one := range each {
		record := byUID[uint32(i+1)]
		if record.GetKind() != one.kind || record.GetLoops() != one.loops {
			t.Errorf("%q: kind %q, loops %v; want %q, %v", one.header, record.GetKind(), record.GetLoops(), one.kind, one.loops)
		}
	}
}
