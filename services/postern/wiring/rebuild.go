package wiring

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	journalv1 "github.com/postern-mail/postern/proto/journal/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"
	"github.com/postern-mail/postern/services/archive"
	"github.com/postern-mail/postern/services/audit"
	"github.com/postern-mail/postern/services/keyring"
)

// batchLimit bounds one opened batch of the journal.
const batchLimit = 64 << 20

var (
	// ErrNotEmpty says that a stream holds messages that are not the journal's own:
	// rebuilding refills lost streams and never mixes with live ones.
	ErrNotEmpty = errors.New("rebuild: a stream holds something, but is not the one that the journal followed: " +
		"remove the streams (where the bus is inside the process: the folder nats below data_dir), then rebuild")
	// ErrNothingLost says that every stream is the one that the journal follows.
	ErrNothingLost = errors.New("rebuild: no stream was lost")
	// ErrJournalGap says that the journal lacks messages.
	ErrJournalGap = errors.New("rebuild: the journal lacks messages")
)

// A Refill says what became of one stream.
type Refill struct {
	Stream   string
	Kept     bool // it was not lost, and was left alone
	Messages int
	Batches  int
	Torn     []string // objects that hold other bytes than were written; others stand for them
}

// Rebuild refills lost durable streams from the vault's journal, with the keyring's state
// alone. The streams must exist, and no keyring may run. Streams that lose nothing get
// their messages back under the same sequences: the audit chain stays whole. Where it ends
// with an error, remove the streams and begin again.
func (p *Process) Rebuild(ctx context.Context) ([]Refill, error) {
	conn, err := p.Connect(ctx, topology.Rebuild)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	disk, err := keyring.NewDisk(p.Config.Keyring.Dir)
	if err != nil {
		return nil, err
	}
	second, err := p.secondStore()
	if err != nil {
		return nil, err
	}
	ring, err := keyring.OpenOffline(ctx, disk, p.Config.Keyring.Dir, second)
	if err != nil {
		return nil, err
	}
	defer ring.Close()
	r := rebuilder{Process: p, conn: conn, ring: ring, batches: map[string][]archive.BatchName{}, taken: map[string]taken{}}
	lost, err := r.lost(ctx)
	if err != nil {
		return nil, err
	}
	var done []Refill
	for _, stream := range archive.Journalled {
		refill := Refill{Stream: stream, Kept: !lost[stream]}
		switch {
		case refill.Kept:
		case stream == topology.Items:
			err = r.latest(ctx, &refill)
		default:
			err = r.whole(ctx, &refill)
		}
		if err != nil {
			return done, err
		}
		if stream == topology.Audit && !refill.Kept {
			if err := p.markRebuilt(uint64(refill.Messages)); err != nil {
				return done, err
			}
		}
		done = append(done, refill)
	}
	if lost[topology.Items] {
		restored, err := r.fromTickets(ctx)
		if err != nil {
			return done, err
		}
		done[0].Messages += restored
	}
	return done, r.record(ctx)
}

type rebuilder struct {
	*Process
	conn    *bus.Conn
	ring    *keyring.Offline
	batches map[string][]archive.BatchName
	taken   map[string]taken // of the items that have a record again
}

// taken says which of an item's records was published.
type taken struct {
	epoch, sequence uint64
	state           itemv1.State
}

// lost tells the streams that are to be refilled from those that live.
func (r rebuilder) lost(ctx context.Context) (map[string]bool, error) {
	lost := map[string]bool{}
	for _, stream := range archive.Journalled {
		batches, err := archive.Batches(ctx, r.Vault, stream)
		if err != nil {
			return nil, err
		}
		r.batches[stream] = batches
		kept, err := r.conn.Kept(ctx, stream)
		switch {
		case err != nil:
			return nil, err
		case kept.Last == 0:
			// Empty from the start, or lost; tickets tell of records too.
			lost[stream] = len(batches) > 0 || stream == topology.Items
		case len(batches) == 0 || batches[len(batches)-1].Epoch.Made != kept.Made.UnixMilli():
			return nil, fmt.Errorf("%w: %s has %d messages", ErrNotEmpty, stream, kept.Messages)
		}
	}
	for _, is := range lost {
		if is {
			return lost, nil
		}
	}
	return nil, ErrNothingLost
}

// latest refills the stream of the item records, of which the last one each counts: it
// reads the journal from its end and takes the first that it meets.
func (r rebuilder) latest(ctx context.Context, refill *Refill) error {
	out := refiller{conn: r.conn}
	defer out.drop()
	for _, name := range slices.Backward(r.batches[refill.Stream]) {
		batch, err := r.batch(ctx, refill.Stream, name)
		if errors.Is(err, archive.ErrTorn) {
			refill.Torn = append(refill.Torn, name.Object)
			continue
		}
		if err != nil {
			return err
		}
		for _, entry := range slices.Backward(batch.GetEntries()) {
			record := new(itemv1.Record)
			if err := proto.Unmarshal(entry.GetData(), record); err != nil {
				return fmt.Errorf("journal object %s: item record: %w", name.Object, err)
			}
			before, known := r.taken[record.GetItem()]
			// Batches of two writers overlap: what was met first need not be the last.
			if known && (before.epoch > name.Epoch.Number || before.sequence >= entry.GetSequence()) {
				continue
			}
			r.taken[record.GetItem()] = taken{name.Epoch.Number, entry.GetSequence(), record.GetState()}
			if err := out.publish(ctx, entry.GetSubject(), entry.GetData(), header(entry), 0); err != nil {
				return err
			}
			refill.Messages++
		}
		refill.Batches++
	}
	return out.flush(ctx)
}

// whole refills a stream that loses nothing. A later epoch began as what an earlier
// rebuilding made of the epochs before it, so it counts as far as it goes, and they
// only from there on.
func (r rebuilder) whole(ctx context.Context, refill *Refill) error {
	out := refiller{conn: r.conn}
	defer out.drop()
	var last uint64
	for _, name := range newestFirst(r.batches[refill.Stream]) {
		if name.Last <= last {
			continue // written twice, or by an epoch that is over
		}
		batch, err := r.batch(ctx, refill.Stream, name)
		if errors.Is(err, archive.ErrTorn) {
			refill.Torn = append(refill.Torn, name.Object)
			continue
		}
		if err != nil {
			return err
		}
		for _, entry := range batch.GetEntries() {
			switch {
			case entry.GetSequence() <= last:
				continue
			case entry.GetSequence() != last+1:
				return fmt.Errorf("%w: of %s, %d to %d", ErrJournalGap, refill.Stream, last+1, entry.GetSequence()-1)
			}
			last = entry.GetSequence()
			if err := out.publish(ctx, entry.GetSubject(), entry.GetData(), header(entry), last); err != nil {
				return err
			}
			refill.Messages++
		}
		refill.Batches++
	}
	return out.flush(ctx)
}

// newestFirst orders epochs from the last to the first, and keeps the order within each.
func newestFirst(batches []archive.BatchName) []archive.BatchName {
	sorted := slices.Clone(batches)
	slices.SortStableFunc(sorted, func(a, b archive.BatchName) int { return cmp.Compare(b.Epoch.Number, a.Epoch.Number) })
	return sorted
}

func header(entry *journalv1.Entry) bus.Header {
	h := bus.Header{}
	for key, value := range entry.GetHeader() {
		h[key] = []string{value}
	}
	return h
}

// fromTickets brings records up to what tickets know of them. The journal of the tickets is
// ahead of the records': a ticket may be there whose record had not been copied since it
// was rendered. The ticket's first event carries the record as it was then, with the
// keys of the view that rides beside it; a mail that is read anew would get others.
func (r rebuilder) fromTickets(ctx context.Context) (restored int, err error) {
	out := refiller{conn: r.conn}
	defer out.drop()
	for message, err := range r.conn.Scan(ctx, topology.Tickets, 1) {
		if err != nil {
			return restored, err
		}
		_, said, err := event.Open(message.Subject, message.Data)
		if err != nil {
			return restored, fmt.Errorf("message %d of %s: %w", message.Sequence, topology.Tickets, err)
		}
		opened, ok := said.(*ticketv1.Opened)
		if !ok {
			continue
		}
		record := opened.GetRecord()
		switch r.taken[record.GetItem()].state {
		case itemv1.State_STATE_UNSPECIFIED, itemv1.State_STATE_REGISTERED, itemv1.State_STATE_FILED:
		default:
			continue
		}
		data, err := proto.Marshal(record)
		if err != nil {
			return restored, fmt.Errorf("item record: %w", err)
		}
		state := bus.Header{event.HeaderState: {event.StateWord(record.GetState())}}
		if err := out.publish(ctx, event.RecordSubject(record.GetItem()), data, state, 0); err != nil {
			return restored, err
		}
		r.taken[record.GetItem()] = taken{state: record.GetState()}
		restored++
	}
	return restored, out.flush(ctx)
}

// batch opens one object of the journal.
func (r rebuilder) batch(ctx context.Context, stream string, name archive.BatchName) (*journalv1.Batch, error) {
	batch, err := r.open(ctx, name)
	if err == nil && batch.GetStream() != stream {
		err = fmt.Errorf("it is of stream %s", batch.GetStream())
	}
	if err != nil {
		return nil, fmt.Errorf("journal object %s: %w", name.Object, err)
	}
	return batch, nil
}

// open reads a key packet and one data packet.
func (r rebuilder) open(ctx context.Context, name archive.BatchName) (*journalv1.Batch, error) {
	body, _, err := r.Vault.Get(ctx, name.Object)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, batchLimit+1))
	if err != nil {
		return nil, err
	}
	if sha256.Sum256(content) != name.Digest {
		return nil, archive.ErrTorn
	}
	if len(content) <= seal.KeyPacketSize || len(content) > batchLimit {
		return nil, errors.New("its length is not one of the journal's")
	}
	session, err := r.ring.Journal(name.Bucket, content[:seal.KeyPacketSize])
	if err != nil {
		return nil, err
	}
	defer session.Clear()
	plain, err := open.Bytes(session, content[seal.KeyPacketSize:], batchLimit)
	if err != nil {
		return nil, err
	}
	batch := new(journalv1.Batch)
	return batch, proto.Unmarshal(plain, batch)
}

// record writes that the journal was opened, as the last thing: the log was not there before.
func (r rebuilder) record(ctx context.Context) error {
	now := r.Clock.Now()
	act := &auditv1.Act{
		Id: event.ID("rebuild", topology.Rebuild, int(now.Unix())), Time: timestamppb.New(now), Service: topology.Rebuild,
		Actor: "operator", Action: "rebuild", Outcome: "allowed",
	}
	envelope, err := event.New(act.GetId(), topology.Rebuild, 0, "", now, &auditv1.Entry{Acts: []*auditv1.Act{act}})
	if err != nil {
		return err
	}
	data, err := event.Marshal(envelope)
	if err != nil {
		return err
	}
	_, err = r.conn.Publish(ctx, "audit.v1.Entry."+topology.Rebuild, data, bus.MsgID(envelope.GetId()))
	return err
}

// markRebuilt puts the signer's mark away where the journal was behind it: the log that was
// brought back ends before what was signed, which the operator is told.
func (p *Process) markRebuilt(entries uint64) error {
	mark := audit.MarkOf(p.Config.Audit.Key)
	kept, err := mark.Read()
	if err != nil || kept.GetSequence() <= entries {
		return err
	}
	p.Log.Warn("audit log brought back without its end", "signed", kept.GetSequence(), "entries", entries)
	return mark.SetAside("before-rebuild")
}
