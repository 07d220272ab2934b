// Package stage is consume, work, publish, acknowledge, written once. A service hands it a
// function from one event to the events that follow; everything else about a mail's
// passage is here: derived ids, the order of publishing and acknowledging, back-off and
// patience, mail that kills its worker, heartbeats, traces, metrics and the one log line
// an event.
//
// What it promises: an event is acknowledged only when everything that followed from it
// is stored; a mail is worked on again until that has happened, or it is set aside with a
// code. Work may therefore run more than once for one event, and must be safe to.
package stage

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"

	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
)

// Work turns one event into the events that follow. It must be safe to run twice for
// one event, must not publish, and should return soon after ctx ends. Its error is one of
// pkg/fault, or any other, which is tried again with growing pauses.
type Work func(ctx context.Context, env *eventv1.Envelope, msg proto.Message) ([]Out, error)

// An Out is one event that follows.
type Out struct {
	Message proto.Message
	Subject string // empty: the event's name
	Once    bool   // not said if its subject has a message already
}

// A Delivery is one handing-over of one message. After exactly one of Ack, Nak and Term
// it must not come again, except as Nak asks; after none it must.
type Delivery interface {
	Subject() string
	Header(key string) string
	Data() []byte
	Deliveries() uint64 // 1 the first time
	Stored() time.Time  // when the bus took the message, by the bus's clock
	Ack(ctx context.Context) error
	Nak(delay time.Duration) error
	Term(ctx context.Context, code string) error
	Beat() error
}

// A Source hands deliveries to handle, each in its own goroutine and never more than
// limits at once. It must return when ctx has ended and every handle has returned.
type Source interface {
	Consume(ctx context.Context, limits bus.Limits, handle func(Delivery)) error
}

// A Letter is an event, ready to be stored.
type Letter struct {
	Subject string
	ID      string // a repeat of it may be forgotten
	Data    []byte
	Header  bus.Header
	Once    bool
}

// An Outlet stores letters. It must return nil only when all are stored; a Letter that
// is Once counts as stored when its subject has a message.
type Outlet interface {
	Publish(ctx context.Context, letters []Letter) error
}

// A SetAsider writes into an item's record that stage sets it aside because of code, and
// returns the record as it stands then. A final fault means that there is no such
// item. It must be safe to call twice.
type SetAsider interface {
	SetAside(ctx context.Context, item, code, stage string) (*itemv1.Record, error)
}

// A Clock tells the time by which mail ages.
type Clock interface {
	Now() time.Time
}

// Deps are what a stage stands on. Source, Outlet, Marks and SetAsider must be given.
type Deps struct {
	Source    Source
	Outlet    Outlet
	Marks     Marks
	SetAsider SetAsider
	Process   *Process              // shared by all stages of one process; nil: one of its own
	Clock     Clock                 // nil: the system's
	Log       *slog.Logger          // nil: none
	Tracer    trace.Tracer          // nil: none
	Metrics   prometheus.Registerer // nil: none
	Jitter    func() float64        // in [0,1); nil: random
}

// A Spec is one stage.
type Spec struct {
	Stage    string // its name, in ids and in set-aside records
	Work     Work
	AckWait  time.Duration // a heartbeat is sent every third of it
	Patience time.Duration // how old a mail may grow here
	InFlight int           // mails in work at once
	Bytes    int           // bytes of events in work at once; 0: bus.DefaultBytes
	Timeout  time.Duration // of one run of Work; 0: DefaultTimeout
	Grace    time.Duration // for what is in work when the stage is to stop; 0: DefaultGrace
}

const (
	DefaultTimeout = 15 * time.Minute
	DefaultGrace   = 20 * time.Second

	// Obstinate is how long after its context has ended Work may still run before
	// the mail is given back over its head.
	Obstinate = 30 * time.Second
)

// Of returns the Spec of a stage of the topology.
func Of(c topology.Consumer, work Work) Spec {
	return Spec{Stage: c.Stage, Work: work, AckWait: c.AckWait, Patience: c.Patience, InFlight: c.InFlight}
}

// Codes of the frame itself.
const (
	PatienceExhausted = "patience_exhausted"
	KilledWorker      = "killed_worker"
	Panicked          = "panicked"
	TimedOut          = "timed_out"
	NotPublished      = "not_published"
	EventTooLarge     = "event_too_large"
	NotSetAside       = "not_set_aside"
	MarksUnreadable   = "marks_unreadable"
	Stopping          = "stopping"
)

// asideIndex is the index of the SetAside event: far from any index of an Out, so that an
// earlier run's events can never take its id.
const asideIndex = 1_000_000
