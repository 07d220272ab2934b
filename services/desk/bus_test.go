package desk_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/readmodel"
	"github.com/postern-mail/postern/pkg/readmodel/embedded"
	"github.com/postern-mail/postern/pkg/vault"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"
	"github.com/postern-mail/postern/services/desk"
)

// A keeper is the keyring's part in making tickets. It fails as often as it is told to.
type keeper struct {
	tickets  map[string]string
	failures int
}

func (k *keeper) Ticket(_ context.Context, r *keyringv1.Ticket) (*keyringv1.Recorded, error) {
	if k.failures > 0 {
		k.failures--
		return nil, errAway
	}
	if k.tickets[r.Item] == "" {
		k.tickets[r.Item] = r.Ticket
	}
	return &keyringv1.Recorded{}, nil
}

func newBoard(t *testing.T) (*desk.Board, *readmodel.Redis) {
	t.Helper()
	redis, err := embedded.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { redis.Close() })
	model, err := readmodel.Open(redis.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { model.Close() })
	return desk.NewBoard(model), model
}

func renderedRecord(number uint32, state itemv1.State) *itemv1.Record {
	return &itemv1.Record{
		Item: event.Item("support", "INBOX", 1, number, 0), Mailbox: "support", Received: timestamppb.New(time.Date(2026, 11, 21, 12, 0, int(number), 0, time.UTC)),
		State: state, Layers: []*itemv1.Layer{{Kind: itemv1.LayerKind_LAYER_KIND_VIEW, State: itemv1.LayerState_LAYER_STATE_PRESENT, Inline: []byte("sealed")}},
	}
}

func cause(t *testing.T, record *itemv1.Record) *eventv1.Envelope {
	t.Helper()
	envelope, err := event.New(record.GetItem(), "sanitize", 0, record.GetItem(), time.Now(), &mailv1.Sanitized{Record: record})
	if err != nil {
		t.Fatal(err)
	}
	return envelope
}

// eventually looks again and again until something holds; the test's own limit bounds it.
// Acts notify nobody, for a list that is looked at is an act.
func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		<-ticker.C
	}
}

func TestOnARealBusAMailBecomesOneTicketWhateverFails(t *testing.T) {
	bustest.Each(t, func(t *testing.T, b *bustest.Bus) {
		conn := b.Connect(t, "desk")
		speech := desk.NewSpeech(conn, time.Now)
		keyring := &keeper{tickets: map[string]string{}, failures: 1}
		worker := desk.NewWorker(keyring, speech, time.Now)
		board, model := newBoard(t)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		log := new(strings.Builder)
		go func() {
			done <- desk.NewProjector(board, conn, slog.New(slog.NewTextHandler(log, nil))).Run(ctx)
		}()
		record := renderedRecord(1, itemv1.State_STATE_RENDERED)
		ticket := event.Ticket(record.GetItem())
		envelope := cause(t, record)
		if err := worker.Open(ctx, envelope, &mailv1.Sanitized{Record: record}); !errors.Is(err, errAway) {
			t.Fatalf("with the keyring away: %v", err)
		}
		for range 3 { // redelivered, and again
			if err := worker.Open(ctx, envelope, &mailv1.Sanitized{Record: record}); err != nil {
				t.Fatal(err)
			}
		}
		if keyring.tickets[record.GetItem()] != ticket {
			t.Errorf("the record's ticket is %q", keyring.tickets[record.GetItem()])
		}
		// Garbage on the subject stops nothing.
		if _, err := conn.Publish(ctx, "tickets."+ticket, []byte("garbage")); err != nil {
			t.Fatal(err)
		}
		for _, odd := range []proto.Message{
			&ticketv1.StatusChanged{Ticket: ticket, Status: "no status: at all"}, &ticketv1.Assigned{Ticket: ticket, Assignee: "No Body"},
			&ticketv1.StatusChanged{Ticket: "../another", Status: desk.Solved}, &ticketv1.LayersDestroyed{},
		} {
			if _, err := speech.Say(ctx, ticket, odd); err != nil {
				t.Fatal(err)
			}
		}
		sequence, err := speech.Say(ctx, ticket, &ticketv1.StatusChanged{Ticket: ticket, Status: desk.Pending, By: "agnes"})
		if err != nil || sequence != 7 {
			t.Fatalf("said as %d, %v: opened once, garbage, four odd ones, status", sequence, err)
		}
		if err := speech.Record(ctx, &auditv1.Act{Actor: "agnes", Action: "status", Items: []string{record.GetItem()}, Ticket: ticket, Outcome: "allowed"}); err != nil {
			t.Fatal(err)
		}
		shows := func() bool {
			row, known, err := board.Get(ctx, ticket)
			if err != nil {
				t.Fatal(err)
			}
			acts, err := board.Acts(ctx, record.GetItem(), 10)
			if err != nil {
				t.Fatal(err)
			}
			return known && row.Status == desk.Pending && len(acts) == 1
		}
		eventually(t, shows)
		if err := board.Await(ctx, sequence); err != nil {
			t.Error(err)
		}
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the projector ends with %v", err)
		}
		if !strings.Contains(log.String(), "message not folded") {
			t.Error("the log is silent about the garbage")
		}

		// Thrown away, the board is built again from the streams.
		if err := model.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		again, cancel := context.WithCancel(t.Context())
		go func() { done <- desk.NewProjector(board, conn, slog.New(slog.DiscardHandler)).Run(again) }()
		ctx = again
		eventually(t, shows)
		cancel()
		<-done
	})
}

func TestAMailThatIsNotRenderedIsNoTicket(t *testing.T) {
	worker := desk.NewWorker(&keeper{}, nil, time.Now)
	record := renderedRecord(1, itemv1.State_STATE_FILED)
	err := worker.Open(t.Context(), cause(t, record), &mailv1.Sanitized{Record: record})
	if verdict := fault.Of(err); !fault.IsFinal(err) || verdict.Code != "not_rendered" {
		t.Errorf("%v", err)
	}
}

func TestOnARealBusTheDeskReadsRecordsAndRetention(t *testing.T) {
	bustest.Each(t, func(t *testing.T, b *bustest.Bus) {
		keyring, retain := b.Connect(t, "keyring"), b.Connect(t, "retain")
		put := func(record *itemv1.Record) {
			t.Helper()
			data, err := proto.Marshal(record)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := keyring.Publish(t.Context(), "items."+record.GetItem(), data, bus.Headers(bus.Header{event.HeaderState: {event.StateWord(record.GetState())}})); err != nil {
				t.Fatal(err)
			}
		}
		for i := range uint32(5) {
			record := renderedRecord(i, itemv1.State_STATE_TICKETED)
			put(record)
		}
		held := renderedRecord(1, itemv1.State_STATE_TICKETED)
		held.Holds = []*itemv1.Hold{{Id: "H1", PlacedBy: "petra"}}
		put(held)
		for i := range 3 {
			said := &retentionv1.Certified{Certificate: fmt.Sprint("C", i), Plan: "P", Document: []byte("{}")}
			envelope, err := event.New(fmt.Sprint("P", i), "retain", i, "", time.Now(), said)
			if err != nil {
				t.Fatal(err)
			}
			data, err := event.Marshal(envelope)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := retain.Publish(t.Context(), "retention.v1.Certified", data); err != nil {
				t.Fatal(err)
			}
		}

		custody := desk.NewCustody(b.Connect(t, "desk"), nil, nil, nil)
		record, err := custody.Record(t.Context(), held.GetItem())
		if err != nil || len(record.GetHolds()) != 1 {
			t.Errorf("record %v, %v", record, err)
		}
		if _, err := custody.Record(t.Context(), event.Item("x", "y", 1, 1, 0)); !errors.Is(err, vault.ErrNotFound) {
			t.Errorf("no record: %v", err)
		}
		certificates, err := custody.Certificates(t.Context(), 2)
		if err != nil || len(certificates) != 2 || certificates[0].GetCertificate() != "C2" {
			t.Errorf("certificates %v, %v", certificates, err)
		}
		if one, known, err := custody.Certificate(t.Context(), "C0"); err != nil || !known || one.GetCertificate() != "C0" {
			t.Errorf("certificate %v, %v, %v", one, known, err)
		}
		if _, known, err := custody.Certificate(t.Context(), "C9"); err != nil || known {
			t.Errorf("no certificate: %v, %v", known, err)
		}
	})
}
