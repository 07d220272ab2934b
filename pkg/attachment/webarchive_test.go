package attachment

import (
	"testing"

	"github.com/postern-mail/postern/pkg/mail"
)

func TestTheTextsOfASavedPageAreWebPagesAndThoseOfAMailAreNot(t *testing.T) {
	const script = "<html><script>x()</script></html>"
	single := []byte("MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n" + script)
	saved := []byte("From: <Saved>\r\nSubject: words\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\n" +
		"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Location: http://example.org/\r\n\r\n<html><sc=\r\nript>x()</script></html>\r\n--b--\r\n")
	plain := []byte("MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<html><p>words</p></html>")
	for _, name := range []string{"a.mht", "a.MHTML", "a.mht. "} {
		want(t, scanFile(t, name, single), Suspicious, HTMLScript)
		want(t, scanFile(t, name, saved), Suspicious, HTMLScript)
		want(t, scanFile(t, name, plain), Clean)
	}
	want(t, scanFile(t, "a.eml", single), Clean)
	want(t, scanFile(t, "a.eml", saved), Clean)
	want(t, scanFile(t, "a.zip", zipOf(t, member{name: "a.mht", content: saved})), Suspicious, HTMLScript)
	want(t, scanFile(t, "a.zip", zipOf(t, member{name: "a.eml", content: saved})), Clean)
	want(t, scanWith(t, "a.dat", "application/x-mimearchive", saved, Options{}), Suspicious, HTMLScript)
}

func TestAMessageOfAMailThatIsNamedAsASavedPageIsOne(t *testing.T) {
	const page = "Content-Type: text/html\r\n\r\n<script>x()</script>\r\n"
	for _, name := range []string{"a.mht", "a.eml"} {
		for _, part := range []string{
			"Content-Type: message/rfc822\r\nContent-Disposition: attachment; filename=" + name + "\r\n\r\nFrom: a@example.org\r\nMIME-Version: 1.0\r\n" + page,
			"Content-Type: multipart/related; boundary=in\r\nContent-Disposition: attachment; filename=" + name + "\r\n\r\n--in\r\n" + page + "--in--\r\n",
		} {
			msg := mail.Parse([]byte("From: a@example.org\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nwords\r\n--b\r\n"+part+"--b--\r\n"), mail.Limits{})
			summary := Scan(t.Context(), msg, Options{}).Scan
			if script := contains(summary.Reasons, HTMLScript); script != (name == "a.mht") {
				t.Errorf("%s: %+v", part, summary)
			}
		}
	}
}
