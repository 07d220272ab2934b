package desk

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/readmodel"
)

// errMissed says that the board does not stand where its projector left it: somebody has
// emptied it.
var errMissed = errors.New("board: it does not stand at the message before")

// inOrder is a read model on which each message of a stream follows the one before it, so
// that a board that is emptied meanwhile is built from the start and not from the middle.
type inOrder struct {
	readmodel.ReadModel
	before uint64
}

func stepCell(stream string) string { return "step:" + stream }

// Apply is ReadModel.Apply where the board stands at the message before.
func (o *inOrder) Apply(ctx context.Context, stream string, sequence uint64, effect func(readmodel.Tx) error) error {
	return o.ReadModel.Apply(ctx, stream, sequence, func(tx readmodel.Tx) error {
		at, err := readStep(tx.Get(stepCell(stream)))
		if err != nil {
			return err
		}
		if at != o.before {
			return fmt.Errorf("%w: at %d, not %d", errMissed, at, o.before)
		}
		tx.Put(stepCell(stream), strconv.AppendUint(nil, sequence, 10))
		return effect(tx)
	})
}

func readStep(value []byte, ok bool, err error) (uint64, error) {
	if err != nil || !ok {
		return 0, err
	}
	at, err := strconv.ParseUint(string(value), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("step cell: %w", err)
	}
	return at, nil
}

// form is the form of the board's cells: one of another form is built anew.
const form = 4

// madeCell says of which stream a board is made.
func madeCell(stream string) string { return "made:" + stream }

func madeWord(kept bus.Kept) string { return fmt.Sprintf("%d %d", form, kept.Made.UnixMilli()) }

// anew empties a board that was made of other streams than are there now: they were
// lost, and what was rebuilt may lack their last messages or have others in their place.
func (p *Projector) anew(ctx context.Context) error {
	stale := false
	words := map[string]string{}
	for _, stream := range []string{ticketStream, auditStream} {
		kept, err := p.bus.Kept(ctx, stream)
		if err != nil {
			return err
		}
		position, err := p.board.model.Position(ctx, stream)
		if err != nil {
			return err
		}
		at, err := readStep(p.board.model.Get(ctx, stepCell(stream)))
		if err != nil {
			return err
		}
		before, _, err := p.board.model.Get(ctx, madeCell(stream))
		if err != nil {
			return err
		}
		words[stream] = madeWord(kept)
		stale = stale || position > kept.Last || position != at || string(before) != words[stream]
	}
	if !stale {
		return nil
	}
	p.log.Info("board is built anew")
	if err := p.board.model.Reset(ctx); err != nil {
		return err
	}
	return p.board.model.Change(ctx, func(tx readmodel.Tx) error {
		for stream, word := range words {
			tx.Put(madeCell(stream), []byte(word))
		}
		tx.Notify(Topic)
		return nil
	})
}
