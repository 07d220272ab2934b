package desk_test

import (
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/desk/desktest"
)

// lined gives what a page of acts says in its column What.
func lined(page answer) []string {
	var said []string
	for _, part := range strings.Split(page.body, `data-name="What"><span>`)[1:] {
		text, _, _ := strings.Cut(part, "</span></td>")
		said = append(said, strings.NewReplacer(`<span class="soft">`, "", "</span>", "").Replace(text))
	}
	return said
}

func TestWhatStoodInAListWasNotOpened(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(simple("Printer"))
	agnes, aude := as(w, t, "agnes"), as(w, t, "aude")
	agnes.get("/tickets") // of one mail
	if a := aude.get("/tickets/" + ticket + "/reads"); !a.has("saw it in a list") || a.has("opened the ticket") {
		t.Errorf("one mail in a list reads as %q", lined(a))
	}
	w.Ticket(simple("Scanner"))
	w.Pass(time.Minute)
	agnes.get("/tickets") // of two
	agnes.get("/tickets/" + ticket)
	for _, path := range []string{"/tickets/" + ticket + "/reads", "/tickets/" + ticket + "/reads?log=end", "/reads"} {
		got := strings.Join(lined(aude.get(path)), "\n")
		if strings.Count(got, "saw it in a list") != 2 || strings.Count(got, "opened the ticket") != 1 {
			t.Errorf("%s says %q", path, got)
		}
	}
	if act := w.Last("open"); act.GetTicket() != ticket {
		t.Errorf("the log says %v", act)
	}
}

func TestWhoPlacesAHoldDidNotSeeAList(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(simple("Printer"))
	petra := as(w, t, "petra")
	petra.post("/tickets/"+ticket+"/hold", "reason", "a court asks for it")
	if a := petra.get("/tickets/" + ticket + "/reads"); a.has("saw it in a list") || !a.has("placed a hold") {
		t.Errorf("the page says %q", lined(a))
	}
}

func TestActsThatReadAlikeAndFollowOneAnotherAreOneLine(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(rich("Printer"))
	w.Pass(time.Minute - time.Duration(w.Now().Second())*time.Second) // a minute begins
	agnes, albert, aude := as(w, t, "agnes"), as(w, t, "albert"), as(w, t, "aude")
	path := "/tickets/" + ticket
	agnes.get(path)
	agnes.get(path)
	w.Pass(59 * time.Second)
	agnes.get(path)
	w.Pass(time.Second)
	agnes.get(path) // of the next minute
	albert.get(path)
	agnes.get(path)
	agnes.post(path+"/reveal", "value", "0", "reason", "refund to Erika")
	agnes.post(path+"/reveal", "value", "0", "reason", "refund to Erika")
	var got []string
	for _, said := range lined(aude.get(path + "/reads")) {
		if strings.HasPrefix(said, "opened") || strings.HasPrefix(said, "revealed") {
			got = append(got, said)
		}
	}
	// Each reveal opens the ticket, too; each keeps its own line with its own reason.
	const opened, revealed = "opened the ticket", "revealed a masked value"
	want := []string{revealed, opened, revealed, opened + " 2 times", opened, opened, opened + " 3 times"}
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("the lines are %q, want %q", got, want)
	}
	w.Ticket(simple("Scanner"))
	agnes.get("/tickets")
	w.Ticket(simple("Screen"))
	agnes.get("/tickets")
	if got := strings.Join(lined(aude.get(path+"/reads")), "\n"); !strings.Contains(got, "saw it in a list 2 times") {
		t.Errorf("on the page of one item, two looks at growing lists are %q", got)
	}
	if got := strings.Join(lined(aude.get("/reads")), "\n"); strings.Contains(got, "in a list 2 times") {
		t.Errorf("on the page of all, looks at two and at three mails are drawn together: %q", got)
	}
}

func TestTheItemIsNamedWhole(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(simple("Printer"))
	want := `<code class="whole">` + w.Item(ticket) + `</code>`
	lena := as(w, t, "lena")
	for _, path := range []string{"", "/reads"} {
		if a := lena.get("/tickets/" + ticket + path); !a.has(want) {
			t.Errorf("%q does not name its item", path)
		}
	}
}
