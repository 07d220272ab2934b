package ingest_test

import (
	"bytes"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/config"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imaptest"
	"github.com/postern-mail/postern/services/ingest/imaptest/courier"
	"github.com/postern-mail/postern/services/ingest/imaptest/mailserver"
)

func TestWhatOthersDoWhileWeReadLosesAndDoublesNothing(t *testing.T) {
	onEach(t, nil, func(t *testing.T, _ kind, server *mailserver.Server) {
		list := mails(240, 900) // more than two FETCHes ask for
		server.Append("ada", "INBOX", list...)
		reader, other := server.Client("ada", "INBOX"), server.Client("ada", "INBOX")
		all := reader.Digests()
		w := newWorld(t)
		registrations := 0
		w.refuse = func(*keyringv1.Register) error {
			switch registrations++; registrations {
			case 5: // of those that were asked for, and of those that were not yet
				other.Do(`UID STORE 1:240 +FLAGS.SILENT (\Seen \Flagged)`)
				other.Do(`UID STORE 60:70,150:160,230:235 +FLAGS.SILENT (\Deleted)`)
				other.Do("EXPUNGE")
			case 20:
				other.Do(`UID STORE 1:240 -FLAGS (\Flagged)`)
				for _, raw := range list[:5] {
					other.Append("INBOX", raw)
				}
			case 130:
				other.Do(`UID STORE 200:205,241 +FLAGS (\Deleted)`)
				other.Do("EXPUNGE")
			}
			return nil
		}
		_, stop := w.run(serverConfig(t, server), w.deps())
		w.until("everything is dealt with", func() bool { return w.dealt(245) })
		stop()
		items := w.items("INBOX")
		for uid, digest := range server.List("ada", "INBOX") {
			if items[uid] != digest {
				t.Errorf("mail %d is on the server and no item of its bytes", uid)
			}
		}
		for uid, digest := range items {
			if want, known := all[uid]; known && want != digest {
				t.Errorf("the item of mail %d holds other bytes", uid)
			}
		}
	})
}

// What Courier gives in the place of a mail whose file is not there: removed, or, for a moment,
// under another name because its flags change.
const notice = "From: System Administrator <root@localhost>\r\nSubject: message unavailable\r\n\r\nThis message is no longer available on the server.\r\n"

func TestANoticeInThePlaceOfAMailIsNotTakenForTheMail(t *testing.T) {
	t.Parallel()
	moved := honest(3)
	true2 := moved[1].Raw
	moved[1].Vary = func(n int) []byte {
		if n <= 2 {
			return []byte(notice)
		}
		return true2
	}
	w := newWorld(t)
	_, stop := w.run(plaintextConfig(t, (&imaptest.Script{Validity: 9, Next: 4, Mails: moved}).Serve(t)), w.deps())
	w.until("all are dealt with", func() bool { return w.dealt(3) })
	stop()
	if !bytes.Equal(w.raw(w.record(2)), true2) {
		t.Error("the notice stands for the mail")
	}

	script := &imaptest.Script{Validity: 9, Next: 4, Mails: honest(3)}
	script.Mails[1].Raw = []byte(notice) // with a size to match
	w = newWorld(t)
	_, stop = w.run(plaintextConfig(t, script.Serve(t)), w.deps())
	w.until("the others are said", func() bool { return len(w.said) == 2 })
	script.Change(func(s *imaptest.Script) { s.Mails = append(s.Mails[:1:1], s.Mails[2:]...) })
	w.until("the cursor is whole", func() bool { return w.dealt(3) })
	stop()
	if len(w.records) != 2 {
		t.Errorf("%d items of two mails", len(w.records))
	}
}

// quietConfig has sessions wait longer for news than a test waits: what is noticed in time was
// announced.
func quietConfig(t *testing.T, server *mailserver.Server) ingest.Config {
	c := serverConfig(t, server)
	c.Silence = config.Duration(time.Second)
	c.Mailboxes[0].Poll = config.Duration(2 * time.Minute)
	if rest := ingest.Rest(c); rest < 110*time.Second {
		t.Fatalf("sessions look by themselves after %v", rest)
	}
	return c
}

func TestEveryServerAnnouncesNewMailToAnIdleSession(t *testing.T) {
	onEach(t, nil, func(t *testing.T, _ kind, server *mailserver.Server) {
		server.Append("ada", "INBOX", mails(1, 300)...)
		w := newWorld(t)
		_, stop := w.run(quietConfig(t, server), w.deps())
		w.until("the first is dealt with", func() bool { return w.dealt(1) })
		for n := uint32(2); n < 6; n++ {
			server.Append("ada", "INBOX", mails(1, 300)...)
			soon := time.AfterFunc(100*time.Second, func() { t.Error("no news within 100 s") })
			w.until("the next is dealt with", func() bool { return w.dealt(n) })
			soon.Stop()
		}
		stop()
		w.matches(server, "INBOX", "INBOX")
	})
}

// A server without IDLE, and Courier without a monitor of files, whose IDLE says nothing for a minute.
func TestWhatNoServerAnnouncesIsFoundByAsking(t *testing.T) {
	test := func(t *testing.T, _ kind, server *mailserver.Server) {
		w := newWorld(t)
		_, stop := w.run(serverConfig(t, server), w.deps())
		for n := uint32(1); n < 5; n++ {
			server.Append("ada", "INBOX", mails(1, 300)...)
			w.until("the next is dealt with", func() bool { return w.dealt(n) })
		}
		stop()
		w.matches(server, "INBOX", "INBOX")
	}
	onEach(t, []string{"IDLE"}, test)
	t.Run("courier unwatched", func(t *testing.T) {
		t.Parallel()
		test(t, kind{}, courier.Start(t, courier.Settings{Unwatched: true}, "ada"))
	})
}

func TestAServerThatIsKilledInTheMiddleOfABodyIsReadOnWhereItWas(t *testing.T) {
	onEach(t, nil, func(t *testing.T, _ kind, server *mailserver.Server) {
		list := slices.Concat(mails(30, 2000), mails(1, 6<<20), mails(30, 2000), mails(1, 200<<10))
		server.Append("ada", "INBOX", list...)
		relay, halted := haltAfter(t, server.Addr, 2<<20)
		c := serverConfig(t, server)
		c.Mailboxes[0].Host, c.Mailboxes[0].Port = split(t, relay)
		w := newWorld(t)
		_, stop := w.run(c, w.deps())
		<-halted
		server.Kill()
		server.Restart()
		w.until("all are dealt with", func() bool { return w.dealt(uint32(len(list))) })
		stop()
		w.matches(server, "INBOX", "INBOX")
		if len(w.records) != len(list) {
			t.Errorf("%d items of %d mails", len(w.records), len(list))
		}
	})
}

// haltAfter stands before a server. After so many bytes from it nothing more comes through on
// that connection, and halted is closed; it ends with the server. Later ones are left alone.
func haltAfter(t *testing.T, server string, limit int64) (address string, halted <-chan struct{}) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	reached := make(chan struct{})
	once := sync.OnceFunc(func() { close(reached) })
	var working sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		working.Wait()
	})
	working.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			working.Go(func() {
				defer client.Close()
				back, err := net.Dial("tcp", server)
				if err != nil {
					return // it is not there just now
				}
				defer back.Close()
				working.Go(func() {
					_, _ = io.Copy(back, client)
					back.Close()
				})
				if n, _ := io.CopyN(client, back, limit); n == limit {
					select {
					case <-reached: // it was another connection
						_, _ = io.Copy(client, back)
					default:
						once()
						_, _ = io.Copy(io.Discard, back)
					}
				}
			})
		}
	})
	return listener.Addr().String(), reached
}
