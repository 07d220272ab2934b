package inspect

import (
	"io/fs"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// Parse, verify without a DNS, scan without clamd, sanitize and mask, and the
// document: what a mail of the corpora costs on one core.
func BenchmarkInspectRealMails(b *testing.B) {
	files := corpora.Open(b)
	names, err := fs.Glob(files, "real/*/*.txt")
	if err != nil || len(names) != 400 {
		b.Fatalf("%d mails, %v", len(names), err)
	}
	var mails [][]byte
	size := 0
	for _, name := range names {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			b.Fatal(err)
		}
		mails = append(mails, raw)
		size += len(raw)
	}
	o := options{sender: mailauth.Options{Resolver: dns.None{}}, unconfined: true}
	done, err := o.confine(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer done()
	b.SetBytes(int64(size / len(mails)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		document, err := o.inspect(b.Context(), "x", mails[i%len(mails)], time.Now())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := o.encode(document); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}
