package desk

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postern-mail/postern/pkg/vault"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"
)

// row finds the ticket of a visit.
func (web *Web) row(v *visit) (Row, error) {
	row, ok, err := web.tickets.Get(v.Context(), v.PathValue("ticket"))
	if err == nil && !ok {
		err = vault.ErrNotFound
	}
	return row, err
}

func (web *Web) ticket(v *visit) error {
	row, err := web.row(v)
	if err != nil {
		return err
	}
	view, err := web.reader.view(v.Context(), v.user.Name, row)
	if errors.Is(err, ErrGone) {
		return web.showTicket(v, row, sheet{}, nil)
	}
	if err != nil {
		return err
	}
	defer view.close()
	s, err := view.sheet(v.Context())
	if err != nil && !errors.Is(err, ErrGone) {
		return err
	}
	return web.showTicket(v, row, s, nil)
}

// showTicket shows a ticket, and a value that was just revealed. An empty sheet is of
// one that was destroyed.
func (web *Web) showTicket(v *visit, row Row, s sheet, revealed map[int32]string) error {
	record := web.record(v.Context(), row)
	data := map[string]any{
		"Title": "Ticket " + row.Ticket, "Row": row, "Revealed": revealed, "People": web.people(),
		"Gone": s.Message == nil, "Layers": layersOf(row, record), "Holds": record.GetHolds(), "Class": record.GetClass(),
		"Original": row.layer(rawLayer) != nil && row.layer(viewLayer) != nil,
	}
	switch w, waiting, err := web.originals.get(v.Context(), row.Ticket); {
	case err != nil: // the ticket still shows
		web.log.Warn("wish for an original not read", "ticket", row.Ticket, "err", err)
	case waiting:
		data["Wish"], data["Mine"] = w, w.By == v.user.Name
	}
	if s.Message != nil {
		data["Card"], data["Message"] = s.Card, s.Message
		data["Wide"], data["Narrow"] = frameHeight(s.Message, wideFrame), frameHeight(s.Message, narrowFrame)
		data["Summary"] = removedWords(s.Message)
		sender, err := senderOf(s.Message)
		if err != nil {
			return err
		}
		data["Sender"] = sender
		data["Encryption"] = encryptionOf(s.Message)
		data["Standing"] = standingOf(s.Card.GetSenderVerdict(), slices.Concat(sender.Reasons, row.Record.GetFindings().GetSenderReasons()))
		if data["Scan"], err = scanOf(s); err != nil {
			return err
		}
		if data["Recalled"], err = web.recalled(v, row, record, s); err != nil {
			return err
		}
	}
	return web.render(v, "ticket.html", data)
}

// record is an item's record as it stands now: holds and dates move on after a ticket was
// opened. Without it, the ticket still shows, with what was known then.
func (web *Web) record(ctx context.Context, row Row) *itemv1.Record {
	record, err := web.retention.Record(ctx, row.Record.GetItem())
	if err != nil {
		web.log.Warn("item record not read", "ticket", row.Ticket, "err", err)
		return row.Record
	}
	return record
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
	view, err := web.reader.view(v.Context(), v.user.Name, row)
	if err != nil {
		return err
	}
	defer view.close()
	s, err := view.sheet(v.Context())
	if err != nil {
		return err
	}
	body, form := s.Message.GetHtml(), "html"
	if coloured(body) {
		form = "html coloured"
	}
	if body == "" || v.URL.Query().Get("as") == "text" {
		body, form = "<pre>"+html.EscapeString(s.Message.GetText())+"</pre>", "text"
	}
	header := v.w.Header()
	header.Set("Content-Security-Policy", messagePolicy)
	header.Set("X-DNS-Prefetch-Control", "off")
	header.Set("Content-Type", "text/html; charset=utf-8")
	if _, err := fmt.Fprintf(v.w, messageFrame, form, body); err != nil {
		web.log.Debug("message not sent", "ticket", row.Ticket, "err", err)
	}
	return nil
}

// coloured tells whether a message brings colours of its own.
func coloured(body string) bool {
	return strings.Contains(body, "color") // color, background-color, bgcolor
}

// A message follows the browser's light or dark. One that brings colours of its own thinks
// that it stands on white: in the dark it is turned over whole, its pictures back again, so
// that what was legible stays so. Paragraphs find their own direction.
const messageFrame = `<!doctype html><html class="%s"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="referrer" content="no-referrer"><title>Message</title>
<style>:root{color-scheme:light}body{margin:0;padding:1rem 1.1rem;font:15px/1.55 system-ui,"Noto Sans",sans-serif;color:#1c2430;background:#fff;overflow-wrap:anywhere}body>:first-child{margin-top:0}body>:last-child{margin-bottom:0}td,th{overflow-wrap:break-word}
pre{white-space:pre-wrap;font:inherit;margin:0;unicode-bidi:plaintext}p,li,td,div,blockquote,h1,h2,h3,h4{unicode-bidi:plaintext}
img{max-width:100%%;height:auto}table{max-width:100%%}blockquote{margin:.5rem 0;padding-left:.8rem;border-left:3px solid #d5dbe3;color:#52606f}
a{color:#0b5cad}:focus-visible{outline:3px solid #b35c00;outline-offset:2px}
.postern-hidden{text-decoration:underline dotted}.postern-host{color:#5a6878;font-size:.85em}.postern-mismatch{color:#8f1d1a;background:#fbe6e4;font-weight:600;font-size:.9em;padding:0 .25em;border-radius:3px}
@media(prefers-color-scheme:dark){html:not(.coloured){color-scheme:dark}html:not(.coloured) body{color:#e6ebf2;background:#18202b}html:not(.coloured) a{color:#7db8f2}html:not(.coloured) blockquote{color:#a9b7c6;border-color:#354254}html:not(.coloured) .postern-host{color:#a9b7c6}html:not(.coloured) .postern-mismatch{color:#ffaca6;background:#43191a}
.coloured{filter:invert(.9) hue-rotate(180deg);background:#fff}.coloured img{filter:invert(1) hue-rotate(180deg)}}</style></head><body>%s</body></html>`

// download hands out a file that passed, as a file: browsers never show it in place.
func (web *Web) download(v *visit) error {
	const download = "download"
	return web.withFile(v, download, func(row Row, view *opened, file *contentv1.Attachment, index int) error {
		// It may have been recalled while it was written down and read once.
		still := func() error { return web.mayHandOut(v, row, file, index, download) }
		_, err := web.handOut(v, view, int(file.GetPacket()), fileName(file), still)
		return err
	})
}

// withFile finds the file that a visit names and that passed, records what somebody does with it, and
// does it.
func (web *Web) withFile(v *visit, action string, do func(row Row, view *opened, file *contentv1.Attachment, index int) error) error {
	row, err := web.row(v)
	if err != nil {
		return err
	}
	index, err := strconv.Atoi(v.PathValue("index"))
	if err != nil {
		return vault.ErrNotFound
	}
	view, err := web.reader.view(v.Context(), v.user.Name, row)
	if err != nil {
		return err
	}
	defer view.close()
	file, err := view.file(v.Context(), index)
	if err != nil {
		return err
	}
	if action == looking && !canLook(file) {
		return vault.ErrNotFound
	}
	if err := web.mayHandOut(v, row, file, index, action); err != nil {
		return err
	}
	act := &auditv1.Act{Actor: v.user.Name, Action: action, Items: []string{row.Record.GetItem()}, Ticket: row.Ticket, Layer: viewLayer, Value: int32(index), Outcome: "allowed"} //nolint:gosec // of a list
	if err := web.voice.Record(v.Context(), act); err != nil {
		return err
	}
	return do(row, view, file, index)
}

// handOut sends one packet of a layer as a file, once it is known to be whole and may still be sent. It says
// whether it has begun to.
func (web *Web) handOut(v *visit, layer *opened, packet int, name string, still func() error) (begun bool, err error) {
	err = layer.copy(v.Context(), packet, func(size int64) (io.Writer, error) {
		if err := still(); err != nil {
			return nil, err
		}
		begun = true
		header := v.w.Header()
		header.Set("Content-Type", "application/octet-stream")
		header.Set("Content-Disposition", disposition(name))
		header.Set("Content-Length", strconv.FormatInt(size, 10))
		header.Set("Content-Security-Policy", filePolicy)
		return v.w, nil
	})
	if err != nil && begun {
		web.log.Warn("file not sent whole", "page", v.Pattern, "err", err)
		panic(http.ErrAbortHandler) // the browser sees that it is not whole
	}
	return begun, err
}

func disposition(name string) string {
	if text := mime.FormatMediaType("attachment", map[string]string{"filename": name}); text != "" {
		return text
	}
	return "attachment"
}

// fileName never steers where a browser or a shell puts the file.
func fileName(attached *contentv1.Attachment) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r < ' ', r == 0x7f, r >= 0x80 && r < 0xa0, strings.ContainsRune(`/\:*?"<>|%;`, r), r == utf8.RuneError:
			return '_'
		case r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0xfeff:
			return '_' // invisible, or turning the text around
		}
		return r
	}, attached.GetName())
	name = strings.Trim(name, ". ")
	if runes := []rune(name); len(runes) > 120 {
		name = string(runes[:60]) + "…" + string(runes[len(runes)-59:])
	}
	if name == "" {
		return "attachment"
	}
	return name
}

func (web *Web) setStatus(v *visit) error {
	status := v.PostFormValue("status")
	if !slices.Contains(statuses, status) {
		return wrong(http.StatusBadRequest, "A ticket is open, pending or solved.")
	}
	return web.change(v, "status", func(ticket string) (uint64, error) {
		return web.voice.Say(v.Context(), ticket, &ticketv1.StatusChanged{Ticket: ticket, Status: status, By: v.user.Name})
	})
}

func (web *Web) setAssignee(v *visit) error {
	assignee := v.PostFormValue("assignee")
	if assignee != "" && !slices.Contains(web.people(), assignee) {
		return wrong(http.StatusBadRequest, "There is nobody of that name at the desk.")
	}
	row, err := web.row(v)
	if err != nil {
		return err
	}
	mine := assignee == v.user.Name || assignee == "" && row.Assignee == v.user.Name
	if !mine && !v.user.Has(Lead) {
		return wrong(http.StatusForbidden, "Agents take tickets themselves, and let go of their own; a lead gives them to others.")
	}
	return web.change(v, "assign", func(ticket string) (uint64, error) {
		return web.voice.Say(v.Context(), ticket, &ticketv1.Assigned{Ticket: ticket, Assignee: assignee, By: v.user.Name})
	})
}

// change records an act and says it, then shows the ticket again, as it is now.
func (web *Web) change(v *visit, action string, say func(ticket string) (uint64, error)) error {
	row, err := web.row(v)
	if err != nil {
		return err
	}
	act := &auditv1.Act{Actor: v.user.Name, Action: action, Items: []string{row.Record.GetItem()}, Ticket: row.Ticket, Outcome: "allowed"}
	if err := web.voice.Record(v.Context(), act); err != nil {
		return err
	}
	sequence, err := say(row.Ticket)
	if err != nil {
		return err
	}
	if err := web.tickets.Await(v.Context(), sequence); err != nil {
		return err
	}
	if v.URL.Query().Get("part") != "" { // the script puts this in the page's place
		row, err := web.row(v)
		if err != nil {
			return err
		}
		return web.render(v, "state.html", map[string]any{"Row": row, "People": web.people()})
	}
	return web.backToTicket(v)
}

func (web *Web) backToTicket(v *visit) error {
	http.Redirect(v.w, v.Request, "/tickets/"+v.PathValue("ticket"), http.StatusSeeOther)
	return nil
}

// A reason that somebody types, in characters and bytes.
const (
	reasonLeast = 5
	reasonMost  = 500
)

// typedReason reads the reason of a form.
func typedReason(v *visit, why string) (string, error) {
	reason := strings.TrimSpace(v.PostFormValue("reason"))
	if !utf8.ValidString(reason) || utf8.RuneCountInString(reason) < reasonLeast || utf8.RuneCountInString(reason) > reasonMost {
		return "", wrong(http.StatusBadRequest, fmt.Sprintf("%s Use %d to %d characters.", why, reasonLeast, reasonMost))
	}
	return reason, nil
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
	reason, err := typedReason(v, "Say in a few words why you need to see this value: the reason is kept with the record of the reveal.")
	if err != nil {
		return err
	}
	view, err := web.reader.view(v.Context(), v.user.Name, row)
	if err != nil {
		return err
	}
	defer view.close()
	s, err := view.sheet(v.Context())
	if err != nil {
		return err
	}
	at := slices.IndexFunc(s.Message.GetMasks(), func(m *contentv1.Mask) bool { return int(m.GetPacket()) == packet })
	if at < 0 {
		return vault.ErrNotFound
	}
	sealed, err := view.seal(reason)
	if err != nil {
		return err
	}
	value, err := web.reader.value(v.Context(), v.user.Name, row, packet, sealed)
	if err != nil {
		return err
	}
	revealed := map[int32]string{int32(packet): value.GetValue()}
	if v.URL.Query().Get("part") != "" {
		return web.render(v, "mask.html", map[string]any{"Row": row, "Revealed": revealed, "Mask": s.Message.GetMasks()[at]})
	}
	return web.showTicket(v, row, s, revealed)
}
