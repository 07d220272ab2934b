package keyring

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal/open"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// clients is how many ask at once, as a stage with its mails in flight does.
const clients = 64

// benchmarkMails does one step for many mails at once: prepare runs outside the clock.
func benchmarkMails[T any](b *testing.B, prepare func(i int) T, step func(T) error) {
	b.Helper()
	work := make(chan T, b.N)
	for i := range b.N {
		work <- prepare(i)
	}
	close(work)
	b.SetParallelism(clients / 2) // two cores
	b.ResetTimer()
	before := cpuTime()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := step(<-work); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-µs/mail")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}

// cpuTime is what this process has used: caller and keyring together, and the embedded bus.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// steps benches the record changes and the opens of a mail, on a world.
func steps(b *testing.B, w *world, client func(string) *keys.Client) {
	ctx := context.Background()
	var uid uint32
	registered := func(int) *itemv1.Record {
		uid++
		got, err := client("ingest").Register(ctx, w.registration(uid, "hello"))
		if err != nil {
			b.Fatal(err)
		}
		return got.Record
	}
	filed := func(i int) *itemv1.Record {
		got, err := client("archive").File(ctx, &keyringv1.File{Item: registered(i).Item, Class: "customer", Dues: dues(60)})
		if err != nil {
			b.Fatal(err)
		}
		return got.Record
	}
	b.Run("register", func(b *testing.B) {
		c := client("ingest")
		benchmarkMails(b, func(int) *keyringv1.Register { uid++; return w.registration(uid, "hello") }, func(r *keyringv1.Register) error {
			_, err := c.Register(ctx, r)
			return err
		})
	})
	b.Run("file", func(b *testing.B) {
		c := client("archive")
		benchmarkMails(b, registered, func(r *itemv1.Record) error {
			_, err := c.File(ctx, &keyringv1.File{Item: r.Item, Class: "customer", Dues: dues(60)})
			return err
		})
	})
	b.Run("layers and ticket", func(b *testing.B) {
		c, desk := client("sanitize"), client("desk")
		benchmarkMails(b, func(i int) *keyringv1.Layers {
			r := filed(i)
			return &keyringv1.Layers{Item: r.Item, Layers: []*itemv1.Layer{w.layer(r, view, make([]byte, 8<<10)), w.layer(r, pii, []byte("x"))}}
		}, func(r *keyringv1.Layers) error {
			if _, err := c.Layers(ctx, r); err != nil {
				return err
			}
			_, err := desk.Ticket(ctx, &keyringv1.Ticket{Item: r.Item, Ticket: event.Ticket(r.Item)})
			return err
		})
	})
	b.Run("open", func(b *testing.B) {
		o := open.NewOpener(client("verify"), open.OpenerOptions{})
		benchmarkMails(b, registered, func(r *itemv1.Record) error {
			k, err := o.Open(ctx, open.Ask{Purpose: keys.ForVerify, Layer: raw, Item: r.Item})
			k.Clear()
			return err
		})
	})
}

func BenchmarkStepsInMemory(b *testing.B) {
	w := newWorld(b)
	w.tune = func(c *Config) { c.AuditGather = Defaults().AuditGather }
	w.start()
	steps(b, w, w.client)
}

// The embedded bus syncs every record and every audit entry to disk.
func BenchmarkStepsOnTheBus(b *testing.B) {
	w := newBusWorld(b)
	steps(b, w.world, w.client)
}

type slowDisk struct{ n atomic.Int64 }

func (s *slowDisk) Write(context.Context, *auditv1.Entry) error {
	s.n.Add(1)
	timer := time.NewTimer(300 * time.Microsecond) // a synced publish
	<-timer.C
	return nil
}

func BenchmarkAuditEntriesAreGrouped(b *testing.B) {
	disk := new(slowDisk)
	s := newScribe(disk, Defaults().AuditGather.Std())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go s.run(ctx)
	act := &auditv1.Act{Id: newActID(), Action: "open", Items: []string{fmt.Sprintf("%064d", 1)}}
	b.SetParallelism(128)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.append(ctx, act); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/float64(disk.n.Load()), "acts/entry")
}
