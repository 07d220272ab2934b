package desk_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/readmodel"
	"github.com/postern-mail/postern/pkg/readmodel/embedded"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"
	"github.com/postern-mail/postern/services/desk"
)

func emptyModel(t *testing.T) *readmodel.Redis {
	t.Helper()
	server, err := embedded.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	model, err := readmodel.Open(server.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = model.Close() })
	return model
}

// project runs a projector until the board stands at a sequence of TICKETS.
func project(t *testing.T, server *bustest.Bus, model readmodel.ReadModel, until uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	board := desk.NewBoard(model)
	changed, err := board.Subscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	conn := server.Connect(t, "desk")
	defer conn.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = desk.NewProjector(board, conn, slog.New(slog.DiscardHandler)).Run(ctx)
	}()
	for {
		at, err := model.Position(ctx, "TICKETS")
		if err != nil {
			t.Fatalf("the board never stood at %d: %v", until, err)
		}
		if at == until {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("the board stands at %d, not at %d", at, until)
		}
	}
	cancel()
	<-ended
}

// tell publishes the first events of tickets, then one that solves the last.
func tell(t *testing.T, server *bustest.Bus, uids ...uint32) {
	t.Helper()
	conn := server.Connect(t, "desk")
	defer conn.Close()
	speech := desk.NewSpeech(conn, time.Now)
	for _, uid := range uids {
		item := event.Item("support", "INBOX", 1, uid, 0)
		ticket := event.Ticket(item)
		opened := &ticketv1.Opened{Ticket: ticket, Record: &itemv1.Record{Item: item, Uid: uid}}
		if _, err := speech.Say(t.Context(), ticket, opened); err != nil {
			t.Fatal(err)
		}
	}
}

func listed(t *testing.T, model readmodel.ReadModel) string {
	t.Helper()
	rows, err := desk.NewBoard(model).List(t.Context(), desk.Filter{}, desk.Place{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint32]bool{}
	for _, row := range rows {
		seen[row.Record.GetUid()] = true
	}
	return fmt.Sprint(seen)
}

func TestABoardOfLostStreamsIsBuiltAnew(t *testing.T) {
	model := emptyModel(t)
	lost := bustest.Start(t)
	tell(t, lost, 1, 2, 3)
	project(t, lost, model, 3)
	if got := listed(t, model); got != "map[1:true 2:true 3:true]" {
		t.Fatalf("board %s", got)
	}
	// What was rebuilt lacks the last ticket, and has gone further than the board stood.
	rebuilt := bustest.Start(t)
	tell(t, rebuilt, 1, 2, 4, 5)
	project(t, rebuilt, model, 4)
	if got := listed(t, model); got != "map[1:true 2:true 4:true 5:true]" {
		t.Errorf("board %s", got)
	}
}

func TestABoardThatIsEmptiedWhileItIsKeptIsBuiltFromTheStart(t *testing.T) {
	model := emptyModel(t)
	server := bustest.Start(t)
	tell(t, server, 1, 2)
	project(t, server, emptied{model, 2}, 2)
	if got := listed(t, model); got != "map[1:true 2:true]" {
		t.Errorf("board %s", got)
	}
}

// emptied is a read model that another desk empties before a message is applied, once.
type emptied struct {
	*readmodel.Redis
	before uint64
}

func (e emptied) Apply(ctx context.Context, stream string, sequence uint64, effect func(readmodel.Tx) error) error {
	if stream == "TICKETS" && sequence == e.before {
		if _, done, err := e.Short().Get(ctx, "emptied"); err == nil && !done {
			if err := e.Reset(ctx); err != nil {
				return err
			}
			if err := e.Short().SetFor(ctx, "emptied", []byte{1}, time.Hour); err != nil {
				return err
			}
		}
	}
	return e.Redis.Apply(ctx, stream, sequence, effect)
}
