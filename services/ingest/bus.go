package ingest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	ingestv1 "github.com/postern-mail/postern/proto/ingest/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// OnBus gives what of Deps stands on the bus, for the connection of the service
// ingest. The caller adds the rest.
func OnBus(c *bus.Conn) Deps {
	return Deps{Intake: &busIntake{conn: c}, Publisher: busPublisher{c}, Cursors: busCursors{c}, Leases: busLeases{c}, Standing: busStanding{c}, Records: busRecords{c}, Board: busBoard{c}}
}

// intakeAge is how old the list of published keys may be.
const intakeAge = 5 * time.Second

// busIntake reads the published keys, at most every intakeAge.
type busIntake struct {
	conn *bus.Conn

	mu        sync.Mutex
	published *keyringv1.Published
	read      time.Time
}

func (b *busIntake) Bucket(ctx context.Context, at time.Time) (*keyringv1.PublicBucket, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.published == nil || time.Since(b.read) > intakeAge {
		message, err := b.conn.Last(ctx, topology.Keys, keys.PublishedSubject)
		if err != nil {
			return nil, err
		}
		if b.published, err = keys.ReadPublished(message.Data); err != nil {
			return nil, err
		}
		b.read = time.Now()
	}
	return keys.Intake(b.published, at)
}

type busPublisher struct{ conn *bus.Conn }

func (b busPublisher) Publish(ctx context.Context, envelope *eventv1.Envelope) error {
	data, err := event.Marshal(envelope)
	if err != nil {
		return err
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	header := bus.Header{}
	for key, value := range carrier {
		header[key] = []string{value}
	}
	_, err = b.conn.Publish(ctx, envelope.Type, data, bus.MsgID(envelope.Id), bus.Headers(header))
	return err
}

type busCursors struct{ conn *bus.Conn }

func cursorSubject(mailbox string) string { return "cursors." + mailbox }

// Load asks the stream's leader: an older cursor would repeat work, and be refused.
func (b busCursors) Load(ctx context.Context, mailbox string) (*ingestv1.Cursor, uint64, error) {
	message, err := b.conn.LastFresh(ctx, topology.Cursors, cursorSubject(mailbox))
	if errors.Is(err, bus.ErrNoMessage) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	cursor := new(ingestv1.Cursor)
	if err := proto.Unmarshal(message.Data, cursor); err != nil {
		return nil, 0, errors.New("stored cursor is garbled")
	}
	return cursor, message.Sequence, nil
}

func (b busCursors) Save(ctx context.Context, cursor *ingestv1.Cursor, revision uint64) (uint64, error) {
	data, err := proto.Marshal(cursor)
	if err != nil {
		return 0, err
	}
	sequence, err := b.conn.Publish(ctx, cursorSubject(cursor.Mailbox), data, bus.ExpectLastSubjectSeq(revision))
	if errors.Is(err, bus.ErrWrongSequence) {
		// Another process's, or our own whose answer was lost: reading it tells.
		return 0, fmt.Errorf("%w: %w", ErrMoved, err)
	}
	return sequence, err
}

// leaseRetry is how often a lease that another holds is asked for. With a lease's
// life of 10 s it moves within 15 s of its holder's death.
const leaseRetry = 2 * time.Second

type busLeases struct{ conn *bus.Conn }

func (b busLeases) Hold(ctx context.Context, name string) (context.Context, func(), error) {
	for {
		lease, err := b.conn.Lease(ctx, name)
		if err == nil {
			return lease.Context(), lease.Release, nil
		}
		if !errors.Is(err, bus.ErrHeld) {
			return nil, nil, err
		}
		select {
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		case <-time.After(leaseRetry/2 + rand.N(leaseRetry)):
		}
	}
}

type busStanding struct{ conn *bus.Conn }

func (b busStanding) Heads(ctx context.Context, from uint64) iter.Seq2[Head, error] {
	return func(yield func(Head, error) bool) {
		for message, err := range b.conn.Scan(ctx, topology.Items, from, bus.HeadersOnly()) {
			if err != nil {
				yield(Head{}, err)
				return
			}
			head := Head{
				Subject: message.Subject, Sequence: message.Sequence, State: message.Header.Get(event.HeaderState), Changed: message.Time,
				Retried: message.Header.Get(event.HeaderRetried) != "",
			}
			if !yield(head, nil) {
				return
			}
		}
	}
}

func (b busStanding) Record(ctx context.Context, head Head) (*itemv1.Record, error) {
	message, err := b.conn.Last(ctx, topology.Items, head.Subject)
	if err != nil {
		return nil, err
	}
	return recordIn(message)
}

// recordIn reads a message of the items' stream.
func recordIn(message *bus.Message) (*itemv1.Record, error) {
	record := new(itemv1.Record)
	if err := proto.Unmarshal(message.Data, record); err != nil {
		return nil, errGarbled
	}
	return record, nil
}
