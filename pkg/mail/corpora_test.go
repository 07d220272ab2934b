package mail_test

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/mail"
)

// eachMail visits the messages of one folder of the corpora.
func eachMail(t testing.TB, folder string, visit func(name string, raw []byte)) int {
	t.Helper()
	files := corpora.Open(t)
	n := 0
	err := fs.WalkDir(files, folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(name, "LICENSE") || path.Ext(name) == ".json" || path.Ext(name) == ".list" || path.Ext(name) == ".golden" {
			return err
		}
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		n++
		visit(name, raw)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func ambiguities(m *mail.Message) (codes []string) {
	m.Walk(func(p *mail.Part) { codes = append(codes, p.Ambiguous...) })
	return codes
}

func TestRealMailsHaveAnAuthorAndADate(t *testing.T) {
	n := eachMail(t, "real", func(name string, raw []byte) {
		if m := mail.Parse(raw, mail.Limits{}); len(m.From) == 0 || m.Date.IsZero() {
			t.Errorf("%s: from %v, date %q", name, m.From, m.DateText)
		}
	})
	if n != 400 {
		t.Errorf("%d mails", n)
	}
}

func TestRealMailsThatAreMultipartsHaveTextToShow(t *testing.T) {
	eachMail(t, "real", func(name string, raw []byte) {
		m := mail.Parse(raw, mail.Limits{})
		shown := false
		m.Walk(func(p *mail.Part) {
			if text, _ := p.Text(); strings.HasPrefix(p.Type, "text/") && len(strings.TrimSpace(text)) > 0 {
				shown = true
			}
		})
		if !shown && len(raw)-len(m.Root.RawBody) < len(raw)-2 {
			t.Errorf("%s: no text in %s", name, m.Root.Type)
		}
	})
}

func TestBouncesAreKnownByTheirHeaders(t *testing.T) {
	// One of the set is a report on DMARC (RFC 6591), one an automatic reply.
	other := map[string]mail.Kind{
		"is-not-bounce-01.eml": mail.Person, "is-not-bounce-02.eml": mail.Person,
		"arf-19.eml": mail.Report, "rfc3834-04.eml": mail.AutoReply,
	}
	bounces := 0
	eachMail(t, "mime/bounces", func(name string, raw []byte) {
		want, ok := other[path.Base(name)]
		if !ok {
			want = mail.Bounce
			bounces++
		}
		if m := mail.Parse(raw, mail.Limits{}); m.Kind != want {
			t.Errorf("%s: %s, want %s", name, m.Kind, want)
		}
	})
	if bounces != 61 {
		t.Errorf("%d bounces in the set", bounces)
	}
}

func TestRealMailsAreNoBounces(t *testing.T) {
	eachMail(t, "real", func(name string, raw []byte) {
		if m := mail.Parse(raw, mail.Limits{}); m.Kind != mail.Person && m.Kind != mail.List {
			t.Errorf("%s: %s", name, m.Kind)
		}
	})
}

func TestEveryMessageOfTheCorporaIsReadWhole(t *testing.T) {
	for _, folder := range []string{"mime/python-email", "mime/enmime", "mime/ruby-mail", "mime/php-mime", "mime/bounces", "mime/stalwart", "dkim", "real"} {
		eachMail(t, folder, func(name string, raw []byte) {
			wellFormed(t, name, raw, mail.Parse(raw, mail.Limits{}))
		})
	}
}

// wellFormed checks what holds for every message, whatever its bytes.
func wellFormed(t testing.TB, name string, raw []byte, m *mail.Message) {
	t.Helper()
	if m == nil || m.Root == nil || len(m.Raw) != len(raw) {
		t.Fatalf("%s: message lost", name)
	}
	seen := map[mail.Defect]bool{}
	for _, d := range m.Defects {
		if mail.Codes[d.Code] == "" {
			t.Errorf("%s: %s is not explained", name, d.Code)
		}
		if seen[d] || strings.Trim(d.Code, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			t.Errorf("%s: defect %+v twice or misnamed", name, d)
		}
		seen[d] = true
	}
	paths := map[string]int{}
	m.Walk(func(p *mail.Part) {
		if p.Type == "" || p.Encoding == "" || p.Params == nil {
			t.Errorf("%s: part %q lacks type, encoding or parameters", name, p.Path)
		}
		if !p.IsMultipart() {
			if paths[p.Path]++; paths[p.Path] > 1 {
				t.Errorf("%s: path %s twice", name, p.Path)
			}
			if p.Content == nil && p.Origin == "" {
				t.Errorf("%s: part %s has no content", name, p.Path)
			}
		}
		for _, s := range []string{p.Filename, m.Subject} {
			if !validUTF8(s) {
				t.Errorf("%s: not UTF-8", name)
			}
		}
		if strings.HasPrefix(p.Type, "text/") {
			if text, _ := p.Text(); !validUTF8(text) || strings.ContainsRune(text, '\r') {
				t.Errorf("%s: text of %s not UTF-8 or not in LF", name, p.Path)
			}
		}
	})
}

func validUTF8(s string) bool { return strings.ToValidUTF8(s, "") == s }

// Read off the messages by hand.
func TestOddMessagesOfOtherProjectsShowTheirParts(t *testing.T) {
	files := corpora.Open(t)
	for name, want := range map[string]string{
		"mime/python-email/msg_05.txt":                   "multipart/report text/plain text/plain message/rfc822 text/plain",
		"mime/python-email/msg_16.txt":                   "multipart/report text/plain message/delivery-status message/rfc822 text/plain",
		"mime/python-email/msg_02.txt":                   "multipart/mixed text/plain text/plain multipart/digest message/rfc822 text/plain message/rfc822 text/plain message/rfc822 text/plain message/rfc822 text/plain message/rfc822 text/plain text/plain",
		"mime/python-email/msg_12.txt":                   "multipart/mixed text/plain text/html multipart/mixed text/plain text/plain text/plain text/plain",
		"mime/python-email/msg_24.txt":                   "multipart/mixed text/plain",
		"mime/enmime/low-quality/bad-final-boundary.raw": "multipart/mixed text/plain application/x-zip-compressed text/plain",
		"mime/enmime/parts/similar-boundary.raw":         "multipart/mixed text/plain multipart/alternative text/plain text/html",
	} {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var types []string
		mail.Parse(raw, mail.Limits{}).Walk(func(p *mail.Part) { types = append(types, p.Type) })
		if got := strings.Join(types, " "); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
