package scan_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/confine"
	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/services/scan"
)

func TestMain(m *testing.M) {
	confine.Enter(map[string]confine.Job{scan.Job: func(ctx context.Context, parts [][]byte, ask confine.Ask) ([][]byte, error) {
		message, err := mail.Unpack(parts[1:])
		if err != nil {
			return nil, err
		}
		switch message.Subject {
		case "dies":
			panic("a decoder's")
		case "lies":
			return [][]byte{[]byte("no report")}, nil
		case "forges": // a report of who never asked for the second opinion
			return forged(message)
		case "asks for another": // and tells its opinion as that on the file
			of := sha256.Sum256([]byte("nothing bad"))
			if answer, err := ask(bytes.NewReader(append([]byte("k"), of[:]...))); err != nil || len(answer) == 0 {
				return nil, errors.New("not known")
			}
			return forged(message)
		}
		return scan.Decode(ctx, parts, ask)
	}})
	os.Exit(m.Run())
}

func forged(message *mail.Message) ([][]byte, error) {
	text, err := json.Marshal(map[string]any{"Report": attachment.Scan(context.Background(), message, attachment.Options{})})
	return [][]byte{text}, err
}

func pool(t testing.TB, room confine.Room) *confine.Pool {
	t.Helper()
	p, err := confine.NewPool(confine.Options{Size: 1, Room: room})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func asJSON(t *testing.T, report attachment.Report) string {
	t.Helper()
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAConfinedReportIsTheSame(t *testing.T) {
	library := corpora.Open(t)
	options := attachment.Options{SecondOpinion: second(func(r io.Reader) (attachment.Opinion, error) {
		content, err := io.ReadAll(r)
		if strings.Contains(string(content), "EICAR-STANDARD") {
			return attachment.Opinion{Verdict: attachment.Infected, Reason: attachment.ScannerSignature, Signature: "Eicar"}, err
		}
		return attachment.Opinion{Verdict: attachment.Clean}, err
	})}
	confined := scan.Confined(pool(t, confine.Room{}), options, mail.DefaultLimits)
	mails := 0
	for _, folder := range []string{"mime/enmime", "mime/python-email", "mime/tnef", "real"} {
		err := fs.WalkDir(library, folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || mails >= 200 {
				return err
			}
			raw, err := fs.ReadFile(library, path)
			if err != nil {
				return err
			}
			mails++
			message := mail.Parse(raw, mail.DefaultLimits)
			got, err := confined(t.Context(), message)
			if want := scan.Judge(t.Context(), message, options); err != nil || asJSON(t, got) != asJSON(t, want) {
				t.Errorf("%s: %v\n%s\n%s", path, err, asJSON(t, got), asJSON(t, want))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d mails", mails)
}

func TestAMailThatEndsItsDecoderIsAnErrorAndTheNextIsNot(t *testing.T) {
	judge := scan.Confined(pool(t, confine.Room{}), attachment.Options{}, mail.DefaultLimits)
	for _, subject := range []string{"dies", "lies"} {
		report, err := judge(t.Context(), mail.Parse([]byte("Subject: "+subject+"\r\n\r\nx"), mail.DefaultLimits))
		if err != nil || report.Scan.Verdict != attachment.Error || len(report.Scan.Reasons) != 1 || report.Scan.Reasons[0] != attachment.DecoderDied {
			t.Errorf("%s: %+v, %v", subject, report, err)
		}
	}
	if report, err := judge(t.Context(), mail.Parse([]byte("Subject: next\r\n\r\nx"), mail.DefaultLimits)); err != nil || report.Scan.Verdict != attachment.Clean {
		t.Errorf("the next: %+v, %v", report, err)
	}
}

func TestWhoTakesADecoderOverCannotCallCleanWhatTheScannerDoesNot(t *testing.T) {
	ask := func(r io.Reader) (attachment.Opinion, error) {
		content, err := io.ReadAll(r)
		if strings.Contains(string(content), "evil") {
			return attachment.Opinion{Verdict: attachment.Infected, Reason: attachment.ScannerSignature}, err
		}
		return attachment.Opinion{Verdict: attachment.Clean}, err
	}
	version := fixed("1")
	opinions := scan.NewOpinions(second(ask), &version, 10, nil)
	if _, err := opinions.Scan(t.Context(), strings.NewReader("nothing bad")); err != nil {
		t.Fatal(err)
	}
	judge := scan.Confined(pool(t, confine.Room{}), attachment.Options{SecondOpinion: opinions}, mail.DefaultLimits)
	for subject, want := range map[string]attachment.Verdict{"honest": attachment.Infected, "forges": attachment.Error, "asks for another": attachment.Error} {
		report, err := judge(t.Context(), mail.Parse([]byte("Subject: "+subject+"\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nevil"), mail.DefaultLimits))
		if err != nil || report.Scan.Verdict != want || want == attachment.Error && (len(report.Attachments) != 0 || report.Scan.Reasons[0] != attachment.DecoderDied) {
			t.Errorf("%s: %+v, %v", subject, report, err)
		}
	}
}

func TestASilentScannerIsSilentForTheConfinedToo(t *testing.T) {
	judge := scan.Confined(pool(t, confine.Room{}), attachment.Options{SecondOpinion: second(silent)}, mail.DefaultLimits)
	report, err := judge(t.Context(), mail.Parse([]byte(raw), mail.DefaultLimits))
	if err != nil || report.Unavailable == nil || report.Unavailable.Error() != "nobody answers" || report.Scan.Verdict != attachment.Error {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestWithoutAConfinedProcessNothingIsJudged(t *testing.T) {
	f := sealed(t, raw)
	none := pool(t, confine.Room{Memory: 1})
	none.Await(t.Context(), func(error) { none.Close() }) // it will not come
	judge := scan.Confined(none, attachment.Options{}, mail.DefaultLimits)
	if _, err := judge(t.Context(), mail.Parse([]byte(raw), mail.DefaultLimits)); !errors.Is(err, confine.ErrNone) {
		t.Errorf("%v", err)
	}
	for young, want := range map[bool]string{true: "", false: "error"} {
		scanned, err := f.judged(judge, young).Scan(t.Context(), proto.CloneOf(f.event))
		switch {
		case young && err == nil:
			t.Error("a young mail is not waited with")
		case !young && (err != nil || scanned.GetFindings().GetScanVerdict() != want):
			t.Errorf("an old one: %v, %v", scanned.GetFindings(), err)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	message := mail.Parse([]byte(raw), mail.DefaultLimits)
	for name, judge := range map[string]scan.Judging{
		"here":     scan.Here(attachment.Options{}),
		"confined": scan.Confined(pool(b, confine.Room{}), attachment.Options{}, mail.DefaultLimits),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := judge(b.Context(), message); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
