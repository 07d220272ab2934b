package bus_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
)

var kilobyte = bytes.Repeat([]byte("x"), 1024)

// onEach runs a benchmark on both servers.
func onEach(b *testing.B, bench func(b *testing.B, s *bustest.Bus)) {
	b.Run("embedded", func(b *testing.B) { bench(b, bustest.Start(b)) })
	b.Run("nats-server", func(b *testing.B) { bench(b, bustest.StartReal(b)) })
}

func BenchmarkPublishSynced(b *testing.B) {
	onEach(b, func(b *testing.B, s *bustest.Bus) {
		c := s.Connect(b, "keyring")
		ctx := b.Context()
		defer bustest.CPU(b)()
		for i := 0; b.Loop(); i++ {
			if _, err := c.Publish(ctx, fmt.Sprint("items.", i), kilobyte, bus.ExpectLastSubjectSeq(0)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPublishSyncedBy16(b *testing.B) {
	onEach(b, func(b *testing.B, s *bustest.Bus) {
		c := s.Connect(b, "keyring")
		var n atomic.Int64
		b.SetParallelism(8) // of two processors
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := c.Publish(b.Context(), fmt.Sprint("items.", n.Add(1)), kilobyte); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

func BenchmarkPublishMail(b *testing.B) {
	onEach(b, func(b *testing.B, s *bustest.Bus) {
		c := s.Connect(b, "ingest")
		defer bustest.CPU(b)()
		window := make(chan *bus.Pending, 256)
		var waiting sync.WaitGroup
		waiting.Go(func() {
			for p := range window {
				if _, err := p.Wait(b.Context()); err != nil {
					b.Error(err)
				}
			}
		})
		for i := 0; b.Loop(); i++ {
			p, err := c.PublishAsync("mail.v1.Received", kilobyte, bus.MsgID(fmt.Sprint(i)))
			if err != nil {
				b.Fatal(err)
			}
			window <- p
		}
		close(window)
		waiting.Wait()
	})
}

func BenchmarkConsumeAndDoubleAck(b *testing.B) {
	onEach(b, func(b *testing.B, s *bustest.Bus) {
		ingest, verify := s.Connect(b, "ingest"), s.Connect(b, "verify")
		fill(b, ingest, b.N)
		ctx, cancel := context.WithCancel(b.Context())
		var n atomic.Int64
		defer bustest.CPU(b)()
		b.ResetTimer()
		err := verify.Consume(ctx, "MAIL", "verify", bus.Limits{Messages: 256}, func(d *bus.Delivery) {
			if err := d.Ack(b.Context()); err != nil {
				b.Error(err)
			}
			if n.Add(1) == int64(b.N) {
				cancel()
			}
		})
		if err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkRequest(b *testing.B) {
	onEach(b, func(b *testing.B, s *bustest.Bus) {
		keyring, verify := s.Connect(b, "keyring"), s.Connect(b, "verify")
		_, err := keyring.Serve(b.Context(), "keyring.v1.status", 64,
			func(context.Context, bus.Request) ([]byte, error) { return kilobyte, nil })
		if err != nil {
			b.Fatal(err)
		}
		defer bustest.CPU(b)()
		for b.Loop() {
			if _, err := verify.Request(b.Context(), "keyring.v1.status", kilobyte); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkLast(b *testing.B) {
	onEach(b, func(b *testing.B, s *bustest.Bus) {
		c := s.Connect(b, "keyring")
		if _, err := c.Publish(b.Context(), "items.1", kilobyte); err != nil {
			b.Fatal(err)
		}
		defer bustest.CPU(b)()
		for b.Loop() {
			if _, err := c.Last(b.Context(), "ITEMS", "items.1"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkScan(b *testing.B) {
	onEach(b, func(b *testing.B, s *bustest.Bus) {
		c := s.Connect(b, "keyring")
		const kept = 2000
		for i := range kept {
			if _, err := c.Publish(b.Context(), fmt.Sprint("items.", i), kilobyte); err != nil {
				b.Fatal(err)
			}
		}
		for b.Loop() {
			n := 0
			for _, err := range c.Scan(b.Context(), "ITEMS", 0) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			if n != kept {
				b.Fatalf("%d messages", n)
			}
		}
		b.ReportMetric(float64(b.N)*kept/b.Elapsed().Seconds(), "msgs/s")
	})
}
