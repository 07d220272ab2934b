package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"maps"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/vault"
	journalv1 "github.com/postern-mail/postern/proto/journal/v1"
)

// Journalled are the streams that, with the keyring's state and the vault's
// objects, are enough to rebuild everything.
var Journalled = []string{topology.Items, topology.Tickets, topology.Retention, topology.Audit, topology.Checkpoints}

// Bounds of one batch.
const (
	batchEntries = 2000
	batchBytes   = 8 << 20
)

// before names the streams that must be in the journal up to their ends before a batch of
// a stream is. A batch is read first and written last, so whatever it speaks of is there:
// a record that names its ticket comes after the ticket's first event, a certificate after
// what it certifies, a checkpoint after the entries that it covers.
var before = map[string][]string{
	topology.Items:       {topology.Retention, topology.Tickets, topology.Audit},
	topology.Retention:   {topology.Tickets, topology.Audit},
	topology.Checkpoints: {topology.Audit},
}

// A StreamMessage is one message of a durable stream.
type StreamMessage struct {
	Sequence uint64
	Subject  string
	Time     time.Time
	Header   map[string]string
	Data     []byte
}

// Streams reads durable streams.
type Streams interface {
	// Scan must yield what the stream keeps from a sequence on, in order, up to its end.
	Scan(ctx context.Context, stream string, from uint64) iter.Seq2[StreamMessage, error]
	// Kept must tell when the stream was made, and its last sequence.
	Kept(ctx context.Context, stream string) (bus.Kept, error)
}

// ErrMadeAnew says that a stream is not the one that the journal was following.
var ErrMadeAnew = errors.New("journal: a stream was made anew")

// Recipient gives the bucket that the journal is sealed to now.
type Recipient func(ctx context.Context) (*seal.Recipient, error)

// A Journal copies durable streams into the vault in sealed batches, and knows
// how far it is by the names of what is there. Only the holder of its lease should run it;
// a second one at the same time writes some batches twice, which does no harm.
type Journal struct {
	streams   Streams
	vault     vault.Store
	recipient Recipient
	now       func() time.Time
	reached   map[string]uint64
	epoch     map[string]Epoch
}

// NewJournal looks up in the vault how far each stream has been copied.
func NewJournal(ctx context.Context, streams Streams, store vault.Store, recipient Recipient, now func() time.Time) (*Journal, error) {
	j := &Journal{streams: streams, vault: store, recipient: recipient, now: now, reached: map[string]uint64{}, epoch: map[string]Epoch{}}
	for _, stream := range Journalled {
		batches, err := Batches(ctx, store, stream)
		if err != nil {
			return nil, err
		}
		if batches, err = Proven(ctx, store, batches); err != nil {
			return nil, err
		}
		kept, err := streams.Kept(ctx, stream)
		if err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		j.epoch[stream], j.reached[stream] = present(batches, kept)
	}
	return j, nil
}

// present gives the epoch that a stream is in and how far that is in the vault. A stream
// that was made at another moment than the newest epoch's, or that ends before what the
// journal has of it, was lost: its sequences mean other messages, and a new epoch begins.
func present(batches []BatchName, kept bus.Kept) (Epoch, uint64) {
	if len(batches) == 0 {
		return Epoch{Made: kept.Made.UnixMilli()}, 0
	}
	newest := batches[len(batches)-1].Epoch
	var reached uint64
	for _, batch := range batches {
		if batch.Epoch == newest {
			reached = max(reached, batch.Last)
		}
	}
	if newest.Made != kept.Made.UnixMilli() || kept.Last < reached {
		return Epoch{newest.Number + 1, kept.Made.UnixMilli()}, 0
	}
	return newest, reached
}

// Reached tells how far each stream is in the vault, written and read back.
func (j *Journal) Reached() map[string]uint64 { return maps.Clone(j.reached) }

// Step copies what is new in every stream. It says whether anything was. With ErrMadeAnew
// a new Journal must take over.
func (j *Journal) Step(ctx context.Context) (bool, error) {
	for _, stream := range Journalled {
		kept, err := j.streams.Kept(ctx, stream)
		if err != nil {
			return false, fmt.Errorf("journal: %w", err)
		}
		if kept.Made.UnixMilli() != j.epoch[stream].Made || kept.Last < j.reached[stream] {
			return false, fmt.Errorf("%w: %s", ErrMadeAnew, stream)
		}
	}
	wrote := false
	for _, stream := range Journalled {
		some, err := j.copy(ctx, stream)
		wrote = wrote || some
		if err != nil {
			return wrote, err
		}
	}
	return wrote, nil
}

// copy brings one stream up to its end as it stands now.
func (j *Journal) copy(ctx context.Context, stream string) (wrote bool, err error) {
	for {
		batch, full, err := j.next(ctx, stream)
		if err != nil || len(batch.GetEntries()) == 0 {
			return wrote, err
		}
		for _, first := range before[stream] {
			if _, err := j.copy(ctx, first); err != nil {
				return wrote, err
			}
		}
		if err := j.write(ctx, batch); err != nil {
			return wrote, err
		}
		wrote = true
		if !full {
			return wrote, nil
		}
	}
}

// next reads one batch; full says that there may be more.
func (j *Journal) next(ctx context.Context, stream string) (batch *journalv1.Batch, full bool, err error) {
	batch = &journalv1.Batch{Stream: stream}
	size := 0
	for message, err := range j.streams.Scan(ctx, stream, j.reached[stream]+1) {
		if err != nil {
			return nil, false, fmt.Errorf("journal of %s: %w", stream, err)
		}
		batch.Entries = append(batch.Entries, &journalv1.Entry{
			Sequence: message.Sequence,
			Subject:  message.Subject,
			Time:     timestamppb.New(message.Time),
			Header:   message.Header,
			Data:     message.Data,
		})
		size += len(message.Data)
		if len(batch.GetEntries()) >= batchEntries || size >= batchBytes {
			return batch, true, nil
		}
	}
	return batch, false, nil
}

// write seals a batch, stores it, and counts it only once it has been read back
// as it was written: keys are destroyed on the strength of this.
func (j *Journal) write(ctx context.Context, batch *journalv1.Batch) error {
	entries := batch.GetEntries()
	first, last := entries[0].GetSequence(), entries[len(entries)-1].GetSequence()
	plain, err := proto.Marshal(batch)
	if err != nil {
		return fmt.Errorf("journal of %s: %w", batch.GetStream(), err)
	}
	recipient, err := j.recipient(ctx)
	if err != nil {
		return fmt.Errorf("journal bucket: %w", err)
	}
	sealed, err := seal.Message(recipient, plain)
	if err != nil {
		return fmt.Errorf("journal of %s: %w", batch.GetStream(), err)
	}
	attempt := ulid.MustNew(ulid.Timestamp(j.now()), ulid.DefaultEntropy())
	stream := batch.GetStream()
	digest := sha256.Sum256(sealed)
	name := fmt.Sprintf("%s%s/%020d-%020d.%s.%s-%x", prefixOf(stream), j.epoch[stream], first, last, recipient.Bucket(), strings.ToLower(attempt.String()), digest)
	if _, err := j.vault.Put(ctx, name, bytes.NewReader(sealed), vault.PutOptions{Size: int64(len(sealed))}); err != nil {
		return fmt.Errorf("journal object: %w", err)
	}
	if err := (BatchName{Object: name, Digest: digest}).Check(ctx, j.vault); err != nil {
		return err
	}
	j.reached[batch.GetStream()] = last
	return nil
}
