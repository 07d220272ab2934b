package desk_test

import (
	"context"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/readmodel"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"
	"github.com/postern-mail/postern/services/desk"
)

var rawAndView = []itemv1.LayerKind{itemv1.LayerKind_LAYER_KIND_RAW, itemv1.LayerKind_LAYER_KIND_VIEW}

// destroyed opens tickets, and says of the first that layers of it are destroyed.
func destroyed(t *testing.T, server *bustest.Bus, layers ...itemv1.LayerKind) (ticket string, sequence uint64) {
	t.Helper()
	tell(t, server, 1, 2)
	ticket = event.Ticket(event.Item("support", "INBOX", 1, 1, 0))
	conn := server.Connect(t, "desk")
	defer conn.Close()
	sequence, err := desk.NewSpeech(conn, time.Now).Say(t.Context(), ticket, &ticketv1.LayersDestroyed{Ticket: ticket, Layers: layers, Certificate: "C1"})
	if err != nil {
		t.Fatal(err)
	}
	return ticket, sequence
}

func caught(t *testing.T, server *bustest.Bus, model readmodel.ReadModel, ticket string) bool {
	t.Helper()
	conn := server.Connect(t, "retain") // whoever certifies asks
	defer conn.Close()
	yes, err := desk.NewCaught(desk.NewBoard(model), conn).Caught(t.Context(), ticket, rawAndView)
	if err != nil {
		t.Fatal(err)
	}
	return yes
}

func TestABoardHasTakenInADestructionOnlyWhereItHasAppliedIt(t *testing.T) {
	bustest.Each(t, func(t *testing.T, server *bustest.Bus) {
		model := emptyModel(t)
		ticket, last := destroyed(t, server, rawAndView...)
		if caught(t, server, model, ticket) {
			t.Error("an empty board has taken it in")
		}
		project(t, server, stopsBefore{model, last}, last-1)
		if caught(t, server, model, ticket) {
			t.Error("a board that stands before it has taken it in")
		}
		project(t, server, model, last)
		if !caught(t, server, model, ticket) {
			t.Error("a board that has applied it has not taken it in")
		}
		// Something else is said of the ticket afterwards, which the board has not heard.
		conn := server.Connect(t, "desk")
		defer conn.Close()
		if _, err := desk.NewSpeech(conn, time.Now).Say(t.Context(), ticket, &ticketv1.StatusChanged{Ticket: ticket, Status: desk.Solved}); err != nil {
			t.Fatal(err)
		}
		if caught(t, server, model, ticket) {
			t.Error("a board that is behind has taken it in")
		}
		project(t, server, model, last+1)
		if !caught(t, server, model, ticket) {
			t.Error("a board that has caught up has not taken it in")
		}
		if err := model.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		if caught(t, server, model, ticket) {
			t.Error("a board that was emptied has taken it in")
		}
		project(t, server, stopsBefore{model, last}, last-1)
		if caught(t, server, model, ticket) {
			t.Error("a board that is being built has taken it in")
		}
	})
}

func TestALayerThatIsNotSaidToBeDestroyedIsStillOnTheBoard(t *testing.T) {
	server := bustest.Start(t)
	model := emptyModel(t)
	ticket, last := destroyed(t, server, itemv1.LayerKind_LAYER_KIND_RAW)
	project(t, server, model, last)
	if caught(t, server, model, ticket) {
		t.Error("the view is still there")
	}
}

func TestABoardOfAnotherStreamHasTakenInNothing(t *testing.T) {
	model := emptyModel(t)
	lost := bustest.Start(t)
	tell(t, lost, 3, 4, 5, 6) // so it stands further than the stream that there is now
	project(t, lost, model, 4)
	server := bustest.Start(t)
	ticket, last := destroyed(t, server, rawAndView...)
	tell(t, server, 7, 8)
	if caught(t, server, model, ticket) {
		t.Error("a board of a lost stream has taken it in")
	}
	project(t, server, model, last+2)
	if !caught(t, server, model, ticket) {
		t.Error("a board that was built anew has not taken it in")
	}
}

// A board that is emptied between two looks of one question stands nowhere.
func TestABoardThatIsEmptiedMeanwhileHasTakenInNothing(t *testing.T) {
	server := bustest.Start(t)
	model := emptyModel(t)
	ticket, last := destroyed(t, server, rawAndView...)
	project(t, server, model, last)
	if caught(t, server, emptiedAtGet{model, "ticket:" + ticket}, ticket) {
		t.Error("a board that is emptied meanwhile has taken it in")
	}
}

func TestATicketOfWhichNothingWasSaidIsNotTakenIn(t *testing.T) {
	server := bustest.Start(t)
	conn := server.Connect(t, "retain")
	yes, err := desk.NewCaught(desk.NewBoard(emptyModel(t)), conn).Caught(t.Context(), event.Ticket(event.Item("a", "b", 1, 1, 0)), rawAndView)
	if err == nil || yes {
		t.Errorf("%v, %v", yes, err)
	}
}

// stopsBefore is a read model that does not get to a message.
type stopsBefore struct {
	*readmodel.Redis
	sequence uint64
}

func (s stopsBefore) Apply(ctx context.Context, stream string, sequence uint64, effect func(readmodel.Tx) error) error {
	if stream == "TICKETS" && sequence >= s.sequence {
		return errAway
	}
	return s.Redis.Apply(ctx, stream, sequence, effect)
}

// emptiedAtGet is a read model that somebody empties when a cell is read.
type emptiedAtGet struct {
	*readmodel.Redis
	cell string
}

func (e emptiedAtGet) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if key == e.cell {
		if err := e.Reset(ctx); err != nil {
			return nil, false, err
		}
	}
	return e.Redis.Get(ctx, key)
}
