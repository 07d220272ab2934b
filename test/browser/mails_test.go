package browser

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/mail"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	"github.com/postern-mail/postern/services/desk/desktest"
	"github.com/postern-mail/postern/services/sanitize"
)

// rendered is a mail as the pipeline would hand it to the desk: parsed, examined and
// sanitized by the real parts.
func rendered(t testing.TB, raw string) desktest.Mail {
	t.Helper()
	message := mail.Parse([]byte(raw), mail.Limits{})
	report := attachment.Scan(t.Context(), message, attachment.Options{})
	view := sanitize.Render(message, report, sanitize.Options{})
	scan, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	m := desktest.Mail{
		Raw:  raw,
		Card: &contentv1.Card{Subject: view.Subject, SenderVerdict: "unverified", ScanVerdict: string(report.Scan.Verdict), Kind: "person", Snippet: view.MaskedText[:min(len(view.MaskedText), 100)]},
		Message: &contentv1.Message{
			Text: view.MaskedText, Html: view.HTML, Scan: scan,
			RemovedActive: int32(view.Removed.Active), RemovedRemote: int32(view.Removed.Remote), RemovedTrackers: int32(view.Removed.Trackers),
		},
	}
	if len(view.From) > 0 {
		m.Card.FromName, m.Card.FromAddress = view.From[0].Name, view.From[0].Address
	}
	for _, notice := range view.Notices {
		m.Message.Notices = append(m.Message.Notices, string(notice))
	}
	for i, value := range view.Values {
		m.Message.Masks = append(m.Message.Masks, &contentv1.Mask{Kind: string(value.Kind), Token: value.Token, Packet: int32(i)})
		m.Values = append(m.Values, &contentv1.Value{Kind: string(value.Kind), Value: value.Value})
	}
	for _, passed := range view.Attachments {
		m.Message.Attachments = append(m.Message.Attachments, &contentv1.Attachment{Name: passed.Name, Type: passed.Type, Size: passed.Size, Verdict: "clean"})
		m.Files = append(m.Files, passed.Content)
	}
	for _, held := range view.Withheld {
		one := &contentv1.Attachment{Name: held.Name, Type: held.Type, Size: held.Size, Verdict: string(held.Verdict), Packet: -1}
		for _, reason := range held.Reasons {
			one.Reasons = append(one.Reasons, string(reason))
		}
		m.Message.Attachments = append(m.Message.Attachments, one)
	}
	return m
}

// asHTML is a mail of one HTML part.
func asHTML(html string) string {
	return "From: \"<script>alert(1)</script>\" <h@evil.example>\r\nTo: support@example.com\r\nSubject: <img src=x onerror=alert(1)> Hello\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + strings.ReplaceAll(html, "\n", "\r\n")
}

// signIn signs a tab in by a link, as somebody who clicks would.
func (p *tab) signIn(w *desktest.World, name string) {
	p.t.Helper()
	link, err := w.Web.SignInLink(p.t.Context(), name)
	if err != nil {
		p.t.Fatal(err)
	}
	p.run(chromedp.Navigate(link), chromedp.Click(chromedp.CSS("button.strong")), chromedp.WaitReady(chromedp.CSS("header.bar")))
}
