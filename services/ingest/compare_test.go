package ingest

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/ingest/imap"
	"github.com/postern-mail/postern/services/ingest/uids"
)

// A crowd is an archive of many mails of one folder, none of which takes memory.
type crowd struct {
	mails    int
	without  map[int]bool // of the vault
	listings int
	peak     uint64 // live bytes at a listing
	measured bool
}

func (c *crowd) name(i int) string { return fmt.Sprintf("raw/2026/11/21/%064x.attempt", i) }

func (c *crowd) record(i int) *itemv1.Record {
	return &itemv1.Record{
		Item: fmt.Sprintf("%064x", i), Mailbox: "support", Folder: "INBOX", UidValidity: 7, Uid: uint32(i), State: itemv1.State_STATE_TICKETED,
		Layers: []*itemv1.Layer{{
			Kind: itemv1.LayerKind_LAYER_KIND_RAW, State: itemv1.LayerState_LAYER_STATE_PRESENT, Object: c.name(i), Size: int64(i),
		}},
	}
}

func (c *crowd) All(context.Context) iter.Seq2[*itemv1.Record, error] {
	return func(yield func(*itemv1.Record, error) bool) {
		for i := 1; i <= c.mails; i++ {
			if !yield(c.record(i), nil) {
				return
			}
		}
	}
}

func (c *crowd) Get(_ context.Context, item string) (*itemv1.Record, error) {
	var i int
	if _, err := fmt.Sscanf(item, "%x", &i); err != nil {
		return nil, err
	}
	return c.record(i), nil
}

func (c *crowd) Stat(_ context.Context, name string) (vault.Object, error) {
	var i int
	if _, err := fmt.Sscanf(name, "raw/2026/11/21/%x.attempt", &i); err != nil || c.without[i] {
		return vault.Object{}, vault.ErrNotFound
	}
	return vault.Object{Name: name, Size: int64(i)}, nil
}

func (c *crowd) List(_ context.Context, _, after string) iter.Seq2[vault.Object, error] {
	c.listings++
	if c.measured {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		c.peak = max(c.peak, stats.HeapAlloc)
	}
	return func(yield func(vault.Object, error) bool) {
		for i := 1; i <= c.mails; i++ {
			if name := c.name(i); !c.without[i] && name > after && !yield(vault.Object{Name: name, Size: int64(i)}, nil) {
				return
			}
		}
	}
}

func (c *crowd) sight() *sight {
	return &sight{
		mailbox: "support", name: "INBOX", keeps: true, listed: true, comparable: true,
		opened: imap.Folder{Validity: 7, Next: uint32(c.mails + 1)},
		found:  uids.Of(uids.Range{First: 1, Last: uint32(c.mails)}),
		where:  mark{validity: 7, done: uids.Of(uids.Range{First: 1, Last: uint32(c.mails)})},
	}
}

func TestTheVaultIsListedInPiecesAndEachLostOriginalIsFound(t *testing.T) {
	for _, mails := range []int{1, 99, 100, 101, 250} {
		c := &crowd{mails: mails, without: map[int]bool{1: true, 77: true, 100: true, 201: true}}
		s := c.sight()
		if err := compare(t.Context(), []*sight{s}, c, c, 100); err != nil {
			t.Fatal(err)
		}
		lost := 0
		for i := range c.without {
			if i <= mails {
				lost++
			}
		}
		got := s.conclude()
		if got.Archived != int64(mails) || got.Lost != int64(lost) || len(got.LostItems) != lost || got.Missing != 0 || got.Unknown != 0 {
			t.Errorf("%d mails: %+v, want %d lost", mails, got, lost)
		}
		if want := (mails + 99) / 100; c.listings != want {
			t.Errorf("%d mails: %d listings, want %d", mails, c.listings, want)
		}
	}
}

func TestUIDsAreGatheredInAnyOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	numbers := make([]uint32, 50_000)
	for i := range numbers {
		numbers[i] = uint32(3*i + 1)
	}
	random.Shuffle(len(numbers), func(i, j int) { numbers[i], numbers[j] = numbers[j], numbers[i] })
	var g gathering
	for _, n := range append(numbers, numbers[:1000]...) {
		g.add(n)
	}
	slices.Sort(numbers)
	if got := slices.Collect(g.done().All()); !slices.Equal(got, numbers) {
		t.Errorf("%d of %d numbers", len(got), len(numbers))
	}
}

// Two items may stand for one mail, where it came back under its old number.
func TestAMailWithTwoItemsCountsOnce(t *testing.T) {
	c := &crowd{mails: 2}
	s := c.sight()
	twice := c.record(1)
	twice.Uid, twice.UidValidity, twice.Place = 50, 3, &itemv1.Place{UidValidity: 7, Uid: 1}
	for _, record := range []*itemv1.Record{c.record(1), twice, proto.CloneOf(c.record(2))} {
		s.note(record)
	}
	if got := s.conclude(); got.Archived != 2 || got.Missing != 0 || got.Unknown != 0 {
		t.Errorf("%+v", got)
	}
}

// What it costs to compare a mailbox of a million mails, without the server, the bus and the vault.
func BenchmarkAMillionMailsCompared(b *testing.B) {
	var peak uint64
	for b.Loop() {
		c := &crowd{mails: 1_000_000, measured: true}
		s := c.sight()
		if err := compare(b.Context(), []*sight{s}, c, c, mostSeen); err != nil {
			b.Fatal(err)
		}
		if got := s.conclude(); got.Archived != 1_000_000 || got.Differs() {
			b.Fatalf("%+v", got)
		}
		peak = max(peak, c.peak)
	}
	b.ReportMetric(float64(peak)/1e6, "live-MB")
}
