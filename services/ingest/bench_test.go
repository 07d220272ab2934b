package ingest_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/vault/dir"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

// Mails of 25 KB from Dovecot, sealed and stored in a folder that syncs, registered
// by a keyring in memory. One operation is one mail.
func BenchmarkFetchSealStore(b *testing.B) {
	for _, store := range []string{"nowhere", "folder"} {
		b.Run(store, func(b *testing.B) {
			server := dovecot.Start(b, "ada")
			client := server.Client("ada", "INBOX")
			random := rand.NewChaCha8([32]byte{})
			for i := range b.N {
				body := make([]byte, 12_500)
				random.Read(body)
				client.Append("INBOX", fmt.Appendf(nil, "Subject: number %d\r\n\r\n%s", i, bytes.ReplaceAll(fmt.Appendf(nil, "%80x\r\n", body), []byte("00"), []byte("\r\n"))))
			}
			w := newWorld(b)
			w.vault = &drain{}
			if store == "folder" {
				folder, err := dir.Open(b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				defer folder.Close()
				w.vault = folder
			}
			b.ReportAllocs()
			b.ResetTimer()
			began, busy := time.Now(), cpu(b)
			_, stop := w.run(configFor(b, server), w.deps())
			w.until("all are said", func() bool { return len(w.said) == b.N })
			b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "mails/s")
			b.ReportMetric(float64((cpu(b)-busy).Microseconds())/float64(b.N), "cpu-µs/mail")
			stop()
		})
	}
}

// cpu is what this process has used so far: without Dovecot's share.
func cpu(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
