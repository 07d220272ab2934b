package mail_test

import (
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/mail"
)

func BenchmarkParseRealMails(b *testing.B) {
	var mails [][]byte
	size := 0
	eachMail(b, "real", func(_ string, raw []byte) { mails = append(mails, raw); size += len(raw) })
	b.SetBytes(int64(size / len(mails)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		mail.Parse(mails[i%len(mails)], mail.Limits{})
	}
}

func BenchmarkParseOneMegabyteAttachment(b *testing.B) {
	raw := []byte("From: a@example.com\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" + wrapped(1<<20))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		mail.Parse(raw, mail.Limits{})
	}
}

func wrapped(n int) string {
	text := base64.StdEncoding.EncodeToString(make([]byte, n))
	var out strings.Builder
	for len(text) > 76 {
		out.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	return out.String() + text + "\r\n"
}

// nasty is shapes whose cost could grow faster than their size; each must double
// when its size does.
var nasty = map[string]func(n int) string{
	"nested multiparts without ends": func(n int) string {
		return grow(n, func(i int) string {
			return fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d.\n\n--b%d.\n", i, i)
		})
	},
	"empty parts": func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\n", n/5)
	},
	"hyphens": func(n int) string { return "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("-", n) },
	"lines of two hyphens": func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--\n", n/3)
	},
	"one folded field":           func(n int) string { return "X: y\n" + strings.Repeat(" z\n", n/3) },
	"junk between folded lines":  func(n int) string { return "X: y\n" + strings.Repeat("junk\nX-Y: z\n a\n", n/14) },
	"encoded words without ends": func(n int) string { return "Subject: " + strings.Repeat("=?a?q?x", n/7) + "\n\n" },
	"nested comments":            func(n int) string { return "To: " + strings.Repeat("(", n) + "\n\n" },
	"commas":                     func(n int) string { return "To: " + strings.Repeat(",", n) + "\n\n" },
	"words and at signs":         func(n int) string { return "To: " + strings.Repeat("a ", n/2) + "@b\n\n" },
	"quotes in a type":           func(n int) string { return "Content-Type: a/b; " + strings.Repeat("x=\"", n/3) + "\n\n" },
	"uuencode that begins often": func(n int) string { return "\n" + strings.Repeat("begin 644 x\n", n/12) },
	"uuencode that never ends":   func(n int) string { return "\n" + strings.Repeat("begin 644 x\n\n\n\n", n/15) },
	"yEnc that begins often":     func(n int) string { return "\n" + strings.Repeat("=ybegin line=1 size=1 name=x\n", n/29) },
	"boundaries after bare CR": func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("\r--b", n/4)
	},
	"UTF-7 shifts":                func(n int) string { return "Content-Type: text/plain; charset=utf-7\n\n" + strings.Repeat("+A", n/2) },
	"equals signs":                func(n int) string { return "Content-Transfer-Encoding: quoted-printable\n\n" + strings.Repeat("=", n) },
	"invalid UTF-8":               func(n int) string { return "Content-Type: text/plain; charset=utf-8\n\n" + strings.Repeat("\xff", n) },
	"references":                  func(n int) string { return "References: " + strings.Repeat("<", n) + "\n\n" },
	"multiparts without boundary": func(n int) string { return strings.Repeat("Content-Type: multipart/mixed\n\n--x\n", n/36) },
}

func grow(n int, piece func(int) string) string {
	var out strings.Builder
	for i := 0; out.Len() < n; i++ {
		out.WriteString(piece(i))
	}
	return out.String()
}

func BenchmarkNastyShapes(b *testing.B) {
	for name, shape := range nasty {
		for _, size := range []int{1 << 16, 1 << 17, 1 << 18, 1 << 19} {
			raw := []byte(shape(size))
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				b.SetBytes(int64(len(raw)))
				b.ReportAllocs()
				for b.Loop() {
					mail.Parse(raw, mail.Limits{})
				}
			})
		}
	}
}

func TestNastyShapesAreReadWhole(t *testing.T) {
	for name, shape := range nasty {
		raw := []byte(shape(1 << 20))
		wellFormed(t, name, raw, mail.Parse(raw, mail.Limits{}))
	}
}

// Memory is counted, not timed: what a shape allocates for twice the bytes is no
// more than about twice as much.
func TestMemoryGrowsNoFasterThanTheMessage(t *testing.T) {
	for name, shape := range nasty {
		small, large := allocated(shape(1<<17)), allocated(shape(1<<18))
		if large > 3*small+1<<20 {
			t.Errorf("%s: %d bytes for 128 KiB, %d for 256 KiB", name, small, large)
		}
		if large > 100<<18 {
			t.Errorf("%s: %d bytes for 256 KiB", name, large)
		}
	}
}

func allocated(raw string) int64 {
	in := []byte(raw)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m := mail.Parse(in, mail.Limits{})
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(m)
	return int64(after.TotalAlloc - before.TotalAlloc)
}
