package desk_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	"github.com/postern-mail/postern/services/desk/desktest"
)

// A client is a browser that follows nothing by itself.
type client struct {
	t    testing.TB
	base string
	http *http.Client
	head http.Header // sent with every request
}

func newClient(w *desktest.World, t testing.TB) *client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &client{t, w.Server.URL, &http.Client{
		Jar:           jar,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, http.Header{}}
}

// An answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

func (a answer) has(text string) bool { return strings.Contains(a.body, text) }

func (c *client) do(method, path string, form url.Values) answer {
	c.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	for name, values := range c.head {
		request.Header[name] = values
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := c.http.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer{response, string(text)}
}

func (c *client) get(path string) answer { c.t.Helper(); return c.do("GET", path, nil) }

func (c *client) post(path string, fields ...string) answer {
	c.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return c.do("POST", path, form)
}

// as signs a new client in.
func as(w *desktest.World, t testing.TB, name string) *client {
	t.Helper()
	c := newClient(w, t)
	if a := c.post("/signin", "name", name, "password", desktest.Password); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%s is not let in: %d", name, a.StatusCode)
	}
	return c
}

// simple is a mail with a subject.
func simple(subject string) desktest.Mail {
	return desktest.Mail{
		Card: &contentv1.Card{Subject: subject, FromName: "Erika Mustermann", FromAddress: "erika@example.org", SenderVerdict: "authenticated", ScanVerdict: "clean", Kind: "person", Snippet: "It does not work."},
		Message: &contentv1.Message{
			Text: "It does not work.", Html: "<p>It does not work.</p>", To: []string{"support@example.com"},
			Sender: []byte(`{"verdict":"authenticated","reasons":["dmarc_pass"],"spf":{"result":"pass","domain":"example.org","client_ip":"192.0.2.1"},"dkim":[{"result":"pass","domain":"example.org"}],"dmarc":{"result":"pass","policy":"reject","record_domain":"example.org"},"arc":{"result":"none"}}`),
		},
		Raw: "From: erika@example.org\r\n\r\nIt does not work.\r\n",
	}
}

// rich is a mail with files and masked values.
func rich(subject string) desktest.Mail {
	mail := simple(subject)
	mail.Message.Attachments = []*contentv1.Attachment{
		{Name: "invoice.pdf", Type: "application/pdf", Size: 9, Verdict: "clean", Packet: 0, Preview: "first_pages", Pages: []*contentv1.Page{{Type: "image/png", Width: 40, Height: 60}}},
		{Name: "run.exe", Type: "application/x-msdownload", Size: 7, Verdict: "suspicious", Reasons: []string{"executable"}, Packet: -1},
	}
	mail.Files, mail.Looks = [][]byte{[]byte("%PDF-1.4\n")}, [][]byte{[]byte("pixels")}
	mail.Message.Masks = []*contentv1.Mask{
		{Kind: "iban", Token: "‹iban ··3000 #1›", Packet: 0}, {Kind: "payment_card", Token: "‹payment_card ··1111 #2›", Packet: 1},
	}
	mail.Values = []*contentv1.Value{{Kind: "iban", Value: "DE89370400440532013000"}, {Kind: "payment_card", Value: "4111111111111111"}}
	return mail
}
