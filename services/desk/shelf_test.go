package desk_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/event"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/desk"
)

// silent is a bus that answers when it is let.
type silent struct {
	desk.Bus
	asked, answer chan struct{}
}

func (b silent) Kept(context.Context, string) (bus.Kept, error) {
	close(b.asked)
	<-b.answer
	return bus.Kept{}, errAway
}

// Every page shows the badge; none waits for it.
func TestTheBadgeIsThereWhileTheBusIsSilent(t *testing.T) {
	conn := silent{asked: make(chan struct{}), answer: make(chan struct{})}
	shelf := desk.NewShelf(conn, nil, time.Now, slog.New(slog.DiscardHandler), nil)
	ended := make(chan error)
	go func() {
		_, err := shelf.Aside(t.Context())
		ended <- err
	}()
	<-conn.asked
	if n := shelf.Waiting(); n != 0 {
		t.Errorf("%d wait", n)
	}
	given, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := shelf.Aside(given); !errors.Is(err, context.Canceled) { // nobody waits longer than they like to
		t.Errorf("another look: %v", err)
	}
	close(conn.answer)
	if err := <-ended; !errors.Is(err, errAway) {
		t.Error(err)
	}
}

func TestARecordThatCannotBeReadKeepsNoOtherFromTheShelf(t *testing.T) {
	server := bustest.Start(t)
	ctx := bustest.Context(t)
	keyring := server.Connect(t, "keyring")
	header := bus.Headers(bus.Header{event.HeaderState: {event.StateWord(itemv1.State_STATE_SET_ASIDE)}})
	good, err := proto.Marshal(&itemv1.Record{State: itemv1.State_STATE_SET_ASIDE, SetAside: &itemv1.SetAside{Code: "oversize", Stage: "ingest"}})
	if err != nil {
		t.Fatal(err)
	}
	for n, data := range [][]byte{[]byte("\xff garbled"), good} {
		if _, err := keyring.Publish(ctx, fmt.Sprintf("items.%064x", n), data, header); err != nil {
			t.Fatal(err)
		}
	}
	shelf := desk.NewShelf(server.Connect(t, "desk"), nil, time.Now, slog.New(slog.DiscardHandler), nil)
	all, err := shelf.Aside(ctx)
	codes := map[string]bool{}
	for _, one := range all {
		codes[one.Code] = true
	}
	if err != nil || len(all) != 2 || !codes["oversize"] || !codes["unreadable_record"] {
		t.Errorf("set aside are %v, %v", all, err)
	}
}
