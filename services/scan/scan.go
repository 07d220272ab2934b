// Package scan finds out what a mail carries and says so with a verdict for
// every part. What it knows is pkg/attachment's; here is only the work: open,
// walk, ask for a second opinion, seal, say.
package scan

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/reading"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
)

// Bounds of what travels sealed in an event.
const (
	// detailsLimit leaves room for what sealing adds; past it the report loses the members of archives.
	detailsLimit = keys.MaxDetails - 4<<10 // bytes
	findingsRead = 1 << 20
)

// Judge is the one judgement of contents, for the service and for inspect.
func Judge(ctx context.Context, message *mail.Message, options attachment.Options) attachment.Report {
	return attachment.Scan(ctx, message, options)
}

// A Judging judges contents wherever it does so. An error says that nothing is known of the mail and that
// another try may know more.
type Judging func(ctx context.Context, message *mail.Message) (attachment.Report, error)

// Here judges in this process.
func Here(options attachment.Options) Judging {
	return func(ctx context.Context, message *mail.Message) (attachment.Report, error) {
		return Judge(ctx, message, options), nil
	}
}

// A Worker scans.
type Worker struct {
	desk   *reading.Desk
	opener reading.Opener
	judge  Judging
	young  func(record *itemv1.Record) bool
	// versions tell which signatures the second opinion rests on; nil: nobody does.
	versions Versions
	now      func() time.Time
}

// NewWorker reads at a desk. While a mail is young, a scanner that cannot answer, and a judgement that
// cannot be had, is waited for; after that its silence is a verdict of error, never of clean.
func NewWorker(desk *reading.Desk, opener reading.Opener, judge Judging, young func(*itemv1.Record) bool) *Worker {
	return &Worker{desk: desk, opener: opener, judge: judge, young: young}
}

// Noting has a worker note in its findings with which signatures it judged, and when.
func (w *Worker) Noting(versions Versions, now func() time.Time) *Worker {
	w.versions, w.now = versions, now
	return w
}

// Scan turns what was verified into what is scanned.
func (w *Worker) Scan(ctx context.Context, verified *mailv1.Verified) (*mailv1.Scanned, error) {
	record := verified.GetRecord()
	opened, err := w.desk.Read(ctx, w.opener, keys.ForScan, record.GetItem())
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	var signatures string
	if w.versions != nil {
		signatures = w.versions.Current()
	}
	report, err := w.judge(ctx, opened.Message)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err != nil {
		if w.young(record) {
			return nil, fault.LaterFor(err, 0, "not_examined")
		}
		report = unexamined(attachment.NotExamined)
	}
	if report.Unavailable != nil && w.young(record) {
		return nil, fault.LaterFor(report.Unavailable, 0, "scanner_silent")
	}
	plain, err := opened.OpenBeside(verified.GetDetails(), findingsRead)
	if err != nil {
		return nil, fmt.Errorf("sender details: %w", err)
	}
	sealed, err := w.seal(opened, plain, report)
	if err != nil {
		return nil, err
	}
	findings, _ := proto.Clone(verified.GetFindings()).(*itemv1.Findings)
	if signatures != "" && signatures == w.versions.Current() { // else nobody knows which judged what: it is judged anew
		findings.Signatures, findings.Judged = signatures, timestamppb.New(w.now())
	}
	findings.ScanVerdict = string(report.Scan.Verdict)
	for _, reason := range report.Scan.Reasons {
		findings.ScanReasons = append(findings.ScanReasons, string(reason))
	}
	return &mailv1.Scanned{Record: record, Findings: findings, Details: sealed, Evidence: verified.GetEvidence()}, nil
}

// seal adds the report to the sender's details. A report that is too long for an event
// loses the members of archives, then all but its verdict: what it concludes stays.
func (w *Worker) seal(opened *reading.Mail, senderDetails []byte, report attachment.Report) ([]byte, error) {
	var findings contentv1.Findings
	if err := proto.Unmarshal(senderDetails, &findings); err != nil {
		return nil, fmt.Errorf("sender details: %w", err)
	}
	findings.Encryption = opened.Encrypted() // who shows the mail shows nothing else than what is reported here
	for shorten := 0; ; shorten++ {
		scan, err := json.Marshal(report)
		if err != nil {
			return nil, fmt.Errorf("scan report: %w", err)
		}
		findings.Scan = scan
		plain, err := proto.Marshal(&findings)
		if err != nil {
			return nil, fmt.Errorf("scan report: %w", err)
		}
		if len(plain) <= detailsLimit {
			return opened.SealBeside(plain)
		}
		switch shorten {
		case 0:
			for i := range report.Attachments {
				report.Attachments[i].Children = nil
			}
		case 1:
			report.Attachments = nil
		default:
			return nil, fault.Final("report_too_large")
		}
	}
}
