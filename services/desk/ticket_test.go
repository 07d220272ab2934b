package desk_test

import (
	"mime"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/mailauth"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/desk/desktest"
)

func TestATicketShowsWhatIsKnownOfItsMail(t *testing.T) {
	w := desktest.New(t)
	mail := rich("Printer <b>burns</b>")
	mail.Message.Notices = []string{"misleading_link"}
	mail.Message.RemovedActive, mail.Message.RemovedRemote, mail.Message.RemovedTrackers = 2, 3, 1
	mail.Card.ScanVerdict = "suspicious"
	mail.Message.Scan = []byte(`{"attachments":[],"scan":{"verdict":"suspicious","reasons":["executable"]}}`)
	ticket := w.Ticket(mail)
	c := as(w, t, "agnes")
	w.Forget()
	a := c.get("/tickets/" + ticket)
	for _, want := range []string{
		"Printer &lt;b&gt;burns&lt;/b&gt;", "Erika Mustermann", "erika@example.org", "support@example.com", "Sender confirmed",
		"confirms this mail", "server 192.0.2.1 for example.org", "example.org asks: refuse", "The true one stands beside it",
		"2 scripts and forms, 2 remote pictures and files and 1 tracker", "invoice.pdf", "run.exe", "This is a program.", "Suspicious, withheld",
		"IBAN", "Payment card", "21 December 2026", "20 November 2028",
	} {
		if !a.has(want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, never := range []string{"DE89370400440532013000", "4111111111111111", "<b>burns"} {
		if a.has(never) {
			t.Errorf("the page says %q", never)
		}
	}
	if !slices.Equal(w.Acts(), []string{"agnes open"}) {
		t.Errorf("the page is %q", w.Acts())
	}
	w.Forget()
	frame := c.get("/tickets/" + ticket + "/message")
	if !frame.has("<p>It does not work.</p>") || !slices.Equal(w.Acts(), []string{"agnes open"}) {
		t.Errorf("the frame is %q", w.Acts())
	}
	if text := c.get("/tickets/" + ticket + "/message?as=text"); !text.has("<pre>It does not work.</pre>") || text.has("<p>") {
		t.Errorf("as text: %s", text.body)
	}
}

func TestACleanMailSaysSoAndWhatWasNotLookedAtWith(t *testing.T) {
	w := desktest.New(t)
	alone, both := simple("Printer"), simple("Screen")
	alone.Message.Scan = []byte(`{"attachments":[],"scan":{"verdict":"clean","reasons":["no_second_opinion"]}}`)
	both.Message.Scan = []byte(`{"attachments":[],"scan":{"verdict":"clean","reasons":[]}}`)
	c := as(w, t, "agnes")
	if a := c.get("/tickets/" + w.Ticket(alone)); !a.has("<b>Clean</b>") || !a.has("No virus scanner is set up") {
		t.Error("that no scanner has looked at it is not said")
	}
	if a := c.get("/tickets/" + w.Ticket(both)); !a.has("<b>Clean</b>") || !a.has("Nothing harmful was found") || a.has("No virus scanner") {
		t.Error("that it is clean is not said")
	}
}

func TestStatusAndAssigneeShowAtOnceAndAreRecorded(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(simple("Printer"))
	c := as(w, t, "agnes")
	w.Forget()
	for _, status := range []string{"pending", "solved", "open"} {
		a := c.post("/tickets/"+ticket+"/status", "status", status)
		if a.StatusCode != 303 || a.Header.Get("Location") != "/tickets/"+ticket {
			t.Fatalf("%d to %q", a.StatusCode, a.Header.Get("Location"))
		}
		if a := c.get("/tickets/" + ticket); !a.has(`value="` + status + `" aria-pressed="true"`) {
			t.Errorf("%s does not show", status)
		}
	}
	if acts := w.Acts(); acts[0] != "agnes status" {
		t.Errorf("recorded %q", acts)
	}
	if act := w.Last("status"); act.GetTicket() != ticket || act.GetItems()[0] != w.Item(ticket) {
		t.Errorf("recorded %v", act)
	}
	if a := c.post("/tickets/"+ticket+"/status", "status", "closed"); a.StatusCode != 400 {
		t.Errorf("an unknown status: %d", a.StatusCode)
	}
	if a := c.post("/tickets/"+ticket+"/status?part=state", "status", "solved"); a.StatusCode != 200 || a.has("<html") || !a.has(`<section id="state"`) {
		t.Errorf("for the script: %d %s", a.StatusCode, a.body)
	}
}

func TestWhatIsNotRecordedIsNotDone(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(rich("Printer"))
	c := as(w, t, "omnia")
	w.Mute(errAway)
	for path, fields := range map[string][]string{
		"/status": {"status", "solved"}, "/assignee": {"assignee", "omnia"}, "/reveal": {"value", "0", "reason", "refund to this account"},
		"/original": {"reason", "to see it whole"}, "/hold": {"reason", "a court asks"},
	} {
		if a := c.post("/tickets/"+ticket+path, fields...); a.StatusCode != 503 || a.has("DE89") {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
	for _, path := range []string{"", "/message", "/files/0", "/reads"} {
		if a := c.get("/tickets/" + ticket + path); a.StatusCode != 503 || a.has("does not work") || a.has("%PDF") {
			t.Errorf("%q: %d", path, a.StatusCode)
		}
	}
	w.Mute(nil)
	row, _, err := w.Board.Get(t.Context(), ticket)
	if err != nil || row.Status != desk.Open || row.Assignee != "" {
		t.Errorf("%+v, %v", row, err)
	}
}

func TestAgentsTakeTicketsAndLeadsGiveThem(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(simple("Printer"))
	assign := func(who, to string) int {
		return as(w, t, who).post("/tickets/"+ticket+"/assignee", "assignee", to).StatusCode
	}
	for _, step := range []struct {
		who, to string
		code    int
		owner   string
	}{
		{"agnes", "albert", 403, ""}, {"agnes", "agnes", 303, "agnes"}, {"albert", "", 403, "agnes"}, {"agnes", "", 303, ""},
		{"lena", "albert", 303, "albert"}, {"agnes", "agnes", 303, "agnes"}, {"lena", "", 303, ""},
		{"lena", "aude", 400, ""}, {"lena", "nobody", 400, ""},
	} {
		if got := assign(step.who, step.to); got != step.code {
			t.Errorf("%s gives it to %q: %d", step.who, step.to, got)
		}
		if row, _, _ := w.Board.Get(t.Context(), ticket); row.Assignee != step.owner {
			t.Errorf("%s gives it to %q: it is %q's", step.who, step.to, row.Assignee)
		}
	}
}

func TestARevealNeedsAReasonAndIsRecordedBeforeItShows(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(rich("Printer"))
	c := as(w, t, "agnes")
	path := "/tickets/" + ticket + "/reveal"
	for _, reason := range []string{"", "    ", "abcd", strings.Repeat("é", 501), "\xff\xfe\xfd\xfc\xfb"} {
		if a := c.post(path, "value", "0", "reason", reason); a.StatusCode != 400 || a.has("DE89") {
			t.Errorf("reason %q: %d", reason, a.StatusCode)
		}
	}
	for _, value := range []string{"2", "-1", "x", "", "99999999999999999999"} {
		if a := c.post(path, "value", value, "reason", "refund"); a.StatusCode != 404 {
			t.Errorf("value %q: %d", value, a.StatusCode)
		}
	}
	if w.Last("reveal") != nil {
		t.Fatal("something was revealed")
	}
	w.Forget()
	a := c.post(path, "value", "0", "reason", "refund to this account")
	if a.StatusCode != 200 || !a.has("DE89370400440532013000") || a.has("4111111111111111") {
		t.Errorf("%d", a.StatusCode)
	}
	if got := w.Acts(); !slices.Equal(got, []string{"agnes open", "agnes reveal"}) {
		t.Errorf("acts %q", got)
	}
	act := w.Last("reveal")
	if act.GetValue() != 0 || act.GetTicket() != ticket || strings.Contains(string(act.GetReason()), "refund") || w.Unseal(ticket, act.GetReason()) != "refund to this account" {
		t.Errorf("act %v", act)
	}
	if a := c.post(path+"?part=mask-1", "value", "1", "reason", "refund"); !a.has("4111111111111111") || a.has("<html") || !a.has(`id="mask-1"`) {
		t.Errorf("for the script: %s", a.body)
	}
	for _, reason := range []string{"abcde", strings.Repeat("é", 500)} {
		if a := c.post(path, "value", "0", "reason", reason); a.StatusCode != 200 {
			t.Errorf("a reason of %d characters: %d", len([]rune(reason)), a.StatusCode)
		}
	}
	if a := c.get(path); a.StatusCode != 303 {
		t.Errorf("coming back to the address: %d", a.StatusCode)
	}
}

func TestFilesThatPassedAreDownloadedAndOthersAreNot(t *testing.T) {
	for _, stored := range []bool{false, true} {
		w := desktest.New(t)
		mail := rich("Printer")
		mail.Stored = stored
		// A view that names its own message as a file gives it to nobody.
		mail.Message.Attachments = append(mail.Message.Attachments, &contentv1.Attachment{Name: "again", Packet: 0, Verdict: "clean"})
		mail.Files = append(mail.Files, []byte("x"))
		ticket := w.Ticket(mail)
		c := as(w, t, "agnes")
		w.Forget()
		a := c.get("/tickets/" + ticket + "/files/0")
		if a.StatusCode != 200 || a.body != "%PDF-1.4\n" || a.ContentLength != 9 {
			t.Fatalf("stored %v: %d %q", stored, a.StatusCode, a.body)
		}
		if a.Header.Get("Content-Type") != "application/octet-stream" || a.Header.Get("Content-Disposition") != "attachment; filename=invoice.pdf" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("headers %v", a.Header)
		}
		if got := w.Acts(); !slices.Equal(got, []string{"agnes open", "agnes download"}) {
			t.Errorf("acts %q", got)
		}
		for _, index := range []string{"1", "3", "-1", "x", "0x0", "18446744073709551616"} {
			if a := c.get("/tickets/" + ticket + "/files/" + index); a.StatusCode != 404 || a.has("It does not work") {
				t.Errorf("file %s: %d", index, a.StatusCode)
			}
		}
	}
}

func TestAFileNameNeverSteersWhereAFileGoes(t *testing.T) {
	w := desktest.New(t)
	c := as(w, t, "agnes")
	for name, want := range map[string]string{
		"../../etc/passwd": "_.._etc_passwd", `C:\autoexec.bat`: "C__autoexec.bat", "a\r\nSet-Cookie: x=y": "a__Set-Cookie_ x=y",
		"\u202egpj.exe": "_gpj.exe", "...": "attachment", "": "attachment", `"quoted"; filename=evil.exe`: "_quoted__ filename=evil.exe",
		"Rechnung März.pdf": "Rechnung März.pdf", "請求書.pdf": "請求書.pdf", "%2e%2e%2fx": "_2e_2e_2fx", "\xff\xfe": "__", ".bashrc": "bashrc",
	} {
		mail := simple("file")
		mail.Message.Attachments = []*contentv1.Attachment{{Name: strings.ToValidUTF8(name, "\ufffd\ufffd"), Verdict: "clean", Packet: 0}}
		mail.Files = [][]byte{[]byte("x")}
		a := c.get("/tickets/" + w.Ticket(mail) + "/files/0")
		kind, fields, err := mime.ParseMediaType(a.Header.Get("Content-Disposition"))
		if err != nil || kind != "attachment" || fields["filename"] != want || len(fields) != 1 {
			t.Errorf("%q becomes %q: %v", name, a.Header.Get("Content-Disposition"), err)
		}
		if len(a.Cookies()) != 0 {
			t.Errorf("%q sets a cookie", name)
		}
	}
	long := simple("file")
	long.Message.Attachments = []*contentv1.Attachment{{Name: strings.Repeat("語", 300) + ".pdf", Verdict: "clean"}}
	long.Files = [][]byte{nil}
	_, fields, _ := mime.ParseMediaType(c.get("/tickets/" + w.Ticket(long) + "/files/0").Header.Get("Content-Disposition"))
	if name := fields["filename"]; len([]rune(name)) != 120 || !strings.HasSuffix(name, ".pdf") {
		t.Errorf("a long name becomes %q", name)
	}
}

func TestAFileThatIsNotWholeIsNotHandedOut(t *testing.T) {
	w := desktest.New(t)
	mail := rich("Printer")
	ticket := w.Ticket(mail)
	row, _, err := w.Board.Get(t.Context(), ticket)
	if err != nil {
		t.Fatal(err)
	}
	inline := row.Record.GetLayers()[1].GetInline()
	ends := row.Record.GetLayers()[1].GetPacketEnds()
	for path, end := range map[string]int64{"": ends[2], "/look": ends[3]} { // the last byte of the file, and of the picture of it
		inline[end-1] ^= 1
		w.Replace(t, ticket, row.Record)
		a := as(w, t, "agnes").get("/tickets/" + ticket + "/files/0" + path)
		if a.StatusCode != 503 || a.has("PDF") {
			t.Errorf("%s: %d %q", path, a.StatusCode, a.body)
		}
	}
}

func TestWhatIsDestroyedShowsAsDestroyed(t *testing.T) {
	for _, certificate := range []string{"C1", ""} {
		w := desktest.New(t)
		ticket := w.Ticket(rich("Printer"))
		w.Certify("C1", certificateFile)
		w.Destroy(ticket, itemv1.LayerKind_LAYER_KIND_PII, certificate)
		c := as(w, t, "omnia")
		if a := c.post("/tickets/"+ticket+"/reveal", "value", "0", "reason", "refund"); a.StatusCode != 410 {
			t.Errorf("masked value: %d", a.StatusCode)
		}
		if a := c.get("/tickets/" + ticket); a.StatusCode != 200 || !a.has("Printer") || !a.has("destroyed") {
			t.Errorf("the ticket without its values: %d", a.StatusCode)
		}
		w.Destroy(ticket, itemv1.LayerKind_LAYER_KIND_VIEW, certificate)
		a := c.get("/tickets/" + ticket)
		if a.StatusCode != 200 || a.has("Printer") || a.has("erika") || !a.has("<h1>Destroyed</h1>") {
			t.Errorf("the ticket: %d", a.StatusCode)
		}
		if certificate != "" && !a.has("/retention/certificates/C1?as=page") {
			t.Error("the certificate is not named")
		}
		for _, path := range []string{"/message", "/files/0"} {
			if a := c.get("/tickets/" + ticket + path); a.StatusCode != 410 || a.has("does not work") {
				t.Errorf("%s: %d", path, a.StatusCode)
			}
		}
		if a := c.post("/tickets/"+ticket+"/status", "status", "solved"); a.StatusCode != 303 {
			t.Errorf("its status: %d", a.StatusCode)
		}
		w.Destroy(ticket, itemv1.LayerKind_LAYER_KIND_RAW, certificate)
		if a := c.post("/tickets/"+ticket+"/original", "reason", "to see it"); a.StatusCode != 410 {
			t.Errorf("the original: %d", a.StatusCode)
		}
	}
}

func TestAStoredViewWhoseObjectIsGoneIsGone(t *testing.T) {
	w := desktest.New(t)
	mail := simple("Printer")
	mail.Stored = true
	ticket := w.Ticket(mail)
	w.Lose(t, ticket)
	c := as(w, t, "agnes")
	if a := c.get("/tickets/" + ticket); a.StatusCode != 200 || !a.has("<h1>Destroyed</h1>") {
		t.Errorf("%d", a.StatusCode)
	}
	if a := c.get("/tickets/" + ticket + "/message"); a.StatusCode != 410 {
		t.Errorf("%d", a.StatusCode)
	}
	if a := c.get("/tickets"); a.StatusCode != 200 || !a.has("Destroyed") {
		t.Errorf("%d", a.StatusCode)
	}
}

func TestEmptyAndStrangeMailsShow(t *testing.T) {
	w := desktest.New(t)
	c := as(w, t, "agnes")
	for i, mail := range []desktest.Mail{
		{Card: &contentv1.Card{}, Message: &contentv1.Message{}},
		{Card: &contentv1.Card{Subject: strings.Repeat("long ", 200), FromName: "אנה", SenderVerdict: "forged", ScanVerdict: "nonsense", Kind: "nonsense"}, Message: &contentv1.Message{Notices: []string{"not_known_yet"}}},
	} {
		ticket := w.Ticket(mail)
		for _, path := range []string{"/tickets/" + ticket, "/tickets/" + ticket + "/message", "/tickets"} {
			if a := c.get(path); a.StatusCode != 200 || a.has("%!") || a.has("ZgotmplZ") {
				t.Errorf("mail %d, %s: %d", i, path, a.StatusCode)
			}
		}
	}
}

func TestMessagesEscapeWhatIsText(t *testing.T) {
	w := desktest.New(t)
	mail := simple("x")
	mail.Message.Html, mail.Message.Text = "", `</pre><script>alert(1)</script>%s %d`
	a := as(w, t, "agnes").get("/tickets/" + w.Ticket(mail) + "/message")
	if a.has("<script>") || !a.has("&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;%s %d") {
		t.Error(a.body)
	}
}

func TestPlainTextStandsInThePageAndIsEscapedThere(t *testing.T) {
	w := desktest.New(t)
	mail := simple("x")
	mail.Message.Html, mail.Message.Text = "", "Hello,\n\n<script>alert(1)</script>\n\n</div>Erika\n\n\n"
	a := as(w, t, "agnes").get("/tickets/" + w.Ticket(mail))
	if a.has("<iframe") || a.has("<script>alert") || !a.has(`<div dir="auto">&lt;script&gt;alert(1)&lt;/script&gt;`) || !a.has(`<div dir="auto">&lt;/div&gt;Erika</div>`) {
		t.Error("the text does not stand in the page as text")
	}
}

func TestASenderThatLooksLikeAnotherIsNeverShownInTheCalmColour(t *testing.T) {
	w := desktest.New(t)
	c := as(w, t, "agnes")
	for code, sentence := range map[string]string{
		mailauth.DomainLooksLike: "reads like one that this mail was sent to", mailauth.DomainLooksLikeOurs: "looks like ours and is another", mailauth.NameIsOurs: "bears our name",
		mailauth.DomainNearOurs: "one letter away from ours", mailauth.DomainUsesOurs: "uses our name", mailauth.NameOfCustomer: "bears the name of a customer", mailauth.DomainLooksLikeKnown: "looks like one that a customer", mailauth.NameLooksLikeAddress: "looks like a different address",
		mailauth.DomainMixedScripts: "several alphabets", mailauth.NameBidi: "turn text around", mailauth.NameInvisible: "invisible characters",
	} {
		for _, verdict := range []string{"verified", "authenticated", "unverified"} {
			mail := simple("Payroll")
			mail.Card.SenderVerdict = verdict
			mail.Message.Sender = []byte(`{"verdict":"` + verdict + `","reasons":["dkim_aligned","dmarc_pass","` + code + `"],"spf":{"result":"pass"},"dmarc":{"result":"pass"},"arc":{"result":"none"}}`)
			ticket := w.Ticket(mail)
			a := c.get("/tickets/" + ticket)
			if a.has(`class="face good"`) || a.has(`class="verdict good"`) || !a.has(`class="verdict bad" open`) || !a.has("Looks like somebody else") {
				t.Errorf("%s, %s: the ticket shows it as safe", verdict, code)
			}
			if _, summary, _ := strings.Cut(a.body, "<summary>"); !strings.Contains(strings.SplitN(summary, "</summary>", 2)[0], sentence) {
				t.Errorf("%s, %s: the first sentence is another", verdict, code)
			}
			_, list, _ := strings.Cut(c.get("/tickets").body, ticket)
			line, _, _ := strings.Cut(list, "</li>")
			if strings.Contains(line, "face good") || !strings.Contains(line, `mark bad">Looks like somebody else`) {
				t.Errorf("%s, %s: the list shows it as safe", verdict, code)
			}
		}
	}
	if a := c.get("/tickets/" + w.Ticket(simple("Printer"))); !a.has(`class="verdict good"`) || !a.has("The sender&#39;s domain confirms this mail.") && !a.has("The sender's domain confirms this mail.") {
		t.Error("an honest sender is not shown as confirmed")
	}
}

func TestWhatSpeaksAgainstASenderIsSaidBeforeWhatIsMerelyTrue(t *testing.T) {
	w := desktest.New(t)
	mail := simple("Printer")
	mail.Card.SenderVerdict = "unverified"
	mail.Message.Sender = []byte(`{"verdict":"unverified","reasons":["dkim_aligned","no_policy","aligned_without_policy"],"dmarc":{"result":"none"},"arc":{"result":"none"}}`)
	a := as(w, t, "agnes").get("/tickets/" + w.Ticket(mail))
	_, summary, _ := strings.Cut(a.body, "<summary>")
	summary, _, _ = strings.Cut(summary, "</summary>")
	if !strings.Contains(summary, "Nobody vouches for the sender") || !strings.Contains(summary, "seems to have sent this, but does not protect its name") {
		t.Errorf("it says %s", summary)
	}
}

func TestATicketIsSpokenOfByAShortNameAndTheWholeOneIsThere(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(simple("Printer"))
	a := as(w, t, "agnes").get("/tickets/" + ticket)
	if !a.has(`title="`+ticket+`">`+ticket[:9]+"</span>") || !a.has(`<code class="whole" id="whole-ticket">`+ticket+"</code>") {
		t.Error("the short name or the whole one is missing")
	}
	if a := as(w, t, "aude").get("/reads"); !a.has(`/tickets/`+ticket+"/reads") || a.has(">"+ticket+"<") || !a.has(">"+ticket[:9]+"<") {
		t.Error("the record names it otherwise")
	}
}

func TestAMessageInTheDarkKeepsItsOwnColoursLegible(t *testing.T) {
	w := desktest.New(t)
	c := as(w, t, "agnes")
	for body, class := range map[string]string{
		"<p>Hello</p>": `<html class="html">`, `<p style="color: rgb(1, 2, 3)">Hello</p>`: `<html class="html coloured">`, `<table bgcolor="#ffffff"></table>`: `<html class="html coloured">`,
	} {
		mail := simple("x")
		mail.Message.Html = body
		if a := c.get("/tickets/" + w.Ticket(mail) + "/message"); !a.has(class) {
			t.Errorf("%s: not %s", body, class)
		}
	}
}
