package keyring

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

var (
	// ErrNoRecord says that there is no record of an item.
	ErrNoRecord = errors.New("no such record")
	// ErrConflict says that a record has changed since it was read.
	ErrConflict = errors.New("record has changed")
)

// A Stored is a record with its stream sequence.
type Stored struct {
	Record   *itemv1.Record
	Sequence uint64
}

// Records is where item records are kept.
type Records interface {
	// Get gives a record as the last Put that was acknowledged left it; ErrNoRecord.
	Get(ctx context.Context, item string) (Stored, error)
	// Put writes a record whose last sequence is expected, zero for none, and returns its
	// new sequence. It must return nil only when the record is on disk, and ErrConflict
	// where the sequence is another. After any other error the outcome is open.
	Put(ctx context.Context, record *itemv1.Record, expected uint64) (uint64, error)
	// All yields every record, as new as everything that was acknowledged before All was
	// called. The first error ends it.
	All(ctx context.Context) iter.Seq2[Stored, error]
}

// Entries is where audit entries are kept.
type Entries interface {
	// Write must return nil only when the entry is on disk.
	Write(ctx context.Context, entry *auditv1.Entry) error
}

// Publisher tells the world which public keys to seal to.
type Publisher interface {
	Publish(ctx context.Context, published *keyringv1.Published) error
}

// A Handler answers a request with a reply.
type Handler func(ctx context.Context, request []byte) ([]byte, error)

// Server hands requests on subjects to handlers, many at once.
type Server interface {
	// Serve returns when requests are being taken. The stop waits for those at hand.
	Serve(ctx context.Context, subject string, limit int, h Handler) (stop func(context.Context) error, err error)
}

// A Clock tells the time of the system.
type Clock interface{ Now() time.Time }

// Health hears whether the service can work.
type Health interface {
	Waiting(forWhat string)
	Ready()
}

// Deps are what the keyring works with.
type Deps struct {
	Records   Records
	Entries   Entries
	Published Publisher
	Server    Server
	Clock     Clock
	Log       *slog.Logger
	Health    Health // may be nil
	// Disk keeps the cell and the first copy of the state; nil: the folder Config.Dir.
	Disk Disk
	// Copy keeps a live copy of the cell; nil: the folder Config.Copy, or none.
	Copy Disk
	// Second keeps the other copy of the state.
	Second Store
	// Boot counts from the machine's start, sleep included; nil: the system's clock.
	Boot func() time.Duration
}
