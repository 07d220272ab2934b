package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/postern-mail/postern/pkg/event"
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

// A wish is for one mail as it came. There is at most one for each ticket, or for each mail that
// is set aside, which goes by the name that its ticket would have.
type wish struct {
	ID       string    `json:"id"`
	By       string    `json:"by"`
	Item     string    `json:"item,omitempty"` // of a mail that was set aside when somebody asked
	Reason   []byte    `json:"reason"`         // sealed under the view's key; of a mail that was set aside, a reference
	Asked    time.Time `json:"asked"`
	Approver string    `json:"approver"` // "" while it waits
	Approved time.Time `json:"approved"`
	Ends     time.Time `json:"ends"` // by the clock that short-lived values end by
}

// originals keeps wishes for as long as they live. What became of them is in the audit
// log; here is only what can still be done.
type originals struct {
	short Short
	wall  func() time.Time
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

// ask keeps a wish where the ticket has none.
func (o originals) ask(ctx context.Context, ticket string, w wish) (bool, error) {
	w.Ends = o.wall().Add(askLife)
	value, err := json.Marshal(w)
	if err != nil {
		return false, fmt.Errorf("wish for an original: %w", err)
	}
	return o.short.SetNew(ctx, wishKey(ticket), value, askLife)
}

// approve keeps a wish that was approved, for as long as an approval lives.
func (o originals) approve(ctx context.Context, ticket string, w wish) error {
	w.Ends = o.wall().Add(approvalLife)
	return o.put(ctx, ticket, w)
}

// back puts a wish that was taken where it was, for what is left of its life. Whoever asked
// in the meantime asked second: first comes first.
func (o originals) back(ctx context.Context, ticket string, w wish) error {
	return o.put(context.WithoutCancel(ctx), ticket, w)
}

func (o originals) put(ctx context.Context, ticket string, w wish) error {
	left := w.Ends.Sub(o.wall())
	if left < time.Millisecond {
		return nil // it has ended
	}
	value, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("wish for an original: %w", err)
	}
	return o.short.SetFor(ctx, wishKey(ticket), value, left)
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
		"Title": "The original of " + row.Ticket, "Row": row, "At": "/tickets/" + row.Ticket, "Waiting": waiting, "Wish": w,
		"Gone": row.layer(rawLayer) == nil || row.layer(viewLayer) == nil, "Mine": w.By == v.user.Name,
	})
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
	if _, waiting, err := web.originals.get(v.Context(), row.Ticket); err != nil {
		return err
	} else if waiting {
		return errAsked
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
	if err := web.wishOriginal(v, row, wish{Reason: sealed}); err != nil {
		return err
	}
	return redirect(v, "/tickets/"+row.Ticket+"/original")
}

var errAsked = wrong(http.StatusConflict, "Somebody has asked for this original already. Theirs is decided first.")

// wishOriginal records that somebody asks and has the wish wait.
func (web *Web) wishOriginal(v *visit, row Row, w wish) error {
	if err := web.originalAct(v, row, askedOriginal, w.Reason); err != nil {
		return err
	}
	w.ID, w.By, w.Asked = newToken(), v.user.Name, web.now()
	if ok, err := web.originals.ask(v.Context(), row.Ticket, w); err != nil {
		return err
	} else if !ok {
		return errAsked
	}
	return nil
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
	if w.Item != "" {
		return web.render(v, "review.html", map[string]any{"Title": "Decide on an original", "Row": row, "Wish": w, "Reason": referenceWords(string(w.Reason))})
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
	ticket := v.PathValue("ticket")
	if !event.IsTicket(ticket) {
		return Row{}, wish{}, vault.ErrNotFound
	}
	w, ok, err := web.originals.get(v.Context(), ticket)
	if err != nil {
		return Row{}, wish{}, err
	}
	if !ok {
		return Row{}, wish{}, vault.ErrNotFound
	}
	var row Row
	if w.Item == "" {
		row, err = web.row(v)
	} else {
		row, err = web.asideRow(v, w.Item)
	}
	switch {
	case err != nil:
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
	if v.PostFormValue("wish") != w.ID {
		return wrong(http.StatusConflict, "This is not the wish that you were shown. Look again.")
	}
	// Whoever takes it decides: two who press at once do not both.
	taken, ok, err := web.originals.take(v.Context(), row.Ticket)
	if err != nil {
		return err
	}
	if !ok || taken.ID != w.ID || taken.Approver != "" {
		if ok {
			if err := web.originals.back(v.Context(), row.Ticket, taken); err != nil {
				return err
			}
		}
		return wrong(http.StatusConflict, "Somebody else has decided this meanwhile.")
	}
	if err := web.decide(v, row, taken, decision == "approve"); err != nil {
		return errors.Join(err, web.originals.back(v.Context(), row.Ticket, taken)) // it waits on
	}
	http.Redirect(v.w, v.Request, "/originals", http.StatusSeeOther)
	return nil
}

// decide records a decision and has it hold.
func (web *Web) decide(v *visit, row Row, w wish, approved bool) error {
	if !approved {
		return web.originalAct(v, row, refusedOriginal, nil)
	}
	if err := web.originalAct(v, row, approvedOriginal, nil); err != nil {
		return err
	}
	w.Approver, w.Approved = v.user.Name, web.now()
	return web.originals.approve(v.Context(), row.Ticket, w)
}

// takeOriginal hands the mail out as it came, once, to whoever asked.
func (web *Web) takeOriginal(v *visit) error {
	row, err := web.row(v)
	if err != nil {
		return err
	}
	return web.handOutOriginal(v, row, row.Ticket+".eml")
}

func (web *Web) handOutOriginal(v *visit, row Row, name string) error {
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
	if !ok {
		return wrong(http.StatusConflict, "This original has been handed out already.")
	}
	if taken.ID != w.ID { // another's, who asked when ours ended
		if err := web.originals.back(v.Context(), row.Ticket, taken); err != nil {
			return err
		}
		return wrong(http.StatusConflict, "Your approval has ended, and somebody else has asked meanwhile.")
	}
	begun, err := web.giveOriginal(v, row, taken, name)
	if err != nil && !begun { // nobody has had anything of it
		return errors.Join(err, web.originals.back(v.Context(), row.Ticket, taken))
	}
	return err
}

// giveOriginal sends the mail, and says whether any of it may have left.
func (web *Web) giveOriginal(v *visit, row Row, w wish, name string) (begun bool, err error) {
	raw, err := web.reader.original(v.Context(), v.user.Name, row, w.Reason, w.Approver)
	if err != nil {
		return false, err
	}
	defer raw.close()
	return web.handOut(v, raw, 0, name, func() error { return nil })
}
