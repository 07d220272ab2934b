package readmodeltest

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/postern-mail/postern/pkg/readmodel"
)

// Bench measures what a projection and a list cost.
func Bench(b *testing.B, config readmodel.Config) {
	model, err := readmodel.Open(config)
	if err != nil {
		b.Fatal(err)
	}
	defer model.Close()
	value := bytes.Repeat([]byte("x"), 2<<10)
	row := func(tx readmodel.Tx, i uint64) {
		tx.Put(fmt.Sprintf("ticket:%d", i), value)
		tx.Add("open", fmt.Sprint(i), float64(i))
	}
	for _, batch := range []uint64{1, 64} {
		b.Run(fmt.Sprintf("apply/batch=%d", batch), func(b *testing.B) {
			stream := fmt.Sprintf("S%d", batch)
			seq, err := model.Position(b.Context(), stream)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				seq += batch
				err := model.Apply(b.Context(), stream, seq, func(tx readmodel.Tx) error {
					for i := seq - batch; i < seq; i++ {
						row(tx, i%10_000)
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(batch), "ns/message")
		})
	}
	for i := uint64(0); i < 10_000; i += 500 {
		err := model.Change(b.Context(), func(tx readmodel.Tx) error {
			for j := range uint64(500) {
				row(tx, i+j)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.Run("range/50 of 10000", func(b *testing.B) {
		for b.Loop() {
			page, err := model.Range(b.Context(), "open", readmodel.Query{Reverse: true, Limit: 50})
			if err != nil || len(page) != 50 {
				b.Fatal(len(page), err)
			}
		}
	})
	b.Run("count/16 callers", func(b *testing.B) {
		var n atomic.Int64
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := model.Short().Count(b.Context(), fmt.Sprint("k", n.Add(1)%100), minute); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
