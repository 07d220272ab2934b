package ingest_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/postern-mail/postern/services/ingest/imaptest"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

// The first connection is cut behind each byte that a server sends, one run a byte.
func TestAConnectionCutBehindAnyByteLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	list := []imaptest.ScriptMail{
		{UID: 1, Raw: []byte("Subject: one\r\n\r\nhorse\r\n")}, {UID: 2, Raw: []byte("Subject: two\r\n\r\n)\r\nT7 OK done\r\n")}, {UID: 3, Raw: []byte("x")},
	}
	script := &imaptest.Script{Validity: 9, Next: 4, Mails: list}
	server := script.Serve(t)
	whole := imaptest.Cut(t, server)
	w := newWorld(t)
	_, stop := w.run(plaintextConfig(t, whole.Addr), w.deps())
	w.until("all are dealt with", func() bool { return w.dealt(3) })
	total := whole.Bytes()
	stop()
	if total < 500 {
		t.Fatalf("a session of %d bytes", total)
	}
	const together = 8
	var cut atomic.Int64
	t.Cleanup(func() {
		// The rest lies behind the last body.
		if t.Logf("%d bytes, of which %d were cut behind", total, cut.Load()); cut.Load() < 500 {
			t.Errorf("%d connections were cut", cut.Load())
		}
	})
	for part := range int64(together) {
		t.Run(fmt.Sprintf("from byte %d", part+1), func(t *testing.T) {
			t.Parallel()
			for offset := part + 1; offset <= total; offset += together {
				proxy := imaptest.Cut(t, server, offset)
				w := newWorld(t)
				_, stop := w.run(plaintextConfig(t, proxy.Addr), w.deps())
				w.until("all are dealt with", func() bool { return w.dealt(3) })
				stop()
				cut.Add(int64(proxy.Done()))
				if len(w.records) != 3 {
					t.Errorf("cut behind byte %d: %d items of 3 mails", offset, len(w.records))
				}
				for _, mail := range list {
					if string(w.raw(w.record(mail.UID))) != string(mail.Raw) {
						t.Errorf("cut behind byte %d: mail %d has other bytes", offset, mail.UID)
					}
				}
			}
		})
	}
}

// A mail that is asked for alone is not known by less than its server says of it, though half of that comes
// time and again.
func TestAnAnswerThatIsCutAgainAndAgainLeavesAMailItsDate(t *testing.T) {
	t.Parallel()
	script := &imaptest.Script{Validity: 9, Next: 2, Mails: []imaptest.ScriptMail{{UID: 1, Raw: []byte("Subject: one\r\n\r\nhorse\r\n")}}}
	server := script.Serve(t)
	whole := imaptest.Cut(t, server)
	w := newWorld(t)
	_, stop := w.run(plaintextConfig(t, whole.Addr), w.deps())
	w.until("it is dealt with", func() bool { return w.dealt(1) })
	total := whole.Bytes()
	stop()
	const together = 8
	for part := range int64(together) {
		t.Run(fmt.Sprintf("from byte %d", part+1), func(t *testing.T) {
			t.Parallel()
			for offset := part + 1; offset <= total; offset += together {
				proxy := imaptest.Cut(t, server, offset, offset, offset, offset)
				w := newWorld(t)
				_, stop := w.run(plaintextConfig(t, proxy.Addr), w.deps())
				w.until("it is dealt with", func() bool { return w.dealt(1) })
				stop()
				if record := w.record(1); !record.InternalDate.AsTime().Equal(scriptDate) || record.SetAside != nil {
					t.Errorf("cut behind byte %d: of %v, set aside %v", offset, record.InternalDate.AsTime(), record.SetAside)
				}
			}
		})
	}
}

// On a real server, at random bytes: 12 of them, or 200 with POSTERN_CHAOS=long.
func TestChaosAConnectionCutAnywhereLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	number := 12
	if os.Getenv("POSTERN_CHAOS") == "long" {
		number = 200
	}
	const batch, large = 20, 400_000
	random := rand.New(rand.NewPCG(7, 7))
	w := newWorld(t)
	done, cut := uint32(0), 0
	for cut < number {
		// Each dozen of cuts meets mails that are new.
		server.Append("ada", "INBOX", slices.Concat(mails(batch, 3000), mails(1, large))...)
		done += batch + 1
		cuts := make([]int64, min(12, number-cut))
		for i := range cuts {
			cuts[i] = 1 + random.Int64N(large) // from the greeting to the middle of the large one
		}
		proxy := imaptest.Cut(t, server.Addr, cuts...)
		c := configFor(t, server)
		c.Mailboxes[0].Host, c.Mailboxes[0].Port = split(t, proxy.Addr)
		_, stop := w.run(c, w.deps())
		w.until("all are in the cursor", func() bool { return w.dealt(done) })
		stop()
		if proxy.Done() == 0 {
			t.Fatal("no connection was cut")
		}
		cut += proxy.Done()
	}
	t.Logf("%d connections were cut", cut)
	w.same(server, "INBOX")
	if len(w.records) != int(done) {
		t.Errorf("%d items of %d mails", len(w.records), done)
	}
}
