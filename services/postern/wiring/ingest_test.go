package wiring

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/memory"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// oneItem is a bus that holds the record of the item "x" at a sequence.
type oneItem struct {
	sequence uint64
	kept     bus.Kept
}

func (o *oneItem) LastFresh(_ context.Context, stream, subject string) (*bus.Message, error) {
	if stream != "ITEMS" || subject != "items.x" {
		return nil, bus.ErrNoMessage
	}
	data, err := proto.Marshal(&itemv1.Record{Item: "x"})
	return &bus.Message{Data: data, Sequence: o.sequence}, err
}

func (o *oneItem) Kept(context.Context, string) (bus.Kept, error) { return o.kept, nil }

func TestAnItemIsSafeOnlyWhenTheJournalOfThisVeryStreamHasItsRecord(t *testing.T) {
	made := time.UnixMilli(1_700_000_000_000).UTC()
	store := memory.New()
	batch := func(epoch int, made time.Time, first, last uint64) {
		t.Helper()
		name := fmt.Sprintf("journal/items/%06d-%013d/%020d-%020d.journal.journal.99991231.0.01hzzzzzzzzzzzzzzzzzzzzzzz-%x", epoch, made.UnixMilli(), first, last, sha256.Sum256([]byte("sealed")))
		if _, err := store.Put(t.Context(), name, strings.NewReader("sealed"), vault.PutOptions{}); err != nil && !errors.Is(err, vault.ErrExists) {
			t.Fatal(err)
		}
	}
	there := &oneItem{sequence: 15, kept: bus.Kept{Made: made, Last: 30}}
	a := &archived{bus: there, vault: store}
	check := func(when string, want bool) {
		t.Helper()
		record, safe, err := a.Item(t.Context(), "x")
		if err != nil || record.GetItem() != "x" || safe != want {
			t.Errorf("%s: safe %v, %v; want %v", when, safe, err, want)
		}
	}
	check("no journal", false)
	batch(0, made, 1, 14)
	check("one short of it", false)
	batch(0, made, 15, 15)
	check("just in it", true)
	torn := fmt.Sprintf("journal/items/%06d-%013d/%020d-%020d.journal.journal.99991231.0.01hzzzzzzzzzzzzzzzzzzzzzzz-%x", 0, made.UnixMilli(), 16, 16, sha256.Sum256([]byte("other")))
	if _, err := store.Put(t.Context(), torn, strings.NewReader("sealed"), vault.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	there.sequence = 16
	check("torn", false)
	there.sequence = 16
	check("changed since", false)
	batch(0, made, 16, 30)
	check("the change, too", true)
	there.kept.Last = 29
	check("a stream that ends before its journal is another", false)
	there.kept = bus.Kept{Made: made.Add(time.Hour), Last: 40}
	check("a stream that was made anew", false)
	batch(1, made.Add(time.Hour), 1, 16)
	check("with a journal of its own", true)
	if record, safe, err := a.Item(t.Context(), "y"); record != nil || safe || err != nil {
		t.Errorf("an item that is not there: %v, %v, %v", record, safe, err)
	}
}
