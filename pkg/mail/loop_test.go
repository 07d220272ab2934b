package mail_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/mail"
)

func TestAMessageGoesInCirclesByItsHeaderAlone(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		want   bool
	}{
		"some hops":                       {strings.Repeat("Received: from a by b\r\n", 49), false},
		"very many hops":                  {strings.Repeat("Received: from a by b\r\n", 50), true},
		"our mark":                        {"X-Loop: <Support@Company.example>\r\n", true},
		"another's mark":                  {"X-Loop: owner@bugs.example\r\n", false},
		"no mark":                         {"X-Loop:\r\n", false},
		"delivered once":                  {"Delivered-To: a@b.example\r\nDelivered-To: c@b.example\r\n", false},
		"delivered to the same one twice": {"Delivered-To: a@b.example\r\nDelivered-To: c@b.example\r\nDelivered-To: A@b.example\r\n", true},
		"delivered to very many":          {deliveries(51), true},
		"in its body":                     {"Subject: a\r\n\r\nX-Loop: support@company.example\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			m := mail.Parse([]byte("From: a@b.example\r\n"+c.header+"\r\nText.\r\n"), mail.Limits{})
			if got := m.Loops("", "support@company.example"); got != c.want {
				t.Errorf("loops: %v, want %v", got, c.want)
			}
		})
	}
}

func deliveries(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "Delivered-To: a%d@b.example\r\n", i)
	}
	return text.String()
}

// What is told at the door, of the header section alone, may become more particular when the
// whole mail is read: a report in a multipart that does not say so, an invitation. It is never
// taken back: what was no person's stays so.
func TestNoMachineOfTheHeadersBecomesAPersonByTheWhole(t *testing.T) {
	agree, other, persons := 0, 0, 0
	for _, folder := range []string{"real", "mime"} {
		eachMail(t, folder, func(name string, raw []byte) {
			whole := mail.Parse(raw, mail.Limits{}).Kind
			end := bytes.Index(raw, []byte("\r\n\r\n"))
			length := 4
			if lf := bytes.Index(raw, []byte("\n\n")); lf >= 0 && (end < 0 || lf < end) {
				end, length = lf, 2
			}
			if end < 0 {
				return
			}
			door := mail.Parse(raw[:end+length], mail.Limits{}).Kind
			switch {
			case door == whole:
				agree++
			case door == mail.Person:
				persons++
			case whole == mail.Person, whole == mail.List, whole == mail.AutoReply:
				t.Errorf("%s: %s by its headers and %s as a whole", name, door, whole)
			default:
				other++
			}
		})
	}
	t.Logf("%d agree; %d are more particular as a whole, %d of them persons' by the headers", agree, other+persons, persons)
	if agree < 10*(other+persons) {
		t.Errorf("only %d of %d agree", agree, agree+other+persons)
	}
}
