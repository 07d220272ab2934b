package desk

import (
	"context"
	"io"
	"time"

	"google.golang.org/protobuf/proto"

	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// Statuses that a ticket can have.
const (
	Open    = "open"
	Pending = "pending"
	Solved  = "solved"
)

// statuses are all there are, in the order of work.
var statuses = []string{Open, Pending, Solved}

// A Row is one ticket as the read model has it. Its words are sealed: they stand in
// the record's view layer and open through the keyring only.
type Row struct {
	Ticket   string         `json:"ticket"`
	Status   string         `json:"status"`
	Assignee string         `json:"assignee"`
	Received time.Time      `json:"received"`
	Changed  time.Time      `json:"changed"`
	Record   *itemv1.Record `json:"-"`
	// Destroyed are layers that are gone, by kind, with the certificate.
	Destroyed map[int32]string `json:"destroyed"`
	// Recalled are packets of files that are not handed out any more, as far as the ticket was told. Whether
	// one is handed out the record says.
	Recalled []int32 `json:"recalled,omitempty"`
}

// Over says whether the ticket's words are destroyed: nobody can work on it any more.
func (r Row) Over() bool {
	_, gone := r.Destroyed[int32(viewLayer)]
	return gone
}

// A Filter narrows the list.
type Filter struct {
	Status   string // "" for every status; tickets that are over are neither open nor pending
	Assignee string // "" for everybody's, "-" for nobody's
	Oldest   bool   // the oldest first
}

// A Place is where one page of the list ends and the next goes on. The zero Place is
// the top.
type Place struct {
	Received time.Time // to the millisecond
	Ticket   string
}

// Tickets is the read model of tickets: a projection of the TICKETS stream.
type Tickets interface {
	// List gives up to limit rows behind a place.
	List(ctx context.Context, filter Filter, after Place, limit int) ([]Row, error)
	// Get answers false where there is no such ticket.
	Get(ctx context.Context, ticket string) (Row, bool, error)
	// Named gives the tickets that go by a short name: one, as a rule.
	Named(ctx context.Context, short string) ([]string, error)
	// Counts gives how many tickets a list of each status has.
	Counts(ctx context.Context) (map[string]int64, error)
	// Await returns when what was said up to a sequence of TICKETS shows, or when it has
	// waited as long as a person likes to.
	Await(ctx context.Context, sequence uint64) error
	// Acts gives the newest of what people did to an item and of their looks at lists that
	// it stood in, newest first.
	Acts(ctx context.Context, item string, limit int) ([]*auditv1.Act, error)
	// RecentActs gives the newest acts of all.
	RecentActs(ctx context.Context, limit int) ([]*auditv1.Act, error)
	// Asked gives the tickets whose original somebody asked for since a moment, newest first.
	Asked(ctx context.Context, since time.Time, limit int) ([]string, error)
}

// Log is the audit log.
type Log interface {
	// Stretch gives acts, on one item where it is named, of the entries up to a last one (0:
	// the newest), about as many as limit says. What is before it is another stretch.
	Stretch(ctx context.Context, last uint64, item string, limit int) (Stretch, error)
}

// Voice says what agents do.
type Voice interface {
	// Say must return once the event is on disk, with its sequence in TICKETS.
	Say(ctx context.Context, ticket string, said proto.Message) (uint64, error)
	// Record must return once the act is in the audit log.
	Record(ctx context.Context, act *auditv1.Act) error
	// Wish must return once retention is bound to hear that somebody wants a mail that is set
	// aside destroyed. What it says to that is a Deletion.
	Wish(ctx context.Context, item, actor, reason string) error
}

// Retention is what the desk shows and asks of retention.
type Retention interface {
	// Certificates gives what was certified, newest first.
	Certificates(ctx context.Context, limit int) ([]*retentionv1.Certified, error)
	// Certificate gives one.
	Certificate(ctx context.Context, id string) (*retentionv1.Certified, bool, error)
	// Document opens the signed file of a certificate, wherever it is, and tells its size.
	// The caller closes it. It answers vault.ErrNotFound where the file is not to be had.
	Document(ctx context.Context, certified *retentionv1.Certified) (io.ReadCloser, int64, error)
	// Plans gives the newest destruction plans.
	Plans(ctx context.Context, limit int) ([]*retentionv1.Planned, error)
	// Deletions gives what became of the newest wishes to destroy what is set aside, newest
	// first; of one item where it is named.
	Deletions(ctx context.Context, item string, limit int) ([]Deletion, error)
	// CertificateOf gives the certificate of a plan, "" where there is none yet.
	CertificateOf(ctx context.Context, plan string) (string, error)
	// Record gives an item's record as it stands now: its holds, dates and layers.
	Record(ctx context.Context, item string) (*itemv1.Record, error)
	// Hold and Release act on an item; the reason is a person's words.
	Hold(ctx context.Context, item, actor, reason string) error
	Release(ctx context.Context, item, hold, actor string) error
}

// Demo is what the demonstration lets an administrator do.
type Demo interface {
	// Advance moves the clock on and runs the retention sweep.
	Advance(ctx context.Context, by time.Duration) error
	// Now is the clock.
	Now() time.Time
}

// Changes tells when something that lists show has changed.
type Changes interface {
	// Subscribe gives a channel that gets a value after a change; missed ones collapse.
	Subscribe(ctx context.Context) (<-chan struct{}, error)
}

// layer gives a layer of a row's record where it is still there.
func (r Row) layer(kind itemv1.LayerKind) *itemv1.Layer {
	if _, gone := r.Destroyed[int32(kind)]; gone {
		return nil
	}
	for _, l := range r.Record.GetLayers() {
		if l.GetKind() == kind && l.GetState() == itemv1.LayerState_LAYER_STATE_PRESENT {
			return l
		}
	}
	return nil
}
