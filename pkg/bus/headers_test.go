package bus_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
)

// A scan that went on for as long as records come would never end in a bulk import.
func TestAScanOfHeadersEndsWhileRecordsKeepComing(t *testing.T) {
	b := bustest.Start(t)
	keyring, desk := b.Connect(t, "keyring"), b.Connect(t, "desk")
	ctx, stop := context.WithCancel(bustest.Context(t))
	begun := make(chan struct{})
	var busy sync.WaitGroup
	defer busy.Wait()
	defer stop()
	busy.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			_, err := keyring.Publish(ctx, fmt.Sprintf("items.%d", i), []byte("payload"), bus.Headers(bus.Header{"Postern-State": {"filed"}}))
			if err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			if i == 0 {
				close(begun)
			}
		}
	})
	<-begun
	from := uint64(1)
	for look := range 20 {
		kept, err := desk.Kept(ctx, "ITEMS")
		if err != nil {
			t.Fatal(err)
		}
		for m, err := range desk.Scan(ctx, "ITEMS", from, bus.HeadersOnly()) {
			if err != nil {
				t.Fatalf("look %d: %v", look, err)
			}
			if m.Sequence < from {
				t.Fatalf("look %d gives %d, asked from %d", look, m.Sequence, from)
			}
			from = m.Sequence + 1
		}
		if from <= kept.Last { // each record has a subject of its own: the last one stays
			t.Errorf("look %d came to %d; %d was stored before it", look, from-1, kept.Last)
		}
	}
}

// Nobody but setup may make a consumer: one that a server forgot when it died would leave every
// sweeper of a fleet without what it reads by.
func TestHeadersAreScannedAfterAServerDiedAndNobodySetAnythingUp(t *testing.T) {
	bustest.Each(t, func(t *testing.T, b *bustest.Bus) {
		ctx := bustest.Context(t)
		keyring := b.Connect(t, "keyring")
		for _, subject := range []string{"items.a", "items.b"} {
			if _, err := keyring.Publish(ctx, subject, []byte("payload")); err != nil {
				t.Fatal(err)
			}
		}
		look := func(service string) {
			t.Helper()
			c := b.Connect(t, service)
			if err := c.Check(ctx); err != nil {
				t.Errorf("%s misses something: %v", service, err)
			}
			var seen []string
			for m, err := range c.Scan(ctx, "ITEMS", 1, bus.HeadersOnly()) {
				if err != nil {
					t.Fatalf("%s: %v", service, err)
				}
				seen = append(seen, m.Subject)
			}
			if want := []string{"items.a", "items.b"}; !slices.Equal(seen, want) {
				t.Errorf("%s sees %v, want %v", service, seen, want)
			}
		}
		for _, service := range []string{"ingest", "archive", "sanitize", "desk"} {
			look(service)
		}
		b.RestartBare(t)
		for _, service := range []string{"ingest", "archive", "sanitize", "desk"} {
			look(service)
		}
	})
}

func TestWhoMissesTheConsumerOfHeadersIsToldSo(t *testing.T) {
	b := bustest.Start(t)
	b.Stop()
	if err := os.RemoveAll(b.Dir); err != nil {
		t.Fatal(err)
	}
	b.RestartBare(t)
	if err := b.Connect(t, "archive").Check(bustest.Context(t)); err == nil || !strings.Contains(err.Error(), "consumer archive-headers") {
		t.Errorf("the check says %v", err)
	}
}
