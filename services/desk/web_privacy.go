package desk

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/vault"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// How much the pages of records show.
const (
	actsShown         = 200
	certificatesShown = 50
	plansShown        = 20
)

// looked records that somebody looked at records.
func (web *Web) looked(v *visit, action string, row Row) error {
	act := &auditv1.Act{Actor: v.user.Name, Action: action, Ticket: row.Ticket, Outcome: "allowed"}
	if row.Record != nil {
		act.Items = []string{row.Record.GetItem()}
	}
	return web.voice.Record(v.Context(), act)
}

// reasonWords gives the reason of an act. Retention can seal nothing: what its operators
// give is a reference that stands readable in the log.
func reasonWords(view *opened, act *auditv1.Act) string {
	if act.GetService() == "retain" {
		return string(act.GetReason())
	}
	if isReference(act.GetReason()) {
		return referenceWords(string(act.GetReason()))
	}
	words, err := view.unseal(act.GetReason())
	if err != nil {
		return "(sealed with another key)"
	}
	return words
}

// A record is what a page of acts shows, and how far it reaches.
type record struct {
	Acts    []*auditv1.Act
	Log     *Stretch // nil: it is of the board
	Reasons map[string]string
}

// acts gives the acts that an address asks for: the newest from the board, or a stretch of
// the log itself.
func (web *Web) acts(v *visit, item string) (record, error) {
	switch at := v.FormValue("log"); at {
	case "":
		if item == "" {
			acts, err := web.tickets.RecentActs(v.Context(), actsShown)
			return record{Acts: acts}, err
		}
		acts, err := web.tickets.Acts(v.Context(), item, actsShown)
		return record{Acts: acts}, err
	case "end":
		at = "0"
		fallthrough
	default:
		last, err := strconv.ParseUint(at, 10, 64)
		if err != nil {
			return record{}, wrong(http.StatusBadRequest, "The log’s entries have numbers.")
		}
		stretch, err := web.audit.Stretch(v.Context(), last, item, actsShown)
		return record{Acts: stretch.Acts, Log: &stretch}, err
	}
}

// reads shows who did what to a ticket's item. Looking is recorded too.
func (web *Web) reads(v *visit) error {
	row, known, err := web.rowOf(v.Context(), v.PathValue("ticket"), v.URL.Query().Get("item"))
	if err == nil && !known {
		err = vault.ErrNotFound
	}
	if err != nil {
		return err
	}
	if err := web.looked(v, "look_at_reads", row); err != nil {
		return err
	}
	shown, err := web.acts(v, row.Record.GetItem())
	if err != nil {
		return err
	}
	return web.showReads(v, row, shown)
}

func (web *Web) showReads(v *visit, row Row, shown record) error {
	sealed := 0
	for _, act := range shown.Acts {
		if len(act.GetReason()) > 0 && !isReference(act.GetReason()) {
			sealed++
		}
	}
	at := url.URL{Path: "/tickets/" + row.Ticket + "/reads"}
	aside := row.Status == "" // a mail that has not become a ticket
	if aside {
		at.RawQuery = url.Values{"item": {row.Record.GetItem()}}.Encode()
	}
	data := map[string]any{
		"Title": "Who read " + shortName(row.Ticket), "Aside": aside, "Row": row,
		"Acts": actLines(shown.Acts, true), "Log": shown.Log, "Holds": web.record(v.Context(), row).GetHolds(),
		"Reasons": shown.Reasons, "Sealed": sealed, "Readable": row.layer(viewLayer) != nil && !aside,
	}
	logLinks(data, at, shown.Log)
	return web.render(v, "reads.html", data)
}

// logLinks adds where the newest acts stand, the log, and what is before a part of it.
func logLinks(data map[string]any, at url.URL, shown *Stretch) {
	data["Here"] = at.String()
	to := func(log string) string {
		query := at.Query()
		query.Set("log", log)
		next := at
		next.RawQuery = query.Encode()
		return next.String()
	}
	data["LogEnd"] = to("end")
	if shown != nil {
		data["LogOlder"] = to(strconv.FormatUint(shown.Older(), 10))
	}
}

// reasons opens what people typed as their reasons. They are sealed with the ticket's
// words, so the keyring records this as an opening of the ticket.
func (web *Web) reasons(v *visit) error {
	row, err := web.row(v)
	if err != nil {
		return err
	}
	if err := web.looked(v, "look_at_reasons", row); err != nil {
		return err
	}
	view, err := web.reader.view(v.Context(), v.user.Name, row)
	if err != nil {
		return err
	}
	defer view.close()
	shown, err := web.acts(v, row.Record.GetItem())
	if err != nil {
		return err
	}
	shown.Reasons = map[string]string{}
	for _, act := range shown.Acts {
		if len(act.GetReason()) == 0 {
			continue
		}
		shown.Reasons[act.GetId()] = reasonWords(view, act)
	}
	return web.showReads(v, row, shown)
}

func (web *Web) recentReads(v *visit) error {
	if ticket := strings.TrimSpace(v.URL.Query().Get("ticket")); ticket != "" {
		if !event.IsTicket(ticket) {
			return wrong(http.StatusBadRequest, "That is no ticket’s name: one is T and 20 characters of 0-9 and a-f. It stands at the top right of the ticket’s page.")
		}
		http.Redirect(v.w, v.Request, "/tickets/"+ticket+"/reads", http.StatusSeeOther)
		return nil
	}
	if err := web.looked(v, "look_at_reads", Row{}); err != nil {
		return err
	}
	shown, err := web.acts(v, "")
	if err != nil {
		return err
	}
	data := map[string]any{"Title": "Who read what", "Acts": actLines(shown.Acts, false), "Log": shown.Log}
	logLinks(data, url.URL{Path: "/reads"}, shown.Log)
	return web.render(v, "reads.html", data)
}

func (web *Web) retentionPage(v *visit) error {
	certified, err := web.retention.Certificates(v.Context(), certificatesShown)
	if err != nil {
		return err
	}
	plans, err := web.retention.Plans(v.Context(), plansShown)
	if err != nil {
		return err
	}
	certificates := make([]certificate, len(certified))
	for i, one := range certified {
		shown, err := web.glanceAt(v.Context(), one)
		if err != nil {
			web.log.Error("certificate not read", "certificate", one.GetCertificate(), "err", err)
			shown = certificate{ID: one.GetCertificate()}
		}
		certificates[i] = shown
	}
	return web.render(v, "retention.html", map[string]any{"Title": "Retention", "Certificates": certificates, "Plans": plans})
}

// glanceAt reads what a list shows of a certificate. Certificates never change, so a long
// one is fetched once.
func (web *Web) glanceAt(ctx context.Context, certified *retentionv1.Certified) (certificate, error) {
	if known, ok := web.glances.get(certified.GetCertificate()); ok {
		return known, nil
	}
	shown, err := web.readCertificate(ctx, certified, 0)
	if err == nil {
		web.glances.put(shown)
	}
	return shown, err
}

func (web *Web) readCertificate(ctx context.Context, certified *retentionv1.Certified, lines int) (certificate, error) {
	file, _, err := web.retention.Document(ctx, certified)
	if err != nil {
		return certificate{}, err
	}
	defer file.Close()
	return readCertificate(certified, file, lines)
}

// glances keep the heads of certificates that were shown.
type glances struct {
	mu   sync.Mutex
	seen map[string]certificate
}

func (g *glances) get(id string) (certificate, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	shown, ok := g.seen[id]
	return shown, ok
}

func (g *glances) put(shown certificate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.seen == nil || len(g.seen) >= 4*certificatesShown {
		g.seen = map[string]certificate{}
	}
	g.seen[shown.ID] = shown
}

// certificate hands out the signed file as it is, so that it verifies, or shows it.
func (web *Web) certificate(v *visit) error {
	found, ok, err := web.retention.Certificate(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	if !ok {
		return vault.ErrNotFound
	}
	if v.URL.Query().Get("as") == "page" {
		shown, err := web.readCertificate(v.Context(), found, certificateLines)
		if err != nil {
			return web.noCertificate(found, err)
		}
		return web.render(v, "certificate.html", map[string]any{"Title": "Certificate " + shown.ID, "Certificate": shown})
	}
	if len(found.GetDocument()) == 0 { // from the vault: it must be the one that was issued
		if _, err := web.readCertificate(v.Context(), found, 0); err != nil {
			return web.noCertificate(found, err)
		}
	}
	file, size, err := web.retention.Document(v.Context(), found)
	if err != nil {
		return web.noCertificate(found, err)
	}
	defer file.Close()
	header := v.w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Disposition", disposition(found.GetCertificate()+".json"))
	header.Set("Content-Length", strconv.FormatInt(size, 10))
	header.Set("Content-Security-Policy", filePolicy)
	if _, err := io.CopyN(v.w, file, size); err != nil {
		web.log.Warn("certificate not sent whole", "certificate", found.GetCertificate(), "err", err)
		panic(http.ErrAbortHandler) // the browser sees that it is not whole
	}
	return nil
}

// noCertificate says why a certificate that was issued cannot be shown.
func (web *Web) noCertificate(certified *retentionv1.Certified, err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, vault.ErrNotFound):
		web.log.Error("certificate not in the vault", "certificate", certified.GetCertificate())
		return wrong(http.StatusNotFound, "The certificate was issued, but its file is not in the vault. Tell whoever keeps the vault: it has lost something.")
	case errors.Is(err, errCertificate), errors.As(err, &syntax), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		web.log.Error("certificate is another", "certificate", certified.GetCertificate(), "err", err)
		return wrong(http.StatusConflict, "What stands in this certificate’s place is not the certificate that was issued. Tell whoever keeps the vault, and check the copies that you have.")
	}
	return err
}

func (web *Web) hold(v *visit) error {
	row, err := web.row(v)
	if err != nil {
		return err
	}
	reason, err := typedReason(v, "Say in a few words why this must be kept: the reason is kept with the hold.")
	if err != nil {
		return err
	}
	if err := web.retention.Hold(v.Context(), row.Record.GetItem(), v.user.Name, reason); err != nil {
		return err
	}
	return web.backToReads(v, row)
}

func (web *Web) release(v *visit) error {
	row, err := web.row(v)
	if err != nil {
		return err
	}
	if err := web.retention.Release(v.Context(), row.Record.GetItem(), v.PostFormValue("hold"), v.user.Name); err != nil {
		return err
	}
	return web.backToReads(v, row)
}

func (web *Web) backToReads(v *visit, row Row) error {
	http.Redirect(v.w, v.Request, "/tickets/"+row.Ticket+"/reads", http.StatusSeeOther)
	return nil
}

// steps of the demonstration's clock.
var steps = map[string]time.Duration{"1d": 24 * time.Hour, "8d": 8 * 24 * time.Hour, "31d": 31 * 24 * time.Hour, "100d": 100 * 24 * time.Hour}

// advance moves the demonstration's clock on.
func (web *Web) advance(v *visit) error {
	by, ok := steps[v.PostFormValue("by")]
	if !ok {
		return wrong(http.StatusBadRequest, "The clock moves on by 1, 8, 31 or 100 days.")
	}
	if err := web.voice.Record(v.Context(), &auditv1.Act{Actor: v.user.Name, Action: "advance_clock", Outcome: "allowed"}); err != nil {
		return err
	}
	if err := web.demo.Advance(v.Context(), by); err != nil {
		return err
	}
	http.Redirect(v.w, v.Request, "/retention", http.StatusSeeOther)
	return nil
}
