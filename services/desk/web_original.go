package desk

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/postern-mail/postern/pkg/vault"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
)

// The acts of breaking the glass: somebody asks for a mail as it came, somebody else
// lets them, and then they may have it once. The keyring records the opening itself.
const (
	askedOriginal    = "ask_original"
	approvedOriginal = "approve_original"
	refusedOriginal  = "refuse_original"
)

const (
	askLife      = 24 * time.Hour // that a wish waits for somebody's approval
	approvalLife = time.Hour      // that an approval waits to be used
	asksShown    = 50
)

// A wish is for one mail as it came. There is at most one for each ticket.
type wish struct {
	ID       string    `json:"id"`
	By       string    `json:"by"`
	Reason   []byte    `json:"reason"` // sealed under the view's key
	Asked    time.Time `json:"asked"`
	Approver string    `json:"approver"` // "" while it waits
	Approved time.Time `json:"approved"`
}

// originals keeps wishes for as long as they live. What became of them is in the audit
// log; here is only what can still be done.
type originals struct {
	short Short
	now   func() time.Time
}

func wishKey(ticket string) string { return "original:" + ticket }

func (o originals) get(ctx context.Context, ticket string) (wish, bool, error) {
	value, ok, err := o.short.Get(ctx, wishKey(ticket))
	return readWish(value, ok, err)
}

// take gives a wish to one caller only.
func (o originals) take(ctx context.Context, ticket string) (wish, bool, error) {
	value, ok, err := o.short.Take(ctx, wishKey(ticket))
	return readWish(value, ok, err)
}

func readWish(value []byte, ok bool, err error) (wish, bool, error) {
	var w wish
	if err != nil || !ok {
		return w, false, err
	}
	if json.Unmarshal(value, &w) != nil {
		return w, false, fmt.Errorf("wish for an original: it cannot be read")
	}
	return w, true, nil
}

// put keeps a wish where the ticket has none.
func (o originals) put(ctx context.Context, ticket string, w wish, life time.Duration) (bool, error) {
	value, err := json.Marshal(w)
	if err != nil {
		return false, fmt.Errorf("wish for an original: %w", err)
	}
	return o.short.SetNew(ctx, wishKey(ticket), value, life)
}

func (web *Web) originalAct(v *visit, row Row, action string, reason []byte) error {
	return web.voice.Record(v.Context(), &auditv1.Act{
		Actor: v.user.Name, Action: action, Items: []string{row.Record.GetItem()}, Ticket: row.Ticket,
		Layer: rawLayer, Reason: reason, Outcome: "allowed",
	})
}

func (web *Web) originalPage(v *visit) error {
	row, err := web.row(v)
	if err != nil {
		return err
	}
	w, waiting, err := web.originals.get(v.Context(), row.Ticket)
	if err != nil {
		return err
	}
	return web.render(v, "original.html", map[string]any{
		"Title": "The original of " + row.Ticket, "Row": row, "Waiting": waiting, "Wish": w,
		"Gone": row.layer(rawLayer) == nil || row.layer(viewLayer) == nil, "Mine": w.By == v.user.Name,
	})
}

func (web *Web) backToOriginal(v *visit, row Row) error {
	http.Redirect(v.w, v.Request, "/tickets/"+row.Ticket+"/original", http.StatusSeeOther)
	return nil
}

// askOriginal asks for a mail as it came.
func (web *Web) askOriginal(v *visit) error {
	row, err := web.row(v)
	if err != nil {
		return err
	}
	if row.layer(rawLayer) == nil {
		return ErrGone
	}
	reason, err := typedReason(v, "Say in a few words why you need the mail as it came: somebody else decides by it.")
	if err != nil {
		return err
	}
	view, err := web.reader.view(v.Context(), v.user.Name, row)
	if err != nil {
		return err
	}
	defer view.close()
	sealed, err := view.seal(reason)
	if err != nil {
		return err
	}
	if err := web.originalAct(v, row, askedOriginal, sealed); err != nil {
		return err
	}
	w := wish{ID: newToken(), By: v.user.Name, Reason: sealed, Asked: web.now()}
	ok, err := web.originals.put(v.Context(), row.Ticket, w, askLife)
	if err != nil {
		return err
	}
	if !ok {
		return wrong(http.StatusConflict, "Somebody has asked for this original already. Theirs is decided first.")
	}
	return web.backToOriginal(v, row)
}

// A pendingWish is one that somebody has to decide.
type pendingWish struct {
	Ticket string
	wish
}

func (web *Web) originalsPage(v *visit) error {
	tickets, err := web.tickets.Asked(v.Context(), web.now().Add(-askLife), asksShown)
	if err != nil {
		return err
	}
	var wishes []pendingWish
	for _, ticket := range tickets {
		w, ok, err := web.originals.get(v.Context(), ticket)
		if err != nil {
			return err
		}
		if ok {
			wishes = append(wishes, pendingWish{ticket, w})
		}
	}
	return web.render(v, "originals.html", map[string]any{"Title": "Originals", "Wishes": wishes})
}

// reviewPage shows a wish with its reason to whoever may decide it.
func (web *Web) reviewPage(v *visit) error {
	row, w, err := web.pending(v)
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
	reason, err := view.unseal(w.Reason)
	if err != nil {
		return err
	}
	return web.render(v, "review.html", map[string]any{"Title": "Decide on an original", "Row": row, "Wish": w, "Reason": reason})
}

// pending gives a wish that waits and that this person may decide.
func (web *Web) pending(v *visit) (Row, wish, error) {
	row, err := web.row(v)
	if err != nil {
		return row, wish{}, err
	}
	w, ok, err := web.originals.get(v.Context(), row.Ticket)
	switch {
	case err != nil:
	case !ok:
		err = vault.ErrNotFound
	case w.By == v.user.Name:
		err = wrong(http.StatusForbidden, "You asked for this yourself: a second person decides.")
	case w.Approver != "":
		err = wrong(http.StatusConflict, "This has been decided already.")
	}
	return row, w, err
}

// review approves or refuses.
func (web *Web) review(v *visit) error {
	row, w, err := web.pending(v)
	if err != nil {
		return err
	}
	decision := v.PostFormValue("decision")
	if decision != "approve" && decision != "refuse" {
		return wrong(http.StatusBadRequest, "Approve it or refuse it.")
	}
	// Whoever takes it decides: two who press at once do not both.
	taken, ok, err := web.originals.take(v.Context(), row.Ticket)
	if err != nil {
		return err
	}
	if !ok || taken.ID != w.ID || v.PostFormValue("wish") != w.ID {
		if ok {
			if _, err := web.originals.put(v.Context(), row.Ticket, taken, askLife); err != nil {
				return err
			}
		}
		return wrong(http.StatusConflict, "This is not the wish that you were shown. Look again.")
	}
	if decision == "refuse" {
		if err := web.originalAct(v, row, refusedOriginal, nil); err != nil {
			return err
		}
	} else {
		if err := web.originalAct(v, row, approvedOriginal, nil); err != nil {
			return err
		}
		w.Approver, w.Approved = v.user.Name, web.now()
		if _, err := web.originals.put(v.Context(), row.Ticket, w, approvalLife); err != nil {
			return err
		}
	}
	http.Redirect(v.w, v.Request, "/originals", http.StatusSeeOther)
	return nil
}

// takeOriginal hands the mail out as it came, once, to whoever asked.
func (web *Web) takeOriginal(v *visit) error {
	row, err := web.row(v)
	if err != nil {
		return err
	}
	w, ok, err := web.originals.get(v.Context(), row.Ticket)
	if err != nil {
		return err
	}
	if !ok || w.Approver == "" || w.By != v.user.Name {
		return wrong(http.StatusForbidden, "Nobody has let you have this original.")
	}
	// What was approved must still be so: the approver may have lost the role meanwhile.
	approver, known, err := web.users.Find(w.Approver)
	if err != nil {
		return err
	}
	if !known || !approver.Has(Lead, Privacy) || approver.Name == v.user.Name {
		return wrong(http.StatusForbidden, "Whoever approved this may not any more.")
	}
	taken, ok, err := web.originals.take(v.Context(), row.Ticket)
	if err != nil {
		return err
	}
	if !ok || taken.ID != w.ID {
		return wrong(http.StatusConflict, "This original has been handed out already.")
	}
	raw, err := web.reader.original(v.Context(), v.user.Name, row, w.Reason, w.Approver)
	if err != nil {
		return err // the wish is used up: a new one asks anew
	}
	defer raw.close()
	return web.handOut(v, raw, 0, row.Ticket+".eml")
}
