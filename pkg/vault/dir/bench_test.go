package dir

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/vaulttest"
)

func BenchmarkPut(b *testing.B) {
	for _, writers := range []int{1, 32} {
		for _, size := range []int{25 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("writers=%d/size=%d", writers, size), func(b *testing.B) {
				store := open(b, b.TempDir())
				data := vaulttest.Bytes(size)
				var next atomic.Int64
				b.SetBytes(int64(size))
				b.SetParallelism(max(1, writers/2)) // times GOMAXPROCS
				b.ReportAllocs()
				b.ResetTimer()
				put := func() {
					name := fmt.Sprintf("raw/%016x", uint64(next.Add(1))*0x9E3779B97F4A7C15)
					if _, err := store.Put(b.Context(), name, bytes.NewReader(data), vault.PutOptions{Size: int64(size)}); err != nil {
						b.Fatal(err)
					}
				}
				if writers == 1 {
					for b.Loop() {
						put()
					}
					return
				}
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						put()
					}
				})
			})
		}
	}
}
