package wiring

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	journalv1 "github.com/postern-mail/postern/proto/journal/v1"
	"github.com/postern-mail/postern/services/archive"
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

// Rebuild refills the durable streams from the vault's journal. The streams must exist and
// be empty; a keyring must run, whose state opens the journal. Messages keep their order,
// and, in streams that lose none, their sequences: the audit chain stays whole.
func (t *Tool) Rebuild(ctx context.Context) ([]Refill, error) {
	for _, stream := range archive.Journalled {
		if stream == topology.Audit {
			continue // the opening of the journal itself is recorded there
		}
		for message, err := range t.Conn.Scan(ctx, stream, 1) {
			if err != nil {
				return nil, fmt.Errorf("stream %s: %w", stream, err)
			}
			return nil, fmt.Errorf("%w: %s has message %d", ErrNotEmpty, stream, message.Sequence)
		}
	}
	var done []Refill
	for _, stream := range archive.Journalled {
		refill, err := t.refill(ctx, stream)
		if err != nil {
			return done, err
		}
		done = append(done, refill)
	}
	return done, nil
}

func (t *Tool) refill(ctx context.Context, stream string) (Refill, error) {
	refill := Refill{Stream: stream}
	batches, err := archive.Batches(ctx, t.Vault, stream)
	if err != nil {
		return refill, err
	}
	var last uint64
	for _, name := range batches {
		if name.Last <= last {
			continue // a second writing of what is there already
		}
		batch, err := t.batch(ctx, name)
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
			if _, err := t.Conn.Publish(ctx, entry.GetSubject(), entry.GetData(), bus.Headers(header)); err != nil {
				return refill, err
			}
			last = entry.GetSequence()
			refill.Messages++
		}
		refill.Batches++
	}
	return refill, nil
}

// batch opens one object of the journal.
func (t *Tool) batch(ctx context.Context, name archive.BatchName) (*journalv1.Batch, error) {
	body, _, err := t.Vault.Get(ctx, name.Object)
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
	outcomes, err := t.Opener().Packets(ctx, [][]byte{content[:seal.KeyPacketSize]}, []string{name.Bucket})
	if err != nil {
		return nil, err
	}
	if outcomes[0].Err != nil {
		return nil, outcomes[0].Err
	}
	defer outcomes[0].Key.Clear()
	plain, err := open.Bytes(outcomes[0].Key.Session, content[seal.KeyPacketSize:], batchLimit)
	if err != nil {
		return nil, err
	}
	batch := new(journalv1.Batch)
	return batch, proto.Unmarshal(plain, batch)
}
