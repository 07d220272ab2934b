package desk

import (
	"fmt"
	"html"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/vault"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"
)

const pageSize = 40

// A line is one ticket in the list.
type line struct {
	Row
	glimpse
}

func (web *Web) list(v *visit) error {
	query := v.URL.Query()
	filter := Filter{Status: query.Get("status"), Assignee: query.Get("assignee")}
	if !query.Has("status") {
		filter.Status = Open
	}
	if filter.Status == "all" {
		filter.Status = ""
	}
	if filter.Assignee == "me" {
		filter.Assignee = v.user.Name
	}
	var before time.Time
	if text := query.Get("before"); text != "" {
		millis, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			web.refuse(v.w, v.Request, http.StatusBadRequest, "The list's position is not a number.", v.user)
			return nil
		}
		before = time.UnixMilli(millis)
	}
	rows, err := web.tickets.List(v.Context(), filter, before, pageSize+1)
	if err != nil {
		return err
	}
	more := ""
	if len(rows) > pageSize {
		rows = rows[:pageSize]
		more = strconv.FormatInt(rows[pageSize-1].Received.UnixMilli(), 10)
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
	}
	page := "list.html"
	if query.Get("part") == "lines" {
		page = "lines.html"
	}
	return web.render(v, page, map[string]any{
		"Title": "Tickets", "Lines": lines, "Counts": counts, "More": more,
		"Status": query.Get("status"), "Assignee": query.Get("assignee"), "First": before.IsZero(),
	})
}

// row finds the ticket of a visit.
func (web *Web) row(v *visit) (Row, error) {
	row, ok, err := web.tickets.Get(v.Context(), v.PathValue("ticket"))
	if err == nil && !ok {
		err = vault.ErrNotFound
	}
	return row, err
}

func (web *Web) ticket(v *visit) error { return web.showTicket(v, nil) }

// showTicket shows a ticket, and a value that was just revealed.
func (web *Web) showTicket(v *visit, revealed map[int32]string) error {
	row, err := web.row(v)
	if err != nil {
		return err
	}
	data := map[string]any{"Title": "Ticket " + row.Ticket, "Row": row, "Revealed": revealed, "People": web.people()}
	opened, err := web.reader.sheet(v.Context(), v.user.Name, row)
	switch {
	case err == nil:
		data["Card"], data["Message"] = opened.Card, opened.Message
		if data["Sender"], err = senderOf(opened.Message); err != nil {
			return err
		}
	case err == ErrGone: //nolint:errorlint // reader gives it bare
		data["Gone"] = true
	default:
		return err
	}
	return web.render(v, "ticket.html", data)
}

// people are the names a ticket can be given to.
func (web *Web) people() []string {
	users, err := web.users.Users()
	if err != nil {
		web.log.Error("users file not read", "err", err)
		return nil
	}
	var names []string
	for _, user := range users {
		if user.Reads() && !user.Disabled {
			names = append(names, user.Name)
		}
	}
	slices.Sort(names)
	return names
}

// message is what stands in the sandboxed frame: sanitized HTML under a policy of its
// own, so that even what sanitizing missed runs nothing and reaches nothing.
func (web *Web) message(v *visit) error {
	row, err := web.row(v)
	if err != nil {
		return err
	}
	opened, err := web.reader.sheet(v.Context(), v.user.Name, row)
	if err != nil {
		return err
	}
	body := opened.Message.GetHtml()
	if body == "" || v.URL.Query().Get("as") == "text" {
		body = "<pre>" + html.EscapeString(opened.Message.GetText()) + "</pre>"
	}
	header := v.w.Header()
	header.Set("Content-Security-Policy", messagePolicy)
	header.Set("Content-Type", "text/html; charset=utf-8")
	_, err = fmt.Fprintf(v.w, messageFrame, body)
	return err
}

const messageFrame = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="referrer" content="no-referrer"><title>Message</title>
<style>:root{color-scheme:light}body{margin:0;padding:1rem;font:15px/1.55 system-ui,"Noto Sans",sans-serif;color:#1c2430;background:#fff;overflow-wrap:anywhere}
pre{white-space:pre-wrap;font:inherit;margin:0}img{max-width:100%%;height:auto}table{max-width:100%%}blockquote{margin:.5rem 0;padding-left:.8rem;border-left:3px solid #d5dbe3;color:#52606f}
a{color:#0b5cad}</style></head><body>%s</body></html>`

// download hands out a file that passed, as a file: browsers never show it in place.
func (web *Web) download(v *visit) error {
	row, err := web.row(v)
	if err != nil {
		return err
	}
	index, err := strconv.Atoi(v.PathValue("index"))
	if err != nil {
		return vault.ErrNotFound
	}
	attached, content, err := web.reader.file(v.Context(), v.user.Name, row, index)
	if err != nil {
		return err
	}
	header := v.w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": fileName(attached)}))
	header.Set("Content-Length", strconv.Itoa(len(content)))
	header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	_, err = v.w.Write(content)
	return err
}

// fileName never steers where a browser or a shell puts the file.
func fileName(attached *contentv1.Attachment) string {
	name := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || strings.ContainsRune(`/\:*?"<>|`, r) || r == utf8.RuneError || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) {
			return '_'
		}
		return r
	}, attached.GetName())
	name = strings.Trim(name, ". ")
	if name == "" {
		return "attachment"
	}
	return name
}

func (web *Web) setStatus(v *visit) error {
	status := v.PostFormValue("status")
	if !slices.Contains([]string{Open, Pending, Solved}, status) {
		web.refuse(v.w, v.Request, http.StatusBadRequest, "A ticket is open, pending or solved.", v.user)
		return nil
	}
	return web.change(v, "status", func(ticket string) error {
		return web.voice.Say(v.Context(), ticket, &ticketv1.StatusChanged{Ticket: ticket, Status: status, By: v.user.Name})
	})
}

func (web *Web) setAssignee(v *visit) error {
	assignee := v.PostFormValue("assignee")
	if assignee != "" && !slices.Contains(web.people(), assignee) {
		web.refuse(v.w, v.Request, http.StatusBadRequest, "There is nobody of that name at the desk.", v.user)
		return nil
	}
	if assignee != v.user.Name && assignee != "" && !v.user.Has(Lead) {
		web.refuse(v.w, v.Request, http.StatusForbidden, "Agents take tickets themselves; a lead gives them to others.", v.user)
		return nil
	}
	return web.change(v, "assign", func(ticket string) error {
		return web.voice.Say(v.Context(), ticket, &ticketv1.Assigned{Ticket: ticket, Assignee: assignee, By: v.user.Name})
	})
}

// change records an act and says it, then shows the ticket again.
func (web *Web) change(v *visit, action string, say func(ticket string) error) error {
	row, err := web.row(v)
	if err != nil {
		return err
	}
	act := &auditv1.Act{Actor: v.user.Name, Action: action, Items: []string{row.Record.GetItem()}, Ticket: row.Ticket, Outcome: "allowed"}
	if err := web.voice.Record(v.Context(), act); err != nil {
		return err
	}
	if err := say(row.Ticket); err != nil {
		return err
	}
	http.Redirect(v.w, v.Request, "/tickets/"+row.Ticket, http.StatusSeeOther)
	return nil
}

// reveal shows one masked value, for a reason.
func (web *Web) reveal(v *visit) error {
	row, err := web.row(v)
	if err != nil {
		return err
	}
	packet, err := strconv.Atoi(v.PostFormValue("value"))
	if err != nil {
		return vault.ErrNotFound
	}
	reason := strings.TrimSpace(v.PostFormValue("reason"))
	if utf8.RuneCountInString(reason) < 5 || len(reason) > 500 {
		web.refuse(v.w, v.Request, http.StatusBadRequest, "Say in a few words why you need to see this value: the reason is kept with the record of the reveal.", v.user)
		return nil
	}
	sealed, err := web.sealReason(v, row, reason)
	if err != nil {
		return err
	}
	value, err := web.reader.value(v.Context(), v.user.Name, row, packet, sealed)
	if err != nil {
		return err
	}
	return web.showTicket(v, map[int32]string{int32(packet): value.GetValue()})
}

// sealReason seals typed words under the view's key: they may name the customer, and
// are readable for as long as the ticket is.
func (web *Web) sealReason(v *visit, row Row, reason string) ([]byte, error) {
	key, err := web.reader.opener.Open(v.Context(), open.Ask{
		Purpose: keys.ForRead, Layer: itemv1.LayerKind_LAYER_KIND_VIEW,
		Item: row.Record.GetItem(), Actor: v.user.Name, Ticket: row.Ticket,
	})
	if err != nil {
		if gone(err) {
			return nil, ErrGone
		}
		return nil, err
	}
	defer key.Clear()
	return seal.Under(key.Session, []byte(reason))
}
