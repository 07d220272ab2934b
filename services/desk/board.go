package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/readmodel"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// A Board is the read model of tickets and of people's acts, in Redis. The streams
// TICKETS and AUDIT are the truth; the board can be wiped and built again.
type Board struct {
	model readmodel.ReadModel
	acts  ActLimits
}

// NewBoard keeps the board in a read model.
func NewBoard(model readmodel.ReadModel) *Board { return &Board{model, DefaultActLimits()} }

// Keeping gives the board with other limits.
func (b *Board) Keeping(limits ActLimits) *Board { return &Board{b.model, limits} }

// errFold says that a message is not one that the board can fold.
var errFold = errors.New("board: message cannot be folded")

// Topic is what lists wait for.
const Topic = "tickets"

// Streams that the board is a projection of.
const (
	ticketStream = "TICKETS"
	auditStream  = "AUDIT"
)

// A kept is a row as it stands in its cell.
type keptRow struct {
	Row
	Record []byte `json:"record"`
}

func ticketCell(ticket string) string { return "ticket:" + ticket }

// sets are the lists that a row stands in.
func sets(row Row) []string {
	assignee := row.Assignee
	if assignee == "" {
		assignee = "-"
	}
	in := []string{"tickets", "tickets:assignee:" + assignee, namedSet(shortName(row.Ticket))}
	if row.Over() && row.Status != Solved {
		return in // there is no work in it
	}
	return append(in, "tickets:status:"+row.Status, "tickets:status:"+row.Status+":assignee:"+assignee)
}

func namedSet(short string) string { return "named:" + short }

// Named is Tickets.Named.
func (b *Board) Named(ctx context.Context, short string) ([]string, error) {
	if !isShortName(short) {
		return nil, nil
	}
	members, err := b.model.Range(ctx, namedSet(short), readmodel.Query{Limit: pageSize})
	var tickets []string
	for _, member := range members {
		tickets = append(tickets, member.Name)
	}
	return tickets, err
}

func setOf(filter Filter) string {
	name := "tickets"
	if filter.Status != "" {
		name += ":status:" + filter.Status
	}
	if filter.Assignee != "" {
		name += ":assignee:" + filter.Assignee
	}
	return name
}

// ApplyTicket folds one message of TICKETS into the board.
func (b *Board) ApplyTicket(ctx context.Context, sequence uint64, subject string, at time.Time, data []byte) error {
	envelope, said, err := event.Open(subject, data)
	if err != nil {
		return fmt.Errorf("%w: %w", errFold, err)
	}
	return b.model.Apply(ctx, ticketStream, sequence, func(tx readmodel.Tx) error {
		ticket, ok := said.(interface{ GetTicket() string })
		if !ok || subject != "tickets."+ticket.GetTicket() {
			return fmt.Errorf("%w: %s names another ticket, or none", errFold, envelope.GetType())
		}
		before, known, err := readRow(tx.Get(ticketCell(ticket.GetTicket())))
		if err != nil {
			return err
		}
		stood := sets(before) // what is folded in may change what before holds, too
		after, err := apply(before, said, at)
		if err != nil {
			return err
		}
		if after.Record == nil {
			return nil // an event of a ticket that was never opened
		}
		value, err := writeRow(after)
		if err != nil {
			return err
		}
		if known {
			for _, set := range stood {
				tx.Remove(set, before.Ticket)
			}
		}
		for _, set := range sets(after) {
			tx.Add(set, after.Ticket, float64(after.Received.UnixMilli()))
		}
		tx.Put(ticketCell(after.Ticket), value)
		tx.Notify(Topic)
		return nil
	})
}

func readRow(value []byte, ok bool, err error) (Row, bool, error) {
	if err != nil || !ok {
		return Row{}, false, err
	}
	var found keptRow
	if err := json.Unmarshal(value, &found); err != nil {
		return Row{}, false, fmt.Errorf("ticket cell: %w", err)
	}
	row := found.Row
	row.Record = new(itemv1.Record)
	if err := proto.Unmarshal(found.Record, row.Record); err != nil {
		return Row{}, false, fmt.Errorf("ticket cell: %w", err)
	}
	return row, true, nil
}

func writeRow(row Row) ([]byte, error) {
	record, err := proto.Marshal(row.Record)
	if err != nil {
		return nil, fmt.Errorf("ticket cell: %w", err)
	}
	value, err := json.Marshal(keptRow{Row: row, Record: record})
	if err != nil {
		return nil, fmt.Errorf("ticket cell: %w", err)
	}
	return value, nil
}

// List is Tickets.List.
func (b *Board) List(ctx context.Context, filter Filter, after Place, limit int) ([]Row, error) {
	query := readmodel.Query{Reverse: !filter.Oldest, Limit: limit}
	if after.Ticket != "" {
		query.After = &readmodel.Member{Name: after.Ticket, Score: float64(after.Received.UnixMilli())}
	}
	members, err := b.model.Range(ctx, setOf(filter), query)
	if err != nil {
		return nil, err
	}
	cells := make([]string, len(members))
	for i, member := range members {
		cells[i] = ticketCell(member.Name)
	}
	if len(cells) == 0 {
		return nil, nil
	}
	values, err := b.model.GetMany(ctx, cells)
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, value := range values {
		row, ok, err := readRow(value, value != nil, nil)
		if err != nil {
			return nil, err
		}
		if ok {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// Get is Tickets.Get.
func (b *Board) Get(ctx context.Context, ticket string) (Row, bool, error) {
	if !event.IsTicket(ticket) {
		return Row{}, false, nil
	}
	return readRow(b.model.Get(ctx, ticketCell(ticket)))
}

// Counts is Tickets.Counts.
func (b *Board) Counts(ctx context.Context) (map[string]int64, error) {
	counts := map[string]int64{}
	for _, status := range statuses {
		count, err := b.model.Count(ctx, setOf(Filter{Status: status}), 0, 1e18)
		if err != nil {
			return nil, err
		}
		counts[status] = count
	}
	return counts, nil
}

// awaited is how long a person waits to see what they did.
const awaited = 2 * time.Second

// Await is Tickets.Await.
func (b *Board) Await(ctx context.Context, sequence uint64) error {
	ctx, cancel := context.WithTimeout(ctx, awaited)
	defer cancel()
	changed, err := b.model.Subscribe(ctx, Topic)
	if err != nil {
		return err
	}
	for {
		at, err := b.model.Position(ctx, ticketStream)
		if ctx.Err() != nil || err == nil && at >= sequence {
			return nil // it shows, or it will in a moment: it is said either way
		}
		if err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// Subscribe is Changes.Subscribe.
func (b *Board) Subscribe(ctx context.Context) (<-chan struct{}, error) {
	return b.model.Subscribe(ctx, Topic)
}
