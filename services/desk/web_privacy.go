package desk

import (
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postern-mail/postern/pkg/vault"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
)

const actsShown = 200

// reads shows who did what to a ticket's item. Looking is recorded too.
func (web *Web) reads(v *visit) error {
	row, err := web.row(v)
	if err != nil {
		return err
	}
	act := &auditv1.Act{Actor: v.user.Name, Action: "look_at_reads", Items: []string{row.Record.GetItem()}, Ticket: row.Ticket, Outcome: "allowed"}
	if err := web.voice.Record(v.Context(), act); err != nil {
		return err
	}
	acts, err := web.tickets.Acts(v.Context(), row.Record.GetItem(), actsShown)
	if err != nil {
		return err
	}
	return web.render(v, "reads.html", map[string]any{"Title": "Who read " + row.Ticket, "Row": row, "Acts": acts})
}

func (web *Web) recentReads(v *visit) error {
	if err := web.voice.Record(v.Context(), &auditv1.Act{Actor: v.user.Name, Action: "look_at_reads", Outcome: "allowed"}); err != nil {
		return err
	}
	acts, err := web.tickets.RecentActs(v.Context(), actsShown)
	if err != nil {
		return err
	}
	return web.render(v, "reads.html", map[string]any{"Title": "Who read what", "Acts": acts})
}

func (web *Web) retentionPage(v *visit) error {
	certificates, err := web.retention.Certificates(v.Context(), 50)
	if err != nil {
		return err
	}
	plans, err := web.retention.Plans(v.Context(), 20)
	if err != nil {
		return err
	}
	return web.render(v, "retention.html", map[string]any{"Title": "Retention", "Certificates": certificates, "Plans": plans})
}

// certificate hands out the signed file as it is, so that it verifies.
func (web *Web) certificate(v *visit) error {
	found, ok, err := web.retention.Certificate(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	if !ok {
		return vault.ErrNotFound
	}
	if v.URL.Query().Get("as") == "page" {
		shown, err := readCertificate(found)
		if err != nil {
			return err
		}
		return web.render(v, "certificate.html", map[string]any{"Title": "Certificate " + found.GetCertificate(), "Certificate": shown})
	}
	v.w.Header().Set("Content-Type", "application/json")
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+found.GetCertificate()+`.json"`)
	_, err = v.w.Write(found.GetDocument())
	return err
}

func (web *Web) hold(v *visit) error {
	row, err := web.row(v)
	if err != nil {
		return err
	}
	reason := strings.TrimSpace(v.PostFormValue("reason"))
	if utf8.RuneCountInString(reason) < 5 || len(reason) > 500 {
		web.refuse(v.w, v.Request, http.StatusBadRequest, "Say in a few words why this must be kept: the reason is kept with the hold.", v.user)
		return nil
	}
	if err := web.retention.Hold(v.Context(), row.Record.GetItem(), v.user.Name, reason); err != nil {
		return err
	}
	http.Redirect(v.w, v.Request, "/tickets/"+row.Ticket+"/reads", http.StatusSeeOther)
	return nil
}

func (web *Web) release(v *visit) error {
	row, err := web.row(v)
	if err != nil {
		return err
	}
	if err := web.retention.Release(v.Context(), row.Record.GetItem(), v.PostFormValue("hold"), v.user.Name); err != nil {
		return err
	}
	http.Redirect(v.w, v.Request, "/tickets/"+row.Ticket+"/reads", http.StatusSeeOther)
	return nil
}

// advance moves the demonstration's clock on.
func (web *Web) advance(v *visit) error {
	by, ok := map[string]time.Duration{"1d": 24 * time.Hour, "8d": 8 * 24 * time.Hour, "31d": 31 * 24 * time.Hour, "100d": 100 * 24 * time.Hour}[v.PostFormValue("by")]
	if !ok {
		web.refuse(v.w, v.Request, http.StatusBadRequest, "The clock moves on by 1, 8, 31 or 100 days.", v.user)
		return nil
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
