package s3_test

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"testing"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/s3/s3test"
	"github.com/postern-mail/postern/pkg/vault/vaulttest"
)

func BenchmarkStore(b *testing.B) {
	store := open(b, s3test.Start(b))
	for _, size := range []int{25 << 10, 1 << 20} {
		data := vaulttest.Bytes(size)
		var next atomic.Int64
		name := func(i int64) string { return fmt.Sprintf("raw/%d/%d", size, i) }
		b.Run(fmt.Sprintf("put/size=%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.SetParallelism(8)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := store.Put(b.Context(), name(next.Add(1)), bytes.NewReader(data), vault.PutOptions{}); err != nil {
						b.Error(err)
					}
				}
			})
		})
		b.Run(fmt.Sprintf("get/size=%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.SetParallelism(8)
			var i atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					body, _, err := store.Get(b.Context(), name(i.Add(1)%next.Load()+1))
					if err != nil {
						b.Error(err)
						continue
					}
					if n, err := io.Copy(io.Discard, body); n != int64(size) || err != nil {
						b.Errorf("%d bytes, %v", n, err)
					}
					body.Close()
				}
			})
		})
	}
}
