package attachment

import (
	"testing"

	"github.com/postern-mail/postern/pkg/mail"
)

func TestWhatLiesElsewhereOrInOtherMailsIsNeverClean(t *testing.T) {
	elsewhere := "From: a@example.com\r\nContent-Type: multipart/mixed; boundary=frame\r\n\r\n--frame\r\n\r\nhello\r\n--frame\r\n" +
		"Content-Type: message/external-body; access-type=anon-ftp; site=ftp.example.com; name=a.txt\r\n\r\nContent-Type: text/plain\r\nContent-ID: <a@b>\r\n\r\n--frame--\r\n"
	piece := "From: a@example.com\r\nContent-Type: message/partial; id=\"a@b\"; number=2; total=3\r\n\r\nTWFu\r\n"
	packed := "From: a@example.com\r\nContent-Type: message/rfc822\r\n\r\n" + elsewhere
	for text, reason := range map[string]Reason{elsewhere: ExternalBody, piece: PartialMessage, packed: ExternalBody} {
		report := Scan(t.Context(), mail.Parse([]byte(text), mail.Limits{}), Options{})
		if report.Scan.Verdict != Unsupported || !contains(report.Scan.Reasons, reason) || len(report.Attachments) != 1 {
			t.Errorf("%s: %+v, %d attachments", reason, report.Scan, len(report.Attachments))
		}
	}
}

func TestANameInALocationCountsWhereThereIsNoOther(t *testing.T) {
	for location, verdict := range map[string]Verdict{"http://example.com/setup.exe": Suspicious, "http://example.com": Clean, "http://example.com/": Clean, "http://example.com/a.gif": Clean, "setup.exe": Suspicious, "http://example.com/setup.exe?a=b": Suspicious, "a.gif": Clean} {
		text := "From: a@example.com\r\nContent-Type: application/octet-stream\r\nContent-Location: " + location + "\r\n\r\nwords\r\n"
		if report := Scan(t.Context(), mail.Parse([]byte(text), mail.Limits{}), Options{}); report.Scan.Verdict != verdict {
			t.Errorf("%s: %+v", location, report.Scan)
		}
	}
}
