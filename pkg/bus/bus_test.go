package bus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/fault"
)

func TestPublishComparesAndSwaps(t *testing.T) {
	c := bustest.Start(t).Connect(t, "keyring")
	ctx := bustest.Context(t)
	first, err := c.Publish(ctx, "items.a", []byte("1"), bus.ExpectLastSubjectSeq(0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Publish(ctx, "items.a", []byte("x"), bus.ExpectLastSubjectSeq(0)); !errors.Is(err, bus.ErrWrongSequence) {
		t.Errorf("a second first: %v", err)
	}
	second, err := c.Publish(ctx, "items.a", []byte("2"), bus.ExpectLastSubjectSeq(first),
		bus.Headers(bus.Header{"Postern-State": {"filed"}}))
	if err != nil {
		t.Fatal(err)
	}
	for name, last := range map[string]func(context.Context, string, string) (*bus.Message, error){
		"any": c.Last, "leader": c.LastFresh,
	} {
		msg, err := last(ctx, "ITEMS", "items.a")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if string(msg.Data) != "2" || msg.Sequence != second || msg.Subject != "items.a" ||
			msg.Header.Get("Postern-State") != "filed" || msg.Time.IsZero() {
			t.Errorf("%s: got %+v", name, msg)
		}
		if _, err := last(ctx, "ITEMS", "items.b"); !errors.Is(err, bus.ErrNoMessage) {
			t.Errorf("%s: absent: %v", name, err)
		}
	}
}

func TestARepeatOfAMessageIdIsStoredOnce(t *testing.T) {
	c := bustest.Start(t).Connect(t, "ingest")
	ctx := bustest.Context(t)
	var seqs []uint64
	for range 3 {
		p, err := c.PublishAsync("mail.v1.Received", []byte("x"), bus.MsgID("one"))
		if err != nil {
			t.Fatal(err)
		}
		seq, err := p.Wait(ctx)
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, seq)
	}
	if seqs[0] != seqs[1] || seqs[1] != seqs[2] {
		t.Errorf("stored at %v", seqs)
	}
}

func TestAPayloadIsTakenAtItsLimitAndRefusedPastIt(t *testing.T) {
	c := bustest.Start(t).Connect(t, "keyring")
	ctx := bustest.Context(t)
	// The server counts the headers in.
	if _, err := c.Publish(ctx, "items.a", bytes.Repeat([]byte("x"), bus.MaxPayload)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if _, err := c.Publish(ctx, "items.a", bytes.Repeat([]byte("x"), bus.MaxPayload+1)); !errors.Is(err, bus.ErrTooLarge) {
		t.Errorf("past the limit: %v", err)
	}
}

func TestAScanYieldsWhatIsKeptInOrder(t *testing.T) {
	c := bustest.Start(t).Connect(t, "keyring")
	ctx := bustest.Context(t)
	const n = 2500 // more than two batches
	var pending []*bus.Pending
	for i := range n {
		p, err := c.PublishAsync(fmt.Sprintf("items.%d", i), fmt.Appendf(nil, "%d", i))
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
	if _, err := c.Publish(ctx, "items.0", []byte("again")); err != nil {
		t.Fatal(err)
	}
	var got []string
	for msg, err := range c.Scan(ctx, "ITEMS", 0) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(msg.Data))
	}
	if len(got) != n || got[0] != "1" || got[n-2] != "2499" || got[n-1] != "again" {
		t.Errorf("%d messages, first %s, last %s", len(got), got[0], got[len(got)-1])
	}
	got = nil
	for msg, err := range c.Scan(ctx, "ITEMS", 2499, bus.Matching("items.24*")) {
		t.Fatalf("a filter with a partial wildcard matched %v, %v", msg, err)
	}
	for msg, err := range c.Scan(ctx, "ITEMS", 2400, bus.Matching("items.2499")) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, msg.Subject)
	}
	if len(got) != 1 || got[0] != "items.2499" {
		t.Errorf("filtered: %v", got)
	}
}

func TestARequestIsAnswered(t *testing.T) {
	b := bustest.Start(t)
	keyring, ingest := b.Connect(t, "keyring"), b.Connect(t, "ingest")
	ctx := bustest.Context(t)
	if _, err := ingest.Request(ctx, "keyring.v1.register", nil); !errors.Is(err, bus.ErrNobody) {
		t.Errorf("with nobody there: %v", err)
	}
	var served []*bus.Served
	for _, operation := range []string{"register", "setaside", "status"} {
		s, err := keyring.Serve(ctx, "keyring.v1."+operation, 8, func(_ context.Context, r bus.Request) ([]byte, error) {
			switch string(r.Data) {
			case "later":
				return nil, fault.Later(0, "busy")
			case "final":
				return nil, fault.Final("never")
			case "panic":
				panic("Marker-Person")
			}
			return append([]byte(r.Subject+" "), r.Data...), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		served = append(served, s)
	}
	answer, err := ingest.Request(ctx, "keyring.v1.register", []byte("hello"))
	if err != nil || string(answer) != "keyring.v1.register hello" {
		t.Errorf("answer %q, %v", answer, err)
	}
	for say, want := range map[string]fault.Verdict{
		"later": {Kind: fault.Delayed, Code: "busy"},
		"final": {Kind: fault.Ended, Code: "never"},
		"panic": {Kind: fault.Delayed, Code: "panicked"},
	} {
		if _, err := ingest.Request(ctx, "keyring.v1.status", []byte(say)); fault.Of(err) != want {
			t.Errorf("%s: %v", say, err)
		}
	}
	for _, s := range served {
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	}
	if _, err := ingest.Request(ctx, "keyring.v1.register", nil); !errors.Is(err, bus.ErrNobody) {
		t.Errorf("after the end: %v", err)
	}
}

func TestWhatIsDeniedIsSaidSo(t *testing.T) {
	b := bustest.Start(t)
	scan := b.Connect(t, "scan")
	ctx := bustest.Context(t)
	if _, err := scan.Publish(ctx, "items.a", nil); !errors.Is(err, bus.ErrDenied) {
		t.Errorf("publish: %v", err)
	}
	p, err := scan.PublishAsync("items.a", nil)
	if err == nil {
		_, err = p.Wait(ctx)
	}
	if !errors.Is(err, bus.ErrDenied) {
		t.Errorf("async publish: %v", err)
	}
	if _, err := scan.Request(ctx, "keyring.v1.destroy", nil); !errors.Is(err, bus.ErrDenied) {
		t.Errorf("request: %v", err)
	}
	if _, err := scan.Last(ctx, "AUDIT", "audit.v1.Entry.scan"); !errors.Is(err, bus.ErrDenied) {
		t.Errorf("last: %v", err)
	}
	for _, err := range scan.Scan(ctx, "AUDIT", 0) {
		if !errors.Is(err, bus.ErrDenied) {
			t.Errorf("scan: %v", err)
		}
	}
	if _, err := scan.Serve(ctx, "keyring.v1.register", 1, nil); !errors.Is(err, bus.ErrDenied) {
		t.Errorf("serve: %v", err)
	}
}

func TestTheRightServerRefusesTheWrongKey(t *testing.T) {
	b := bustest.Start(t)
	seeds, _ := bustest.Credentials(t)
	_, err := bus.Connect(bustest.Context(t), bus.Options{Local: b.Local, Service: "scan", Seed: seeds["scan"]})
	if !errors.Is(err, bus.ErrDenied) {
		t.Errorf("got %v", err)
	}
}
