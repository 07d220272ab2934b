package archive_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/archive"
)

// An ear is the keyring, which is told how far the journal is.
type ear struct {
	told chan map[string]uint64
	deaf error // what it answers
}

func (e *ear) Journalled(ctx context.Context, sequences map[string]uint64) error {
	if e.deaf != nil {
		return e.deaf
	}
	select {
	case e.told <- sequences:
	case <-ctx.Done():
	}
	return nil
}

// hears waits until the keyring is told of a sequence of ITEMS.
func (e *ear) hears(t *testing.T, want uint64) {
	t.Helper()
	ctx := bustest.Context(t)
	for {
		select {
		case sequences := <-e.told:
			if sequences["ITEMS"] == want {
				return
			}
			if sequences["ITEMS"] > want {
				t.Fatalf("told of %d, want %d", sequences["ITEMS"], want)
			}
		case <-ctx.Done():
			t.Fatalf("never told of %d", want)
		}
	}
}

func publishKey(t *testing.T, server *bustest.Bus, b *bench) {
	t.Helper()
	conn := server.Connect(t, "keyring")
	defer conn.Close()
	published := &keyringv1.Published{Time: timestamppb.Now(), Journal: &keyringv1.PublicBucket{Bucket: b.key.Recipient().Bucket(), PublicKey: b.key.Recipient().PublicKey()}}
	envelope, err := event.New(event.ID("keys", "keyring", 0), "keyring", 0, "", time.Now(), published)
	if err != nil {
		t.Fatal(err)
	}
	data, err := event.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Publish(t.Context(), keys.PublishedSubject, data); err != nil {
		t.Fatal(err)
	}
}

func register(t *testing.T, server *bustest.Bus, items ...string) {
	t.Helper()
	conn := server.Connect(t, "keyring")
	defer conn.Close()
	for _, item := range items {
		state := bus.Header{event.HeaderState: {"registered"}}
		if _, err := conn.Publish(t.Context(), "items."+item, []byte(item), bus.ExpectLastSubjectSeq(0), bus.MsgID(item), bus.Headers(state)); err != nil {
			t.Fatal(err)
		}
	}
}

// keep runs a keeper until stop.
func keep(t *testing.T, server *bustest.Bus, b *bench, told *ear) (keeper *archive.Keeper, stop func()) {
	t.Helper()
	settings := archive.DefaultConfig()
	settings.JournalEvery = config.Duration(time.Hour) // only Wake and the start write
	conn := server.Connect(t, "archive")
	keeper = archive.NewKeeper(settings, conn, b.store, told, time.Now, slog.New(slog.DiscardHandler), nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- keeper.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
		conn.Close()
	})
	t.Cleanup(stop)
	return keeper, stop
}

func TestAKeeperWritesWhatTheBusHasAndTellsTheKeyring(t *testing.T) {
	server, b := bustest.Start(t), newBench(t)
	publishKey(t, server, b)
	register(t, server, "a", "b")
	told := &ear{told: make(chan map[string]uint64)}
	keeper, stop := keep(t, server, b, told)
	told.hears(t, 2)
	register(t, server, "c")
	keeper.Wake()
	told.hears(t, 3)
	stop()
	_, stop = keep(t, server, b, told)
	told.hears(t, 3) // a keyring that started anew is told too
	stop()

	_, batches := b.read("ITEMS")
	var seen []string
	for _, name := range batches {
		for _, entry := range b.open(name).GetEntries() {
			seen = append(seen, fmt.Sprint(entry.GetSequence(), entry.GetSubject(), entry.GetHeader()))
		}
	}
	// The conditions of the first publish are left out: they would forbid a second.
	if got, want := fmt.Sprint(seen), "[1items.amap[Postern-State:registered] 2items.bmap[Postern-State:registered] 3items.cmap[Postern-State:registered]]"; got != want {
		t.Errorf("journal %s, want %s", got, want)
	}
}

func TestASecondKeeperWaitsAndTakesOver(t *testing.T) {
	server, b := bustest.Start(t), newBench(t)
	publishKey(t, server, b)
	register(t, server, "a")
	first, second := &ear{told: make(chan map[string]uint64)}, &ear{told: make(chan map[string]uint64)}
	_, stop := keep(t, server, b, first)
	first.hears(t, 1)
	keep(t, server, b, second)
	register(t, server, "b")
	select {
	case sequences := <-second.told:
		t.Fatalf("the second wrote beside the first, up to %v", sequences)
	default:
	}
	stop()
	second.hears(t, 2)
}
