package desk

import (
	"context"
	"errors"
	"fmt"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// CaughtBus is what Caught needs of a connection; *bus.Conn is one.
type CaughtBus interface {
	LastFresh(ctx context.Context, stream, subject string) (*bus.Message, error)
	Kept(ctx context.Context, stream string) (bus.Kept, error)
}

// Caught tells whether a board has taken in what was said of a ticket. It trusts a board
// only as far as the board stands: one that is behind, empty, being built, or made of
// streams that are no more has taken in nothing, whatever its cells say.
type Caught struct {
	board *Board
	bus   CaughtBus
}

// NewCaught looks at a board and at the streams that it is made of.
func NewCaught(board *Board, conn CaughtBus) *Caught { return &Caught{board, conn} }

// Caught says whether the board holds no cell of these layers any more and will not get one
// from what was said so far. Whoever asks has said of the ticket that they are destroyed.
func (c *Caught) Caught(ctx context.Context, ticket string, layers []itemv1.LayerKind) (bool, error) {
	last, err := c.bus.LastFresh(ctx, topology.Tickets, "tickets."+ticket)
	if errors.Is(err, bus.ErrNoMessage) {
		return false, fmt.Errorf("ticket %s: nothing was said of it", ticket)
	}
	if err != nil {
		return false, err
	}
	// Looked at before and after: a board that is emptied meanwhile stands nowhere.
	if stands, err := c.stands(ctx, last.Sequence); err != nil || !stands {
		return false, err
	}
	row, known, err := c.board.Get(ctx, ticket)
	if err != nil {
		return false, err
	}
	if known { // a ticket whose first event cannot be read has no cell
		for _, layer := range layers {
			if _, gone := row.Destroyed[int32(layer)]; !gone {
				return false, nil
			}
		}
	}
	return c.stands(ctx, last.Sequence)
}

// stands says whether the board, made of the streams that are there now, has applied
// TICKETS up to a sequence.
func (c *Caught) stands(ctx context.Context, sequence uint64) (bool, error) {
	model := c.board.model
	made, _, err := model.Get(ctx, madeCell(ticketStream))
	if err != nil {
		return false, err
	}
	position, err := model.Position(ctx, ticketStream)
	if err != nil {
		return false, err
	}
	step, err := readStep(model.Get(ctx, stepCell(ticketStream)))
	if err != nil {
		return false, err
	}
	kept, err := c.bus.Kept(ctx, topology.Tickets)
	if err != nil {
		return false, err
	}
	// The board may move on between these: what is read later stands at least as far.
	return string(made) == madeWord(kept) && position >= sequence && step >= position && kept.Last >= position, nil
}
