package attachment

import (
	"context"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/mail"
)

// twoParts is a mail of two parts, counted by hand: fields 65 and 26 and 28,
// bodies 4 and 6, delimiters 7, 2+5+2 and 2+7+2, 6 bytes before and 5 behind.
const twoParts = "From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"before" + "\r\n--b\r\n" +
	"Content-Type: text/plain\r\n\r\n" + "Hi.\n" + "\r\n--b\r\n" +
	"Content-Type: image/x-none\r\n\r\n" + "Bytes." + "\r\n--b--\r\n" +
	"after"

func TestTheAccountOfAMailIsThatOfItsBytes(t *testing.T) {
	report := Scan(context.Background(), mail.Parse([]byte(twoParts), mail.Limits{}), Options{})
	a := report.Account
	fields := len("From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n") +
		len("Content-Type: text/plain\r\n\r\n") + len("Content-Type: image/x-none\r\n\r\n")
	if a.Size != int64(len(twoParts)) || a.Fields != int64(fields) || a.Bodies != 10 || a.Outside != 11 || a.Structure != 7+7+9 || a.Gap != 0 {
		t.Errorf("got %+v", a)
	}
	want := []AccountPart{{"1", 4, Clean}, {"2", 6, Clean}}
	if a.Leaves != 2 || a.Decoded != 10 || a.Examined != 10 || !slices.Equal(a.Parts, want) {
		t.Errorf("got %+v", a)
	}
	if report.Scan.Verdict != Clean {
		t.Errorf("the verdict is %s %v", report.Scan.Verdict, report.Scan.Reasons)
	}
}

// A mail whose reader lost something must not come out clean. Each case is a way
// to lose it.
func TestBytesThatTheReaderLostAreAFinding(t *testing.T) {
	for name, lose := range map[string]func(m *mail.Message){
		"the last part":             func(m *mail.Message) { m.Root.Children = m.Root.Children[:1] },
		"the first part":            func(m *mail.Message) { m.Root.Children = m.Root.Children[1:] },
		"the end of a part":         func(m *mail.Message) { p := m.Root.Children[1]; p.Raw = p.Raw[:len(p.Raw)-1] },
		"the beginning of a body":   func(m *mail.Message) { p := m.Root.Children[1]; p.RawBody = p.RawBody[2:]; p.Raw = p.Raw[2:] },
		"part of a decoded content": func(m *mail.Message) { p := m.Root.Children[1]; p.Content = p.Content[:2] },
		"a body altogether":         func(m *mail.Message) { p := m.Root.Children[1]; p.RawBody, p.Content = nil, nil },
		"what stands behind":        func(m *mail.Message) { m.Root.Epilogue = nil },
		"what stands before":        func(m *mail.Message) { m.Root.Preamble = nil },
		"a part, for another one":   func(m *mail.Message) { m.Root.Children[1] = m.Root.Children[0] },
		"the end of the mail":       func(m *mail.Message) { m.Root.Raw = m.Root.Raw[:len(m.Root.Raw)-3] },
	} {
		msg := mail.Parse([]byte(twoParts), mail.Limits{})
		lose(msg)
		report := Scan(context.Background(), msg, Options{})
		if report.Scan.Verdict == Clean || !slices.Contains(report.Scan.Reasons, UnaccountedBytes) && !slices.Contains(report.Scan.Reasons, "malformed_document") {
			t.Errorf("%s: %s %v, %+v", name, report.Scan.Verdict, report.Scan.Reasons, report.Account)
		}
	}
}

func TestEncodedContentThatIsTooShortIsAFinding(t *testing.T) {
	for _, encoded := range []string{"base64\r\n\r\n" + strings.Repeat("QUJDREVG", 8), "quoted-printable\r\n\r\n" + strings.Repeat("ab=C3=A9", 8)} {
		raw := []byte("From: a@example.com\r\nContent-Type: application/x-none\r\nContent-Transfer-Encoding: " + encoded)
		msg := mail.Parse(raw, mail.Limits{})
		if got := Scan(context.Background(), msg, Options{}); got.Scan.Verdict != Clean {
			t.Errorf("whole: %s %v", got.Scan.Verdict, got.Scan.Reasons)
		}
		msg.Root.Content = msg.Root.Content[:len(msg.Root.Content)-12]
		if got := Scan(context.Background(), msg, Options{}); got.Scan.Verdict != Ambiguous {
			t.Errorf("shortened: %s %v", got.Scan.Verdict, got.Scan.Reasons)
		}
	}
}

func TestAPartThatTheWalkLeavesOutIsAnError(t *testing.T) {
	b := books(mail.Parse([]byte(twoParts), mail.Limits{}))
	b.examined(&Attachment{Size: 4})
	if !b.unexamined() {
		t.Error("one part of two is enough")
	}
	b.examined(&Attachment{Size: 5})
	if !b.unexamined() {
		t.Error("9 bytes of 10 are enough")
	}
	b.account.Examined++
	if b.unexamined() {
		t.Error("both parts are not enough")
	}
}

func TestTheListOfPartsIsBoundedAndItsSumsAreNot(t *testing.T) {
	raw := "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", partsListed+1) + "--b--\r\n"
	a := Scan(context.Background(), mail.Parse([]byte(raw), mail.Limits{}), Options{}).Account
	if len(a.Parts) != partsListed || a.Leaves != partsListed+1 || a.Examined != partsListed+1 || a.Gap != 0 {
		t.Errorf("%d parts listed of %d, %d bytes", len(a.Parts), a.Leaves, a.Examined)
	}
}

// addsUp checks what holds of the account of every mail.
func addsUp(t *testing.T, name string, report Report) {
	t.Helper()
	a := report.Account
	if a.Fields+a.Structure+a.Outside+a.Bodies+a.Gap != a.Size {
		t.Errorf("%s: the account does not add up: %+v", name, a)
	}
	if (a.Gap != 0 || a.Examined != a.Decoded) && (report.Scan.Verdict == Clean || report.Scan.Verdict == Unsupported) {
		t.Errorf("%s: %s with %+v", name, report.Scan.Verdict, a)
	}
}

func TestEveryByteOfTheCorporasMailsIsAccountedFor(t *testing.T) {
	files := corpora.Open(t)
	mails, gaps := 0, []string{}
	r := rand.New(rand.NewPCG(3, 4))
	for _, folder := range []string{"real", "mime", "dkim", "arc", "crypto"} {
		err := fs.WalkDir(files, folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, ".json") || strings.HasSuffix(path, ".yml") {
				return err
			}
			raw, err := fs.ReadFile(files, path)
			if err != nil {
				return err
			}
			report := Scan(context.Background(), mail.Parse(raw, mail.Limits{}), Options{})
			addsUp(t, path, report)
			mails++
			if report.Account.Gap != 0 || slices.Contains(report.Scan.Reasons, UnaccountedBytes) || slices.Contains(report.Scan.Reasons, UnexaminedPart) {
				gaps = append(gaps, path)
			}
			if folder == "real" {
				addsUp(t, path+" mutated", Scan(context.Background(), mail.Parse(mutate(r, raw, nil), mail.Limits{}), Options{}))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d files, with a gap: %v", mails, gaps)
	// That one has no field and no body: one line that continues a field which is not there.
	if !slices.Equal(gaps, []string{"dkim/chasquid/03-bad_message.msg"}) {
		t.Errorf("of %d files %v have bytes that belong to nothing", mails, gaps)
	}
}

func FuzzAccount(f *testing.F) {
	f.Add([]byte(twoParts))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\n\n--b\n--b--\n--b\n\nx"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\nLS1iCgp4Ci0tYi0t"))
	f.Add([]byte("Content-Type: message/rfc822\n\nFrom x\nContent-Type: multipart/digest; boundary=\"\"\n\n--\n\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		addsUp(t, "fuzzed", Scan(t.Context(), mail.Parse(raw, mail.Limits{}), Options{}))
	})
}
