package desk_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/desk/desktest"
)

// subjects gives the subjects that a list shows, in their order.
func subjects(page string) []string {
	var found []string
	for _, part := range strings.Split(page, `<span class="subject" dir="auto">`)[1:] {
		subject, _, _ := strings.Cut(part, "<")
		found = append(found, subject)
	}
	return found
}

func TestTheListShowsTheNewestFirstAndFilters(t *testing.T) {
	w := desktest.New(t)
	var tickets []string
	for i := range 5 {
		tickets = append(tickets, w.Ticket(simple(fmt.Sprint("mail ", i))))
	}
	c := as(w, t, "agnes")
	c.post("/tickets/"+tickets[1]+"/status", "status", "pending")
	c.post("/tickets/"+tickets[2]+"/status", "status", "solved")
	c.post("/tickets/"+tickets[3]+"/assignee", "assignee", "agnes")
	as(w, t, "albert").post("/tickets/"+tickets[4]+"/assignee", "assignee", "albert")
	for query, want := range map[string][]string{
		"":                              {"mail 4", "mail 3", "mail 0"},
		"?status=open":                  {"mail 4", "mail 3", "mail 0"},
		"?status=pending":               {"mail 1"},
		"?status=solved":                {"mail 2"},
		"?status=all":                   {"mail 4", "mail 3", "mail 2", "mail 1", "mail 0"},
		"?assignee=me":                  {"mail 3"},
		"?status=all&assignee=albert":   {"mail 4"},
		"?status=open&assignee=-":       {"mail 0"},
		"?status=solved&assignee=agnes": nil,
	} {
		a := c.get("/tickets" + query)
		if got := subjects(a.body); a.StatusCode != 200 || !slices.Equal(got, want) {
			t.Errorf("%q: %d %q", query, a.StatusCode, got)
		}
	}
	if a := c.get("/tickets"); !a.has("Open <b>3</b>") || !a.has("Pending <b>1</b>") || !a.has("Solved <b>1</b>") {
		t.Error("the counts are not 3, 1 and 1")
	}
	for _, bad := range []string{"status=closed", "assignee=A+B", "assignee=" + strings.Repeat("a", 300), "after=x", "after=1.T", "after=x.T00000000000000000000"} {
		if a := c.get("/tickets?" + bad); a.StatusCode != 400 {
			t.Errorf("%q: %d", bad, a.StatusCode)
		}
	}
}

func TestPagingShowsEveryTicketOnceAlsoThoseOfOneMoment(t *testing.T) {
	w := desktest.New(t)
	const count = 101 // two full pages and a rest
	for i := range count {
		mail := simple(fmt.Sprint("mail ", i))
		mail.Earlier = time.Hour // all came in the same millisecond
		w.Ticket(mail)
	}
	c := as(w, t, "agnes")
	seen := map[string]int{}
	path, pages := "/tickets?status=open", 0
	for path != "" {
		a := c.get(path)
		pages++
		for _, subject := range subjects(a.body) {
			seen[subject]++
		}
		_, rest, more := strings.Cut(a.body, `class="button" href="`)
		path = ""
		if more {
			path, _, _ = strings.Cut(rest, `"`)
			path = strings.ReplaceAll(path, "&amp;", "&")
			if !strings.Contains(path, "status=open") {
				t.Fatalf("the next page shows others: %s", path)
			}
		}
	}
	if len(seen) != count || pages != 3 {
		t.Errorf("%d of %d tickets on %d pages", len(seen), count, pages)
	}
	for subject, times := range seen {
		if times != 1 {
			t.Errorf("%s shows %d times", subject, times)
		}
	}
}

func TestAListAsksTheKeyringOnceAndIsOneAct(t *testing.T) {
	w := desktest.New(t)
	for i := range 45 {
		w.Ticket(simple(fmt.Sprint(i)))
	}
	c := as(w, t, "agnes")
	w.Forget()
	if a := c.get("/tickets"); len(subjects(a.body)) != 40 {
		t.Fatalf("%d lines", len(subjects(a.body)))
	}
	if w.Requests() != 1 || !slices.Equal(w.Acts(), []string{"agnes open"}) {
		t.Errorf("%d requests, acts %q", w.Requests(), w.Acts())
	}
	if items := w.Last("open").GetItems(); len(items) != 40 {
		t.Errorf("the act names %d items", len(items))
	}
}

func TestWhatIsDestroyedOrBrokenDoesNotHideTheRest(t *testing.T) {
	w := desktest.New(t)
	fine, noted, unnoted, broken := w.Ticket(simple("fine")), w.Ticket(simple("noted")), w.Ticket(simple("unnoted")), w.Ticket(simple("broken"))
	view := itemv1.LayerKind_LAYER_KIND_VIEW
	w.Destroy(noted, view, "C1")
	w.Destroy(unnoted, view, "") // the keyring knows before the board does
	w.Break(broken)
	a := as(w, t, "agnes").get("/tickets?status=all")
	if a.StatusCode != 200 || !slices.Equal(subjects(a.body), []string{"fine"}) {
		t.Fatalf("%d %q", a.StatusCode, subjects(a.body))
	}
	for _, ticket := range []string{fine, noted, unnoted, broken} {
		if !a.has("/tickets/" + ticket) {
			t.Errorf("%s is not listed", ticket)
		}
	}
	if strings.Count(a.body, ">Destroyed<") != 2 || strings.Count(a.body, ">Cannot be opened now<") != 1 {
		t.Error("two are destroyed, one is broken")
	}
	if !strings.Contains(w.Log.String(), "ticket not opened") {
		t.Error("the log is silent about the broken one")
	}
}

func TestWithoutTheKeyringThereIsNoList(t *testing.T) {
	w := desktest.New(t)
	w.Ticket(simple("Printer"))
	c := as(w, t, "agnes")
	for _, broken := range []func(error){w.Shut, w.Mute} {
		broken(errAway)
		if a := c.get("/tickets"); a.StatusCode != 503 || a.has("Printer") {
			t.Errorf("%d", a.StatusCode)
		}
		broken(nil)
	}
}

func TestAnEmptyListSaysSo(t *testing.T) {
	w := desktest.New(t)
	c := as(w, t, "agnes")
	for query, want := range map[string]string{"": "shows up by itself", "?assignee=me": "Nothing open is yours", "?after=1.T00000000000000000000": "No more tickets"} {
		if a := c.get("/tickets" + query); !a.has(want) {
			t.Errorf("%q does not say %q", query, want)
		}
	}
}

func TestTicketsThatAreOverAreNoOpenWork(t *testing.T) {
	w := desktest.New(t)
	view := itemv1.LayerKind_LAYER_KIND_VIEW
	for _, subject := range []string{"fine", "late"} {
		w.Ticket(simple(subject))
	}
	over, waiting, solved := w.Ticket(simple("over")), w.Ticket(simple("waiting")), w.Ticket(simple("solved"))
	c := as(w, t, "lena")
	c.post("/tickets/"+over+"/assignee", "assignee", "lena")
	c.post("/tickets/"+waiting+"/status", "status", "pending")
	c.post("/tickets/"+solved+"/status", "status", "solved")
	if a := c.get("/tickets/" + over); !a.has(`action="/tickets/`+over+`/status"`) || !a.has(`action="/tickets/`+over+`/assignee"`) {
		t.Error("a ticket that is there has no status to set and cannot be given")
	}
	for _, ticket := range []string{over, waiting, solved} {
		w.Destroy(ticket, itemv1.LayerKind_LAYER_KIND_RAW, "C0") // originals go first
		w.Destroy(ticket, view, "C1")
	}
	rows := func(query string) int { return strings.Count(c.get("/tickets"+query).body, `class="line"`) }
	for query, want := range map[string]int{"": 2, "?status=pending": 0, "?status=solved": 1, "?status=all": 5, "?assignee=me": 0, "?status=all&assignee=me": 1, "?assignee=-": 2} {
		if got := rows(query); got != want {
			t.Errorf("%q has %d rows, want %d", query, got, want)
		}
	}
	a := c.get("/tickets")
	if !a.has("Open <b>2</b>") || !a.has("Pending <b>0</b>") || !a.has("Solved <b>1</b>") {
		t.Error("the counts are not those of the rows, 2, 0 and 1")
	}
	if a := c.get("/tickets/" + over); a.has(`/status"`) || a.has(`/assignee"`) || !a.has("nothing left to work on") {
		t.Error("a ticket that is over has a status to set, or can be given")
	}
	// What is said of it all the same does not bring it back.
	c.post("/tickets/"+solved+"/status", "status", "open")
	c.post("/tickets/"+over+"/status", "status", "solved")
	c.post("/tickets/"+over+"/status", "status", "open")
	if got := []int{rows(""), rows("?status=solved"), rows("?status=all")}; !slices.Equal(got, []int{2, 0, 5}) {
		t.Errorf("then there are %d rows", got)
	}
}

func TestALineShowsTheAddressBesideTheName(t *testing.T) {
	w := desktest.New(t)
	for _, from := range [][2]string{{"Erika Muster", "erika@example.org"}, {"", "max@example.org"}, {"Nobody", ""}} {
		mail := simple("Printer")
		mail.Card.FromName, mail.Card.FromAddress = from[0], from[1]
		w.Ticket(mail)
	}
	a := as(w, t, "agnes").get("/tickets")
	for _, want := range []string{
		`<bdi>Erika Muster</bdi> <bdi class="address">erika@example.org</bdi></span>`,
		`<span class="from"><bdi>max@example.org</bdi></span>`, `<span class="from"><bdi>Nobody</bdi></span>`,
	} {
		if !a.has(want) {
			t.Errorf("the list has no %s", want)
		}
	}
}
