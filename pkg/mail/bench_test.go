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
	mails, size := realMails(b)
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
	"lines that end in bare CR":  func(n int) string { return "\n" + strings.Repeat("b\r", n/2) + "x" },
	"bare CR alone":              func(n int) string { return "\n" + strings.Repeat("\r", n) + "x" },
	"uuencode that bare CR ends": func(n int) string { return "\n" + strings.Repeat("begin 644 a\r", n/12) + "x" },
	"fields that bare CR ends":   func(n int) string { return "\n" + strings.Repeat("Content-Type: a/b\r", n/18) + "x" },
	"a preamble of bare CR": func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("b\r", n/2) + "x\n--b\n\nx\n--b--\n"
	},
	"UTF-7 shifts":  func(n int) string { return "Content-Type: text/plain; charset=utf-7\n\n" + strings.Repeat("+A", n/2) },
	"equals signs":  func(n int) string { return "Content-Transfer-Encoding: quoted-printable\n\n" + strings.Repeat("=", n) },
	"invalid UTF-8": func(n int) string { return "Content-Type: text/plain; charset=utf-8\n\n" + strings.Repeat("\xff", n) },
	"references":    func(n int) string { return "References: " + strings.Repeat("<", n) + "\n\n" },
	"boundaries that begin alike": func(n int) string { // as many as may be open, each as long as may be
		var head, tail strings.Builder
		for i := range 49 {
			b := strings.Repeat("b", 200+i)
			fmt.Fprintf(&head, "Content-Type: multipart/mixed; boundary=%s\n\n--%s\n", b, b)
		}
		head.WriteString("\n")
		line := "--" + strings.Repeat("b", 199) + "\n"
		tail.WriteString(strings.Repeat(line, n/len(line)))
		return head.String() + tail.String()
	},
	"messages in quoted-printable": func(n int) string {
		return strings.Repeat("Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\n", 49) + "\n" + strings.Repeat("x", n)
	},
	"parts with fields": func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\nContent-Type: a/b; c=\"d\"; e=f\nX: y\n\n", n/45)
	},
	"parameters": func(n int) string { return "Content-Type: a/b" + strings.Repeat("; c*0*=a''b", n/11) + "\n\n" },
	"late fields": func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nX: y\n z\n", n/15)
	},
	"blanks in base64": func(n int) string {
		return "Content-Type: a/b\nContent-Transfer-Encoding: base64\n\n" + strings.Repeat(" ", n)
	},
	"blanks before hyphens": func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("       --b", n/10)
	},
	"blank lines in a header": func(n int) string { return "X: y\n" + strings.Repeat(" \n", n/2) },
	"yEnc files": func(n int) string {
		return "\n" + strings.Repeat("=ybegin line=1 size=1 name=x\n*\n=yend size=1\n", n/45)
	},
	"charset guesses": func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\n\xb1\xb2\xb3\n", n/9)
	},
	"folded words": func(n int) string { return "Subject:" + strings.Repeat(" =?x?q?=b1?=\n", n/13) + "\n\n" },
	"report fields": func(n int) string {
		return "Content-Type: message/delivery-status\n\n" + strings.Repeat("Action: failed\n\n", n/16)
	},
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

// Work is counted, not timed: twice the bytes are at most about twice the work, and no
// shape costs more than a fixed number of passes over its bytes.
func TestWorkGrowsNoFasterThanTheMessage(t *testing.T) {
	most := 0
	for name, shape := range nasty {
		for size := 1 << 15; size <= 1<<18; size *= 2 {
			small, large := shape(size), shape(2*size)
			workSmall, _ := mail.Cost([]byte(small), mail.Limits{})
			workLarge, _ := mail.Cost([]byte(large), mail.Limits{})
			if workLarge*len(small)*10 > 12*workSmall*len(large) && workLarge > 1<<20 {
				t.Errorf("%s: %d for %d bytes, %d for %d", name, workSmall, len(small), workLarge, len(large))
			}
			passes := workLarge / len(large)
			if passes > 2*mail.DefaultLimits.Depth+20 { // what is encoded in layers is read once for each
				t.Errorf("%s: %d passes over %d bytes", name, passes, len(large))
			}
			most = max(most, passes)
		}
	}
	t.Logf("at most %d passes", most)
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
