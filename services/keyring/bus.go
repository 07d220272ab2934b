package keyring

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// OnBus gives what of Deps stands on the bus, for the connection of the service
// keyring. The caller adds the rest.
func OnBus(c *bus.Conn, now func() time.Time) Deps {
	return Deps{Records: busRecords{c}, Entries: busEntries{c, now}, Published: busPublished{c, now}, Server: busServer{c}}
}

const stageName = "keyring"

type busRecords struct{ conn *bus.Conn }

// Get asks the stream's leader: what it says is compared and written over.
func (b busRecords) Get(ctx context.Context, item string) (Stored, error) {
	message, err := b.conn.LastFresh(ctx, topology.Items, event.RecordSubject(item))
	if errors.Is(err, bus.ErrNoMessage) {
		return Stored{}, ErrNoRecord
	}
	if err != nil {
		return Stored{}, err
	}
	return stored(message)
}

func stored(message *bus.Message) (Stored, error) {
	record := new(itemv1.Record)
	if err := proto.Unmarshal(message.Data, record); err != nil {
		return Stored{}, fmt.Errorf("item record %d: %w", message.Sequence, err)
	}
	return Stored{Record: record, Sequence: message.Sequence}, nil
}

func (b busRecords) Put(ctx context.Context, record *itemv1.Record, expected uint64) (uint64, error) {
	data, err := proto.Marshal(record)
	if err != nil {
		return 0, fmt.Errorf("item record: %w", err)
	}
	sequence, err := b.conn.Publish(ctx, event.RecordSubject(record.Item), data, bus.ExpectLastSubjectSeq(expected), bus.Headers(event.RecordHeaders(record)))
	if errors.Is(err, bus.ErrWrongSequence) {
		return 0, fmt.Errorf("%w: %w", ErrConflict, err)
	}
	return sequence, err
}

func (b busRecords) All(ctx context.Context) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		for message, err := range b.conn.Scan(ctx, topology.Items, 1) {
			if err != nil {
				yield(Stored{}, err)
				return
			}
			one, err := stored(message)
			if !yield(one, err) || err != nil {
				return
			}
		}
	}
}

type busEntries struct {
	conn *bus.Conn
	now  func() time.Time
}

func (b busEntries) Write(ctx context.Context, entry *auditv1.Entry) error {
	if len(entry.GetActs()) == 0 {
		return nil
	}
	cause := event.ID(entry.Acts[0].Id, stageName, len(entry.Acts))
	return publish(ctx, b.conn, "audit.v1.Entry."+stageName, cause, entry, b.now())
}

type busPublished struct {
	conn *bus.Conn
	now  func() time.Time
}

func (b busPublished) Publish(ctx context.Context, published *keyringv1.Published) error {
	now := b.now()
	return publish(ctx, b.conn, keys.PublishedSubject, event.ID(now.Format(time.RFC3339Nano), stageName, 0), published, now)
}

func publish(ctx context.Context, conn *bus.Conn, subject, cause string, said proto.Message, now time.Time) error {
	envelope, err := event.New(cause, stageName, 0, "", now, said)
	if err != nil {
		return err
	}
	data, err := event.Marshal(envelope)
	if err != nil {
		return err
	}
	_, err = conn.Publish(ctx, subject, data, bus.MsgID(envelope.Id))
	return err
}

type busServer struct{ conn *bus.Conn }

func (b busServer) Serve(ctx context.Context, subject string, limit int, h Handler) (func(context.Context) error, error) {
	served, err := b.conn.Serve(ctx, subject, limit, func(ctx context.Context, r bus.Request) ([]byte, error) {
		return h(ctx, r.Data)
	})
	if err != nil {
		return nil, err
	}
	return served.Stop, nil
}
