package archive

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/vault"
)

// Bus is what the journal's keeper needs of its connection; *bus.Conn is one.
type Bus interface {
	Scan(ctx context.Context, stream string, from uint64, options ...bus.ScanOption) iter.Seq2[*bus.Message, error]
	Last(ctx context.Context, stream, subject string) (*bus.Message, error)
	Lease(ctx context.Context, name string) (*bus.Lease, error)
	Kept(ctx context.Context, stream string) (bus.Kept, error)
}

// Journaller is told how far the journal is.
type Journaller interface {
	Journalled(ctx context.Context, sequences map[string]uint64) error
}

// A Keeper keeps the journal while it has the lease.
type Keeper struct {
	bus     Bus
	vault   vault.Store
	keyring Journaller
	every   time.Duration
	now     func() time.Time
	log     *slog.Logger
	wake    chan struct{}
	behind  prometheus.Gauge
}

// NewKeeper keeps the journal of a bus in a vault.
func NewKeeper(config Config, conn Bus, store vault.Store, keyring Journaller, now func() time.Time, log *slog.Logger, metrics prometheus.Registerer) *Keeper {
	k := &Keeper{bus: conn, vault: store, keyring: keyring, every: config.JournalEvery.Std(), now: now, log: log, wake: make(chan struct{}, 1),
		behind: prometheus.NewGauge(prometheus.GaugeOpts{Name: "postern_journal_written_timestamp_seconds", Help: "When the journal last held all that the streams did."})}
	if metrics != nil {
		metrics.MustRegister(k.behind)
	}
	return k
}

// Wake has the journal written at once, for those who wait for it.
func (k *Keeper) Wake() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Run keeps the journal until the context ends.
func (k *Keeper) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		lease, err := k.bus.Lease(ctx, "journal")
		if err == nil {
			err = k.keep(lease.Context())
			lease.Release()
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, bus.ErrHeld) {
			k.log.Warn("journal not written", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(3 * time.Second):
		}
	}
	return ctx.Err()
}

func (k *Keeper) keep(ctx context.Context) error {
	var recipients seal.Recipients
	recipient := func(ctx context.Context) (*seal.Recipient, error) {
		message, err := k.bus.Last(ctx, keys.PublishedStream, keys.PublishedSubject)
		if err != nil {
			return nil, err
		}
		published, err := keys.ReadPublished(message.Data)
		if err != nil {
			return nil, err
		}
		if published.GetJournal() == nil {
			return nil, errors.New("the keyring has published no journal bucket")
		}
		return recipients.Get(published.GetJournal().GetBucket(), published.GetJournal().GetPublicKey())
	}
	journal, err := NewJournal(ctx, streams{k.bus}, k.vault, recipient, k.now)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(k.every)
	defer ticker.Stop()
	for {
		wrote, err := journal.Step(ctx)
		if err != nil {
			return err
		}
		// Told each time, new or not: a keyring that started anew knows nothing of it.
		if err := k.keyring.Journalled(ctx, journal.Reached()); err != nil {
			return err
		}
		k.behind.SetToCurrentTime()
		if wrote {
			k.log.Debug("journal written")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		case <-k.wake:
		}
	}
}

// streams reads a bus as the journal wants it.
type streams struct{ bus Bus }

func (s streams) Kept(ctx context.Context, stream string) (bus.Kept, error) {
	return s.bus.Kept(ctx, stream)
}

func (s streams) Scan(ctx context.Context, stream string, from uint64) iter.Seq2[StreamMessage, error] {
	return func(yield func(StreamMessage, error) bool) {
		for message, err := range s.bus.Scan(ctx, stream, from) {
			if err != nil {
				yield(StreamMessage{}, err)
				return
			}
			header := map[string]string{}
			for key := range message.Header {
				// The server's own lines are conditions of the first publish: they would
				// forbid a second one.
				if !strings.HasPrefix(key, "Nats-") {
					header[key] = message.Header.Get(key)
				}
			}
			if !yield(StreamMessage{message.Sequence, message.Subject, message.Time, header, message.Data}, nil) {
				return
			}
		}
	}
}
