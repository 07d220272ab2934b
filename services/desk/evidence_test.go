package desk_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/services/desk/desktest"
)

func withAnswers(t *testing.T, subject string, questions ...dns.Question) desktest.Mail {
	t.Helper()
	packed, err := mailauth.NewDossier(mailauth.Result{Evidence: mailauth.Evidence{Questions: questions}}, mailauth.Options{}).Pack()
	if err != nil {
		t.Fatal(err)
	}
	mail := simple(subject)
	mail.Message.Evidence = packed
	return mail
}

func TestATicketShowsWhatNameServersSaid(t *testing.T) {
	w := desktest.New(t)
	at := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	long := strings.Repeat("x", 2000)
	ticket := w.Ticket(withAnswers(t, "hello",
		dns.Question{Type: dns.TXT, Name: "example.org", Status: "ok", At: at, Answer: dns.Answer{Texts: []string{"v=spf1 -all", "<script>alert(1)</script>\x1b[2J\u202e", long}, TTL: 5 * time.Minute}},
		dns.Question{Type: dns.MX, Name: "mx.example.org", Status: "ok", At: at, Answer: dns.Answer{MX: []dns.Exchange{{Pref: 10, Host: "a.example.org"}}}},
		dns.Question{Type: dns.A, Name: "a.example.org", Status: "ok", At: at, Answer: dns.Answer{Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.9")}}},
		dns.Question{Type: dns.PTR, Name: "9.2.0.192.in-addr.arpa", Status: "nxdomain", At: at},
		dns.Question{Type: dns.TXT, Name: "late.example.org", Status: "timeout", At: at},
	))
	page := as(w, t, "agnes").get("/tickets/" + ticket)
	for _, want := range []string{
		"What name servers said: 5 answers", "<code>v=spf1 -all</code>", "22 November 2026, 09:30 UTC, good for 5m0s", "<code>10 a.example.org</code>",
		"<code>192.0.2.9</code>", "there is no such name", "no answer in time", "postern evidence replay " + ticket,
	} {
		if !page.has(want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if page.has("<script>alert") || page.has("\x1b") || page.has("\u202e") || page.has(long) {
		t.Error("what a stranger wrote stands in the page as it is")
	}
}

func TestOfAnswersWithoutEndAPageShowsSome(t *testing.T) {
	w := desktest.New(t)
	var many []dns.Question
	for i := range 250 {
		texts := make([]string, 20)
		for j := range texts {
			texts[j] = fmt.Sprintf("text %d of %d", j, i)
		}
		many = append(many, dns.Question{Type: dns.TXT, Name: fmt.Sprintf("n%d.example.org", i), Status: "ok", Answer: dns.Answer{Texts: texts}})
	}
	page := as(w, t, "agnes").get("/tickets/" + w.Ticket(withAnswers(t, "many", many...)))
	if !page.has("60 answers, and 190 more") || !page.has("and 12 more") || page.has("n60.example.org") {
		t.Errorf("page of %d bytes", len(page.body))
	}
}

func TestEvidenceThatCannotBeReadIsNotPassedOver(t *testing.T) {
	w := desktest.New(t)
	mail := simple("torn")
	mail.Message.Evidence = []byte("nothing of the kind")
	whole := simple("whole")
	whole.Message.Sender = []byte("{")
	c := as(w, t, "agnes")
	torn, like := c.get("/tickets/"+w.Ticket(mail)), c.get("/tickets/"+w.Ticket(whole))
	if torn.StatusCode != like.StatusCode || torn.StatusCode == 200 {
		t.Errorf("status %d, and %d for a sender that cannot be read", torn.StatusCode, like.StatusCode)
	}
}

func withLines(t *testing.T, subject string, fields ...string) desktest.Mail {
	t.Helper()
	packed, err := mailauth.NewDossier(mailauth.Result{Evidence: mailauth.Evidence{Headers: fields}}, mailauth.Options{}).Pack()
	if err != nil {
		t.Fatal(err)
	}
	mail := simple(subject)
	mail.Message.Evidence = packed
	return mail
}

func TestATicketShowsWhatTheHeaderSaid(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(withLines(t, "hello",
		"Received: from out.example.org (out.example.org [192.0.2.9])\r\n\tby mx.example.org; Sun, 22 Nov 2026 09:30:00 +0000\r\n",
		"DKIM-Signature: v=1; d=example.org; b=<script>alert(1)</script>\x1b[2J\u202e\xff\r\n",
		"Return-Path: <"+strings.Repeat("y", 3000)+"@example.org>\r\n",
	))
	page := as(w, t, "agnes").get("/tickets/" + ticket)
	for _, want := range []string{
		"What the mail&#39;s header said: 3 lines", `<th scope="row">Received</th>`,
		"<code>from out.example.org (out.example.org [192.0.2.9]) by mx.example.org; Sun, 22 Nov 2026 09:30:00 &#43;0000</code>",
		"&lt;script&gt;alert(1)", "postern evidence replay " + ticket,
	} {
		if !page.has(want) && !page.has(strings.ReplaceAll(want, "&#39;", "'")) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if page.has("<script>alert") || page.has("\x1b") || page.has("\u202e") || page.has("\xff") || page.has(strings.Repeat("y", 600)) {
		t.Error("what a stranger wrote stands in the page as it is")
	}
}

func TestOfHeaderLinesWithoutEndAPageShowsSome(t *testing.T) {
	w := desktest.New(t)
	var many []string
	for i := range 150 {
		many = append(many, fmt.Sprintf("Received: line %d of many\r\n", i))
	}
	page := as(w, t, "agnes").get("/tickets/" + w.Ticket(withLines(t, "many", many...)))
	if !page.has("40 lines, and 110 more") || !page.has("line 39 of") || page.has("line 40 of") {
		t.Errorf("page of %d bytes", len(page.body))
	}
}
