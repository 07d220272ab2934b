package attachment

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"crypto/sha256"

	"github.com/postern-mail/postern/pkg/mail"
)

// mailOf is a message that carries one attached file.
func mailOf(name, declared string, content []byte) *mail.Message {
	return &mail.Message{Root: &mail.Part{
		Type: "multipart/mixed",
		Children: []*mail.Part{
			{Path: "1", Type: "text/plain", Content: []byte("Please find attached.\r\n")},
			{Path: "2", Type: declared, Disposition: "attachment", Filename: name, Content: content},
		},
	}}
}

func scanFile(t testing.TB, name string, content []byte) Attachment {
	t.Helper()
	return scanWith(t, name, "application/octet-stream", content, Options{})
}

func scanWith(t testing.TB, name, declared string, content []byte, options Options) Attachment {
	t.Helper()
	report := Scan(context.Background(), mailOf(name, declared, content), options)
	if len(report.Attachments) != 1 {
		t.Fatalf("got %d attachments, want 1", len(report.Attachments))
	}
	return report.Attachments[0]
}

// want checks the verdict of an attachment and that it has the reasons.
func want(t testing.TB, a Attachment, verdict Verdict, reasons ...Reason) {
	t.Helper()
	if a.Verdict != verdict {
		t.Errorf("verdict of %q is %s (%v), want %s", a.Name, a.Verdict, allReasons(a), verdict)
	}
	for _, r := range reasons {
		if !contains(allReasons(a), r) {
			t.Errorf("reasons of %q are %v, want %s among them", a.Name, allReasons(a), r)
		}
	}
}

// allReasons are those of an attachment and all within it.
func allReasons(a Attachment) []Reason {
	var s Summary
	s.take(&a)
	return s.Reasons
}

func TestTheGravestVerdictStands(t *testing.T) {
	// The order is that of the inspect contract.
	order := []Verdict{"infected", "error", "ambiguous", "limit", "encrypted", "suspicious", "unsupported", "clean"}
	for i, graver := range order {
		for _, lighter := range order[i:] {
			if got := Gravest(lighter, graver); got != graver {
				t.Errorf("Gravest(%s, %s) = %s", lighter, graver, got)
			}
			if got := Gravest(graver, lighter); got != graver {
				t.Errorf("Gravest(%s, %s) = %s", graver, lighter, got)
			}
		}
	}
	if got := Gravest("clean", "perfect"); got != Error {
		t.Errorf("an unknown verdict counts as %s, want error", got)
	}
	if got := Gravest("", "clean"); got != Error {
		t.Errorf("an empty verdict counts as %s, want error", got)
	}
	if got := Gravest("infected", "perfect"); got != Infected {
		t.Errorf("infected beside an unknown verdict is %s, want infected", got)
	}
}

func TestEveryReasonIsExplainedAndNamedInSnakeCase(t *testing.T) {
	for code, e := range Reasons {
		if strings.Trim(string(code), "abcdefghijklmnopqrstuvwxyz_") != "" {
			t.Errorf("%q is not lower_snake_case", code)
		}
		if !e.Verdict.known() || !strings.HasSuffix(e.Sentence, ".") {
			t.Errorf("%s is explained as %+v", code, e)
		}
	}
}

func TestAPlainTextFileIsClean(t *testing.T) {
	content := []byte("Hello, this is a note.\n")
	a := scanWith(t, "note.txt", "text/plain", content, Options{})
	want(t, a, Clean)
	sum := sha256.Sum256(content)
	if a.Size != int64(len(content)) || a.SHA256 != hex.EncodeToString(sum[:]) || a.Path != "2" || a.DetectedType != "text/plain" {
		t.Errorf("got %+v", a)
	}
}

func TestWithoutASecondOpinionTheMailSaysSo(t *testing.T) {
	report := Scan(context.Background(), mailOf("note.txt", "text/plain", []byte("x\n")), Options{})
	if report.Scan.Verdict != Clean || len(report.Scan.Reasons) != 1 || report.Scan.Reasons[0] != "no_second_opinion" {
		t.Errorf("got %+v", report.Scan)
	}
}

func TestTheReportIsTheInspectContract(t *testing.T) {
	report := Scan(context.Background(), mailOf("a.txt", "text/plain", []byte("x\n")), Options{})
	got, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	wanted := `{"attachments":[{"path":"2","name":"a.txt","declared_type":"text/plain","detected_type":"text/plain","size":2,` +
		`"sha256":"73cb3858a687a8494ca3323053016282f3dad39d42cf62ca4e79dda2aac7d9ac",` +
		`"verdict":"clean","reasons":[],"children":[]}],"scan":{"verdict":"clean","reasons":["no_second_opinion"]},` +
		`"account":{"size":0,"fields":0,"structure":0,"outside":0,"bodies":0,"gap":0,"leaves":2,"decoded":25,"examined":25,` +
		`"parts":[{"path":"1","size":23,"verdict":"clean"},{"path":"2","size":2,"verdict":"clean"}]}}`
	if string(got) != wanted {
		t.Errorf("got  %s\nwant %s", got, wanted)
	}
}

func TestAMailWithoutAttachmentsHasEmptyLists(t *testing.T) {
	report := Scan(context.Background(), &mail.Message{Root: &mail.Part{Path: "1", Type: "text/plain", Content: []byte("hi")}}, Options{})
	got, _ := json.Marshal(report)
	if !strings.HasPrefix(string(got), `{"attachments":[],"scan":{"verdict":"clean","reasons":["no_second_opinion"]},`) {
		t.Errorf("got %s", got)
	}
}

// testString is put together here so that this file is no test file itself.
var testString = []byte("X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*")

func TestTheEICARFileIsInfectedWithoutAScanner(t *testing.T) {
	if len(testString) != 68 { // eicar.org: 68 bytes
		t.Fatalf("the test string has %d bytes", len(testString))
	}
	want(t, scanFile(t, "eicar.com", testString), Infected, EICARTestFile)
	want(t, scanFile(t, "a.txt", append(bytes.Clone(testString), "\r\n\x1a"...)), Infected, EICARTestFile)
	want(t, scanFile(t, "a.txt", append([]byte("The string is "), testString...)), Clean)
}

func TestTheEICARStringInTheBodyIsInfectedAndNotListed(t *testing.T) {
	report := Scan(context.Background(), &mail.Message{Root: &mail.Part{Path: "1", Type: "text/plain", Content: testString}}, Options{})
	if report.Scan.Verdict != Infected || len(report.Attachments) != 0 {
		t.Errorf("got %+v", report)
	}
}

func TestAnAmbiguousPartIsNeverClean(t *testing.T) {
	msg := mailOf("a.txt", "text/plain", []byte("x\n"))
	msg.Root.Children[1].Ambiguous = []string{"conflicting_content_type"}
	report := Scan(context.Background(), msg, Options{})
	want(t, report.Attachments[0], Ambiguous, "conflicting_content_type")
	if report.Scan.Verdict != Ambiguous {
		t.Errorf("the mail is %s", report.Scan.Verdict)
	}
}

func TestAnAmbiguousContainerMakesItsPartsAmbiguous(t *testing.T) {
	msg := mailOf("a.txt", "text/plain", []byte("x\n"))
	msg.Root.Ambiguous = []string{"prefix_boundary"}
	want(t, Scan(context.Background(), msg, Options{}).Attachments[0], Ambiguous, "prefix_boundary")
	msg.Root.Children = nil
	if report := Scan(context.Background(), msg, Options{}); report.Scan.Verdict != Ambiguous {
		t.Errorf("an empty ambiguous container is %s", report.Scan.Verdict)
	}
}

func TestAMessageInsideIsListedWithItsParts(t *testing.T) {
	inner := mailOf("eicar.com", "application/octet-stream", testString)
	inner.Root.Children[0].Path, inner.Root.Children[1].Path = "2.1", "2.2"
	msg := mailOf("", "message/rfc822", []byte("Subject: x\r\n\r\n"))
	msg.Root.Children[1].Message = inner
	report := Scan(context.Background(), msg, Options{})
	a := report.Attachments[0]
	want(t, a, Infected)
	if a.DetectedType != "message/rfc822" || len(a.Children) != 1 || a.Children[0].Path != "2.2" {
		t.Errorf("got %+v", a)
	}
}

func TestFilesUnpackedFromATextAreExamined(t *testing.T) {
	msg := &mail.Message{Root: &mail.Part{Path: "1", Type: "text/plain", Content: []byte("begin 644 x"),
		Children: []*mail.Part{{Path: "1#1", Type: "application/octet-stream", Filename: "x.com", Content: testString}}}}
	report := Scan(context.Background(), msg, Options{})
	if len(report.Attachments) != 1 || report.Attachments[0].Path != "1#1" || report.Scan.Verdict != Infected {
		t.Errorf("got %+v", report)
	}
}

func TestAWinmailDatIsAsItsFilesAre(t *testing.T) {
	// TNEF: signature, key, and one attribute, the level of importance ([MS-OXTNEF]).
	empty := []byte("\x78\x9f\x3e\x22\x01\x00\x01\x0d\x80\x04\x00\x02\x00\x00\x00\x02\x00\x02\x00")
	msg := mailOf("winmail.dat", "application/ms-tnef", empty)
	want(t, Scan(context.Background(), msg, Options{}).Attachments[0], Clean)
	msg.Root.Children[1].Children = []*mail.Part{{Path: "2#1", Type: "application/octet-stream", Filename: "x.com", Content: testString, Origin: "tnef"}}
	want(t, Scan(context.Background(), msg, Options{}).Attachments[0], Infected)
	msg = mailOf("winmail.dat", "application/ms-tnef", empty)
	msg.Root.Children[1].Ambiguous = []string{"bad_tnef"}
	want(t, Scan(context.Background(), msg, Options{}).Attachments[0], Ambiguous, UnsupportedContainer)
	want(t, scanFile(t, "a.zip", zipOf(t, member{name: "winmail.dat", content: empty})), Unsupported, UnsupportedContainer)
}

func TestBytesDeclaredAsTheTextAreListedWhenTheyAreAProgram(t *testing.T) {
	msg := &mail.Message{Root: &mail.Part{Path: "1", Type: "text/plain", Content: append([]byte("MZ\x90\x00"), make([]byte, 200)...)}}
	report := Scan(context.Background(), msg, Options{})
	if len(report.Attachments) != 1 || report.Scan.Verdict != Suspicious {
		t.Errorf("got %+v", report)
	}
}

// opinionFunc is a SecondOpinion made of a function.
type opinionFunc func(context.Context, io.Reader) (Opinion, error)

func (f opinionFunc) Scan(ctx context.Context, r io.Reader) (Opinion, error) { return f(ctx, r) }

func TestTheSecondOpinionSeesEveryPart(t *testing.T) {
	var seen []string
	second := opinionFunc(func(_ context.Context, r io.Reader) (Opinion, error) {
		b, err := io.ReadAll(r)
		seen = append(seen, string(b))
		return Opinion{Verdict: Clean}, err
	})
	report := Scan(context.Background(), mailOf("a.txt", "text/plain", []byte("file\n")), Options{SecondOpinion: second})
	if len(seen) != 2 || seen[0] != "Please find attached.\r\n" || seen[1] != "file\n" {
		t.Errorf("it saw %q", seen)
	}
	if report.Scan.Verdict != Clean || len(report.Scan.Reasons) != 0 {
		t.Errorf("got %+v", report.Scan)
	}
}

func TestTheSecondOpinionSeesMembersThatItCannotUnpackItself(t *testing.T) {
	var seen int
	second := opinionFunc(func(_ context.Context, r io.Reader) (Opinion, error) {
		_, err := io.Copy(io.Discard, r)
		seen++
		return Opinion{Verdict: Clean}, err
	})
	// The body, the archive and, because it is RAR, its seven files.
	scanWith(t, "a.rar", "application/octet-stream", fileNamed(t, "libarchive/test_read_format_rar5_solid.rar"), Options{SecondOpinion: second})
	if seen != 2+7 {
		t.Errorf("it saw %d of a RAR archive with seven files", seen)
	}
	seen = 0
	scanWith(t, "a.zip", "application/zip", zipOf(t, member{name: "a.txt", content: []byte("x")}), Options{SecondOpinion: second})
	if seen != 2 {
		t.Errorf("it saw %d of a zip, which it unpacks itself", seen)
	}
}

func TestAMultipartWithoutPartsIsExaminedAsItStands(t *testing.T) {
	msg := &mail.Message{Root: &mail.Part{Type: "multipart/mixed", RawBody: testString}}
	if report := Scan(context.Background(), msg, Options{}); report.Scan.Verdict != Infected {
		t.Errorf("got %+v", report)
	}
}

func TestTheSecondOpinionIsTaken(t *testing.T) {
	second := opinionFunc(func(context.Context, io.Reader) (Opinion, error) {
		return Opinion{Infected, ScannerSignature, "Win.Test.A"}, nil
	})
	a := scanWith(t, "a.txt", "text/plain", []byte("x\n"), Options{SecondOpinion: second})
	want(t, a, Infected, ScannerSignature)
	if a.Signature != "Win.Test.A" {
		t.Errorf("signature %q", a.Signature)
	}
}

func TestASecondOpinionThatFailsIsNeverClean(t *testing.T) {
	down := errors.New("clamd down")
	for name, second := range map[string]opinionFunc{
		"error":           func(context.Context, io.Reader) (Opinion, error) { return Opinion{Verdict: Clean}, down },
		"nothing":         func(context.Context, io.Reader) (Opinion, error) { return Opinion{}, nil },
		"contradiction":   func(context.Context, io.Reader) (Opinion, error) { return Opinion{Infected, NoSecondOpinion, ""}, nil },
		"unknown verdict": func(context.Context, io.Reader) (Opinion, error) { return Opinion{"fine", ScannerSignature, ""}, nil },
	} {
		report := Scan(context.Background(), mailOf("a.txt", "text/plain", []byte("x\n")), Options{SecondOpinion: second})
		want(t, report.Attachments[0], Error, ScannerUnavailable)
		if report.Unavailable == nil {
			t.Errorf("%s: nothing says that the second opinion was missing", name)
		}
	}
}

func TestAScanWhoseContextEndedIsNeverClean(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	report := Scan(ctx, mailOf("a.zip", "application/zip", zipOf(t, member{name: "a.txt", content: []byte("x")})), Options{})
	want(t, report.Attachments[0], Error, Interrupted)
}

func TestAScanThatTakesTooLongIsALimit(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { now = now.Add(15 * time.Second); return now }
	// Read once at the beginning, once when the archive is opened and once at the
	// member: 30 s later, which is past the 20 s.
	a := scanWith(t, "a.zip", "application/zip", zipOf(t, member{name: "a.txt", content: []byte("x")}), Options{Clock: clock})
	want(t, a, Limit, TimeLimit)
}

func TestTimeEndsAfterItsLimitAndNotAtIt(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := start
	b := newBudget(context.Background(), Limits{Time: time.Second}.withDefaults(), func() time.Time { return now })
	now = start.Add(time.Second)
	if r := b.tick(); r != "" {
		t.Errorf("at the limit: %s", r)
	}
	now = start.Add(time.Second + 1)
	if r := b.tick(); r != TimeLimit {
		t.Errorf("past the limit: %q", r)
	}
}

func TestADecoderThatPanicsIsAnError(t *testing.T) {
	w := newWalker(context.Background(), Options{})
	a := Attachment{}
	w.run(&a, file{content: []byte("x")}, func(*Attachment, file) error { panic("hostile words") })
	a.judge()
	want(t, a, Error, DecoderFailed)
	_, _, err := w.read(1, 0, panicReader{})
	if !errors.Is(err, errPanic) || strings.Contains(err.Error(), "hostile") {
		t.Errorf("got %v", err)
	}
}

type panicReader struct{}

func (panicReader) Read([]byte) (int, error) { panic("hostile words") }
