package desk

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"
)

// TicketKeeper is the keyring's part in making a ticket.
type TicketKeeper interface {
	// Ticket must be safe to repeat: the first ticket id stays.
	Ticket(ctx context.Context, request *keyringv1.Ticket) (*keyringv1.Recorded, error)
}

// Opening publishes the first event of a ticket.
type Opening interface {
	// OpenTicket must store the event only where the ticket has none yet, and must
	// return nil where it has: somebody made this ticket already.
	OpenTicket(ctx context.Context, ticket string, first *eventv1.Envelope) error
}

// A Worker makes tickets of sanitized mails.
type Worker struct {
	keyring TicketKeeper
	bus     Opening
	now     func() time.Time
}

// NewWorker makes tickets.
func NewWorker(keyring TicketKeeper, bus Opening, now func() time.Time) *Worker {
	return &Worker{keyring, bus, now}
}

// Open makes a ticket of what was sanitized. The ticket's name follows from the item,
// and its first event is stored before the record forgets the inline view: a crash
// between the two repeats the first, which changes nothing.
func (w *Worker) Open(ctx context.Context, cause *eventv1.Envelope, sanitized *mailv1.Sanitized) error {
	record := sanitized.GetRecord()
	if record.GetState() != itemv1.State_STATE_RENDERED && record.GetState() != itemv1.State_STATE_TICKETED {
		return fault.Final("not_rendered")
	}
	ticket := event.Ticket(record.GetItem())
	if record.GetTicket() == "" { // a record that names its ticket has been through here whole
		first, err := event.New(cause.GetId(), "desk", 0, record.GetItem(), w.now(), &ticketv1.Opened{Ticket: ticket, Record: record})
		if err != nil {
			return err
		}
		if err := w.bus.OpenTicket(ctx, ticket, first); err != nil {
			return fmt.Errorf("ticket %s: %w", ticket, err)
		}
	}
	if _, err := w.keyring.Ticket(ctx, &keyringv1.Ticket{Item: record.GetItem(), Ticket: ticket}); err != nil {
		return fmt.Errorf("ticket %s: %w", ticket, err)
	}
	return nil
}

// Recall tells a ticket of files that are not handed out any more.
func (w *Worker) Recall(recalled *mailv1.Recalled) (ticket string, said *ticketv1.Recalled) {
	record := recalled.GetRecord()
	said = &ticketv1.Recalled{Ticket: event.Ticket(record.GetItem())}
	for _, file := range record.GetRecalled() {
		said.Packets = append(said.Packets, file.GetPacket())
	}
	return said.GetTicket(), said
}

// apply folds one event of a ticket into its row.
func apply(row Row, said proto.Message, at time.Time) (Row, error) {
	before := row.Changed
	row.Changed = at
	switch e := said.(type) {
	case *ticketv1.Opened:
		row.Ticket, row.Record = e.GetTicket(), e.GetRecord()
		row.Received = e.GetRecord().GetReceived().AsTime()
		row.Status = Open
	case *ticketv1.StatusChanged:
		if !slices.Contains(statuses, e.GetStatus()) {
			return row, fmt.Errorf("%w: its status is none that a ticket has", errFold)
		}
		row.Status = e.GetStatus()
	case *ticketv1.Assigned:
		if e.GetAssignee() != "" && !userName.MatchString(e.GetAssignee()) {
			return row, fmt.Errorf("%w: its assignee cannot be anybody's name", errFold)
		}
		row.Assignee = e.GetAssignee()
	case *ticketv1.LayersDestroyed:
		if row.Destroyed == nil {
			row.Destroyed = map[int32]string{}
		}
		for _, kind := range e.GetLayers() {
			row.Destroyed[int32(kind)] = e.GetCertificate()
			forget(row.Record, kind)
		}
	case *ticketv1.Recalled:
		// It may be told twice, and of two the earlier one last: nothing that is recalled is given back.
		all := slices.Compact(slices.Sorted(slices.Values(slices.Concat(row.Recalled, e.GetPackets()))))
		if len(all) == len(row.Recalled) {
			row.Changed = before
		}
		row.Recalled = all
	default:
		return row, fmt.Errorf("%w: %s is not known", errFold, said.ProtoReflect().Descriptor().FullName())
	}
	return row, nil
}

// forget drops what a row still holds of a destroyed layer: noise by now, and not ours to keep.
func forget(record *itemv1.Record, kind itemv1.LayerKind) {
	for _, layer := range record.GetLayers() {
		if layer.GetKind() == kind {
			layer.Inline, layer.KeyPacket = nil, nil
			layer.State = itemv1.LayerState_LAYER_STATE_DESTROYED
		}
	}
}
