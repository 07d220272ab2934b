package keyring

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	auditv1 "github.com/postern-mail/postern/proto/audit/v1"

	"github.com/postern-mail/postern/pkg/keys"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// second runs another keyring on the same folder, which only reads, with a bus and a boot
// clock of its own.
func (w *world) reader(entries Entries) (s *Service, bus *memBus, boot *atomic.Int64, stop func()) {
	w.t.Helper()
	boot, bus = new(atomic.Int64), newMemBus()
	boot.Store(int64(time.Hour))
	cfg := w.service().cfg
	s, err := New(cfg, Deps{
		Records: w.records, Entries: entries, Published: bus, Server: bus, Clock: w.clock, Log: w.log,
		Second: DiskStore(w.second), Boot: func() time.Duration { return time.Duration(boot.Load()) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	}
	bus.await(w.t, func() bool { return len(bus.handlers[subjectOf(keys.OpStatus)]) > 0 })
	return s, bus, boot, stop
}

// through asks another keyring than the world's own.
func (w *world) through(bus *memBus, fn func()) {
	own := w.bus
	w.bus = bus
	defer func() { w.bus = own }()
	fn()
}

func TestAReadersLeaseIsOverAfterTenSecondsWithoutALook(t *testing.T) {
	w := newWorld(t)
	w.start()
	item := w.mail("hello")
	_, bus, boot, stop := w.reader(w.entries)
	defer stop()
	w.through(bus, func() {
		w.mustOpen(item, raw, "hello")
		boot.Add(int64(10*time.Second - 1))
		w.mustOpen(item, raw, "hello")
		boot.Add(1)
		_, err := w.opens(item, raw)
		w.mustRefuse(err, keys.InUse)
	})
}

// slowEntries lets time pass while an entry is written.
type slowEntries struct {
	*memEntries
	pass func()
}

func (s slowEntries) Write(ctx context.Context, e *auditv1.Entry) error {
	s.pass()
	return s.memEntries.Write(ctx, e)
}

func TestAReaderThatWasPausedWhileItOpenedGivesNoKey(t *testing.T) {
	w := newWorld(t)
	w.start()
	item := w.mail("hello")
	var boot *atomic.Int64
	entries := slowEntries{w.entries, func() { boot.Add(int64(11 * time.Second)) }}
	_, bus, clock, stop := w.reader(entries)
	boot = clock
	defer stop()
	w.through(bus, func() {
		_, err := w.opens(item, raw)
		w.mustRefuse(err, keys.InUse)
	})
}

func TestACertificateWaitsForAReaderInThisMachineToo(t *testing.T) {
	w := newWorld(t)
	w.tune = func(c *Config) { c.AttestWait = 1 }
	w.start()
	item := w.mail("hello")
	_, bus, _, stop := w.reader(w.entries)
	w.through(bus, func() { w.mustOpen(item, raw, "hello") })
	retain := w.client("retain")
	if _, err := retain.Erase(t.Context(), &keyringv1.Erase{Request: "r", Items: []string{item}, Actor: "paula"}); err != nil {
		t.Fatal(err)
	}
	w.pastGrace()
	gone := []string{"intake.raw.20261121.1"}
	_, err := retain.Attest(t.Context(), &keyringv1.Attest{Buckets: gone})
	w.mustRefuse(err, keys.InUse)
	stop() // it overwrites what it holds and lets go
	got, err := retain.Attest(t.Context(), &keyringv1.Attest{Buckets: gone})
	if err != nil || !got.Gone[0].Gone {
		t.Errorf("%v, %v", got, err)
	}
}
