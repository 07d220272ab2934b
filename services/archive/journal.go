package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/vault"
	journalv1 "github.com/postern-mail/postern/proto/journal/v1"
)

// Journalled are the streams that, with the keyring's state and the vault's
// objects, are enough to rebuild everything.
var Journalled = []string{"ITEMS", "TICKETS", "RETENTION", "AUDIT", "CHECKPOINTS"}

// Bounds of one batch.
const (
	batchEntries = 2000
	batchBytes   = 8 << 20
)

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
}

// Recipient gives the bucket that the journal is sealed to now.
type Recipient func(ctx context.Context) (*seal.Recipient, error)

// A Journal copies durable streams into the vault in sealed batches, and knows
// how far it is by the names of what is there. Only the holder of its lease may run it.
type Journal struct {
	streams   Streams
	vault     vault.Store
	recipient Recipient
	now       func() time.Time
	reached   map[string]uint64
	epoch     map[string]uint64
}

// NewJournal looks up in the vault how far each stream has been copied.
func NewJournal(ctx context.Context, streams Streams, store vault.Store, recipient Recipient, now func() time.Time) (*Journal, error) {
	j := &Journal{streams: streams, vault: store, recipient: recipient, now: now, reached: map[string]uint64{}, epoch: map[string]uint64{}}
	for _, stream := range Journalled {
		batches, err := Batches(ctx, store, stream)
		if err != nil {
			return nil, err
		}
		for _, batch := range batches {
			if batch.Epoch > j.epoch[stream] {
				j.epoch[stream], j.reached[stream] = batch.Epoch, 0
			}
			j.reached[stream] = max(j.reached[stream], batch.Last)
		}
		if j.reached[stream] == 0 {
			continue
		}
		behind, err := j.behind(ctx, stream)
		if err != nil {
			return nil, err
		}
		if behind {
			j.epoch[stream], j.reached[stream] = j.epoch[stream]+1, 0
		}
	}
	return j, nil
}

// behind says whether a stream ends before what the journal has of it: then it was lost and
// made anew, its sequences mean other messages, and a new epoch begins. The last message of
// a stream is always there, superseded by none.
func (j *Journal) behind(ctx context.Context, stream string) (bool, error) {
	for _, err := range j.streams.Scan(ctx, stream, j.reached[stream]) {
		if err != nil {
			return false, fmt.Errorf("journal of %s: %w", stream, err)
		}
		return false, nil
	}
	return true, nil
}

// Reached tells how far each stream is in the vault, written and read back.
func (j *Journal) Reached() map[string]uint64 {
	reached := make(map[string]uint64, len(j.reached))
	for stream, sequence := range j.reached {
		reached[stream] = sequence
	}
	return reached
}

// Step copies what is new in every stream. It says whether anything was.
func (j *Journal) Step(ctx context.Context) (bool, error) {
	wrote := false
	for _, stream := range Journalled {
		for {
			batch, bytes, err := j.next(ctx, stream)
			if err != nil {
				return wrote, err
			}
			if len(batch.GetEntries()) == 0 {
				break
			}
			if err := j.write(ctx, batch); err != nil {
				return wrote, err
			}
			wrote = true
			if len(batch.GetEntries()) < batchEntries && bytes < batchBytes {
				break
			}
		}
	}
	return wrote, nil
}

func (j *Journal) next(ctx context.Context, stream string) (*journalv1.Batch, int, error) {
	batch := &journalv1.Batch{Stream: stream}
	size := 0
	for message, err := range j.streams.Scan(ctx, stream, j.reached[stream]+1) {
		if err != nil {
			return nil, 0, fmt.Errorf("journal of %s: %w", stream, err)
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
			break
		}
	}
	return batch, size, nil
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
	name := fmt.Sprintf("journal/%s/%06d/%020d-%020d.%s.%s", strings.ToLower(stream), j.epoch[stream], first, last, recipient.Bucket(), strings.ToLower(attempt.String()))
	if _, err := j.vault.Put(ctx, name, bytes.NewReader(sealed), vault.PutOptions{Size: int64(len(sealed))}); err != nil {
		return fmt.Errorf("journal object: %w", err)
	}
	if err := j.readBack(ctx, name, sha256.Sum256(sealed)); err != nil {
		return err
	}
	j.reached[batch.GetStream()] = last
	return nil
}

func (j *Journal) readBack(ctx context.Context, name string, want [sha256.Size]byte) error {
	body, _, err := j.vault.Get(ctx, name)
	if err != nil {
		return fmt.Errorf("journal read back: %w", err)
	}
	defer body.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, body); err != nil {
		return fmt.Errorf("journal read back: %w", err)
	}
	if !bytes.Equal(hash.Sum(nil), want[:]) {
		return errors.New("journal read back: the store holds other bytes than were written")
	}
	return nil
}

// A BatchName is a journal object as its name tells it.
type BatchName struct {
	Object      string
	Epoch       uint64 // raised when the stream was lost and made anew
	First, Last uint64
	Bucket      string
}

// Batches lists a stream's journal objects, epoch by epoch, in order. Two that begin
// alike are both listed: whoever reads them skips what it has.
func Batches(ctx context.Context, store vault.Store, stream string) ([]BatchName, error) {
	var batches []BatchName
	prefix := "journal/" + strings.ToLower(stream) + "/"
	for object, err := range store.List(ctx, prefix, "") {
		if err != nil {
			return nil, fmt.Errorf("journal list: %w", err)
		}
		batch, ok := parseBatchName(object.Name, prefix)
		if !ok {
			return nil, fmt.Errorf("journal object %s: its name is not one of the journal's", object.Name)
		}
		batches = append(batches, batch)
	}
	return batches, nil
}

// parseBatchName reads <epoch>/<first>-<last>.<bucket>.<attempt>; bucket ids hold dots.
func parseBatchName(name, prefix string) (BatchName, bool) {
	epoch, rest, ok := strings.Cut(strings.TrimPrefix(name, prefix), "/")
	if !ok {
		return BatchName{}, false
	}
	span, rest, ok := strings.Cut(rest, ".")
	if !ok {
		return BatchName{}, false
	}
	end := strings.LastIndexByte(rest, '.')
	from, to, both := strings.Cut(span, "-")
	number, err0 := strconv.ParseUint(epoch, 10, 64)
	first, err1 := strconv.ParseUint(from, 10, 64)
	last, err2 := strconv.ParseUint(to, 10, 64)
	if end < 1 || !both || errors.Join(err0, err1, err2) != nil || first > last {
		return BatchName{}, false
	}
	return BatchName{Object: name, Epoch: number, First: first, Last: last, Bucket: rest[:end]}, true
}
