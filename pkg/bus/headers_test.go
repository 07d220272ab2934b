package bus_test

import (
	"context"
	"fmt"
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
