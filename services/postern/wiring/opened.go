package wiring

import (
	"context"
	"errors"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/stage"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/desk"
)

// opened sets aside what the desk could not make a ticket of. Where the ticket's first event is stored
// already, and only the record does not name it yet, the mail is a ticket: the record is told so.
type opened struct {
	stage.SetAsider
	tickets interface {
		LastFresh(ctx context.Context, stream, subject string) (*bus.Message, error)
	}
	keyring desk.TicketKeeper
}

func (o opened) SetAside(ctx context.Context, item, code, stage string) (*itemv1.Record, error) {
	ticket := event.Ticket(item)
	_, err := o.tickets.LastFresh(ctx, topology.Tickets, "tickets."+ticket)
	if errors.Is(err, bus.ErrNoMessage) {
		return o.SetAsider.SetAside(ctx, item, code, stage)
	}
	if err != nil {
		return nil, err
	}
	recorded, err := o.keyring.Ticket(ctx, &keyringv1.Ticket{Item: item, Ticket: ticket})
	if err != nil {
		return nil, err
	}
	return recorded.GetRecord(), nil
}
