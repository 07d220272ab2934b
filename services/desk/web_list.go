package desk

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/pkg/event"
)

const pageSize = 40

// Orders of the list.
const (
	newestFirst = "newest"
	oldestFirst = "oldest"
)

// A line is one ticket in the list.
type line struct {
	Row
	glimpse
}

// A view of the list is which tickets, and from where on.
type listing struct {
	Status   string // as it stands in the address: open, pending, solved, all
	Assignee string // "", me, - or a name
	Sort     string // newest or oldest
	after    Place
}

// readListing reads what the address says; it takes nothing that is not one of its words.
func readListing(query url.Values) (listing, error) {
	l := listing{Status: query.Get("status"), Assignee: query.Get("assignee"), Sort: query.Get("sort")}
	if l.Sort == "" {
		l.Sort = newestFirst
	}
	if l.Sort != newestFirst && l.Sort != oldestFirst {
		return l, wrong(http.StatusBadRequest, "The list shows the newest tickets first, or the oldest.")
	}
	if l.Status == "" {
		l.Status = Open
	}
	if l.Status != "all" && !slices.Contains(statuses, l.Status) {
		return l, wrong(http.StatusBadRequest, "A ticket is open, pending or solved.")
	}
	if l.Assignee != "" && l.Assignee != "-" && !userName.MatchString(l.Assignee) {
		return l, wrong(http.StatusBadRequest, "There is nobody of that name at the desk.")
	}
	if text := query.Get("after"); text != "" {
		millis, ticket, _ := strings.Cut(text, ".")
		at, err := strconv.ParseInt(millis, 10, 64)
		if err != nil || !event.IsTicket(ticket) {
			return l, wrong(http.StatusBadRequest, "The list's position cannot be read.")
		}
		l.after = Place{time.UnixMilli(at), ticket}
	}
	return l, nil
}

func (l listing) filter(user User) Filter {
	f := Filter{Status: l.Status, Assignee: l.Assignee, Oldest: l.Sort == oldestFirst}
	if f.Status == "all" {
		f.Status = ""
	}
	if f.Assignee == "me" {
		f.Assignee = user.Name
	}
	return f
}

// address is where a listing goes on behind a row; at the top without one.
func (l listing) address(after *Row) string {
	query := url.Values{"status": {l.Status}}
	if after != nil {
		query.Set("after", fmt.Sprintf("%d.%s", after.Received.UnixMilli(), after.Ticket))
	}
	if l.Assignee != "" {
		query.Set("assignee", l.Assignee)
	}
	if l.Sort != newestFirst {
		query.Set("sort", l.Sort)
	}
	return "/tickets?" + query.Encode()
}

func (web *Web) list(v *visit) error {
	which, err := readListing(v.URL.Query())
	if err != nil {
		return err
	}
	rows, err := web.tickets.List(v.Context(), which.filter(v.user), which.after, pageSize+1)
	if err != nil {
		return err
	}
	more := ""
	if len(rows) > pageSize {
		rows = rows[:pageSize]
		more = which.address(&rows[pageSize-1])
	}
	cards, err := web.reader.cards(v.Context(), v.user.Name, rows)
	if err != nil {
		return err
	}
	counts, err := web.tickets.Counts(v.Context())
	if err != nil {
		return err
	}
	lines := make([]line, len(rows))
	for i, row := range rows {
		lines[i] = line{row, cards[row.Ticket]}
		if err := lines[i].Broken; err != nil {
			web.log.Error("ticket not opened", "ticket", row.Ticket, "err", err)
		}
	}
	page := "list.html"
	if v.URL.Query().Get("part") == "lines" {
		page = "lines.html"
	}
	return web.render(v, page, map[string]any{
		"Title": "Tickets", "Lines": lines, "Counts": counts, "More": more,
		"Status": which.Status, "Assignee": which.Assignee, "Sort": which.Sort, "First": which.after.Ticket == "",
		"Top": which.address(nil), "People": web.people(),
	})
}
