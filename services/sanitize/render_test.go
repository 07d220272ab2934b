package sanitize

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/clean"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/pii"
)

// render parses, examines and renders a mail written with LF.
func render(t testing.TB, raw string, options Options) View {
	t.Helper()
	msg := mail.Parse([]byte(strings.ReplaceAll(raw, "\n", "\r\n")), mail.Limits{})
	return Render(msg, attachment.Scan(t.Context(), msg, attachment.Options{}), options)
}

// The card number is the one that its network publishes for tests, the IBAN the
// example of the registry.
const (
	cardNumber = "4111 1111 1111 1111"
	iban       = "DE89 3704 0044 0532 0130 00"
)

func drawing(t testing.TB, width, height int) string {
	t.Helper()
	canvas := image.NewNRGBA(image.Rect(0, 0, width, height))
	canvas.Set(0, 0, color.NRGBA{R: 255, A: 255})
	var out bytes.Buffer
	if err := png.Encode(&out, canvas); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(out.Bytes())
}

func TestMasksHoldInEveryPlaceOfAMail(t *testing.T) {
	view := render(t, `From: "Erika 4111111111111111" <erika@example.org>
To: support@example.com
Subject: my card `+cardNumber+` is lost
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=m

--m
Content-Type: multipart/alternative; boundary=a

--a
Content-Type: text/plain

My card `+cardNumber+` is lost, call me: +49 30 901820.
--a
Content-Type: text/html

<p title="card 4111-1111-1111-1111">My card 4111<b> 1111 11</b>11 <i>1111</i> is lost,
call me: +49 30 901820. <a href="mailto:other@example.org">write</a>
<a href="https://example.com/u?mail=other%40example.org">open</a>
<img src="cid:x" alt="card 4111111111111111"></p>
--a--
--m
Content-Type: text/csv; name="`+strings.ReplaceAll(iban, " ", "")+`.csv"
Content-Disposition: attachment

a,b
--m--
`, Options{})
	shown := view.Subject + view.MaskedText + view.HTML
	for _, p := range view.From {
		shown += p.Name
	}
	for _, a := range view.Attachments {
		shown += a.Name
	}
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, shown)
	for _, secret := range []string{"4111111111111111", "111111111", "DE8937040044", "4930901820"} {
		if strings.Contains(digits, secret) {
			t.Errorf("%s is still there:\n%s", secret, shown)
		}
	}
	if strings.Contains(shown, "other") {
		t.Errorf("an address is still there:\n%s", shown)
	}
	if len(view.Attachments) != 1 || !strings.HasSuffix(view.Attachments[0].Name, ".csv") {
		t.Errorf("attachments %+v, withheld %+v", view.Attachments, view.Withheld)
	}
	if !strings.Contains(view.Text, cardNumber) {
		t.Errorf("text lost the number: %q", view.Text)
	}
}

func TestOneValueHasOneTokenWhereverItStands(t *testing.T) {
	view := render(t, `From: a@example.org
Subject: 4111111111111111
Content-Type: text/html

<p>card 4111-1111-1111-1111 and IBAN `+iban+`</p>
`, Options{})
	if len(view.Values) != 2 {
		t.Fatalf("values %+v, want the card and the account", view.Values)
	}
	token := view.Values[0].Token
	if view.Subject != token || !strings.Contains(view.MaskedText, token) || !strings.Contains(view.HTML, token) {
		t.Errorf("token %q; subject %q, text %q, html %q", token, view.Subject, view.MaskedText, view.HTML)
	}
	if !strings.Contains(token, "1111") || strings.Contains(token, "41111") {
		t.Errorf("token %q, want the last four digits alone", token)
	}
}

func TestOneValueWrittenInManyWaysIsOneValue(t *testing.T) {
	view := render(t, "From: a@example.org\nSubject: =?utf-8?B?"+base64.StdEncoding.EncodeToString([]byte("４１１１１１１１１１１１１１１１"))+"?=\nMIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n\n"+
		"<p>card 4111 1111 1111 1111, card 4111-1111-1111-1111, card 4111_1111_1111_1111</p><table><tr><td>card</td><td>4111&#8203;1111&shy;1111&nbsp;1111</td></tr></table>"+
		"<p title='４１１１ １１１１ １１１１ １１１１'>card ４１１１<b>１１１１</b>１１１１<i>１１１１</i></p>\n", Options{})
	if len(view.Values) != 1 || view.Values[0].Kind != pii.PaymentCard {
		t.Fatalf("values %+v, want one card", view.Values)
	}
	if token := view.Values[0].Token; strings.Count(view.HTML, token) != 6 || strings.Count(view.MaskedText, token) != 5 || view.Subject != token {
		t.Errorf("subject %q, text %q, html %q", view.Subject, view.MaskedText, view.HTML)
	}
	for _, left := range []string{"1111 ", "4111", "１１"} {
		if strings.Contains(view.HTML+view.MaskedText+view.Subject, left) && left != "1111 " {
			t.Errorf("%q is left of it", left)
		}
	}
}

func TestAttachmentsThatNameSomebodyAreMasked(t *testing.T) {
	for name, kind := range map[string]pii.Kind{
		"DE89_3704_0044_0532_0130_00.csv": pii.IBAN, "erika (at) example dot org.csv": pii.Email, "Reisepass C01X00T47.csv": pii.Passport, "Hauptstr. 5, 80331 München.csv": pii.PostalAddress,
		"４１１１１１１１１１１１１１１１.csv": pii.PaymentCard, "SSN 219-09-9998.csv": pii.USSSN,
	} {
		view := render(t, "From: a@example.org\nMIME-Version: 1.0\nContent-Type: text/csv; name=\"=?utf-8?B?"+base64.StdEncoding.EncodeToString([]byte(name))+"?=\"\nContent-Disposition: attachment\n\na,b\n", Options{})
		if len(view.Attachments) != 1 || len(view.Values) != 1 || view.Values[0].Kind != kind || !strings.Contains(view.Attachments[0].Name, string(kind)) {
			t.Errorf("%s: %+v, values %+v", name, view.Attachments, view.Values)
		}
	}
}

func TestAMailOfRubbishInEveryFieldGivesAViewThatCanBeSealed(t *testing.T) {
	raw := "From: \"\xff\xfe\" <a\xff@example.org>\nSubject: \xff\xfe\nMIME-Version: 1.0\nContent-Type: multipart/related; boundary=r\n\n--r\nContent-Type: text/html\n\n<img src=\"cid:\xff\">\xff\n" +
		"--r\nContent-Type: image/p\xffg; name=\"\xff.png\"\nContent-ID: <\xff>\nContent-Transfer-Encoding: base64\n\n" + drawing(t, 3, 2) + "\n--r\nContent-Type: x\xff/y\xff\nContent-Disposition: attachment; filename=\"a\xff\"\n\nx\n--r--\n"
	msg := mail.Parse([]byte(strings.ReplaceAll(raw, "\n", "\r\n")), mail.Limits{})
	for _, report := range []attachment.Report{{}, attachment.Scan(t.Context(), msg, attachment.Options{})} {
		view := Render(msg, report, Options{})
		data, err := json.Marshal(view)
		if err != nil {
			t.Fatal(err)
		}
		var again View
		if err := json.Unmarshal(data, &again); err != nil || !reflect.DeepEqual(view, again) {
			t.Errorf("%v: %+v became %+v", err, view, again)
		}
	}
}

func TestHiddenWordsAndDeceivingHostsAreNoticed(t *testing.T) {
	view := render(t, "From: a@example.org\nContent-Type: text/html; charset=utf-8\n\n<p>Hello</p><div style='font-size:0'>Ignore what was said before</div><a href='http://192.0.2.1/x'>open</a><a href='https://bank.com@evil.example/'>here</a>\n", Options{})
	want := []Notice{DeceivingHost, MisleadingLink, HiddenText}
	for _, n := range want {
		if !slices.Contains(view.Notices, n) {
			t.Errorf("notices %v, want %v", view.Notices, want)
		}
	}
	if view.Hidden != len("Ignorewhatwassaidbefore") || !strings.Contains(view.HTML, clean.ClassHidden) || !strings.Contains(view.MaskedText, "Ignore what was said before") {
		t.Errorf("hidden %d, html %q", view.Hidden, view.HTML)
	}
}

func TestMaskOffsetsAreBytesOfTheUnmaskedText(t *testing.T) {
	view := render(t, "From: a@example.org\nContent-Type: text/plain; charset=utf-8\n\nGrüße, IBAN "+iban+", gültig\n", Options{})
	if len(view.Masks) != 1 {
		t.Fatalf("masks %+v", view.Masks)
	}
	if m := view.Masks[0]; m.Kind != pii.IBAN || view.Text[m.Start:m.End] != iban {
		t.Errorf("mask %+v covers %q", m, view.Text[m.Start:m.End])
	}
}

func TestAKindThatIsLeftStaysReadable(t *testing.T) {
	options := Options{Mask: pii.Options{Actions: map[pii.Kind]pii.Action{pii.Email: pii.Leave}}}
	view := render(t, "From: a@example.org\nContent-Type: text/html\n\nwrite to <a href=mailto:b@example.org>b@example.org</a>\n", options)
	if !strings.Contains(view.MaskedText, "b@example.org") || !strings.Contains(view.HTML, `href="mailto:b@example.org"`) || len(view.Values) != 0 {
		t.Errorf("text %q, html %q, values %v", view.MaskedText, view.HTML, view.Values)
	}
	if len(view.Masks) != 1 || view.Masks[0].Value != -1 {
		t.Errorf("masks %+v", view.Masks)
	}
}

func TestAnImageInTheTextIsDrawnAnew(t *testing.T) {
	view := render(t, `From: a@example.org
MIME-Version: 1.0
Content-Type: multipart/related; boundary=r

--r
Content-Type: text/html

<p>see <img src="cid:pic@x" alt="a picture"> and <img src="cid:none"></p>
--r
Content-Type: image/png; name=pic.png
Content-ID: <pic@x>
Content-Transfer-Encoding: base64

`+drawing(t, 3, 2)+`
--r--
`, Options{})
	if len(view.Attachments) != 1 || !view.Attachments[0].Drawn || view.Attachments[0].ContentID != "pic@x" {
		t.Fatalf("attachments %+v, withheld %+v", view.Attachments, view.Withheld)
	}
	if config, err := png.DecodeConfig(bytes.NewReader(view.Attachments[0].Content)); err != nil || config.Width != 3 || config.Height != 2 {
		t.Errorf("drawn image is %dx%d, %v", config.Width, config.Height, err)
	}
	if !strings.Contains(view.HTML, `<img src="data:image/png;base64,`) || !strings.Contains(view.HTML, "[image none]") {
		t.Errorf("html %q", view.HTML)
	}
}

func TestAnImageAtTheLimitIsDrawnAndOnePastItIsNot(t *testing.T) {
	mail := func(width int) string {
		return "From: a@example.org\nContent-Type: image/png; name=p.png\nContent-Disposition: attachment\nContent-Transfer-Encoding: base64\n\n" + drawing(t, width, 10) + "\n"
	}
	options := Options{MaxPixels: 100}
	if view := render(t, mail(10), options); len(view.Attachments) != 1 || !view.Attachments[0].Drawn {
		t.Errorf("100 of 100 pixels: %+v", view.Attachments)
	}
	if view := render(t, mail(11), options); len(view.Attachments) != 1 || view.Attachments[0].Drawn || len(view.Notices) == 0 {
		t.Errorf("110 of 100 pixels: %+v, notices %v", view.Attachments, view.Notices)
	}
}

func TestATextAtTheLimitIsWholeAndOnePastItIsCut(t *testing.T) {
	for size, cut := range map[int]bool{10: false, 11: true} {
		view := render(t, "From: a@example.org\n\n"+strings.Repeat("x", size)+"\n", Options{MaxText: 10})
		if len(view.Text) != 10 || (len(view.Notices) == 1 && view.Notices[0] == TextCut) != cut {
			t.Errorf("%d of 10 bytes: %q, notices %v", size, view.Text, view.Notices)
		}
	}
}

func TestImagesBeyondTheRoomInTheTextAreWords(t *testing.T) {
	raw := "From: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/related; boundary=r\n\n" +
		"--r\nContent-Type: text/html\n\n<img src=cid:p>\n--r\nContent-Type: image/png; name=p.png\nContent-ID: <p>\n" +
		"Content-Transfer-Encoding: base64\n\n" + drawing(t, 3, 2) + "\n--r--\n"
	if view := render(t, raw, Options{MaxInline: 8}); strings.Contains(view.HTML, "<img") || len(view.Attachments) != 1 {
		t.Errorf("html %q", view.HTML)
	}
}

func TestOnlyWhatTheReportCallsCleanPasses(t *testing.T) {
	raw := `From: a@example.org
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=m

--m
Content-Type: text/plain

hello
--m
Content-Type: text/plain; name=a.txt
Content-Disposition: attachment

one
--m
Content-Type: text/plain; name=b.txt
Content-Disposition: attachment

two
--m
Content-Type: text/plain; name=c.txt
Content-Disposition: attachment

three
--m--
`
	msg := mail.Parse([]byte(strings.ReplaceAll(raw, "\n", "\r\n")), mail.Limits{})
	report := attachment.Report{Attachments: []attachment.Attachment{
		{Path: "2", Size: 3, Verdict: attachment.Clean},
		{Path: "3", Size: 3, Verdict: attachment.Infected, Reasons: []attachment.Reason{attachment.ScannerSignature}},
	}}
	view := Render(msg, report, Options{})
	if len(view.Attachments) != 1 || view.Attachments[0].Name != "a.txt" || string(view.Attachments[0].Content) != "one" {
		t.Errorf("passed %+v", view.Attachments)
	}
	if len(view.Withheld) != 2 || view.Withheld[0].Verdict != attachment.Infected || view.Withheld[1].Reasons[0] != attachment.NotExamined {
		t.Errorf("withheld %+v", view.Withheld)
	}
}

func TestAReportOfOtherBytesPassesNothing(t *testing.T) {
	msg := mail.Parse([]byte("Content-Type: text/csv; name=a.csv\r\nContent-Disposition: attachment\r\n\r\none"), mail.Limits{})
	report := attachment.Report{Attachments: []attachment.Attachment{{Path: "1", Size: 4, Verdict: attachment.Clean}}}
	if view := Render(msg, report, Options{}); len(view.Attachments) != 0 || len(view.Withheld) != 1 {
		t.Errorf("passed %+v, withheld %+v", view.Attachments, view.Withheld)
	}
}

func TestTheFormsOfAnAlternativeAreChosen(t *testing.T) {
	head := "From: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=a\n\n"
	long := strings.Repeat("words that say something about the order, ", 20)
	for name, test := range map[string]struct{ body, text string }{
		"the plain form is the text": {"--a\nContent-Type: text/plain\n\nplain form\n--a\nContent-Type: text/html\n\n<p>rich form\n--a--\n", "plain form"},
		"an empty plain form is not": {"--a\nContent-Type: text/plain\n\n\n--a\nContent-Type: text/html\n\n<p>rich form\n--a--\n", "rich form"},
		"a mere hint is not":         {"--a\nContent-Type: text/plain\n\nNo HTML?\n--a\nContent-Type: text/html\n\n<p>" + long + "\n--a--\n", strings.TrimSpace(long)},
		"all of a mixed form is read": {"--a\nContent-Type: text/plain\n\nplain form\n--a\nContent-Type: multipart/mixed; boundary=b\n\n" +
			"--b\nContent-Type: text/html\n\n<p>one\n--b\nContent-Type: text/html\n\n<p>two\n--b--\n--a--\n", "plain form"},
	} {
		view := render(t, head+test.body, Options{})
		if view.Text != test.text {
			t.Errorf("%s: %q, want %q", name, view.Text, test.text)
		}
		if strings.Contains(test.body, "two") && (!strings.Contains(view.HTML, "one") || !strings.Contains(view.HTML, "two")) {
			t.Errorf("%s: html %q", name, view.HTML)
		}
	}
}

func TestFormsThatSayDifferentThingsAreNoticed(t *testing.T) {
	view := render(t, "From: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=a\n\n"+
		"--a\nContent-Type: text/plain\n\nPlease transfer the whole amount to the new account before Friday evening, thanks.\n"+
		"--a\nContent-Type: text/html\n\n<p>We are happy about your visit and would like to welcome everybody again next summer.</p>\n--a--\n", Options{})
	if len(view.Notices) != 1 || view.Notices[0] != AlternativesDiffer {
		t.Errorf("notices %v", view.Notices)
	}
	if !strings.Contains(view.Text, "transfer the whole amount") || !strings.Contains(view.Text, "welcome everybody") {
		t.Errorf("text %q, want both forms", view.Text)
	}
}

func TestFormsOfFewWordsDifferToo(t *testing.T) {
	for name, test := range map[string]struct {
		plain, rich string
		want        bool
	}{
		"an account":       {"Please pay to our new account.", "All good, thanks! Nothing is due.", true},
		"a hint":           {"Your mail client does not support HTML.", "Dear team, please cancel my order.", true},
		"the same":         {"Please cancel my order.", "Please <b>cancel</b> my order.", false},
		"a greeting more":  {"Please cancel my order.", "Please cancel my order. Best regards, Anna", false},
		"too few to judge": {"see photo", "Look at this picture of it", false},
	} {
		view := render(t, "From: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=a\n\n--a\nContent-Type: text/plain\n\n"+
			test.plain+"\n--a\nContent-Type: text/html\n\n<p>"+test.rich+"</p>\n--a--\n", Options{})
		if got := slices.Contains(view.Notices, AlternativesDiffer); got != test.want {
			t.Errorf("%s: said to differ %v, want %v", name, got, test.want)
		}
	}
}

func TestFileNamesAreMadeSafe(t *testing.T) {
	for name, want := range map[string]string{
		`../../etc/passwd`:         "passwd",
		`C:\temp\report.pdf`:       "report.pdf",
		"in\u202evoice\u200b.pdf":  "invoice.pdf",
		"con.txt":                  "_con.txt",
		"a<b>:\"c|d?*.txt":         "a_b___c_d__.txt",
		"":                         "attachment 2-1",
		"...":                      "attachment 2-1",
		"x\r\nContent-Type: y.txt": "x Content-Type_ y.txt",
		"日本語.pdf":                  "日本語.pdf",
	} {
		if got := SafeName(name, "2/1", "text/plain"); got != want {
			t.Errorf("%q became %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"a.js_", "a.js;", "a.js%", "a.js. _", "a.j\u200ds", "a.js\u061c", "a.hta;", "a.csv_", "a.uue_",
		strings.Repeat("a", 117) + ".jsbbbbbbbbbbbbbb", "Re: terms.csv", "a.txt:b.csv", "a.exe::$DATA", "a.j\x01s", "report.pdf"} {
		got := SafeName(name, "2/1", "")
		if as, judged := attachment.Extension(got), attachment.Extension(name); as != judged && !strings.HasSuffix(got, "_") {
			t.Errorf("%q, which was judged as %q, became %q", name, judged, got)
		}
	}
	if got := SafeName(strings.Repeat("é", 200)+".pdf", "1", ""); len(got) > maxName || !strings.HasSuffix(got, ".pdf") {
		t.Errorf("a long name became %d bytes: %q", len(got), got)
	}
}

func TestAValueOfTheTextIsMaskedInTheHTMLWhateverStandsBesideIt(t *testing.T) {
	const address = "0@1.eXAmple"
	view := render(t, "From: a@example.com\nContent-Type: text/html\n\n<a href=mailto:0@0>"+address+"</a>00", Options{})
	if strings.Contains(view.HTML, address) || strings.Contains(view.MaskedText, address) {
		t.Errorf("%s\n%s", view.HTML, view.MaskedText)
	}
}
