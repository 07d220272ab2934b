package bus_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
)

func TestEveryMessageIsHandedOutOnceAndAcknowledged(t *testing.T) {
	b := bustest.Start(t)
	ingest, verify := b.Connect(t, "ingest"), b.Connect(t, "verify")
	const n = 500
	fill(t, ingest, n)
	ctx, cancel := context.WithCancel(bustest.Context(t))
	var mu sync.Mutex
	seen := make(map[uint64]int)
	err := verify.Consume(ctx, "MAIL", "verify", bus.Limits{Messages: 32}, func(d *bus.Delivery) {
		if d.Subject != "mail.v1.Received" || d.Deliveries != 1 {
			t.Errorf("delivery %d of %s", d.Deliveries, d.Subject)
		}
		if err := d.Ack(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if seen[d.Sequence]++; len(seen) == n {
			cancel()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for seq, times := range seen {
		if times != 1 {
			t.Errorf("message %d came %d times", seq, times)
		}
	}
}

func TestNoMoreMessagesAreHeldThanTheLimit(t *testing.T) {
	b := bustest.Start(t)
	ingest, verify := b.Connect(t, "ingest"), b.Connect(t, "verify")
	fill(t, ingest, 20)
	for _, limit := range []int{1, 2, 5} {
		ctx, cancel := context.WithCancel(bustest.Context(t))
		held, release := make(chan struct{}, 100), make(chan struct{})
		done := make(chan error)
		go func() {
			done <- verify.Consume(ctx, "MAIL", "verify", bus.Limits{Messages: limit}, func(d *bus.Delivery) {
				held <- struct{}{}
				<-release
				_ = d.Nak(0)
			})
		}()
		for range limit {
			<-held
		}
		select {
		case <-held:
			t.Errorf("limit %d: one more was handed out", limit)
		default:
		}
		cancel()
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestWhatIsGivenBackComesAgain(t *testing.T) {
	b := bustest.Start(t)
	ingest, verify := b.Connect(t, "ingest"), b.Connect(t, "verify")
	fill(t, ingest, 1)
	ctx, cancel := context.WithCancel(bustest.Context(t))
	var deliveries []uint64
	err := verify.Consume(ctx, "MAIL", "verify", bus.Limits{Messages: 1}, func(d *bus.Delivery) {
		deliveries = append(deliveries, d.Deliveries)
		var err error
		switch d.Deliveries {
		case 1:
			err = errors.Join(d.Beat(), d.Nak(0))
		case 2:
			err = d.Nak(1)
		default:
			err = d.Term(context.WithoutCancel(ctx), "enough")
			cancel()
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil || fmt.Sprint(deliveries) != "[1 2 3]" {
		t.Errorf("deliveries %v, %v", deliveries, err)
	}
}

func TestAnothersConsumerCannotBeDrawnFrom(t *testing.T) {
	scan := bustest.Start(t).Connect(t, "scan")
	err := scan.Consume(bustest.Context(t), "MAIL", "verify", bus.Limits{Messages: 1}, func(*bus.Delivery) {})
	if !errors.Is(err, bus.ErrDenied) {
		t.Errorf("got %v", err)
	}
}

func TestHeadersAreReadFromAnySequence(t *testing.T) {
	b := bustest.Start(t)
	keyring, ingest := b.Connect(t, "keyring"), b.Connect(t, "ingest")
	ctx := bustest.Context(t)
	const n = 1500 // more than one batch
	var last uint64
	for i := range n {
		p, err := keyring.PublishAsync(fmt.Sprintf("items.%d", i), []byte("payload"),
			bus.Headers(bus.Header{"Postern-State": {"filed"}}))
		if err != nil {
			t.Fatal(err)
		}
		if last, err = p.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for _, from := range []uint64{0, last - 9, 3, last + 1} {
		want := last + 1 - max(from, 1)
		var got uint64
		for msg, err := range ingest.Scan(ctx, "ITEMS", from, bus.HeadersOnly()) {
			if err != nil {
				t.Fatalf("from %d: %v", from, err)
			}
			if msg.Header.Get("Postern-State") != "filed" || len(msg.Data) > 0 || msg.Sequence != max(from, 1)+got {
				t.Fatalf("from %d: got %+v", from, msg)
			}
			got++
		}
		if got != want {
			t.Errorf("from %d: %d messages, want %d", from, got, want)
		}
	}
}

func TestAFollowerHearsWhatIsAdded(t *testing.T) {
	b := bustest.Start(t)
	desk, archive := b.Connect(t, "desk"), b.Connect(t, "archive")
	ctx, cancel := context.WithCancel(bustest.Context(t))
	defer cancel()
	if _, err := desk.Publish(ctx, "tickets.a", []byte("0")); err != nil {
		t.Fatal(err)
	}
	i := 0
	for msg, err := range desk.Follow(ctx, "TICKETS", 0) {
		if err != nil {
			t.Fatal(err)
		}
		if string(msg.Data) != fmt.Sprint(i) {
			t.Fatalf("got %s, want %d", msg.Data, i)
		}
		if i++; i == 5 {
			break
		}
		if _, err := desk.Publish(ctx, "tickets.a", fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range archive.Follow(ctx, "TICKETS", 0) {
		if !errors.Is(err, bus.ErrDenied) {
			t.Errorf("without the right to hear: %v", err)
		}
	}
}

// Each message is told of: had the follower to look by itself, ten would take it fifty seconds.
func TestAFollowerHearsWhatAnotherServiceAdds(t *testing.T) {
	b := bustest.Start(t)
	desk, retain := b.Connect(t, "desk"), b.Connect(t, "retain")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := retain.Publish(ctx, "tickets.a", []byte("0")); err != nil {
		t.Fatal(err)
	}
	i := 0
	for msg, err := range desk.Follow(ctx, "TICKETS", 0) {
		if err != nil {
			t.Fatal(err)
		}
		if string(msg.Data) != fmt.Sprint(i) {
			t.Fatalf("got %s, want %d", msg.Data, i)
		}
		if i++; i == 10 {
			return
		}
		if _, err := retain.Publish(ctx, "tickets.a", fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	t.Errorf("heard of %d messages only", i)
}

func TestALeaseHasOneHolderAndGrowingNumbers(t *testing.T) {
	b := bustest.Start(t)
	one, two := b.Connect(t, "retain"), b.Connect(t, "retain")
	ctx := bustest.Context(t)
	first, err := one.Lease(ctx, "sweep")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.Lease(ctx, "sweep"); !errors.Is(err, bus.ErrHeld) {
		t.Errorf("a second holder: %v", err)
	}
	other, err := two.Lease(ctx, "plan")
	if err != nil {
		t.Fatal(err)
	}
	other.Release()
	first.Release()
	if first.Context().Err() == nil {
		t.Error("a released lease still stands")
	}
	second, err := two.Lease(ctx, "sweep")
	if err != nil {
		t.Fatal(err)
	}
	defer second.Release()
	if second.Number <= first.Number {
		t.Errorf("number %d after %d", second.Number, first.Number)
	}
}

func TestALeaseEndsWithItsServer(t *testing.T) {
	b := bustest.Start(t)
	l, err := b.Connect(t, "retain").Lease(bustest.Context(t), "sweep")
	if err != nil {
		t.Fatal(err)
	}
	b.Stop()
	<-l.Context().Done()
	if !errors.Is(context.Cause(l.Context()), bus.ErrLost) {
		t.Errorf("cause %v", context.Cause(l.Context()))
	}
}

func fill(t testing.TB, ingest *bus.Conn, n int) {
	t.Helper()
	ctx := bustest.Context(t)
	var pending []*bus.Pending
	for i := range n {
		p, err := ingest.PublishAsync("mail.v1.Received", fmt.Append(nil, i))
		if err != nil {
			t.Fatal(err)
		}
		pending = append(pending, p)
	}
	for _, p := range pending {
		if _, err := p.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
