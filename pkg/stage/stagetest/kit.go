// Package stagetest is a bus in memory for the proof of stages, and of the work that
// services hand them. It keeps the promises that pkg/stage asks of a bus: the four ends of a
// delivery, redelivery after the ack wait, and a duplicate window. Within testing/synctest
// its days pass at once.
package stagetest

import (
	"errors"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/stage"
)

// DuplicateWindow is how long the kit's bus remembers ids.
const DuplicateWindow = 2 * time.Minute

// ErrDead is what a process that was killed hears of everything.
var ErrDead = errors.New("this process is dead")

// A Stored is an event as the bus keeps it.
type Stored struct {
	Subject  string
	Envelope *eventv1.Envelope
	Message  proto.Message
	Header   bus.Header
}

// A Kit is the bus.
type Kit struct {
	AckWait time.Duration
	// Around, if set, is called for every call on the kit, as bus.Around is.
	Around bus.Around

	mu      sync.Mutex
	queue   []*entry
	stored  []Stored
	ids     map[string]time.Time
	marks   map[string]stage.Mark
	records map[string]*itemv1.Record
	asides  []string
	log     []string
	writes  int
	changed chan struct{}
}

// New returns an empty bus.
func New(ackWait time.Duration) *Kit {
	return &Kit{
		AckWait: ackWait, ids: make(map[string]time.Time), marks: make(map[string]stage.Mark),
		records: make(map[string]*itemv1.Record), changed: make(chan struct{}),
	}
}

type entryState int

const (
	waiting entryState = iota
	out
	acked
	terminated
)

type entry struct {
	subject    string
	data       []byte
	header     bus.Header
	stored     time.Time
	state      entryState
	due        time.Time // while waiting
	deliveries uint64
	times      []time.Time
	beats      int
	code       string
	expiry     *time.Timer
}

// Item derives the id of the n-th item of a test.
func Item(n int) string { return event.Item("test", "INBOX", 1, uint32(n), 0) }

// Record is a registered record of an item, received now.
func Record(item string) *itemv1.Record {
	return &itemv1.Record{
		Item: item, State: itemv1.State_STATE_REGISTERED,
		Received: timestamppb.Now(), Changed: timestamppb.Now(),
	}
}

// Put puts an event into the queue, as if a source had said it of item, and remembers
// the item's record. It returns the event's id.
func (k *Kit) Put(item string, msg proto.Message) string {
	env, err := event.New(item, "test", 0, item, time.Now(), msg)
	if err != nil {
		panic(err) // the test's own mistake
	}
	data, err := event.Marshal(env)
	if err != nil {
		panic(err)
	}
	if carrier, ok := msg.(interface{ GetRecord() *itemv1.Record }); ok && carrier.GetRecord() != nil {
		k.mu.Lock()
		k.records[item] = carrier.GetRecord()
		k.mu.Unlock()
	}
	k.PutBytes(env.Type, data)
	return env.Id
}

// PutBytes puts any bytes into the queue.
func (k *Kit) PutBytes(subject string, data []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	k.queue = append(k.queue, &entry{subject: subject, data: data, stored: now, due: now})
	k.wake()
}

// wake must be called with the lock held.
func (k *Kit) wake() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// Stored are the events that the stage has said, in order.
func (k *Kit) Stored() []Stored {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]Stored(nil), k.stored...)
}

// Deliveries are the times at which the n-th message was handed out.
func (k *Kit) Deliveries(n int) []time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]time.Time(nil), k.queue[n].times...)
}

// Beats is how many heartbeats came for the n-th message.
func (k *Kit) Beats(n int) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.queue[n].beats
}

// State is what became of the n-th message: waiting, out, acked, or terminated with a code.
func (k *Kit) State(n int) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.queue[n]
	switch e.state {
	case waiting:
		return "waiting"
	case out:
		return "out"
	case acked:
		return "acked"
	default:
		return "terminated: " + e.code
	}
}

// Asides are the items set aside, as "item code stage", in order.
func (k *Kit) Asides() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string(nil), k.asides...)
}

// Log is what took effect, in order: publish, aside, ack, nak, term, mark, clear.
func (k *Kit) Log() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string(nil), k.log...)
}

// MarkWrites is how many marks were ever written; Marks is how many there are.
func (k *Kit) MarkWrites() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.writes
}

// Marks is how many marks there are.
func (k *Kit) Marks() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.marks)
}
