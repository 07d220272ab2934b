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

// Standing is what is told of its sender.
func (l line) Standing() standing {
	return standingOf(l.Card.GetSenderVerdict(), l.Record.GetFindings().GetSenderReasons())
}

// A view of the list is which tickets, and from where on.
type listing struct {
	Status   string // as it stands in the address: open, pending, solved, all
	Assignee string // "", me, - or a name
	Sort     string // newest or oldest
	after    Place
	find     string // what is searched for, as it stands in the address: sealed
	words    string // what is searched for
}

// readListing reads what the address says; it takes nothing that is not one of its words.
func readListing(query url.Values) (listing, error) {
	l := listing{Status: query.Get("status"), Assignee: query.Get("assignee"), Sort: query.Get("sort"), find: query.Get("find")}
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
	if l.find != "" {
		query.Set("find", l.find)
	}
	return "/tickets?" + query.Encode()
}

func (web *Web) list(v *visit) error {
	which, err := readListing(v.URL.Query())
	if err != nil {
		return err
	}
	data := map[string]any{"Title": "Tickets"}
	var rows []Row
	var cards map[string]glimpse
	more := ""
	if which.find != "" {
		if which.words, err = unsealWords(v, web.sessions.cookie(), which.find); err != nil {
			return err
		}
		found, err := web.find(v, which)
		if err != nil {
			return err
		}
		rows, cards = found.rows, found.cards
		if found.last != nil {
			more = which.address(found.last)
		}
		data["Title"], data["Words"], data["Looked"] = "Found", which.words, found.count
	} else if rows, cards, more, err = web.page(v, which); err != nil {
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
	for name, value := range map[string]any{
		"Lines": lines, "Counts": counts, "More": more,
		"Status": which.Status, "Assignee": which.Assignee, "Sort": which.Sort, "First": which.after.Ticket == "",
		"Top": which.address(nil), "People": web.people(),
	} {
		data[name] = value
	}
	return web.render(v, page, data)
}

// page gives one page of the list, and where the next one is.
func (web *Web) page(v *visit, which listing) (rows []Row, cards map[string]glimpse, more string, err error) {
	rows, err = web.tickets.List(v.Context(), which.filter(v.user), which.after, pageSize+1)
	if err != nil {
		return nil, nil, "", err
	}
	if len(rows) > pageSize {
		rows = rows[:pageSize]
		more = which.address(&rows[pageSize-1])
	}
	cards, err = web.reader.cards(v.Context(), v.user.Name, rows)
	return rows, cards, more, err
}
