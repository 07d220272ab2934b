package desk_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/desk/desktest"
)

// lookFor searches and gives the page that it leads to.
func lookFor(c *client, words string) answer {
	c.t.Helper()
	a := c.post("/search", "q", words)
	if a.StatusCode != 303 {
		c.t.Fatalf("%q: %d", words, a.StatusCode)
	}
	return c.get(a.Header.Get("Location"))
}

// someTickets are three tickets; the middle one is lena's and pending.
func someTickets(t *testing.T) (w *desktest.World, parcel, printer, refund string) {
	w = desktest.New(t)
	add := func(subject, name, address string) string {
		mail := simple(subject)
		mail.Card.FromName, mail.Card.FromAddress, mail.Card.Snippet = name, address, "Hello about "+strings.ToLower(subject)
		return w.Ticket(mail)
	}
	parcel = add("Where is my PARCEL?", "Jonas Weber", "jonas@example.org")
	printer = add("Drucker für Büro", "Zoë Krüger", "zoe@firm.example")
	refund = add("Refund of the parcel", "Liam", "liam@example.org")
	lead := as(w, t, "lena")
	lead.post("/tickets/"+printer+"/assignee", "assignee", "lena")
	lead.post("/tickets/"+printer+"/status", "status", "pending")
	return w, parcel, printer, refund
}

func TestASearchFindsWhatAListShows(t *testing.T) {
	w, parcel, printer, refund := someTickets(t)
	c := as(w, t, "agnes")
	for words, want := range map[string][]string{
		"parcel": {parcel, refund}, "PARCEL refund": {refund}, "büro": {printer}, "zoe@firm": {printer}, "Krüger drucker": {printer},
		"pending": {printer}, "lena": {printer}, "jonas@example.org": {parcel}, "hello about": {parcel, printer, refund}, "nobody": nil,
	} {
		a := lookFor(c, words)
		for _, ticket := range []string{parcel, printer, refund} {
			if a.has("/tickets/"+ticket) != slices.Contains(want, ticket) {
				t.Errorf("%q: %s is found: %v", words, ticket, a.has("/tickets/"+ticket))
			}
		}
		if len(want) == 0 && !a.has("Nothing here has these words.") || !a.has("among the 3 that were looked through") || !a.has(`value="`+words+`"`) {
			t.Errorf("%q: the page does not say what was done", words)
		}
	}
}

func TestASearchByNameLeadsToTheTicket(t *testing.T) {
	w, parcel, _, _ := someTickets(t)
	agnes := as(w, t, "agnes")
	for _, name := range []string{parcel, parcel[:9], "t" + parcel[1:9], w.Item(parcel), " " + parcel + " "} {
		if a := agnes.post("/search", "q", name); a.Header.Get("Location") != "/tickets/"+parcel {
			t.Errorf("%q leads to %q", name, a.Header.Get("Location"))
		}
	}
	item := w.SetAside("killed_worker", "scan")
	if a := as(w, t, "lena").post("/search", "q", item); a.Header.Get("Location") != "/aside/"+item {
		t.Errorf("a lead is led to %q", a.Header.Get("Location"))
	}
	if a := agnes.post("/search", "q", item); strings.HasPrefix(a.Header.Get("Location"), "/aside/") {
		t.Error("an agent is led to where agents may not go")
	}
	if a := lookFor(agnes, "T00000000"); !a.has("Nothing here has these words.") {
		t.Error("a name that is nobody's finds something")
	}
}

func TestASearchIsRecordedAndSoIsAllThatItOpens(t *testing.T) {
	w, parcel, printer, refund := someTickets(t)
	c := as(w, t, "agnes")
	w.Forget()
	lookFor(c, "refund")
	if got := w.Acts(); !slices.Equal(got, []string{"agnes search", "agnes open"}) {
		t.Errorf("acts %q", got)
	}
	items := w.Last("open").GetItems()
	slices.Sort(items)
	want := []string{w.Item(parcel), w.Item(printer), w.Item(refund)}
	slices.Sort(want)
	if !slices.Equal(items, want) {
		t.Errorf("of the items that were opened %v are recorded", items)
	}
	if act := w.Last("search"); len(act.GetReason()) > 0 || strings.Contains(act.String(), "refund") {
		t.Errorf("the words stand in the log: %v", act)
	}
	at := c.post("/search", "q", "refund").Header.Get("Location")
	w.Mute(errAway)
	if a := c.get(at); a.StatusCode != 503 || a.has("Refund") {
		t.Errorf("without a record: %d", a.StatusCode)
	}
}

// The words may name a customer.
func TestWhatIsSearchedForStandsReadableNowhere(t *testing.T) {
	w, _, _, _ := someTickets(t)
	c := as(w, t, "agnes")
	const words = "Marker-Erika-4711"
	at := c.post("/search", "q", words).Header.Get("Location")
	if strings.Contains(strings.ToLower(at), "erika") || !strings.HasPrefix(at, "/tickets?find=") {
		t.Errorf("it leads to %s", at)
	}
	if a := c.get(at); a.StatusCode != 200 || !a.has(words) {
		t.Errorf("%d", a.StatusCode)
	}
	if strings.Contains(w.Log.String(), words) {
		t.Error("it is logged")
	}
	// Nobody else, and nobody later, reads it out of the address.
	if a := as(w, t, "albert").get(at); a.StatusCode != 410 || a.has(words) {
		t.Errorf("another session: %d", a.StatusCode)
	}
	if a := c.get("/tickets?status=all&find=" + url.QueryEscape("AAAA")); a.StatusCode != 410 {
		t.Errorf("an address that nobody made: %d", a.StatusCode)
	}
}

func TestASearchTakesSoManyCharacters(t *testing.T) {
	c := as(desktest.New(t), t, "agnes")
	for words, want := range map[string]int{"": 400, " a ": 400, "ab": 303, strings.Repeat("ü", 200): 303, strings.Repeat("ü", 201): 400, "\xff\xfe\xfd": 400} {
		if a := c.post("/search", "q", words); a.StatusCode != want {
			t.Errorf("%.10q: %d, want %d", words, a.StatusCode, want)
		}
	}
}

// One step opens 512 tickets and no more; the next goes on behind them.
func TestASearchOpensSoManyTicketsAtOnce(t *testing.T) {
	w := desktest.New(t)
	oldest := simple("the needle")
	oldest.Earlier = 48 * time.Hour
	w.Ticket(oldest)
	for i := range 511 {
		w.Ticket(simple(fmt.Sprintf("hay %d", i)))
	}
	c := as(w, t, "agnes")
	if a := lookFor(c, "needle"); !a.has("the needle") || !a.has("1 ticket has") || !a.has("among the 512 that") || a.has("Look further back") {
		t.Error("of 512 tickets not all are looked through")
	}
	w.Ticket(simple("one more"))
	w.Forget()
	a := lookFor(c, "needle")
	if a.has("the needle") || !a.has("among the 512 that") || !a.has("Look further back") || w.Requests() != 8 {
		t.Errorf("of 513 tickets more than 512 are opened, in %d requests", w.Requests())
	}
	_, rest, _ := strings.Cut(a.body, `<p class="more"><a class="button" href="`)
	at, _, _ := strings.Cut(rest, `"`)
	if a := c.get(strings.ReplaceAll(at, "&amp;", "&")); !a.has("the needle") || !a.has("among the 1 that") {
		t.Error("the next step does not go on behind it")
	}
}

func TestAPageOfResultsDoesNotLookAgainByItself(t *testing.T) {
	w, _, _, _ := someTickets(t)
	if a := lookFor(as(w, t, "agnes"), "parcel"); a.has("data-live") {
		t.Error("it listens for changes, and would open everything again at each")
	}
}

func TestHelpTellsEverybodyOfTheirOwnWork(t *testing.T) {
	w := desktest.New(t)
	for name, want := range map[string][2]string{
		"agnes": {"See a masked number", "Mail that got stuck"}, "lena": {"Give work to others", "Place a hold"}, "petra": {"Place a hold", "See a masked number"},
		"aude": {"Prove that mail is gone", "Keep a ticket for a court"}, "adam": {"Mail that got stuck", "Who saw this customer"}, "nora": {"no role yet", "Mail that got stuck"},
	} {
		a := as(w, t, name).get("/help")
		if a.StatusCode != 200 || !a.has(want[0]) || a.has(want[1]) || !a.has("Nobody vouches for the sender") || !a.has("Looks like somebody else") {
			t.Errorf("%s: %d, %v, %v", name, a.StatusCode, a.has(want[0]), a.has(want[1]))
		}
		if !a.has(`<a href="/help">`) {
			t.Errorf("%s: no page leads to it", name)
		}
	}
}
