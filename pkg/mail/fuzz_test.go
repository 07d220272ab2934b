package mail_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/postern-mail/postern/pkg/mail"
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "\r", "\n", "From: a@example.com\r\n\r\nhi\r\n", "From x\nSubject: =?utf-8?Q?a?=\n\n",
		"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nSubject: x\n\nhi\n--b--\n--b\n",
		"Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\nLS1iCgp4Ci0tYi0tCg==",
		"Content-Type: text/plain; charset=iso-2022-jp; name*0*=utf-8''a; name*1=b\nContent-Transfer-Encoding: quoted-printable\n\n=1B$B=\n$3\n",
		"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n#0V%T\n`\nend\n",
		"\nContent-Type: text/plain\n\n=ybegin line=1 size=1 name=a\n*\n=yend\n",
		"Content-Type: application/ms-tnef\nContent-Transfer-Encoding: base64\n\neJ8+IgAAAQYABwAEAAAAAAAAAAAA\n",
		"Content-Type: a/b;\xff\xffnAme\n\nx", "Content-Disposition: \xff\xff\xff\xff; fileName=\xff\n\nx", // bytes that grow where others are made small
		"To: A:b@c,\"d\"<e@f>(g);,h\nDate: Mon, 1 Jan 2024 00:00 +0000\nReferences: <a><b\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := mail.Parse(raw, mail.Limits{Depth: 10, Parts: 100, Decoded: 1 << 20})
		wellFormed(t, "fuzz", raw, m)
		total := 0
		m.Walk(func(p *mail.Part) { total++ })
		if total > 100+10*3 {
			t.Errorf("%d parts", total)
		}
		wellFormed(t, "fuzz", raw, mail.Parse(raw, mail.Limits{Work: 4 * len(raw), Memory: 3000})) // closed half way
	})
}

func FuzzDecodeWords(f *testing.F) {
	for _, seed := range []string{"=?utf-8?Q?a?= =?utf-8?B?YQ==?=", "=?=?=?", "\xff=?x?q?=ff?=", "=?utf-7?Q?+AGE-?="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if out := mail.DecodeWords(text); !utf8.ValidString(out) {
			t.Errorf("%q", out)
		}
	})
}

func FuzzParseAddresses(f *testing.F) {
	for _, seed := range []string{"a@b", "A <a@b>, c@d (e)", "g:a@b,c;", "\"x\\\"\"@[::1]", "((", "<a@b", "=?utf-8?Q?,?= <a@b>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		for _, a := range mail.ParseAddresses(list) {
			if !utf8.ValidString(a.Name) || !utf8.ValidString(a.Addr) || !utf8.ValidString(a.Group) || strings.ContainsAny(a.Name, "\r\n") {
				t.Errorf("%+q", a)
			}
		}
	})
}

func FuzzParseDate(f *testing.F) {
	for _, seed := range []string{"Fri, 21 Nov 1997 09:55:06 -0600", "2024-02-29T12:00:00Z", "1-Jan-24", "(x) 1 Jan 2024 1:2:3 +99", "1-2-3-4 -:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) { mail.ParseDate(text) })
}
