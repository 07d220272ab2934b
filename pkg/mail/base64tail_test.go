package mail_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/mail"
)

func readBase64(contentType, body string) *mail.Message {
	return mail.Parse([]byte("From: a@example.com\r\nContent-Type: "+contentType+"\r\nContent-Transfer-Encoding: base64\r\n\r\n"+body), mail.Limits{})
}

func TestWordsBehindTheBase64OfATextStayAsTheyAre(t *testing.T) {
	padded := base64.StdEncoding.EncodeToString([]byte("Hallo, Grüße!!")) // ends in padding
	whole := base64.StdEncoding.EncodeToString([]byte("Hallo, Grüße!"))   // 15 bytes
	for _, c := range []struct{ data, decoded, words string }{
		{padded, "Hallo, Grüße!!", "\r\n\r\n-- \r\nSent through the ACME list\r\nhttp://list.example/\r\n"},
		{padded, "Hallo, Grüße!!", "\r\nSent through the ACME list"},
		{padded, "Hallo, Grüße!!", "\r\nRegards\r\nJohn\r\n"},
		{padded, "Hallo, Grüße!!", "\r\nJohn\r\nlist@example.com\r\n"},
		{padded, "Hallo, Grüße!!", "\r\n" + strings.Repeat("=", 60) + "\r\nScanned\r\n"},
		{padded, "Hallo, Grüße!!", "\n" + strings.Repeat("_", 47) + "\nlist mailing list\n"},
		{whole, "Hallo, Grüße!", "\r\n\r\n-- \r\nThis mail was scanned by ACME\r\n"},
		{whole, "Hallo, Grüße!", "\r\nThis mail was scanned by ACME\r\n"},
		{whole, "Hallo, Grüße!", "\r\n" + strings.Repeat("_", 47) + "\r\nlist mailing list\r\n"},
	} {
		m := readBase64("text/plain; charset=utf-8", c.data+c.words)
		if got := string(m.Root.Content); got != c.decoded+c.words {
			t.Errorf("%q: content %q", c.data+c.words, got)
		}
		if !hasDefect(m, "base64_bad_characters") || len(m.Root.Ambiguous) == 0 || m.CharsetIssues != 0 {
			t.Errorf("%q: %v, %d issues", c.data+c.words, m.Defects, m.CharsetIssues)
		}
	}
}

func TestBase64GoesOnBehindWhatIsNotOfIt(t *testing.T) {
	line := strings.Repeat("YWJj", 19) // 76 characters
	abc := strings.Repeat("abc", 19)
	for name, c := range map[string]struct{ contentType, body, want string }{
		"a character amid a line":       {"text/plain", line + "\r\nYW*Jj\r\n", abc + "abc"},
		"words amid it":                 {"text/plain", line + "\r\n-- -- --\r\n" + line + "\r\n", abc + abc},
		"padding amid it":               {"text/plain", "YWI=\r\n" + line + "\r\n", "ab" + abc},
		"two texts, each with padding":  {"text/plain", "YWI=\r\nYWI=\r\n", "abab"},
		"blanks in it":                  {"text/plain", line + "\r\nYWJj YWJj\r\n", abc + "abcabc"},
		"words behind a file":           {"application/pdf", "YWJj\r\n** ** **\r\n", "abc"},
		"words behind an attached text": {"text/plain; name=a.txt", "YWJj\r\n** ** **\r\n", "abc"},
		"padding on a line of its own":  {"text/plain", "YWI\r\n=\r\n", "ab"},
	} {
		m := readBase64(c.contentType, c.body)
		if got := string(m.Root.Content); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestWordsBehindBase64KeepToTheLimit(t *testing.T) {
	for limit, want := range map[int]string{8: "abc\r\n** ", 15: "abc\r\n** ** **", 3: "abc", 2: "ab"} {
		m := mail.Parse([]byte("From: a@example.com\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nYWJj\r\n** ** **"), mail.Limits{Decoded: limit})
		if got := string(m.Root.Content); got != want {
			t.Errorf("limit %d: %q", limit, got)
		}
	}
}
