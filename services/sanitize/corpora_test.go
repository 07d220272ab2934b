package sanitize

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/clean"
	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/pii"
)

// each calls visit with every mail of the corpora below some folders.
func each(t testing.TB, visit func(name string, raw []byte), folders ...string) {
	t.Helper()
	files := corpora.Open(t)
	for _, folder := range folders {
		err := fs.WalkDir(files, folder, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.Contains(path.Base(name), "LICENSE") {
				return err
			}
			raw, err := fs.ReadFile(files, name)
			if err == nil {
				visit(name, raw)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// sound checks what must hold of every view.
func sound(t testing.TB, name string, msg *mail.Message, view View) {
	t.Helper()
	if !utf8.ValidString(view.Text) || !utf8.ValidString(view.HTML) || !utf8.ValidString(view.Subject) {
		t.Errorf("%s: the view is no UTF-8", name)
	}
	at := 0
	for _, m := range view.Masks {
		if m.Start < at || m.End <= m.Start || m.End > len(view.Text) || m.Value >= len(view.Values) {
			t.Fatalf("%s: mask %+v of %d bytes after %d", name, m, len(view.Text), at)
		}
		at = m.End
	}
	if again := clean.HTML(view.HTML, clean.Options{}); again.Removed.Active+again.Removed.Remote > 0 {
		t.Errorf("%s: the masked HTML still holds %+v", name, again.Removed)
	}
	for _, v := range view.Values {
		switch v.Kind {
		case pii.Email, pii.PaymentCard, pii.IBAN:
		default:
			continue
		}
		for place, shown := range map[string]string{"text": view.MaskedText, "html": view.HTML, "subject": view.Subject} {
			if at := strings.Index(shown, v.Value); at >= 0 && !inside(shown, at, len(v.Value)) {
				t.Errorf("%s: a masked %s still stands in the %s", name, v.Kind, place)
			}
		}
	}
	for _, f := range view.Folds {
		if f.End > len(view.MaskedText) {
			t.Errorf("%s: fold %+v", name, f)
		}
	}
}

// inside says whether a value stands within a longer word: "a@b.com" in
// "xa@b.com.au" is another value.
func inside(text string, at, size int) bool {
	word := func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_'
	}
	return at > 0 && word(text[at-1]) || at+size < len(text) && word(text[at+size])
}

func TestEveryMailOfTheCorporaGivesASoundView(t *testing.T) {
	count, texts, notices := 0, 0, map[Notice]int{}
	each(t, func(name string, raw []byte) {
		msg := mail.Parse(raw, mail.Limits{})
		view := Render(msg, attachment.Scan(t.Context(), msg, attachment.Options{}), Options{})
		sound(t, name, msg, view)
		if strings.HasPrefix(name, "real/") {
			count++
			if strings.TrimSpace(view.Text) != "" {
				texts++
			}
			for _, n := range view.Notices {
				notices[n]++
			}
		}
	}, "real", "mime")
	t.Logf("%d real mails, %d with text, notices %v", count, texts, notices)
	if texts < count-3 { // those hold one remote image and no word
		t.Errorf("only %d of %d real mails have a text", texts, count)
	}
	if notices[AlternativesDiffer]*50 > count {
		t.Errorf("%d of %d ordinary mails are said to differ in their forms", notices[AlternativesDiffer], count)
	}
}

// A view is made in one process and read in another.
func TestAViewIsTheSameBehindJSON(t *testing.T) {
	each(t, func(name string, raw []byte) {
		msg := mail.Parse(raw, mail.Limits{})
		view := Render(msg, attachment.Scan(t.Context(), msg, attachment.Options{}), Options{})
		data, err := json.Marshal(view)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var again View
		if err := json.Unmarshal(data, &again); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(view, again) {
			t.Errorf("%s: another view came out", name)
		}
	}, "real", "mime")
}

// Mails as a bad line would bring them: bits, cuts, and pieces of one in another.
func TestMutatedMailsGiveSoundViews(t *testing.T) {
	var mails [][]byte
	each(t, func(_ string, raw []byte) {
		if len(raw) < 256<<10 {
			mails = append(mails, raw)
		}
	}, "real", "mime")
	random := rand.New(rand.NewPCG(7, 7))
	for i, raw := range mails {
		out := append([]byte(nil), raw...)
		switch {
		case len(out) == 0:
			continue
		case i%3 == 0:
			for range 1 + len(out)/300 {
				out[random.IntN(len(out))] ^= 1 << random.IntN(8)
			}
		case i%3 == 1:
			out = out[:random.IntN(len(out))]
		default:
			other := mails[random.IntN(len(mails))]
			at, from := random.IntN(len(out)), random.IntN(len(other)+1)
			out = append(append(out[:at:at], other[from:min(len(other), from+3000)]...), out[at:]...)
		}
		msg := mail.Parse(out, mail.Limits{})
		view := Render(msg, attachment.Scan(t.Context(), msg, attachment.Options{}), Options{MaxPixels: 1 << 20})
		sound(t, fmt.Sprintf("mutated %d", i), msg, view)
	}
	t.Logf("%d mails", len(mails))
}

func FuzzRender(f *testing.F) {
	f.Add([]byte("From: a@b.example\r\nSubject: 4111111111111111\r\nContent-Type: text/html\r\n\r\n<a href=mailto:a@b.example>a@b.example</a><img src=cid:x>"))
	f.Add([]byte("Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n\r\nplain\r\n--a\r\nContent-Type: text/html\r\n\r\n<p>4111<b>111111111111\r\n--a--"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		msg := mail.Parse(raw, mail.Limits{})
		view := Render(msg, attachment.Report{}, Options{MaxPixels: 1 << 16})
		sound(t, "fuzz", msg, view)
		if len(view.Attachments) > 0 {
			t.Error("a file passed that nobody examined")
		}
	})
}

// BenchmarkRender renders the corpora's real mails, examined beforehand.
func BenchmarkRender(b *testing.B) {
	type examined struct {
		msg    *mail.Message
		report attachment.Report
	}
	var mails []examined
	var size int64
	each(b, func(_ string, raw []byte) {
		msg := mail.Parse(raw, mail.Limits{})
		mails = append(mails, examined{msg, attachment.Scan(b.Context(), msg, attachment.Options{})})
		size += int64(len(raw))
	}, "real")
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		for _, m := range mails {
			Render(m.msg, m.report, Options{})
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(mails)), "µs/mail")
}

// ordinary is a mail as companies get them: both forms, a quoted history, a
// signature, a picture of a logo and a small file.
func ordinary(b *testing.B) []byte {
	words := strings.Repeat("Dear Sir or Madam, the parcel with my order 302-1234567-7654321 of 17.05.2024 came yesterday, but one of the four lamps is broken. ", 8)
	plain := words + "\n\nPlease call me: +49 30 901820 or write to erika@example.org. My account is " + iban + ".\n\n-- \nErika Muster\nMusterstr. 12, 12345 Berlin\n\n" +
		"Am 01.01.2024 um 10:00 schrieb Support <support@example.com>:\n> " + strings.Repeat("We are sorry that you had to wait. ", 20) + "\n"
	rich := "<html><head><style>p{margin:0}</style></head><body><p>" + words + "</p><p>Please call me: <b>+49 30 901820</b> or write to <a href=\"mailto:erika@example.org\">erika@example.org</a>. My account is " + iban + ".</p>" +
		"<img src=\"cid:logo\"><div class=\"gmail_quote\">Am 01.01.2024 schrieb Support:<blockquote>" + strings.Repeat("<p style=\"color:#333;font-size:14px\">We are sorry that you had to wait.</p>", 20) + "</blockquote></div></body></html>"
	raw := "From: Erika Muster <erika@example.org>\nTo: support@example.com\nSubject: Broken lamp\nMessage-ID: <1@example.org>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=m\n\n" +
		"--m\nContent-Type: multipart/related; boundary=r\n\n--r\nContent-Type: multipart/alternative; boundary=a\n\n--a\nContent-Type: text/plain; charset=utf-8\n\n" + plain + "\n--a\nContent-Type: text/html; charset=utf-8\n\n" + rich + "\n--a--\n" +
		"--r\nContent-Type: image/png; name=logo.png\nContent-ID: <logo>\nContent-Transfer-Encoding: base64\n\n" + drawing(b, 80, 30) + "\n--r--\n" +
		"--m\nContent-Type: text/csv; name=order.csv\nContent-Disposition: attachment\n\n" + strings.Repeat("1;lamp;broken\n", 40) + "\n--m--\n"
	return []byte(strings.ReplaceAll(raw, "\n", "\r\n"))
}

// BenchmarkOrdinaryMail takes one mail from its bytes to its view: parsed, examined
// by structure, cleaned and masked. It is to stay well below two milliseconds.
func BenchmarkOrdinaryMail(b *testing.B) {
	raw := ordinary(b)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		msg := mail.Parse(raw, mail.Limits{})
		Render(msg, attachment.Scan(b.Context(), msg, attachment.Options{}), Options{})
	}
}
