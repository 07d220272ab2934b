package sanitize

import (
	"io/fs"
	"path"
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
