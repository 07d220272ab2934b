package wiring

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/archive"
	"github.com/postern-mail/postern/services/ingest"
)

func runIngest(ctx context.Context, s *service, conn *bus.Conn) error {
	client, err := s.client(conn)
	if err != nil {
		return err
	}
	deps := ingest.OnBus(conn)
	deps.Vault, deps.Objects, deps.Registrar, deps.Now = s.Vault, s.Vault, client, s.Clock.Now
	deps.Archive = &archived{bus: conn, vault: s.Vault}
	deps.Log, deps.Tracer, deps.Metrics, deps.Health = s.Log, s.tracer, s.Registry, s.reporter
	mailboxes, err := ingest.New(s.Config.Ingest, deps)
	if err != nil {
		return err
	}
	return together(ctx, mailboxes.Run, func(ctx context.Context) error {
		return s.runStage(ctx, conn, client, ingest.AfterStage, mailboxes.After)
	})
}

// archived tells ingest what is archived for good, by what the bus and the vault hold: the
// keyring's own word on the journal is only that of the keyring which happens to answer.
type archived struct {
	bus interface {
		LastFresh(ctx context.Context, stream, subject string) (*bus.Message, error)
		Kept(ctx context.Context, stream string) (bus.Kept, error)
	}
	vault vault.Store

	mu    sync.Mutex
	seen  string // the journal's last object that was looked at
	epoch archive.Epoch
	upTo  uint64 // of the epoch
}

// Item is ingest.Archive's.
func (a *archived) Item(ctx context.Context, item string) (*itemv1.Record, bool, error) {
	// The leader's word: an older state may have been replaced before the journal came to it.
	message, err := a.bus.LastFresh(ctx, topology.Items, "items."+item)
	if errors.Is(err, bus.ErrNoMessage) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	record := new(itemv1.Record)
	if err := proto.Unmarshal(message.Data, record); err != nil || record.GetItem() != item {
		return nil, false, fmt.Errorf("record of item %s is garbled", item)
	}
	kept, err := a.bus.Kept(ctx, topology.Items)
	if err != nil {
		return nil, false, err
	}
	safe, err := a.holds(ctx, message.Sequence, kept)
	return record, safe, err
}

// holds tells whether the journal has the records up to a sequence of the stream that is there
// now. A record that stands at a sequence was there when the journal passed it.
func (a *archived) holds(ctx context.Context, sequence uint64, kept bus.Kept) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	there := func() bool {
		return a.epoch.Made == kept.Made.UnixMilli() && sequence <= a.upTo && a.upTo <= kept.Last
	}
	if there() {
		return true, nil
	}
	newer := &newest{Store: a.vault, after: a.seen}
	batches, err := archive.Batches(ctx, newer, topology.Items)
	if err != nil {
		return false, err
	}
	if batches, err = archive.Proven(ctx, a.vault, batches); err != nil {
		return false, err
	}
	for _, batch := range batches {
		switch {
		case batch.Epoch.Number < a.epoch.Number:
			continue
		case batch.Epoch != a.epoch:
			a.epoch, a.upTo = batch.Epoch, 0
		}
		a.upTo = max(a.upTo, batch.Last)
	}
	a.seen = newer.after
	return there(), nil
}

// newest lists only what comes after a name, and notes the last one.
type newest struct {
	vault.Store
	after string
}

func (n *newest) List(ctx context.Context, prefix, after string) iter.Seq2[vault.Object, error] {
	return func(yield func(vault.Object, error) bool) {
		for object, err := range n.Store.List(ctx, prefix, max(after, n.after)) {
			if err == nil {
				n.after = max(n.after, object.Name)
			}
			if !yield(object, err) {
				return
			}
		}
	}
}
