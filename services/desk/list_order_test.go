package desk_test

import (
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/desk/desktest"
)

func TestTheListIsSortedAndNarrowedWithoutAScript(t *testing.T) {
	w := desktest.New(t)
	for _, subject := range []string{"first", "second"} {
		w.Ticket(simple(subject + " subject"))
	}
	for range 45 {
		w.Ticket(simple("another subject"))
	}
	last := w.Ticket(simple("last subject"))
	c := as(w, t, "lena")
	order := func(page answer) []string {
		var found []string
		for _, part := range strings.Split(page.body, `<span class="subject" dir="auto">`)[1:] {
			word, _, _ := strings.Cut(part, " ")
			found = append(found, word)
		}
		return found
	}
	oldest := c.get("/tickets?status=open&assignee=&sort=oldest")
	if got := order(oldest); len(got) != 40 || got[0] != "first" || got[1] != "second" || !oldest.has("Newer tickets") {
		t.Errorf("oldest first: %q", got)
	}
	_, rest, _ := strings.Cut(oldest.body, `<p class="more"><a class="button" href="`)
	next, _, _ := strings.Cut(rest, `"`)
	more := c.get(strings.ReplaceAll(next, "&amp;", "&"))
	if got := order(more); len(got) != 8 || got[7] != "last" || !more.has("Back to the top") {
		t.Errorf("oldest first, second page: %q", got)
	}
	c.post("/tickets/"+last+"/assignee", "assignee", "agnes")
	if page := c.get("/tickets?status=open&assignee=agnes"); len(order(page)) != 1 || !page.has("<option selected>agnes</option>") {
		t.Errorf("agnes' tickets: %q", order(page))
	}
	if page := c.get("/tickets?status=pending&assignee=albert"); !page.has("No ticket fits") {
		t.Error("an empty list does not say what to do")
	}
	if page := c.get("/tickets?sort=loudest"); page.StatusCode != 400 {
		t.Errorf("no order: %d", page.StatusCode)
	}
}
