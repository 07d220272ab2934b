package archive

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/postern-mail/postern/pkg/vault"
)

// An Epoch is the life of one stream: it ends when the stream is lost.
type Epoch struct {
	Number uint64 // the first is 0
	Made   int64  // when the stream was made, in milliseconds since 1970
}

// String is the epoch as it stands in names.
func (e Epoch) String() string { return fmt.Sprintf("%06d-%013d", e.Number, e.Made) }

func prefixOf(stream string) string { return "journal/" + strings.ToLower(stream) + "/" }

// A BatchName is a journal object as its name tells it.
type BatchName struct {
	Object      string
	Epoch       Epoch
	First, Last uint64
	Bucket      string
	Digest      [sha256.Size]byte // of the object's bytes
}

// ErrTorn says that a journal object holds other bytes than were written.
var ErrTorn = errors.New("journal object holds other bytes than were written")

// Check reads an object and compares it with its name.
func (b BatchName) Check(ctx context.Context, store vault.Store) error {
	body, _, err := store.Get(ctx, b.Object)
	if err != nil {
		return fmt.Errorf("journal object %s: %w", b.Object, err)
	}
	defer body.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, body); err != nil {
		return fmt.Errorf("journal object %s: %w", b.Object, err)
	}
	if [sha256.Size]byte(hash.Sum(nil)) != b.Digest {
		return fmt.Errorf("journal object %s: %w", b.Object, ErrTorn)
	}
	return nil
}

// Proven leaves out the batches that reach furthest and are torn: a writer that died before it
// had read them back did not count them, and whoever follows must not either. What lies
// before a batch that is whole had been read back when that was written.
func Proven(ctx context.Context, store vault.Store, batches []BatchName) ([]BatchName, error) {
	batches = slices.Clone(batches)
	for len(batches) > 0 {
		furthest := 0
		for i, b := range batches {
			if cmp.Or(cmp.Compare(b.Epoch.Number, batches[furthest].Epoch.Number), cmp.Compare(b.Last, batches[furthest].Last)) > 0 {
				furthest = i
			}
		}
		err := batches[furthest].Check(ctx, store)
		if !errors.Is(err, ErrTorn) {
			return batches, err
		}
		batches = slices.Delete(batches, furthest, furthest+1)
	}
	return batches, nil
}

// Batches lists a stream's journal objects, epoch by epoch, in order. Two that begin
// alike are both listed: whoever reads them skips what it has.
func Batches(ctx context.Context, store vault.Store, stream string) ([]BatchName, error) {
	var batches []BatchName
	prefix := prefixOf(stream)
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
	slices.SortStableFunc(batches, func(a, b BatchName) int {
		return cmp.Or(cmp.Compare(a.Epoch.Number, b.Epoch.Number), cmp.Compare(a.Epoch.Made, b.Epoch.Made), cmp.Compare(a.First, b.First))
	})
	return batches, nil
}

// HasJournal tells whether the vault holds any of a stream's journal.
func HasJournal(ctx context.Context, store vault.Store, stream string) (bool, error) {
	for _, err := range store.List(ctx, prefixOf(stream), "") {
		if err != nil {
			return false, fmt.Errorf("journal list: %w", err)
		}
		return true, nil
	}
	return false, nil
}

// parseBatchName reads <number>-<made>/<first>-<last>.<bucket>.<attempt>-<SHA-256>; bucket ids hold dots.
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
	var digest [sha256.Size]byte
	_, sum, ok := strings.Cut(rest[end+1:], "-")
	if n, err := hex.Decode(digest[:], []byte(sum[:min(len(sum), 2*len(digest))])); !ok || err != nil || n != len(digest) || len(sum) != 2*n {
		return BatchName{}, false
	}
	number, made, ok1 := numbers(epoch)
	first, last, ok2 := numbers(span)
	if end < 1 || !ok1 || !ok2 || first > last || made > 1<<62 {
		return BatchName{}, false
	}
	return BatchName{Object: name, Epoch: Epoch{number, int64(made)}, First: first, Last: last, Bucket: rest[:end], Digest: digest}, true
}

func numbers(pair string) (a, b uint64, ok bool) {
	left, right, both := strings.Cut(pair, "-")
	a, errA := strconv.ParseUint(left, 10, 64)
	b, errB := strconv.ParseUint(right, 10, 64)
	return a, b, both && errors.Join(errA, errB) == nil
}
