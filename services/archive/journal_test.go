package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/memory"
	journalv1 "github.com/postern-mail/postern/proto/journal/v1"
	"github.com/postern-mail/postern/services/archive"
)

// A river is the streams, in memory.
type river struct {
	made     time.Time
	messages map[string][]archive.StreamMessage
	onScan   func(stream string)
}

func newRiver() *river {
	return &river{made: time.UnixMilli(1_700_000_000_000), messages: map[string][]archive.StreamMessage{}}
}

func (r *river) say(stream, text string) {
	n := uint64(len(r.messages[stream]) + 1)
	r.messages[stream] = append(r.messages[stream], archive.StreamMessage{Sequence: n, Subject: "subject", Time: r.made, Data: []byte(text)})
}

func (r *river) Scan(_ context.Context, stream string, from uint64) iter.Seq2[archive.StreamMessage, error] {
	if r.onScan != nil {
		r.onScan(stream)
	}
	return func(yield func(archive.StreamMessage, error) bool) {
		for _, m := range r.messages[stream] {
			if m.Sequence >= from && !yield(m, nil) {
				return
			}
		}
	}
}

func (r *river) Kept(_ context.Context, stream string) (bus.Kept, error) {
	n := uint64(len(r.messages[stream]))
	return bus.Kept{Made: r.made, Messages: n, Last: n}, nil
}

// A desk is what a journal is written and read with.
type bench struct {
	t     *testing.T
	river *river
	store vault.Store
	key   *open.BucketKey
}

func newBench(t *testing.T) *bench {
	t.Helper()
	key, err := open.GenerateBucketKey("journal.journal.99991231.1")
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t, newRiver(), memory.New(), key}
}

func (b *bench) journal() *archive.Journal {
	b.t.Helper()
	j, err := archive.NewJournal(b.t.Context(), b.river, b.store, func(context.Context) (*seal.Recipient, error) { return b.key.Recipient(), nil }, time.Now)
	if err != nil {
		b.t.Fatal(err)
	}
	return j
}

func (b *bench) step(j *archive.Journal) {
	b.t.Helper()
	if _, err := j.Step(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// read opens everything that the journal has of a stream: epoch, sequence, text.
func (b *bench) read(stream string) (entries []string, batches []archive.BatchName) {
	b.t.Helper()
	batches, err := archive.Batches(b.t.Context(), b.store, stream)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, name := range batches {
		for _, entry := range b.open(name).GetEntries() {
			entries = append(entries, fmt.Sprintf("%d/%d %s", name.Epoch.Number, entry.GetSequence(), entry.GetData()))
		}
	}
	return entries, batches
}

func (b *bench) open(name archive.BatchName) *journalv1.Batch {
	b.t.Helper()
	body, _, err := b.store.Get(b.t.Context(), name.Object)
	if err != nil {
		b.t.Fatal(err)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		b.t.Fatal(err)
	}
	_ = body.Close()
	session, err := b.key.Unwrap(content[:seal.KeyPacketSize])
	if err != nil {
		b.t.Fatal(err)
	}
	plain, err := open.Bytes(session, content[seal.KeyPacketSize:], 64<<20)
	if err != nil {
		b.t.Fatal(err)
	}
	batch := new(journalv1.Batch)
	if err := proto.Unmarshal(plain, batch); err != nil {
		b.t.Fatal(err)
	}
	return batch
}

func TestTheJournalHasWhatTheStreamsSayAndGoesOnAfterARestart(t *testing.T) {
	b := newBench(t)
	b.river.say("ITEMS", "one")
	b.river.say("ITEMS", "two")
	j := b.journal()
	b.step(j)
	b.river.say("ITEMS", "three")
	b.step(j)
	b.step(j) // nothing new
	j = b.journal()
	if j.Reached()["ITEMS"] != 3 || j.Reached()["AUDIT"] != 0 {
		t.Errorf("reached %v", j.Reached())
	}
	b.river.say("ITEMS", "four")
	b.step(j)
	entries, batches := b.read("ITEMS")
	if got := strings.Join(entries, ", "); got != "0/1 one, 0/2 two, 0/3 three, 0/4 four" || len(batches) != 3 {
		t.Errorf("%d batches: %s", len(batches), got)
	}
}

func TestABatchIsBoundedInNumberAndInBytes(t *testing.T) {
	b := newBench(t)
	for range 4001 {
		b.river.say("AUDIT", "x")
	}
	big := strings.Repeat("x", 3<<20)
	for range 4 { // 8 MiB are passed by the third
		b.river.say("TICKETS", big)
	}
	b.step(b.journal())
	_, audit := b.read("AUDIT")
	_, tickets := b.read("TICKETS")
	for stream, c := range map[string]struct {
		got  []archive.BatchName
		want []uint64
	}{"AUDIT": {audit, []uint64{2000, 4000, 4001}}, "TICKETS": {tickets, []uint64{3, 4}}} {
		var lasts []uint64
		for _, batch := range c.got {
			lasts = append(lasts, batch.Last)
		}
		if fmt.Sprint(lasts) != fmt.Sprint(c.want) {
			t.Errorf("%s: batches end at %v, want %v", stream, lasts, c.want)
		}
	}
}

func TestTwoWritersDoEachOtherNoHarm(t *testing.T) {
	b := newBench(t)
	b.river.say("ITEMS", "one")
	first, second := b.journal(), b.journal()
	b.step(first)
	b.river.say("ITEMS", "two")
	b.step(second)
	b.step(first)
	if reached := b.journal().Reached()["ITEMS"]; reached != 2 {
		t.Errorf("reached %d", reached)
	}
	entries, _ := b.read("ITEMS")
	if got := strings.Join(entries, ", "); got != "0/1 one, 0/1 one, 0/2 two, 0/2 two" {
		t.Errorf("entries %s", got)
	}
}

// A liar gives back other bytes than were stored.
type liar struct {
	*memory.Store
	lie func(content []byte) []byte
}

func (l liar) Get(ctx context.Context, name string) (io.ReadCloser, vault.Object, error) {
	body, object, err := l.Store.Get(ctx, name)
	if err != nil {
		return nil, object, err
	}
	content, err := io.ReadAll(body)
	_ = body.Close()
	return io.NopCloser(bytes.NewReader(l.lie(content))), object, err
}

func TestWhatDoesNotReadBackIsNotCounted(t *testing.T) {
	for name, lie := range map[string]func([]byte) []byte{
		"a changed byte": func(c []byte) []byte { c[len(c)/2] ^= 1; return c },
		"one too few":    func(c []byte) []byte { return c[:len(c)-1] },
		"one too many":   func(c []byte) []byte { return append(c, 0) },
		"nothing":        func([]byte) []byte { return nil },
	} {
		b := newBench(t)
		b.store = liar{memory.New(), lie}
		b.river.say("ITEMS", "one")
		j := b.journal()
		if _, err := j.Step(t.Context()); err == nil {
			t.Errorf("%s: taken for good", name)
		}
		if j.Reached()["ITEMS"] != 0 {
			t.Errorf("%s: reached %v", name, j.Reached())
		}
	}
}

// A process that died between writing a batch and reading it back: what is there is not counted
// by its name, and the next one writes it anew.
func TestABatchThatIsTornIsNotCountedByItsName(t *testing.T) {
	b := newBench(t)
	b.river.say("ITEMS", "one")
	b.step(b.journal())
	good := b.store
	b.store = halved{memory.New()}
	for object, err := range good.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		body, _, err := good.Get(t.Context(), object.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.store.(halved).Store.Put(t.Context(), object.Name, body, vault.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	b.river.say("ITEMS", "two")
	if _, err := b.journal().Step(t.Context()); err == nil {
		t.Fatal("half a batch was taken for good")
	}
	b.store = b.store.(halved).Store
	j := b.journal()
	if j.Reached()["ITEMS"] != 1 {
		t.Errorf("reached %d by a name", j.Reached()["ITEMS"])
	}
	b.step(j)
	if again := b.journal(); again.Reached()["ITEMS"] != 2 {
		t.Errorf("reached %d", again.Reached()["ITEMS"])
	}
	batches, err := archive.Batches(t.Context(), b.store, "ITEMS")
	if err != nil || len(batches) != 3 {
		t.Fatalf("%d batches, %v", len(batches), err)
	}
	torn := 0
	for _, batch := range batches {
		if err := batch.Check(t.Context(), b.store); errors.Is(err, archive.ErrTorn) {
			torn++
		} else if err != nil {
			t.Error(err)
		}
	}
	if torn != 1 {
		t.Errorf("%d are torn", torn)
	}
}

// halved loses the second half of what it is given.
type halved struct{ *memory.Store }

func (h halved) Put(ctx context.Context, name string, body io.Reader, opts vault.PutOptions) (vault.Object, error) {
	content, err := io.ReadAll(body)
	if err != nil {
		return vault.Object{}, err
	}
	return h.Store.Put(ctx, name, bytes.NewReader(content[:len(content)/2]), vault.PutOptions{})
}

func TestAStreamThatWasMadeAnewBeginsAnEpoch(t *testing.T) {
	b := newBench(t)
	for range 3 {
		b.river.say("ITEMS", "old")
	}
	j := b.journal()
	b.step(j)
	b.river = newRiver()
	b.river.made = b.river.made.Add(time.Hour)
	for range 5 { // further than the journal was
		b.river.say("ITEMS", "new")
	}
	j = b.journal()
	if j.Reached()["ITEMS"] != 0 {
		t.Fatalf("reached %v in a stream that it has nothing of", j.Reached())
	}
	b.step(j)
	b.step(b.journal())
	entries, batches := b.read("ITEMS")
	if got := strings.Join(entries, ", "); got != "0/1 old, 0/2 old, 0/3 old, 1/1 new, 1/2 new, 1/3 new, 1/4 new, 1/5 new" {
		t.Errorf("entries %s", got)
	}
	if made := batches[len(batches)-1].Epoch.Made; made != b.river.made.UnixMilli() {
		t.Errorf("the epoch says that the stream was made at %d", made)
	}
}

func TestAStreamThatIsMadeAnewUnderAJournalEndsIt(t *testing.T) {
	b := newBench(t)
	b.river.say("ITEMS", "old")
	j := b.journal()
	b.step(j)
	b.river.made = b.river.made.Add(time.Hour)
	if _, err := j.Step(t.Context()); !errors.Is(err, archive.ErrMadeAnew) {
		t.Errorf("error %v", err)
	}
}

func TestAStreamThatWasPutBackBeginsAnEpoch(t *testing.T) {
	b := newBench(t)
	for range 3 {
		b.river.say("ITEMS", "lost")
	}
	b.step(b.journal())
	b.river.messages["ITEMS"] = b.river.messages["ITEMS"][:1] // from a backup, made at the same moment
	b.step(b.journal())
	entries, _ := b.read("ITEMS")
	if entries[len(entries)-1] != "1/1 lost" {
		t.Errorf("entries %v", entries)
	}
}

func TestWhatABatchSpeaksOfIsInTheJournalBeforeIt(t *testing.T) {
	b := newBench(t)
	b.river.say("ITEMS", "a record")
	// While the records are read, a ticket is made and a record names it.
	once := false
	b.river.onScan = func(stream string) {
		if stream == "ITEMS" && !once {
			once = true
			b.river.say("TICKETS", "a ticket")
			b.river.say("AUDIT", "who made it")
			b.river.say("ITEMS", "a record that names the ticket")
		}
	}
	order := &ordered{Store: memory.New()}
	b.store = order
	b.step(b.journal())
	if got := strings.Join(order.streams, " "); got != "tickets audit items" {
		t.Errorf("written in the order %s", got)
	}
}

// ordered notes which streams are written, in order.
type ordered struct {
	*memory.Store
	streams []string
}

func (o *ordered) Put(ctx context.Context, name string, body io.Reader, opts vault.PutOptions) (vault.Object, error) {
	o.streams = append(o.streams, strings.Split(name, "/")[1])
	return o.Store.Put(ctx, name, body, opts)
}

func TestAStrangeNameInTheJournalIsAnError(t *testing.T) {
	sum := strings.Repeat("0f", 32)
	for _, name := range []string{
		"journal/items/x", "journal/items/000000-1/1-2", "journal/items/0/1-2.b.a", "journal/items/0-1/2-1.b.a",
		"journal/items/0-1/1-2.a-" + sum, "journal/items/0-x/1-2.b.a-" + sum, "journal/items/0-1/x-2.b.a-" + sum,
		"journal/items/0-1/1-2.b.a", "journal/items/0-1/1-2.b.a-", "journal/items/0-1/1-2.b.a-" + sum[1:], "journal/items/0-1/1-2.b.a-" + sum + "00",
		"journal/items/0-1/1-2.b.a-x" + sum[1:],
	} {
		store := memory.New()
		if _, err := store.Put(t.Context(), name, strings.NewReader("x"), vault.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if batches, err := archive.Batches(t.Context(), store, "ITEMS"); err == nil {
			t.Errorf("%s was read as %+v", name, batches)
		}
	}
}

func FuzzBatches(f *testing.F) {
	f.Add("000000-1700000000000/00000000000000000001-00000000000000000002.journal.journal.99991231.1.01jggz-" + strings.Repeat("0f", 32))
	f.Add("0-1/2-1.b.a")
	f.Fuzz(func(t *testing.T, name string) {
		store := memory.New()
		if _, err := store.Put(t.Context(), "journal/items/"+name, strings.NewReader("x"), vault.PutOptions{}); err != nil {
			return
		}
		batches, err := archive.Batches(t.Context(), store, "ITEMS")
		if err == nil && (len(batches) != 1 || batches[0].First > batches[0].Last || batches[0].Bucket == "") {
			t.Errorf("%q: %+v", name, batches)
		}
	})
}
