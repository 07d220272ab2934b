package ingest_test

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

// A drain is a store that keeps nothing, so that what is measured is ingest's.
type drain struct {
	mu    sync.Mutex
	bytes int64
}

func (d *drain) Put(_ context.Context, name string, body io.Reader, _ vault.PutOptions) (vault.Object, error) {
	n, err := io.CopyBuffer(onlyWriter{io.Discard}, body, make([]byte, 32<<10))
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bytes += n
	return vault.Object{Name: name, Size: n}, err
}

type onlyWriter struct{ io.Writer }

// peak samples the heap until it is stopped, and gives the highest use above the start's.
func peak() (stop func() int64) {
	use := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse)
	}
	runtime.GC()
	start, highest := use(), int64(0)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			highest = max(highest, use()-start)
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	return func() int64 {
		close(done)
		<-ended
		return highest
	}
}

// Not parallel: it measures the process.
func TestMemoryDoesNotGrowWithTheSizeOfAMail(t *testing.T) {
	const bound = 12 << 20 // for a mail of 50 MB that would take 50 or more if it were held
	for _, size := range []int{1 << 20, 10 << 20, 50<<20 - 4096} {
		server := dovecot.Start(t, "ada")
		raw := append([]byte("Subject: large\r\n\r\n"), bytes.Repeat([]byte("0123456789abcdef0123456789abcde\r\n"), size/33)...)
		server.Append("ada", "INBOX", raw)
		raw = nil
		w := newWorld(t)
		store := &drain{}
		w.vault = store
		stop := peak()
		_, end := w.run(configFor(t, server), w.deps())
		w.until("it is said", func() bool { return len(w.said) == 1 })
		highest := stop()
		end()
		t.Logf("mail of %d bytes: heap rose by %d", size, highest)
		if highest > bound {
			t.Errorf("mail of %d bytes: heap rose by %d, more than %d", size, highest, bound)
		}
		if store.bytes < int64(size)-100 {
			t.Errorf("%d bytes were stored of %d", store.bytes, size)
		}
	}
}

func TestTwentyLargeMailsAtOnceStayWithinTheirStreams(t *testing.T) {
	const each = 4 << 20
	server := dovecot.Start(t, "ada")
	client := server.Client("ada", "INBOX")
	raw := append([]byte("Subject: large\r\n\r\n"), bytes.Repeat([]byte("0123456789abcdef0123456789abcde\r\n"), each/33)...)
	c := configFor(t, server)
	c.Mailboxes[0].Folders = nil
	for i := range 20 {
		folder := "F" + string(rune('a'+i))
		client.Create(folder)
		client.Append(folder, raw)
		c.Mailboxes[0].Folders = append(c.Mailboxes[0].Folders, folder)
	}
	raw = nil
	w := newWorld(t)
	w.vault = &drain{}
	stop := peak()
	_, end := w.run(c, w.deps())
	w.until("all are said", func() bool { return len(w.said) == 20 })
	highest := stop()
	end()
	t.Logf("20 mails of %d bytes at once: heap rose by %d", each, highest)
	if highest > 30<<20 {
		t.Errorf("heap rose by %d for 80 MB in 20 streams", highest)
	}
}

func TestIdleTellsOfNewMailLongBeforeThePoll(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	c := configFor(t, server)
	c.Mailboxes[0].Poll = config.Duration(2 * time.Minute) // longer than the test waits
	w := newWorld(t)
	service, stop := w.run(c, w.deps())
	w.until("the folder was looked at", func() bool { return w.revision["support"] == 1 })
	for range 3 {
		before := len(w.said)
		server.Append("ada", "INBOX", mails(1, 200)...)
		w.until("the new mail is said", func() bool { return len(w.said) == before+1 })
	}
	if !service.Status()[0].Idle {
		t.Error("status says that nothing is announced")
	}
	stop()
}
