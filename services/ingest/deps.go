package ingest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/postern-mail/postern/pkg/run"
	"github.com/postern-mail/postern/pkg/vault"
	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	ingestv1 "github.com/postern-mail/postern/proto/ingest/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// Deps is what ingest works with. All from Archive on may be left out.
type Deps struct {
	Vault     Vault
	Intake    Intake
	Registrar Registrar
	Publisher Publisher
	Cursors   Cursors
	Leases    Leases
	Now       func() time.Time // the clock that everything lives by

	Archive  Archive               // nil: no mailbox may be changed
	Standing Standing              // nil: items that stand still are not swept
	Records  Records               // nil: mailboxes are not compared with the archive
	Objects  Objects               // nil: likewise
	Board    Board                 // nil: nobody is told how mailboxes fare
	Log      *slog.Logger          // nil: silent
	Tracer   trace.Tracer          // nil: no spans
	Metrics  prometheus.Registerer // nil: none
	Health   *run.Reporter         // nil: nobody asks
}

// A Vault stores sealed objects; pkg/vault says what it promises.
type Vault interface {
	Put(ctx context.Context, name string, body io.Reader, opts vault.PutOptions) (vault.Object, error)
}

// Intake knows the public keys at the door.
type Intake interface {
	// Bucket must give an intake bucket that takes raw mail sealed at that time.
	Bucket(ctx context.Context, at time.Time) (*keyringv1.PublicBucket, error)
}

// A Registrar makes and changes item records: the keyring, asked through pkg/keys. A
// refusal must be a keys.Refusal within the error.
type Registrar interface {
	// Register must answer with the record as it stands, whether it made it or not.
	Register(ctx context.Context, request *keyringv1.Register) (*keyringv1.Recorded, error)
	// SetAside must do so too.
	SetAside(ctx context.Context, request *keyringv1.SetAside) (*keyringv1.Recorded, error)
}

// A Publisher says events.
type Publisher interface {
	// Publish must return nil only when the bus has acknowledged the event.
	Publish(ctx context.Context, envelope *eventv1.Envelope) error
}

// Cursors keep how far each mailbox is dealt with.
type Cursors interface {
	// Load gives a mailbox's cursor and its revision: nil and 0 where there is none.
	Load(ctx context.Context, mailbox string) (*ingestv1.Cursor, uint64, error)
	// Save must be on disk when it returns nil, and must give ErrMoved when the
	// revision is no longer the last.
	Save(ctx context.Context, cursor *ingestv1.Cursor, revision uint64) (uint64, error)
}

// ErrMoved says that another process has changed the cursor.
var ErrMoved = errors.New("cursor: changed by another process")

// An Archive tells what is archived for good.
type Archive interface {
	// Item must give the item's record as it stands, nil where there is none, and must say
	// that it is safe only when that very state of it is in the journal, too: then the vault alone
	// brings the mail back.
	Item(ctx context.Context, item string) (record *itemv1.Record, safe bool, err error)
}

// Leases give a thing to one process at a time.
type Leases interface {
	// Hold waits until the lease is ours. The context that it gives must end when
	// the lease does; release gives it back early.
	Hold(ctx context.Context, name string) (held context.Context, release func(), err error)
}

func (d Deps) check() error {
	if d.Vault == nil || d.Intake == nil || d.Registrar == nil || d.Publisher == nil || d.Cursors == nil || d.Leases == nil || d.Now == nil {
		return errors.New("ingest: a dependency is missing")
	}
	return nil
}
