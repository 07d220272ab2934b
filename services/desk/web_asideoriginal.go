package desk

import (
	"context"
	"errors"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// The original of a mail that is set aside is handed out as any original is: for a reason, with
// a second person's approval, once. Only the reason is another: see reference.

// asideRow stands for the ticket that a mail has not become.
func (web *Web) asideRow(v *visit, item string) (Row, error) {
	record, err := web.retention.Record(v.Context(), item)
	return Row{Ticket: event.Ticket(item), Record: record}, err
}

// asideOriginalPage shows how far somebody's wish has come.
func (web *Web) asideOriginalPage(v *visit) error {
	record, err := web.asideRecord(v)
	if err != nil {
		return err
	}
	row := Row{Ticket: event.Ticket(record.GetItem()), Record: record}
	w, waiting, err := web.originals.get(v.Context(), row.Ticket)
	if err != nil {
		return err
	}
	return web.render(v, "original.html", map[string]any{
		"Title": "The original", "Row": row, "At": "/aside/" + record.GetItem(), "Aside": true, "Waiting": waiting, "Wish": w,
		"Gone": row.layer(rawLayer) == nil, "Mine": w.By == v.user.Name, "Choices": originalChoices,
	})
}

// askAsideOriginal asks for a mail that is set aside, as it came.
func (web *Web) askAsideOriginal(v *visit) error {
	record, err := web.asideRecord(v)
	if err != nil {
		return err
	}
	row := Row{Ticket: event.Ticket(record.GetItem()), Record: record}
	if row.layer(rawLayer) == nil {
		return ErrGone
	}
	reason, err := reference(v, originalChoices)
	if err != nil {
		return err
	}
	if record.GetState() != itemv1.State_STATE_SET_ASIDE {
		return errRetried
	}
	if _, waiting, err := web.originals.get(v.Context(), row.Ticket); err != nil {
		return err
	} else if waiting {
		return errAsked
	}
	if err := web.wishOriginal(v, row, wish{Item: record.GetItem(), Reason: []byte(reason)}); err != nil {
		return err
	}
	return redirect(v, "/aside/"+record.GetItem()+"/original")
}

// takeAsideOriginal hands it out, once, to whoever asked.
func (web *Web) takeAsideOriginal(v *visit) error {
	record, err := web.asideRecord(v)
	if err != nil {
		return err
	}
	row := Row{Ticket: event.Ticket(record.GetItem()), Record: record}
	return web.handOutOriginal(v, row, "set-aside-"+record.GetItem()[:12]+".eml")
}

// rowOf is the ticket of a name, or what stands for it where a mail of that item was set aside.
func (web *Web) rowOf(ctx context.Context, ticket, item string) (Row, bool, error) {
	row, known, err := web.tickets.Get(ctx, ticket)
	if err != nil || known || !event.IsItem(item) || event.Ticket(item) != ticket {
		return row, known, err
	}
	record, err := web.retention.Record(ctx, item)
	if errors.Is(err, vault.ErrNotFound) {
		return Row{}, false, nil
	}
	return Row{Ticket: ticket, Record: record}, err == nil, err
}
