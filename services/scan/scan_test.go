package scan_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/reading/readingtest"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	"github.com/postern-mail/postern/services/scan"
)

const raw = "From: a@example.com\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain\r\n\r\nsee the note\r\n" +
	"--b\r\nContent-Type: text/plain; name=note.txt\r\nContent-Disposition: attachment; filename=note.txt\r\n\r\nnothing bad\r\n--b--\r\n"

type second func(io.Reader) (attachment.Opinion, error)

func (s second) Scan(_ context.Context, r io.Reader) (attachment.Opinion, error) { return s(r) }

func clean(r io.Reader) (attachment.Opinion, error) {
	_, err := io.Copy(io.Discard, r)
	return attachment.Opinion{Verdict: attachment.Clean}, err
}

func silent(io.Reader) (attachment.Opinion, error) {
	return attachment.Opinion{}, errors.New("nobody answers")
}

type fixture struct {
	opener *readingtest.Opener
	judged func(judge scan.Judging, young bool) *scan.Worker
	event  *mailv1.Verified
}

func sealed(t *testing.T, raw string) fixture {
	t.Helper()
	store, opener := readingtest.Seal(t, raw)
	key, err := opener.Open(t.Context(), open.Ask{})
	if err != nil {
		t.Fatal(err)
	}
	defer key.Clear()
	plain, err := proto.Marshal(&contentv1.Findings{Sender: []byte(`{}`), Author: "a@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	details, err := seal.Under(key.Session, plain)
	if err != nil {
		t.Fatal(err)
	}
	desk := reading.NewDesk(store, reading.DefaultLimits, mail.DefaultLimits)
	return fixture{
		opener: opener,
		judged: func(judge scan.Judging, young bool) *scan.Worker {
			return scan.NewWorker(desk, opener, judge, func(*itemv1.Record) bool { return young })
		},
		event: &mailv1.Verified{
			Record:   &itemv1.Record{Item: "item"},
			Findings: &itemv1.Findings{SenderVerdict: "unverified", SenderReasons: []string{"no_policy"}, Kind: "person"},
			Details:  details,
		},
	}
}

func (f fixture) worker(s second, young bool) *scan.Worker {
	return f.judged(scan.Here(attachment.Options{SecondOpinion: s}), young)
}

func details(t *testing.T, f fixture, scanned *mailv1.Scanned) (*contentv1.Findings, attachment.Report) {
	t.Helper()
	key, err := f.opener.Open(t.Context(), open.Ask{})
	if err != nil {
		t.Fatal(err)
	}
	defer key.Clear()
	plain, err := open.Bytes(key.Session, scanned.GetDetails(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	findings := new(contentv1.Findings)
	if err := proto.Unmarshal(plain, findings); err != nil {
		t.Fatal(err)
	}
	var report attachment.Report
	if err := json.Unmarshal(findings.GetScan(), &report); err != nil {
		t.Fatal(err)
	}
	return findings, report
}

func TestTheReportJoinsWhatIsKnownOfTheSender(t *testing.T) {
	f := sealed(t, raw)
	scanned, err := f.worker(clean, true).Scan(t.Context(), f.event)
	if err != nil {
		t.Fatal(err)
	}
	if got := scanned.GetFindings(); got.GetScanVerdict() != "clean" || got.GetSenderVerdict() != "unverified" || got.GetKind() != "person" {
		t.Errorf("findings %v", got)
	}
	findings, report := details(t, f, scanned)
	if findings.GetAuthor() != "a@example.com" || len(report.Attachments) != 1 || report.Attachments[0].Name != "note.txt" {
		t.Errorf("author %s, report %+v", findings.GetAuthor(), report)
	}
	if f.event.GetFindings().GetScanVerdict() != "" {
		t.Error("the event that came was changed")
	}
}

func TestASilentScannerIsWaitedForWhileAMailIsYoungAndNeverCallsItClean(t *testing.T) {
	f := sealed(t, raw)
	if _, err := f.worker(silent, true).Scan(t.Context(), f.event); !fault.IsLater(err) {
		t.Errorf("young: %v, want later", err)
	}
	scanned, err := f.worker(silent, false).Scan(t.Context(), f.event)
	if err != nil {
		t.Fatal(err)
	}
	if got := scanned.GetFindings().GetScanVerdict(); got != "error" {
		t.Errorf("old: verdict %s, want error", got)
	}
}

func TestAReportThatIsTooLongKeepsItsVerdict(t *testing.T) {
	var long strings.Builder
	long.WriteString("From: a@example.com\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n")
	name := strings.Repeat("n", 600)
	for i := range 900 {
		fmt.Fprintf(&long, "--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=%s%d.pdf.exe\r\n\r\nMZ%d\r\n", name, i, i)
	}
	long.WriteString("--b--\r\n")
	f := sealed(t, long.String())
	scanned, err := f.worker(clean, true).Scan(t.Context(), f.event)
	if err != nil {
		t.Fatal(err)
	}
	if scanned.GetFindings().GetScanVerdict() == "clean" {
		t.Error("900 disguised files are clean")
	}
	if _, report := details(t, f, scanned); string(report.Scan.Verdict) != scanned.GetFindings().GetScanVerdict() {
		t.Errorf("the sealed verdict is %s", report.Scan.Verdict)
	}
}

func TestFindingsNoteWithWhichSignaturesAMailWasJudgedAndWhen(t *testing.T) {
	f, version := sealed(t, raw), fixed("one")
	now := func() time.Time { return noon }
	scanned, err := f.worker(clean, true).Noting(&version, now).Scan(t.Context(), f.event)
	if got := scanned.GetFindings(); err != nil || got.GetSignatures() != "one" || !got.GetJudged().AsTime().Equal(noon) {
		t.Errorf("%v, %v", got, err)
	}
	changes := f.judged(func(ctx context.Context, m *mail.Message) (attachment.Report, error) {
		version = "two"
		return scan.Here(attachment.Options{SecondOpinion: second(clean)})(ctx, m)
	}, true)
	scanned, err = changes.Noting(&version, now).Scan(t.Context(), f.event)
	if got := scanned.GetFindings(); err != nil || got.GetSignatures() != "" || got.GetJudged() != nil {
		t.Errorf("of signatures that changed meanwhile: %v, %v", got, err)
	}
	version = ""
	scanned, err = f.worker(clean, true).Noting(&version, now).Scan(t.Context(), f.event)
	if got := scanned.GetFindings(); err != nil || got.GetSignatures() != "" || got.GetJudged() != nil {
		t.Errorf("of signatures that nobody knows: %v, %v", got, err)
	}
}
