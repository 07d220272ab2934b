package scan

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/mail"
)

// A noted second opinion finds what it is told to, and is noted as of who is asked from outside.
type noted struct {
	finds string // in a file, and calls it infected
	fails string // over such a file
	said  map[digest]attachment.Opinion
}

func (n *noted) Scan(_ context.Context, r io.Reader) (attachment.Opinion, error) {
	content, err := io.ReadAll(r)
	opinion := attachment.Opinion{Verdict: attachment.Clean}
	switch {
	case err != nil:
		return opinion, err
	case n.fails != "" && bytes.Contains(content, []byte(n.fails)):
		return opinion, errors.New("nobody answers")
	case n.finds != "" && bytes.Contains(content, []byte(n.finds)):
		opinion = attachment.Opinion{Verdict: attachment.Infected, Reason: attachment.ScannerSignature, Signature: "x"}
	}
	n.said[sha256.Sum256(content)] = opinion
	return opinion, nil
}

// judged is an honest report on a mail, as it comes out of a confined process, and what the second opinion was.
func judged(t *testing.T, message *mail.Message, finds, fails string, asked bool) (attachment.Report, map[digest]attachment.Opinion) {
	t.Helper()
	n := &noted{finds, fails, map[digest]attachment.Opinion{}}
	options := attachment.Options{}
	if asked {
		options.SecondOpinion = n
	}
	text, err := json.Marshal(attachment.Scan(t.Context(), message, options))
	if err != nil {
		t.Fatal(err)
	}
	var report attachment.Report
	if err := json.Unmarshal(text, &report); err != nil || !fits(text) {
		t.Fatal(err)
	}
	return report, n.said
}

// with makes a mail of a file.
func with(name, content string) string {
	return "From: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsee\n--b\nContent-Type: application/octet-stream\n" +
		"Content-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=" + name + "\n\n" + base64.StdEncoding.EncodeToString([]byte(content)) + "\n--b--\n"
}

func TestAReportThatIsTrueIsBelieved(t *testing.T) {
	library := corpora.Open(t)
	random := rand.New(rand.NewPCG(1, 2))
	mails, clean := 0, 0
	try := func(path string, raw []byte) {
		message := mail.Parse(raw, mail.DefaultLimits)
		for _, c := range []struct {
			finds, fails string
			asked        bool
		}{{"", "", false}, {"", "", true}, {"e", "", true}, {"", "a", true}} {
			if c.finds+c.fails != "" && random.IntN(4) > 0 {
				continue
			}
			report, said := judged(t, message, c.finds, c.fails, c.asked)
			if err := believe(&report, message, said, c.asked); err != nil {
				text, _ := json.Marshal(report)
				t.Errorf("%s: %+v: %v\n%s", path, c, err, text)
			}
			if mails++; report.Scan.Verdict == attachment.Clean {
				clean++
			}
		}
	}
	for _, folder := range []string{"mime", "real", "crypto", "attachments"} {
		err := fs.WalkDir(library, folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			raw, err := fs.ReadFile(library, path)
			if err != nil {
				return err
			}
			try(path, []byte(with("file.bin", string(raw))))
			if folder != "attachments" {
				try(path, raw)
				try(path+", cut", raw[:random.IntN(len(raw)+1)])
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d reports, %d of them clean", mails, clean)
	if mails == 0 || clean == 0 {
		t.Error("nothing was tried")
	}
}

const nest = "From: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsee\n" +
	"--b\nContent-Type: text/plain\nContent-Disposition: attachment; filename=note.txt\n\nnothing bad\n" +
	"--b\nContent-Type: message/rfc822\n\nFrom: c@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=c\n\n" +
	"--c\nContent-Type: text/plain\nContent-Disposition: attachment; filename=evil.txt\n\nevil\n--c--\n--b--\n"

// winmail is a mail with a winmail.dat ([MS-OXTNEF]) that holds text files.
func winmail(texts ...string) string {
	packed := []byte("\x78\x9f\x3e\x22\x01\x00")
	attribute := func(id uint32, data string) {
		packed = binary.LittleEndian.AppendUint32(append(packed, 2), id)
		packed = append(binary.LittleEndian.AppendUint32(packed, uint32(len(data))), data...)
		sum := uint16(0)
		for _, c := range []byte(data) {
			sum += uint16(c)
		}
		packed = binary.LittleEndian.AppendUint16(packed, sum)
	}
	for _, text := range texts {
		attribute(0x00069002, strings.Repeat("\x00", 14))
		attribute(0x00018010, "note.txt\x00")
		attribute(0x0006800f, text)
	}
	return with("winmail.dat", string(packed))
}

func TestAReportThatCannotBeTrueIsNotBelieved(t *testing.T) {
	calledClean := func(all []attachment.Attachment) {
		var clear func(a *attachment.Attachment)
		clear = func(a *attachment.Attachment) {
			a.Verdict, a.Reasons = attachment.Clean, nil
			for i := range a.Children {
				clear(&a.Children[i])
			}
		}
		for i := range all {
			clear(&all[i])
		}
	}
	forge := func(r *attachment.Report) { // as one forges who knows what is checked
		calledClean(r.Attachments)
		r.Scan = attachment.Summary{Verdict: attachment.Clean}
		for i := range r.Account.Parts {
			r.Account.Parts[i].Verdict = attachment.Clean
		}
	}
	const doubtful = "From: a@example.org\nMIME-Version: 1.0\nContent-Type: text/plain; name=a.txt\nContent-Type: application/zip; name=a.zip\nContent-Disposition: attachment\n\nPK"
	outlook := winmail("all is well", "nothing bad")
	for name, c := range map[string]struct {
		raw, finds, fails string
		lie               func(r *attachment.Report)
		forget            bool // it was never asked
	}{
		"an infected file is clean":                {nest, "nothing bad", "", forge, false},
		"an infected body is clean":                {nest, "see", "", forge, false},
		"an infected file in a message is clean":   {nest, "evil", "", forge, false},
		"so is the message only":                   {nest, "evil", "", func(r *attachment.Report) { calledClean(r.Attachments) }, false},
		"an infected file, of a mail that is not":  {nest, "nothing bad", "", func(r *attachment.Report) { r.Attachments[0].Verdict, r.Attachments[0].Reasons = attachment.Clean, nil }, false},
		"what nobody could look at is clean":       {nest, "", "nothing bad", forge, false},
		"what nobody was asked about is clean":     {nest, "", "", func(*attachment.Report) {}, true},
		"an ambiguous part is clean":               {doubtful, "", "", forge, false},
		"an infected mail is suspicious":           {nest, "nothing bad", "", func(r *attachment.Report) { forge(r); r.Scan.Verdict = attachment.Suspicious }, false},
		"an infected mail, with a file that is so": {nest, "nothing bad", "", func(r *attachment.Report) { r.Scan = attachment.Summary{Verdict: attachment.Clean} }, false},
		"milder than its reasons":                  {nest, "", "", func(r *attachment.Report) { r.Scan.Reasons = []attachment.Reason{attachment.Executable} }, false},
		"milder than the reasons of a file":        {nest, "", "", func(r *attachment.Report) { r.Attachments[0].Reasons = []attachment.Reason{attachment.Executable} }, false},
		"milder than what is in a file": {nest, "", "", func(r *attachment.Report) {
			r.Attachments[0].Children = []attachment.Attachment{{Path: "2/1", Verdict: attachment.Infected}}
		}, false},
		"a file that is not there":        {nest, "", "", func(r *attachment.Report) { r.Attachments[0].Path = "7" }, false},
		"a file of another size":          {nest, "", "", func(r *attachment.Report) { r.Attachments[0].Size-- }, false},
		"a file of another digest":        {nest, "", "", func(r *attachment.Report) { r.Attachments[0].SHA256 = strings.Repeat("0", 64) }, false},
		"a file without a digest":         {nest, "", "", func(r *attachment.Report) { r.Attachments[0].SHA256 = "" }, false},
		"a digest of a file that is bad":  {nest, "nothing bad", "", func(r *attachment.Report) { r.Attachments[0].SHA256 = strings.Repeat("0", 64) }, false},
		"a verdict that is none":          {nest, "", "", func(r *attachment.Report) { r.Attachments[0].Verdict = "fine" }, false},
		"a verdict of the mail like that": {nest, "", "", func(r *attachment.Report) { r.Scan.Verdict = "words of the mail" }, false},
		"words for a reason":              {nest, "nothing bad", "", func(r *attachment.Report) { r.Scan.Reasons = append(r.Scan.Reasons, "words_of_the_mail") }, false},
		"words for a reason of a file":    {nest, "nothing bad", "", func(r *attachment.Report) { r.Attachments[0].Reasons = append(r.Attachments[0].Reasons, "words") }, false},
		"a reason without an end": {nest, "nothing bad", "", func(r *attachment.Report) {
			r.Scan.Reasons = slices.Repeat([]attachment.Reason{attachment.ScannerSignature}, 100)
		}, false},
		"an account of a shorter mail": {nest, "", "", func(r *attachment.Report) { r.Account.Size--; r.Account.Bodies-- }, false},
		"an account with less decoded": {nest, "", "", func(r *attachment.Report) { r.Account.Decoded--; r.Account.Examined-- }, false},
		"an account of fewer parts":    {nest, "", "", func(r *attachment.Report) { r.Account.Leaves-- }, false},
		"sums that do not add up":      {nest, "", "", func(r *attachment.Report) { r.Account.Bodies-- }, false},
		"sums of less than nothing": {nest, "", "", func(r *attachment.Report) {
			r.Account.Fields, r.Account.Bodies = -1, r.Account.Bodies+r.Account.Fields+1
		}, false},
		"clean with a gap":              {nest, "", "", func(r *attachment.Report) { r.Account.Bodies--; r.Account.Gap++ }, false},
		"clean with less examined":      {nest, "", "", func(r *attachment.Report) { r.Account.Examined-- }, false},
		"clean with a part that is not": {nest, "", "", func(r *attachment.Report) { r.Account.Parts[0].Verdict = attachment.Infected }, false},
		"an infected file in a winmail.dat, which alone is not clean": {outlook, "nothing bad", "", func(r *attachment.Report) {
			r.Attachments[0].Children[1].Verdict, r.Attachments[0].Children[1].Reasons = attachment.Clean, nil
		}, false},
		"a file in a winmail.dat in the place of another": {outlook, "nothing bad", "", func(r *attachment.Report) {
			r.Attachments[0].Children[1] = r.Attachments[0].Children[0]
			r.Attachments[0].Children[1].Path = "2#2"
		}, false},
		"nothing at all": {nest, "", "", func(r *attachment.Report) { *r = attachment.Report{} }, false},
	} {
		message := mail.Parse([]byte(c.raw), mail.DefaultLimits)
		report, said := judged(t, message, c.finds, c.fails, true)
		if err := believe(&report, message, said, true); err != nil {
			t.Errorf("%s: the truth is not believed: %v", name, err)
		}
		if c.forget {
			clear(said)
		}
		c.lie(&report)
		if err := believe(&report, message, said, true); !errors.Is(err, errUnbelieved) {
			t.Errorf("%s: believed: %v", name, err)
		}
	}
}

func TestWhatAReportCostsIsLimited(t *testing.T) {
	long := `{"name":"` + strings.Repeat("[{,", reportElements) + `\"` + strings.Repeat("[{,", reportElements) + `"}`
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"as many as may be":  {"[" + strings.Repeat("0,", reportElements-1) + "0]", true},
		"one more":           {"[" + strings.Repeat("0,", reportElements) + "0]", false},
		"in names":           {long, true},
		"as long as may be":  {strings.Repeat(" ", reportLimit), true},
		"a byte longer":      {strings.Repeat(" ", reportLimit+1), false},
		"behind a backslash": {`"\\",` + strings.Repeat(",", reportElements), false},
	} {
		if fits([]byte(c.text)) != c.want {
			t.Errorf("%s: %t", name, !c.want)
		}
	}
}

// Whatever a child answers: of a mail in which the scanner found something, nothing is believed that is milder, nor
// that the file is clean.
func FuzzBelieve(f *testing.F) {
	message := mail.Parse([]byte(nest), mail.DefaultLimits)
	said := map[digest]attachment.Opinion{}
	honest := attachment.Scan(f.Context(), message, attachment.Options{SecondOpinion: &noted{finds: "nothing bad", said: said}})
	if err := believe(&honest, message, said, true); err != nil {
		f.Fatal(err)
	}
	for _, report := range []attachment.Report{honest, {}} {
		text, err := json.Marshal(report)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var report attachment.Report
		if !fits(text) || json.Unmarshal(text, &report) != nil || believe(&report, message, said, true) != nil {
			return
		}
		if report.Scan.Verdict != attachment.Infected {
			t.Errorf("the mail is %s", report.Scan.Verdict)
		}
		for _, a := range report.Attachments {
			if a.Path == "2" && a.Verdict == attachment.Clean {
				t.Error("the file is clean")
			}
		}
	})
}
