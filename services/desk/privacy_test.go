package desk_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/desk/desktest"
)

func TestWhoReadWhatShowsAndIsReadOnRecord(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(rich("Printer"))
	agent := as(w, t, "agnes")
	agent.get("/tickets/" + ticket)
	agent.post("/tickets/"+ticket+"/reveal", "value", "0", "reason", "refund to Erika")
	auditor := as(w, t, "aude")
	a := auditor.get("/tickets/" + ticket + "/reads")
	for _, want := range []string{"agnes", "opened the ticket", "revealed a masked value", "1 reason was typed", "allowed"} {
		if !a.has(want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if a.has("refund to Erika") || a.has("Printer") || a.has("example.org") {
		t.Error("the page shows words of the ticket")
	}
	if a := auditor.get("/tickets/" + ticket + "/reads"); !a.has("looked at who read") {
		t.Error("the first look is not on the second page")
	}
	w.Forget()
	a = auditor.post("/tickets/" + ticket + "/reasons")
	if a.StatusCode != 200 || !a.has("refund to Erika") {
		t.Errorf("the reasons: %d", a.StatusCode)
	}
	if got := w.Acts(); !slices.Equal(got, []string{"aude look_at_reasons", "aude open"}) {
		t.Errorf("acts %q", got)
	}
	w.Destroy(ticket, itemv1.LayerKind_LAYER_KIND_VIEW, "C1")
	if a := auditor.post("/tickets/" + ticket + "/reasons"); a.StatusCode != 410 {
		t.Errorf("the reasons of what is gone: %d", a.StatusCode)
	}
	if a := auditor.get("/tickets/" + ticket + "/reads"); a.StatusCode != 200 || !a.has("revealed a masked value") {
		t.Errorf("who read what is gone: %d", a.StatusCode)
	}
	if a := auditor.get("/reads"); !a.has("agnes") || !a.has("signed in") || !a.has(ticket) {
		t.Error("all acts of all people are not shown")
	}
}

// Retention can seal nothing; its operators give a reference that stands readable in the log.
func TestTheReferencesOfRetentionShowAsTheyAre(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(simple("Printer"))
	for _, service := range []string{"retain", "desk"} {
		act := &auditv1.Act{Action: "hold", Actor: "operator:root", Items: []string{w.Item(ticket)}, Reason: []byte("CASE-17/" + service), Outcome: "allowed"}
		if err := w.RecordAs(t.Context(), service, act); err != nil {
			t.Fatal(err)
		}
	}
	a := as(w, t, "aude").post("/tickets/" + ticket + "/reasons")
	if !a.has("CASE-17/retain") {
		t.Error("the reference is not shown")
	}
	if a.has("CASE-17/desk") || !a.has("sealed with another key") {
		t.Error("what the desk should have sealed is shown as it stands")
	}
}

func TestHoldsArePlacedShownAndLifted(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(simple("Printer"))
	c := as(w, t, "petra")
	if a := c.post("/tickets/"+ticket+"/hold", "reason", "why"); a.StatusCode != 400 {
		t.Errorf("a short reason: %d", a.StatusCode)
	}
	if a := c.post("/tickets/"+ticket+"/hold", "reason", "a court asks for it"); a.StatusCode != 303 {
		t.Fatalf("%d", a.StatusCode)
	}
	if a := c.get("/tickets/" + ticket + "/reads"); !a.has("by petra") || !a.has("Lift the hold") || a.has("a court asks") {
		t.Error("the hold does not show")
	}
	if a := as(w, t, "agnes").get("/tickets/" + ticket); !a.has("kept past these dates") {
		t.Error("agents do not see the hold")
	}
	if a := c.post("/tickets/"+ticket+"/release", "hold", "H1"); a.StatusCode != 303 {
		t.Errorf("%d", a.StatusCode)
	}
	if a := c.get("/tickets/" + ticket + "/reads"); a.has("Lift the hold") {
		t.Error("the hold still shows")
	}
}

func TestCertificatesShowAndAreHandedOutAsTheyAre(t *testing.T) {
	w := desktest.New(t)
	w.Certify("C1", certificateFile)
	w.Certify("C2", "not a certificate")
	w.Plan(&retentionv1.Planned{Plan: "P1", Cause: "expiry", Time: timestamppb.New(w.Now()), Targets: make([]*retentionv1.Target, 3), Buckets: []string{"b"}})
	c := as(w, t, "petra")
	list := c.get("/retention")
	for _, want := range []string{"C1", "C2", "P1", "its time was over", "20 Nov 2026, 03:00:04 UTC"} {
		if !list.has(want) {
			t.Errorf("the list does not say %q", want)
		}
	}
	page := c.get("/retention/certificates/C1?as=page")
	for _, want := range []string{"1 layer was destroyed", "default", "20 Nov 2026, 03:00:02 UTC", "Objects listed again", "none left", "Flash may keep blocks.", "File, generation 7", "postern certificate verify"} {
		if !page.has(want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	file := c.get("/retention/certificates/C1")
	if file.body != certificateFile || file.Header.Get("Content-Disposition") != "attachment; filename=C1.json" || file.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the file is not what was signed: %v", file.Header)
	}
	if a := c.get("/retention/certificates/C2"); a.body != "not a certificate" {
		t.Error("what cannot be read cannot be had")
	}
}

func TestTheDemonstrationsClockMovesOnAndSignsNobodyOut(t *testing.T) {
	w := desktest.New(t, func(c *desk.Config) { c.Demo = true })
	c := as(w, t, "omnia")
	if a := c.get("/retention"); !a.has("21 November 2026") || !a.has("31 days") {
		t.Error("the clock does not show")
	}
	before := w.Now()
	if a := c.post("/demo/advance", "by", "1d"); a.StatusCode != 303 {
		t.Fatal(a.StatusCode)
	}
	if passed := w.Now().Sub(before); passed != 24*time.Hour {
		t.Errorf("moved by %v", passed)
	}
	for _, bad := range []string{"", "1y", "-1d"} {
		if a := c.post("/demo/advance", "by", bad); a.StatusCode == 303 && a.Header.Get("Location") == "/retention" {
			t.Errorf("%q: %d", bad, a.StatusCode)
		}
	}
	plain := desktest.New(t)
	if a := as(plain, t, "adam").post("/demo/advance", "by", "1d"); a.StatusCode != 404 {
		t.Errorf("outside the demonstration: %d", a.StatusCode)
	}
}

// The original is asked for by one, approved by another, and had once.
func TestAnOriginalNeedsASecondPersonAndIsHadOnce(t *testing.T) {
	w := desktest.New(t)
	mail := simple("Printer")
	mail.Raw = "From: erika@example.org\r\nSubject: whole\r\n\r\n" + strings.Repeat("x", 100_000)
	ticket := w.Ticket(mail)
	at := "/tickets/" + ticket + "/original"
	asker, approver := as(w, t, "agnes"), as(w, t, "petra")

	if a := asker.post(at+"/file", "x", "y"); a.StatusCode != 403 {
		t.Errorf("without asking: %d", a.StatusCode)
	}
	if a := asker.post(at, "reason", "why"); a.StatusCode != 400 {
		t.Errorf("without a reason: %d", a.StatusCode)
	}
	w.Forget()
	if a := asker.post(at, "reason", "headers for the police"); a.StatusCode != 303 {
		t.Fatalf("asking: %d", a.StatusCode)
	}
	if got := w.Acts(); !slices.Equal(got, []string{"agnes open", "agnes ask_original"}) {
		t.Errorf("acts %q", got)
	}
	if act := w.Last("ask_original"); w.Unseal(ticket, act.GetReason()) != "headers for the police" {
		t.Error("the reason is not with the act")
	}
	if a := asker.post(at + "/file"); a.StatusCode != 403 {
		t.Errorf("without approval: %d", a.StatusCode)
	}
	if a := as(w, t, "albert").post(at, "reason", "me too, please"); a.StatusCode != 409 {
		t.Errorf("a second wish: %d", a.StatusCode)
	}
	if a := approver.get("/originals"); !a.has(ticket) || !a.has("agnes") || a.has("police") {
		t.Error("the list of wishes")
	}
	review := approver.get("/originals/" + ticket)
	if !review.has("headers for the police") || review.has("Printer") {
		t.Errorf("the wish: %d", review.StatusCode)
	}
	_, rest, _ := strings.Cut(review.body, `name="wish" value="`)
	wish, _, _ := strings.Cut(rest, `"`)
	if a := approver.post("/originals/"+ticket, "decision", "approve", "wish", "another"); a.StatusCode != 409 {
		t.Errorf("another wish: %d", a.StatusCode)
	}
	if a := approver.post("/originals/"+ticket, "decision", "maybe", "wish", wish); a.StatusCode != 400 {
		t.Errorf("no decision: %d", a.StatusCode)
	}
	if a := approver.post("/originals/"+ticket, "decision", "approve", "wish", wish); a.StatusCode != 303 {
		t.Fatalf("approval: %d", a.StatusCode)
	}
	if a := as(w, t, "leo").post("/originals/"+ticket, "decision", "refuse", "wish", wish); a.StatusCode != 409 {
		t.Errorf("deciding again: %d", a.StatusCode)
	}
	if a := as(w, t, "albert").post(at + "/file"); a.StatusCode != 403 {
		t.Errorf("somebody else's wish: %d", a.StatusCode)
	}
	w.Forget()
	a := asker.post(at + "/file")
	if a.StatusCode != 200 || a.body != mail.Raw {
		t.Fatalf("download: %d, %d bytes", a.StatusCode, len(a.body))
	}
	if a.Header.Get("Content-Disposition") != "attachment; filename="+ticket+".eml" || a.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("headers %v", a.Header)
	}
	if got := w.Acts(); !slices.Equal(got, []string{"agnes breakglass"}) {
		t.Errorf("acts %q", got)
	}
	if a := asker.post(at + "/file"); a.StatusCode != 403 {
		t.Errorf("a second download: %d", a.StatusCode)
	}
	reads := as(w, t, "aude").get("/tickets/" + ticket + "/reads")
	for _, want := range []string{"asked for the original", "approved handing out the original", "was given the original"} {
		if !reads.has(want) {
			t.Errorf("the record does not say %q", want)
		}
	}
}

func TestNobodyApprovesTheirOwnWish(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(simple("Printer"))
	c := as(w, t, "lena")
	c.post("/tickets/"+ticket+"/original", "reason", "I want it")
	if a := c.get("/originals/" + ticket); a.StatusCode != 403 {
		t.Errorf("looking: %d", a.StatusCode)
	}
	if a := c.post("/originals/"+ticket, "decision", "approve", "wish", "x"); a.StatusCode != 403 {
		t.Errorf("approving: %d", a.StatusCode)
	}
	if a := as(w, t, "albert").get("/originals/" + ticket); a.StatusCode != 403 {
		t.Errorf("an agent: %d", a.StatusCode)
	}
}

func TestWishesAndApprovalsEnd(t *testing.T) {
	for name, c := range map[string]struct {
		decision string
		wait     time.Duration
		want     int
	}{
		"refused":            {"refuse", 0, 403},
		"approved":           {"approve", 59 * time.Minute, 200},
		"approved too early": {"approve", time.Hour, 403},
	} {
		w := desktest.New(t)
		ticket := w.Ticket(simple("Printer"))
		as(w, t, "agnes").post("/tickets/"+ticket+"/original", "reason", "to see it whole")
		approver := as(w, t, "lena")
		_, rest, _ := strings.Cut(approver.get("/originals/"+ticket).body, `name="wish" value="`)
		wish, _, _ := strings.Cut(rest, `"`)
		if a := approver.post("/originals/"+ticket, "decision", c.decision, "wish", wish); a.StatusCode != 303 {
			t.Fatalf("%s: %d", name, a.StatusCode)
		}
		w.Pass(c.wait)
		if a := as(w, t, "agnes").post("/tickets/" + ticket + "/original/file"); a.StatusCode != c.want {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
	}
	w := desktest.New(t)
	ticket := w.Ticket(simple("Printer"))
	as(w, t, "agnes").post("/tickets/"+ticket+"/original", "reason", "to see it whole")
	w.Pass(24 * time.Hour)
	if a := as(w, t, "lena").get("/originals/" + ticket); a.StatusCode != 404 {
		t.Errorf("a day later: %d", a.StatusCode)
	}
}

func TestAnApproverWhoMayNotAnyMoreHasApprovedNothing(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(simple("Printer"))
	as(w, t, "agnes").post("/tickets/"+ticket+"/original", "reason", "to see it whole")
	approver := as(w, t, "lena")
	_, rest, _ := strings.Cut(approver.get("/originals/"+ticket).body, `name="wish" value="`)
	wish, _, _ := strings.Cut(rest, `"`)
	approver.post("/originals/"+ticket, "decision", "approve", "wish", wish)
	user, _, err := w.Users.Find("lena")
	if err != nil {
		t.Fatal(err)
	}
	user.Disabled = true
	if err := w.Users.Save(user); err != nil {
		t.Fatal(err)
	}
	if a := as(w, t, "agnes").post("/tickets/" + ticket + "/original/file"); a.StatusCode != 403 || w.Last("breakglass") != nil {
		t.Errorf("%d", a.StatusCode)
	}
}

func TestManyActsShowTheNewest(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(simple("Printer"))
	c := as(w, t, "lena")
	for i := range 210 {
		c.post("/tickets/"+ticket+"/status", "status", []string{"open", "pending"}[i%2])
	}
	a := c.get("/tickets/" + ticket + "/reads")
	if rows := strings.Count(a.body, "<tr><td"); rows != 200 {
		t.Errorf("%s", fmt.Sprint(rows, " rows"))
	}
}
