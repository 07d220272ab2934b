package retain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// Bus is what retain needs of its connection; *bus.Conn is one.
type Bus interface {
	Publish(ctx context.Context, subject string, data []byte, options ...bus.PublishOption) (uint64, error)
	Scan(ctx context.Context, stream string, from uint64, options ...bus.ScanOption) iter.Seq2[*bus.Message, error]
	LastFresh(ctx context.Context, stream, subject string) (*bus.Message, error)
	Lease(ctx context.Context, name string) (*bus.Lease, error)
}

const stageName = "retain"

// StreamRecords reads records from the ITEMS stream.
type StreamRecords struct{ bus Bus }

// NewStreamRecords reads from a bus.
func NewStreamRecords(conn Bus) *StreamRecords { return &StreamRecords{conn} }

// All is Records.All.
func (r *StreamRecords) All(ctx context.Context) iter.Seq2[*itemv1.Record, error] {
	return func(yield func(*itemv1.Record, error) bool) {
		for message, err := range r.bus.Scan(ctx, topology.Items, 1) {
			if err != nil {
				yield(nil, err)
				return
			}
			record := new(itemv1.Record)
			err := proto.Unmarshal(message.Data, record)
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

// Get is Records.Get, from the stream's leader: what it says decides what is destroyed.
func (r *StreamRecords) Get(ctx context.Context, item string) (*itemv1.Record, error) {
	message, err := r.bus.LastFresh(ctx, topology.Items, event.RecordSubject(item))
	if errors.Is(err, bus.ErrNoMessage) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	record := new(itemv1.Record)
	return record, proto.Unmarshal(message.Data, record)
}

// StreamLog is the RETENTION stream.
type StreamLog struct {
	bus Bus
	now func() time.Time
}

// NewStreamLog speaks on a bus.
func NewStreamLog(conn Bus, now func() time.Time) *StreamLog { return &StreamLog{conn, now} }

// All is Log.All.
func (l *StreamLog) All(ctx context.Context) iter.Seq2[Said, error] {
	return func(yield func(Said, error) bool) {
		for message, err := range l.bus.Scan(ctx, topology.Retention, 1) {
			if err != nil {
				yield(Said{}, err)
				return
			}
			_, said, err := event.Open(message.Subject, message.Data)
			if err != nil {
				err = fmt.Errorf("message %d: %w", message.Sequence, err)
			}
			if !yield(Said{said, message.Time, message.Sequence}, err) || err != nil {
				return
			}
		}
	}
}

// Say is Log.Say. The bus forgets a repeat after two minutes, so the log is read
// before it is written: it is small, and written a few times a night.
func (l *StreamLog) Say(ctx context.Context, cause string, said proto.Message) error {
	id := eventCause(event.Name(said) + " " + cause) // of its own: the bus takes equal ids for a repeat
	envelope, err := event.New(id, stageName, 0, "", l.now(), said)
	if err != nil {
		return err
	}
	if err := l.once(ctx, topology.Retention, event.Name(said), envelope); err != nil {
		return fmt.Errorf("retention log: %w", err)
	}
	return nil
}

// How often others may come between reading a subject and writing to it, and how long until it is
// read again: a replica may be behind.
const (
	mostRaces = 10
	racePause = 50 * time.Millisecond
)

// once publishes what its subject does not have yet. It is written only behind the very
// message up to which the subject was read: who read it, was stopped for days and writes then
// finds what another has said meanwhile.
func (l *StreamLog) once(ctx context.Context, stream, subject string, envelope *eventv1.Envelope) error {
	data, err := proto.Marshal(envelope)
	if err != nil {
		return fmt.Errorf("event: %w", err)
	}
	for range mostRaces {
		last := uint64(0)
		for message, err := range l.bus.Scan(ctx, stream, 1, bus.Matching(subject)) {
			if err != nil {
				return err
			}
			last = message.Sequence
			if before, _, err := event.Open(message.Subject, message.Data); err == nil && before.GetCause() == envelope.GetCause() {
				return nil
			}
		}
		_, err = l.bus.Publish(ctx, subject, data, bus.MsgID(envelope.GetId()), bus.ExpectLastSubjectSeq(last))
		if !errors.Is(err, bus.ErrWrongSequence) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(racePause):
		}
	}
	return err
}

// Plan is Log.Plan: a compare-and-swap on the subject of plans.
func (l *StreamLog) Plan(ctx context.Context, after uint64, plan *retentionv1.Planned) (uint64, error) {
	id := eventCause(event.Name(plan) + " " + plan.GetPlan())
	envelope, err := event.New(id, stageName, 0, "", l.now(), plan)
	if err != nil {
		return 0, err
	}
	data, err := proto.Marshal(envelope)
	if err != nil {
		return 0, fmt.Errorf("event: %w", err)
	}
	sequence, err := l.bus.Publish(ctx, event.Name(plan), data, bus.MsgID(envelope.GetId()), bus.ExpectLastSubjectSeq(after))
	if errors.Is(err, bus.ErrWrongSequence) {
		return 0, ErrRace
	}
	return sequence, err
}

// SayOfTicket is Log.SayOfTicket.
func (l *StreamLog) SayOfTicket(ctx context.Context, cause, ticket, item string, said proto.Message) error {
	subject := "tickets." + ticket
	id := eventCause(cause + " " + ticket)
	envelope, err := event.New(id, stageName, 0, item, l.now(), said)
	if err != nil {
		return err
	}
	if err := l.once(ctx, topology.Tickets, subject, envelope); err != nil {
		return fmt.Errorf("ticket %s: %w", ticket, err)
	}
	return nil
}

// Record is Log.Record.
func (l *StreamLog) Record(ctx context.Context, act *auditv1.Act) error {
	now := l.now()
	act = proto.CloneOf(act)
	act.Id, act.Time, act.Service = ulid.MustNew(ulid.Timestamp(now), ulid.DefaultEntropy()).String(), timestamppb.New(now), stageName
	envelope, err := event.New(eventCause(act.GetId()), stageName, 0, "", now, &auditv1.Entry{Acts: []*auditv1.Act{act}})
	if err != nil {
		return err
	}
	return l.publish(ctx, "audit.v1.Entry."+stageName, envelope.GetId(), envelope)
}

func (l *StreamLog) publish(ctx context.Context, subject, id string, envelope proto.Message) error {
	data, err := proto.Marshal(envelope)
	if err != nil {
		return fmt.Errorf("event: %w", err)
	}
	_, err = l.bus.Publish(ctx, subject, data, bus.MsgID(id))
	return err
}

// eventCause gives a name the form of an event's cause.
func eventCause(name string) string {
	sum := sha256.Sum256([]byte("retain " + name))
	return hex.EncodeToString(sum[:16])
}

// BusLeader leads by a lease of the bus.
type BusLeader struct{ bus Bus }

// NewBusLeader leads on a bus.
func NewBusLeader(conn Bus) *BusLeader { return &BusLeader{conn} }

// Lead is Leader.Lead.
func (l *BusLeader) Lead(ctx context.Context, work func(ctx context.Context) error) error {
	for ctx.Err() == nil {
		lease, err := l.bus.Lease(ctx, "leader")
		if err == nil {
			err = work(lease.Context())
			lease.Release()
			if err != nil && ctx.Err() == nil && lease.Context().Err() == nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(3 * time.Second):
		}
	}
	return ctx.Err()
}
