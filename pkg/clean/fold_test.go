package clean

import (
	"strings"
	"testing"
)

// Each is the frame that a program puts around history, as its mails have it.
var htmlHistories = map[string]string{
	"Gmail":             `<div dir="ltr">Answer</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">On Mon A wrote:<br></div><blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex">old</blockquote></div>`,
	"Gmail, new":        `<div dir="ltr">Answer</div><br><div class="gmail_quote gmail_quote_container"><div class="gmail_attr">x</div><blockquote class="gmail_quote">old</blockquote></div>`,
	"Gmail by Outlook":  `<div>Answer</div><div class="x_gmail_quote">old</div>`,
	"Thunderbird":       `<p>Answer</p><div class="moz-cite-prefix">Am 01.01.24 schrieb A:<br></div><blockquote type="cite" cite="mid:x@y">old</blockquote>`,
	"Thunderbird, fwd":  `<p>Answer</p><div class="moz-forward-container">-------- Forwarded Message --------<table><tr><td>From:</td></tr></table>old</div>`,
	"Apple Mail":        `<html><body>Answer<br><div><br><blockquote type="cite"><div>On 1 Jan 2024, at 10:00, A wrote:</div>old</blockquote></div></body></html>`,
	"Outlook.com":       `<div>Answer</div><div id="appendonsend"></div><hr style="display:inline-block;width:98%" tabindex="-1"><div id="divRplyFwdMsg" dir="ltr"><font><b>From:</b> A</font></div><div>old</div>`,
	"Outlook.com again": `<div>Answer</div><div id="x_divRplyFwdMsg"><b>From:</b> A</div><div>old</div>`,
	"Outlook 2016": `<div class="WordSection1"><p class="MsoNormal">Answer</p><div><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p class="MsoNormal"><b>From:</b> A<br><b>Sent:</b> Monday</p></div></div>` +
		`<p class="MsoNormal">old</p><p>older</p></div>`,
	"Outlook 2010":    `<div class="WordSection1"><p class="MsoNormal">Answer</p><div style='border:none;border-top:solid #B5C4DF 1.0pt;padding:3.0pt 0in 0in 0in'><p><b>From:</b> A</p></div><p>old</p></div>`,
	"Outlook for Mac": `<div>Answer</div><div><div style="border: none; border-top: solid #E1E1E1 1.0pt; padding: 3.0pt 0in 0in 0in;"><b>From: </b>A</div></div><div>old</div>`,
	"Outlook, phone":  `<div dir="auto">Answer</div><div id="ms-outlook-mobile-body-separator-line"><br></div><div id="mail-editor-reference-message-container"><div><b>Von:</b> A</div>old</div>`,
	"Yahoo":           `<div class="ydp1e8yahoo-style-wrap">Answer</div><div id="ydp2fyahoo_quoted_123" class="ydp2fyahoo_quoted"><div>On Monday A wrote:</div>old</div>`,
	"Yahoo, older":    `<div>Answer</div><div class="yahoo_quoted" id="yahoo_quoted_4711"><div>old</div></div>`,
	"GMX":             `<div>Answer</div><div name="quote" style="margin:10px 5px 5px 10px; padding: 10px 0 10px 10px; border-left:2px solid #C3D9E5; word-wrap: break-word;"><div style="margin:0 0 10px 0;"><b>Gesendet:</b> Montag<br><b>Von:</b> A</div><div name="quoted-content">old</div></div>`,
	"Proton":          `<div>Answer</div><div class="protonmail_quote">On Monday A wrote:<blockquote class="protonmail_quote" type="cite">old</blockquote></div>`,
	"Tuta":            `<div>Answer</div><div class="tutanota_quote">old</div>`,
	"Zoho":            `<div>Answer</div><div class="zmail_extra"><div id="Zm-_Id_-Sgn1">---- On Mon A wrote ---</div><blockquote id="blockquote_zmail">old</blockquote></div>`,
	"Fastmail":        `<div>Answer</div><div>On Mon, A wrote:</div><blockquote type="cite" id="qt" style="">old</blockquote>`,
	"Mail.ru":         `<div>Answer</div><blockquote style="border-left:1px solid #0857A6;margin:10px;padding:0 0 0 10px" cite="17040">old</blockquote>`,
	"Yandex":          `<div>Answer</div><div>01.01.2024, 10:00, "A" &lt;a@b.example&gt;:</div><blockquote>old</blockquote>`,
	"QQ":              `<div>Answer</div><div style="font-size:12px">------------------&nbsp;原始邮件&nbsp;------------------</div><div style="background:#efefef"><div><b>发件人:</b> A</div></div><div>old</div>`,
	"Outlook 2003":    `<p>Answer</p><p>-----Original Message-----</p><p><b>From:</b> A</p><p>old</p>`,
	"Spark":           `<div name="messageBodySection">Answer</div><div name="messageReplySection">On 1 Jan A wrote:<blockquote>old</blockquote></div>`,
	"Front":           `<div>Answer</div><blockquote type="cite" class="front-blockquote">old</blockquote>`,
	"Roundcube":       `<p>Answer</p><p id="reply-intro">On 2024-01-01 10:00, A wrote:</p><blockquote type="cite" style="padding:0 0.4em">old</blockquote>`,
	"NetEase":         `<div>Answer</div><div id="isReplyContent" class="isReplyContent">old</div>`,
}

func folded(t *testing.T, name, document, class string) {
	t.Helper()
	got := cleaned(t, document, Options{}).HTML
	at := strings.Index(got, foldTags(class))
	if at < 0 || !strings.Contains(got[:at], "Answer") {
		t.Errorf("%s: %q", name, got)
		return
	}
	inside := 0
	rest := got
	for rest != "" { // every "old" stands within a fold
		open, end, old := strings.Index(rest, `<details class="postern-`), strings.Index(rest, "</details>"), strings.Index(rest, "old")
		switch {
		case old < 0:
			rest = ""
		case open >= 0 && open < old && (end < 0 || open < end):
			inside++
			rest = rest[open+1:]
		case end >= 0 && end < old:
			inside--
			rest = rest[end+1:]
		default:
			if inside < 1 {
				t.Errorf("%s: old words are not folded in %q", name, got)
			}
			rest = rest[old+1:]
		}
	}
	if !strings.Contains(Text(document), "old") {
		t.Errorf("%s: the text form lost the old words", name)
	}
}

func TestHistoryInHTMLFoldsForEveryClient(t *testing.T) {
	for name, document := range htmlHistories {
		folded(t, name, document, ClassQuote)
	}
}

func TestABareQuotationFoldsBehindItsIntroductionInEveryLanguage(t *testing.T) {
	escape := strings.NewReplacer("<", "&lt;", ">", "&gt;")
	for _, q := range quotings {
		folded(t, q.client+", "+q.language, "<div>Answer</div><div>"+escape.Replace(q.line)+"</div><blockquote>old</blockquote>", ClassQuote)
		folded(t, q.client+", "+q.language, "<div>Answer</div>"+escape.Replace(q.line)+"<br><blockquote>old</blockquote>", ClassQuote)
	}
}

func TestSignaturesInHTMLFold(t *testing.T) {
	for name, document := range map[string]string{
		"Gmail":       `<div>Answer</div><div class="gmail_signature">old</div>`,
		"Thunderbird": `<p>Answer</p><pre class="moz-signature" cols="72">-- old</pre>`,
		"Apple":       `<div>Answer</div><div id="AppleMailSignature">old</div>`,
		"Outlook":     `<div>Answer</div><div id="ms-outlook-mobile-signature">old</div>`,
		"Outlook web": `<div>Answer</div><div id="Signature">old</div>`,
		"Proton":      `<div>Answer</div><div class="protonmail_signature_block">old</div>`,
		"Spark":       `<div>Answer</div><div name="messageSignatureSection">old</div>`,
	} {
		folded(t, name, document, ClassSignature)
	}
}

func TestAQuotationThatNobodyIntroducesStaysOpen(t *testing.T) {
	for _, document := range []string{
		`<p>He said</p><blockquote>words</blockquote>`, `<p>As follows:</p><blockquote>words</blockquote>`, `<blockquote>words</blockquote>`,
		`<div style="border-top:1px solid #eee">words</div>`, `<div class="quotes">words</div>`, `<table class="signature"><tr><td>words</td></tr></table>`,
	} {
		if got := cleaned(t, document, Options{}).HTML; strings.Contains(got, "<details") {
			t.Errorf("%q: %q", document, got)
		}
	}
}
