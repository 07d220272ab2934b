// Package retain sees to it that mail is kept no longer than its policy says, and
// can prove it: it plans exactly what is due, has the keyring forget the keys,
// removes every copy that the store admits to, checks, and certifies. It opens
// nothing. Every step can be repeated, so it may be stopped anywhere.
package retain

import (
	"context"
	"errors"
	"iter"
	"time"

	"google.golang.org/protobuf/proto"

	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// Keyring is what retain asks of the holder of the keys; *keys.Client is one.
type Keyring interface {
	Close(ctx context.Context, request *keyringv1.Close) (*keyringv1.Closed, error)
	// Destroy and Erase must be safe to repeat.
	Destroy(ctx context.Context, request *keyringv1.Destroy) (*keyringv1.Forgotten, error)
	Erase(ctx context.Context, request *keyringv1.Erase) (*keyringv1.Forgotten, error)
	Forget(ctx context.Context) (*keyringv1.Forgotten, error)
	Attest(ctx context.Context, request *keyringv1.Attest) (*keyringv1.Attested, error)
}

// Records reads item records from the ITEMS stream.
type Records interface {
	// All must yield every record as it stands.
	All(ctx context.Context) iter.Seq2[*itemv1.Record, error]
	// Get answers nil where there is no such record.
	Get(ctx context.Context, item string) (*itemv1.Record, error)
}

// A Said is one event of the RETENTION stream.
type Said struct {
	Event    proto.Message
	Time     time.Time
	Sequence uint64 // in the stream
}

// Log is the RETENTION stream, and retain's voice in others.
type Log interface {
	// All must yield every event in order.
	All(ctx context.Context) iter.Seq2[Said, error]
	// Say must return once the event is on disk. A second saying with the same
	// cause and type changes nothing.
	Say(ctx context.Context, cause string, said proto.Message) error
	// Plan is Say for a plan, and returns its sequence. It must refuse with ErrRace where
	// another plan stands in the log behind a sequence.
	Plan(ctx context.Context, after uint64, plan *retentionv1.Planned) (uint64, error)
	// SayOfTicket is Say on the ticket's subject.
	SayOfTicket(ctx context.Context, cause, ticket, item string, said proto.Message) error
	// Record must return once the act is in the audit log. Id, time and service are filled in.
	Record(ctx context.Context, act *auditv1.Act) error
}

// ErrRace says that somebody else planned meanwhile.
var ErrRace = errors.New("retention: another plan came between")

// Projections tells whether read models have taken in what was said of tickets.
type Projections interface {
	// Caught must say whether no read model holds a cell of these layers any more.
	Caught(ctx context.Context, ticket string, layers []itemv1.LayerKind) (bool, error)
}

// Clock tells the time.
type Clock interface{ Now() time.Time }

// A Server is another machine whose clock must agree with this one's.
type Server struct {
	Name string
	// Time must say what time it is there. Nobody moves that clock on for a demonstration.
	Time func(ctx context.Context) (time.Time, error)
}
