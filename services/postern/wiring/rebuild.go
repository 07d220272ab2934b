package wiring

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	journalv1 "github.com/postern-mail/postern/proto/journal/v1"
	"github.com/postern-mail/postern/services/archive"
	"github.com/postern-mail/postern/services/keyring"
)

// batchLimit bounds one opened batch of the journal.
const batchLimit = 64 << 20

// ErrNotEmpty says that a stream holds messages: rebuilding refills lost streams and never
// mixes with live ones.
var ErrNotEmpty = errors.New("rebuild: a stream is not empty")

// A Refill says what became of one stream.
type Refill struct {
	Stream   string
	Messages int
	Batches  int
}

// Rebuild refills the durable streams from the vault's journal, with the keyring's state
// alone. The streams must exist and be empty, and no keyring may run. Messages keep their
// order, and, in streams that lose none, their sequences: the audit chain stays whole.
func (p *Process) Rebuild(ctx context.Context) ([]Refill, error) {
	conn, err := p.Connect(ctx, topology.Rebuild)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	for _, stream := range archive.Journalled {
		for message, err := range conn.Scan(ctx, stream, 1) {
			if err != nil {
				return nil, fmt.Errorf("stream %s: %w", stream, err)
			}
			return nil, fmt.Errorf("%w: %s has message %d", ErrNotEmpty, stream, message.Sequence)
		}
	}
	disk, err := keyring.NewDisk(p.Config.Keyring.Dir)
	if err != nil {
		return nil, err
	}
	second, err := p.secondStore()
	if err != nil {
		return nil, err
	}
	ring, err := keyring.OpenOffline(ctx, disk, p.Config.Keyring.Dir, second)
	if err != nil {
		return nil, err
	}
	defer ring.Close()
	r := rebuilder{p, conn, ring}
	var done []Refill
	for _, stream := range archive.Journalled {
		refill, err := r.refill(ctx, stream)
		if err != nil {
			return done, err
		}
		done = append(done, refill)
	}
	return done, r.record(ctx)
}

type rebuilder struct {
	*Process
	conn *bus.Conn
	ring *keyring.Offline
}

// refill publishes what the journal has of a stream, epoch by epoch. In streams that lose
// nothing an earlier rebuilding kept the sequences, so a later epoch goes on where the one
// before ends. Of ITEMS only the last message a subject counts: a later epoch's replaces.
func (r rebuilder) refill(ctx context.Context, stream string) (Refill, error) {
	refill := Refill{Stream: stream}
	batches, err := archive.Batches(ctx, r.Vault, stream)
	if err != nil {
		return refill, err
	}
	var last, epoch uint64
	for _, name := range batches {
		if name.Epoch != epoch && stream == topology.Items {
			last = 0
		}
		epoch = name.Epoch
		if name.Last <= last {
			continue // a second writing of what is there already
		}
		batch, err := r.batch(ctx, name)
		if err != nil {
			return refill, fmt.Errorf("journal object %s: %w", name.Object, err)
		}
		if batch.GetStream() != stream {
			return refill, fmt.Errorf("journal object %s: it is of stream %s", name.Object, batch.GetStream())
		}
		for _, entry := range batch.GetEntries() {
			if entry.GetSequence() <= last {
				continue
			}
			header := bus.Header{}
			for key, value := range entry.GetHeader() {
				header[key] = []string{value}
			}
			if _, err := r.conn.Publish(ctx, entry.GetSubject(), entry.GetData(), bus.Headers(header)); err != nil {
				return refill, err
			}
			last = entry.GetSequence()
			refill.Messages++
		}
		refill.Batches++
	}
	return refill, nil
}

// batch opens one object of the journal: a key packet and one data packet.
func (r rebuilder) batch(ctx context.Context, name archive.BatchName) (*journalv1.Batch, error) {
	body, _, err := r.Vault.Get(ctx, name.Object)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, batchLimit+1))
	if err != nil {
		return nil, err
	}
	if len(content) <= seal.KeyPacketSize || len(content) > batchLimit {
		return nil, errors.New("its length is not one of the journal's")
	}
	session, err := r.ring.Journal(name.Bucket, content[:seal.KeyPacketSize])
	if err != nil {
		return nil, err
	}
	defer session.Clear()
	plain, err := open.Bytes(session, content[seal.KeyPacketSize:], batchLimit)
	if err != nil {
		return nil, err
	}
	batch := new(journalv1.Batch)
	return batch, proto.Unmarshal(plain, batch)
}

// record writes that the journal was opened, as the last thing: the log was not there before.
func (r rebuilder) record(ctx context.Context) error {
	now := r.Clock.Now()
	act := &auditv1.Act{
		Id: event.ID("rebuild", topology.Rebuild, int(now.Unix())), Time: timestamppb.New(now), Service: topology.Rebuild,
		Actor: "operator", Action: "rebuild", Outcome: "allowed",
	}
	envelope, err := event.New(act.GetId(), topology.Rebuild, 0, "", now, &auditv1.Entry{Acts: []*auditv1.Act{act}})
	if err != nil {
		return err
	}
	data, err := event.Marshal(envelope)
	if err != nil {
		return err
	}
	_, err = r.conn.Publish(ctx, "audit.v1.Entry."+topology.Rebuild, data, bus.MsgID(envelope.GetId()))
	return err
}
