package desk_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"
	"github.com/postern-mail/postern/services/desk/desktest"
)

func TestARecalledFileIsNotHandedOutAndTheTicketSaysWhy(t *testing.T) {
	for _, stored := range []bool{false, true} {
		w := desktest.New(t)
		mail := rich("Printer")
		mail.Stored = stored
		ticket := w.Ticket(mail)
		at := "/tickets/" + ticket
		agnes, lead := as(w, t, "agnes"), as(w, t, "lena")
		if page := agnes.get(at); page.has("is not handed out any more") || !page.has("Download invoice.pdf") {
			t.Error("before: the page says that something is recalled")
		}
		if a := agnes.get(at + "/files/0"); a.StatusCode != 200 || a.body != "%PDF-1.4\n" {
			t.Fatalf("before: %d %q", a.StatusCode, a.body)
		}
		w.Recall(ticket, "Win.Test.One", 2)
		w.Forget()
		for _, path := range []string{"/files/0", "/files/0/look"} {
			if a := agnes.get(at + path); a.StatusCode != http.StatusForbidden || a.has("%PDF") || a.has("data:image") || !a.has("not handed out any more") {
				t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
			}
		}
		for _, action := range []string{"download", "look_at_file"} {
			if act := w.Last(action); act.GetOutcome() != "recalled" || act.GetActor() != "agnes" || act.GetValue() != 0 {
				t.Errorf("the log says of %s: %v", action, act)
			}
		}
		for _, who := range []*client{agnes, lead} {
			page := who.get(at)
			if !page.has("invoice.pdf</bdi>” is not handed out any more") || !page.has("Win.Test.One") || page.has("Download invoice.pdf") || page.has("Look at invoice.pdf") {
				t.Errorf("the page: %s", page.body)
			}
			if page.has("run.exe</bdi>” is not") {
				t.Error("what was withheld is recalled")
			}
			if page.has(at+"/reads") != (who == lead) {
				t.Error("who had it before is told to the wrong ones")
			}
		}
	}
}

func TestWithoutItsRecordNoFileIsHandedOut(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(rich("Printer"))
	c := as(w, t, "agnes")
	w.Mislay(ticket)
	for _, path := range []string{"/files/0", "/files/0/look"} {
		if a := c.get("/tickets/" + ticket + path); a.StatusCode < 400 || a.has("%PDF") || a.has("data:image") {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
}

// It is recalled when its download is written down already, and before its first byte.
func TestAFileThatIsRecalledWhileItIsReadIsNotHandedOut(t *testing.T) {
	for _, stored := range []bool{false, true} {
		w := desktest.New(t)
		mail := rich("Printer")
		mail.Stored = stored
		ticket := w.Ticket(mail)
		c := as(w, t, "agnes")
		w.Recorded(func() { w.Recall(ticket, "Win.Test.One", 2) })
		if a := c.get("/tickets/" + ticket + "/files/0"); a.StatusCode != http.StatusForbidden || a.has("%PDF") || !a.has("not handed out any more") {
			t.Errorf("stored %v: %d %s", stored, a.StatusCode, a.body)
		}
		if act := w.Last("download"); act.GetOutcome() != "recalled" {
			t.Errorf("stored %v: the log says %v", stored, act)
		}
	}
}

func TestATicketThatIsToldTwiceWhatIsRecalledIsTheSameTicket(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(rich("Printer"))
	var changed time.Time
	for i, told := range [][]int32{{2, 4}, {2}, {4, 2}, {}} { // the later of two may come first
		w.Pass(time.Minute)
		if _, err := w.Say(t.Context(), ticket, &ticketv1.Recalled{Ticket: ticket, Packets: told}); err != nil {
			t.Fatal(err)
		}
		row, _, err := w.Board.Get(t.Context(), ticket)
		if err != nil || !slices.Equal(row.Recalled, []int32{2, 4}) {
			t.Errorf("after %v: %v, %v", told, row.Recalled, err)
		}
		if i == 0 {
			changed = row.Changed
		}
		if !row.Changed.Equal(changed) {
			t.Errorf("after %v it has changed", told)
		}
	}
}
