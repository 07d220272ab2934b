package keyring

import (
	"context"
	"maps"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/keys"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// itemsStream is the stream whose place in the journal decides when keys may go.
const itemsStream = "ITEMS"

// A journal knows how far the streams have been written to the vault and read back. It
// starts at nothing: after a start, keys are kept until the archive has told anew.
type journal struct {
	mu      sync.Mutex
	at      map[string]uint64
	changed chan struct{}
}

// tell takes the last word, lower or higher: after a rebuild the streams count anew.
func (j *journal) tell(sequences map[string]uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.at == nil {
		j.at = map[string]uint64{}
	}
	maps.Copy(j.at, sequences)
	if j.changed != nil {
		close(j.changed)
		j.changed = nil
	}
}

// has tells whether a stream is in the journal up to a sequence. A position past the
// stream's end is the word on another stream, one that was lost and rebuilt with other
// numbers: it counts for nothing.
func (j *journal) has(stream string, sequence, end uint64) (bool, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.changed == nil {
		j.changed = make(chan struct{})
	}
	return j.at[stream] >= sequence && j.at[stream] <= end, j.changed
}

// await returns when the records up to a sequence are in the journal, or refuses after a while.
func (s *Service) awaitJournal(ctx context.Context, sequence uint64) error {
	if sequence == 0 {
		return nil
	}
	timer := time.NewTimer(s.cfg.JournalWait.Std())
	defer timer.Stop()
	for {
		there, changed := s.journal.has(itemsStream, sequence, s.highest.Load())
		if there {
			return nil
		}
		select {
		case <-changed:
		case <-timer.C:
			return refuse(keys.JournalBehind, "the journal does not have the records that were moved last")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// journalled takes the archive's word on how far the journal is.
func (s *Service) journalled(_ context.Context, c *call) (proto.Message, error) {
	r, err := read(c, new(keyringv1.Journalled))
	if err != nil {
		return nil, err
	}
	s.journal.tell(r.Sequences)
	return s.statusNow(), nil
}
