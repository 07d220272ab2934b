package ingest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/corpora"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imap"
	"github.com/postern-mail/postern/services/ingest/imaptest"
	"github.com/postern-mail/postern/services/ingest/imaptest/courier"
	"github.com/postern-mail/postern/services/ingest/imaptest/cyrus"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
	"github.com/postern-mail/postern/services/ingest/imaptest/mailserver"
)

// A kind of mail server. All go through the same tests; what differs between them stands in
// docs/divergences.md.
type kind struct {
	name  string
	start func(t testing.TB, without []string, users ...string) *mailserver.Server
	// offers are the extensions, of those that matter here, that it has in Debian's settings.
	offers []string
}

var kinds = []kind{
	{"dovecot", func(t testing.TB, without []string, users ...string) *mailserver.Server {
		return dovecot.StartWith(t, dovecot.Settings{Without: without}, users...).Server
	}, []string{"IDLE", "UIDPLUS", "MOVE", "CONDSTORE"}},
	{"cyrus", func(t testing.TB, without []string, users ...string) *mailserver.Server {
		return cyrus.Start(t, cyrus.Settings{Without: without}, users...)
	}, []string{"IDLE", "UIDPLUS", "MOVE", "CONDSTORE"}},
	{"courier", func(t testing.TB, without []string, users ...string) *mailserver.Server {
		return courier.Start(t, courier.Settings{Without: without}, users...)
	}, []string{"IDLE", "UIDPLUS"}},
}

// netnews is Cyrus with other names for its folders.
var netnews = kind{"cyrus-netnews", func(t testing.TB, without []string, users ...string) *mailserver.Server {
	return cyrus.Start(t, cyrus.Settings{Netnews: true, Without: without}, users...)
}, []string{"IDLE", "UIDPLUS", "MOVE", "CONDSTORE"}}

// onEach runs a test on every kind of server, which lacks these capabilities and has user ada.
func onEach(t *testing.T, without []string, test func(t *testing.T, kind kind, server *mailserver.Server)) {
	on(t, kinds, without, test)
}

// onEachNaming does so with every way of naming folders.
func onEachNaming(t *testing.T, test func(t *testing.T, kind kind, server *mailserver.Server)) {
	on(t, append(slices.Clone(kinds), netnews), nil, test)
}

func on(t *testing.T, kinds []kind, without []string, test func(t *testing.T, kind kind, server *mailserver.Server)) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			test(t, kind, kind.start(t, without, "ada"))
		})
	}
}

// serverConfig reads folders of ada's.
func serverConfig(t testing.TB, server *mailserver.Server, folders ...string) ingest.Config {
	t.Helper()
	c := ingest.Default()
	host, port := split(t, server.Addr)
	c.Mailboxes = []ingest.Mailbox{{
		ID: "support", Host: host, Port: port, CAFile: server.CAFile, Username: "ada", Folders: folders,
		PasswordFile: secret(t, mailserver.Password), Poll: config.Duration(50 * time.Millisecond),
	}}
	return c
}

// items are the digests of what the items of a folder hold, by UID.
func (w *world) items(folder string) map[uint32][sha256.Size]byte {
	w.t.Helper()
	digests := map[uint32][sha256.Size]byte{}
	for _, record := range w.records {
		if record.Folder == folder {
			if _, twice := digests[record.Uid]; twice {
				w.t.Errorf("%s: two items of mail %d", folder, record.Uid)
			}
			digests[record.Uid] = w.digest(record)
		}
	}
	return digests
}

// matches fails unless a folder's items are its mails, byte for byte.
func (w *world) matches(server *mailserver.Server, folder, asServer string) {
	w.t.Helper()
	if got, want := w.items(folder), server.List("ada", asServer); !maps.Equal(got, want) {
		w.t.Errorf("%s: %d items differ from %d mails on the server", folder, len(got), len(want))
	}
}

func TestEveryServerIsReadUnderEveryProtectionAndRefusesAWrongPassword(t *testing.T) {
	onEach(t, nil, func(t *testing.T, kind kind, server *mailserver.Server) {
		server.Append("ada", "INBOX", mails(1, 500)...)
		offered := server.Client("ada", "INBOX").Capabilities()
		for _, extension := range []string{"IDLE", "UIDPLUS", "MOVE", "CONDSTORE"} {
			if got, want := slices.Contains(offered, extension), slices.Contains(kind.offers, extension); got != want {
				t.Errorf("%s offered: %v, want %v", extension, got, want)
			}
		}
		for _, tls := range []imap.Security{imap.Implicit, imap.StartTLS, imap.Plaintext} {
			c := serverConfig(t, server)
			c.Mailboxes[0].TLS = tls
			if tls != imap.Implicit {
				c.Mailboxes[0].Port = server.Port(server.PlainAddr)
			}
			w := newWorld(t)
			_, stop := w.run(c, w.deps())
			w.until("the mail is said", func() bool { return len(w.said) == 1 })
			stop()
			w.matches(server, "INBOX", "INBOX")
		}
		c := serverConfig(t, server)
		c.Mailboxes[0].PasswordFile = secret(t, "wrong")
		failing(t, c, imap.ErrSignIn)
	})
}

// failing waits until a folder's status names an error.
func failing(t *testing.T, c ingest.Config, want error) {
	t.Helper()
	w := newWorld(t)
	deps := w.deps()
	log := &logbook{world: w} // whose lines wake
	deps.Log = newLog(log)
	service, stop := w.run(c, deps)
	w.until("the trouble is told", func() bool { return strings.Contains(log.text.String(), "folder interrupted") })
	if err := service.Status()[0].LastError; !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
	stop()
}

// Sizes around every boundary at which something changes: nothing, one byte, what is held in
// memory and what streams.
func variedMails() [][]byte {
	list := mails(190, 700)
	for i, size := range []int{60, 61, 1 << 10, 4 << 10, 64 << 10, 256<<10 - 1, 256 << 10, 256<<10 + 18, 1 << 20, 3 << 20} {
		list = append(list, mails(1, size+i)...)
	}
	return list
}

// corpusMails are the raw mails of the corpora: whatever lies in a folder of mails.
func corpusMails(t *testing.T) [][]byte {
	t.Helper()
	files := corpora.Open(t)
	var list [][]byte
	for _, folder := range []string{"mime", "real", "dkim"} {
		err := fs.WalkDir(files, folder, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			raw, err := fs.ReadFile(files, name)
			if len(raw) > 0 { // nothing is no mail to any server
				list = append(list, raw)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// fill appends mails to INBOX and gives those that the server took, in order.
func fill(client *imaptest.Client, list [][]byte) (taken [][]byte, refused int) {
	together := 1
	if slices.Contains(client.Capabilities(), "MULTIAPPEND") {
		together = 20
	}
	for some := range slices.Chunk(list, together) {
		if client.Offer("INBOX", "", some...) {
			taken = append(taken, some...)
			continue
		}
		for _, raw := range some {
			if client.Offer("INBOX", "", raw) {
				taken = append(taken, raw)
			} else {
				refused++
			}
		}
	}
	return taken, refused
}

func withCRLF(raw []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}

// byTheBook tells whether no server changes a mail: ASCII in its header section, and lines (RFC 5322 §2.1)
// to its end, without NUL (RFC 3501 §4.3.1).
func byTheBook(raw []byte) bool {
	head, _, found := bytes.Cut(raw, []byte("\r\n\r\n"))
	lone := bytes.ReplaceAll(raw, []byte("\r\n"), nil)
	return found && bytes.HasSuffix(raw, []byte("\r\n")) && !bytes.ContainsAny(lone, "\r\n\x00") &&
		!bytes.ContainsFunc(head, func(r rune) bool { return r > '~' })
}

func TestEveryMailOnEveryServerBecomesAnItemByteForByte(t *testing.T) {
	list := slices.Concat(variedMails(), corpusMails(t))
	whole := make([][]byte, len(list))
	for i := range list {
		whole[i] = withCRLF(list[i])
	}
	onEach(t, nil, func(t *testing.T, kind kind, server *mailserver.Server) {
		client := server.Client("ada", "INBOX")
		given := list
		if kind.name == "cyrus" { // which refuses all others
			given = whole
		}
		taken, refused := fill(client, given)
		if refused > 0 && !strings.HasPrefix(kind.name, "cyrus") {
			t.Errorf("%d mails refused", refused)
		}
		t.Logf("%d of %d mails refused", refused, len(list))
		w := newWorld(t)
		_, stop := w.run(serverConfig(t, server), w.deps())
		w.until("every mail is dealt with", func() bool { return w.dealt(uint32(len(taken))) })
		stop()
		w.matches(server, "INBOX", "INBOX")
		if len(w.records) != len(taken) || len(w.said) != len(taken) {
			t.Errorf("%d items and %d events of %d mails", len(w.records), len(w.said), len(taken))
		}
		for uid, flags := range client.Flags() {
			if slices.Contains(flags, `\Seen`) {
				t.Errorf("mail %d was marked as seen", uid)
			}
		}
		// What was given to the server is known from elsewhere: a mail by the book is kept as it is.
		checked := 0
		for _, record := range w.records {
			if given := taken[record.Uid-1]; byTheBook(given) {
				checked++
				if !bytes.Equal(w.raw(record), given) {
					t.Errorf("the item of mail %d has other bytes than the server was given", record.Uid)
				}
			}
		}
		if checked < 200 {
			t.Errorf("%d mails were compared with what was given", checked)
		}
	})
}

func TestSizeAndDateAreTheSameAfterARestartOfTheServer(t *testing.T) {
	onEach(t, nil, func(t *testing.T, _ kind, server *mailserver.Server) {
		dates := []string{"21-Nov-2026 12:00:00 +0000", "01-Jan-1990 00:00:01 -1200", "29-Feb-2024 23:59:59 +1400", " 9-Sep-2001 01:46:40 +0000"}
		client := server.Client("ada", "INBOX")
		for i, date := range dates {
			if !client.Offer("INBOX", date, mails(1, 300+i)[0]) {
				t.Fatalf("refused under the date %s", date)
			}
		}
		client.Close() // for which Dovecot would wait
		w := newWorld(t)
		for _, end := range []func(){server.Stop, server.Kill, func() {}} {
			_, stop := w.run(serverConfig(t, server), w.deps())
			w.until("all are dealt with", func() bool { return w.dealt(uint32(len(dates))) })
			stop()
			clear(w.cursors)
			clear(w.revision)
			end()
			server.Restart()
		}
		if len(w.records) != len(dates) {
			t.Errorf("%d items of %d mails", len(w.records), len(dates))
		}
		for _, record := range w.records {
			want, err := time.Parse("_2-Jan-2006 15:04:05 -0700", dates[record.Uid-1])
			if err != nil || !record.InternalDate.AsTime().Equal(want) || record.Generation != 0 {
				t.Errorf("mail %d: date %v, want %v; generation %d", record.Uid, record.InternalDate.AsTime(), want, record.Generation)
			}
		}
	})
}

// recognising is a keyring that knows the mails of a folder which was numbered anew: each old
// item for one mail, by its bytes.
type recognising struct{ *world }

func (r recognising) Register(ctx context.Context, request *keyringv1.Register) (*keyringv1.Recorded, error) {
	if !request.Renumbered {
		return r.world.Register(ctx, request)
	}
	trial := newWorld(r.t)
	trial.key, trial.objects = r.key, r.objects
	made, err := trial.Register(ctx, request)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	digest := trial.digest(made.Record)
	for _, record := range r.records {
		if place := record.Place; place != nil && place.UidValidity == request.UidValidity || record.Folder != request.Folder || record.UidValidity == request.UidValidity {
			continue
		}
		if r.digest(record) == digest {
			record.Place = &itemv1.Place{UidValidity: request.UidValidity, Uid: request.Uid, Generation: request.Generation}
			defer r.mu.Unlock()
			return &keyringv1.Recorded{Record: proto.CloneOf(record)}, nil
		}
	}
	r.mu.Unlock()
	return r.world.Register(ctx, request)
}

func TestAFolderThatIsMadeAnewMakesNoSecondItems(t *testing.T) {
	onEachNaming(t, func(t *testing.T, _ kind, server *mailserver.Server) {
		box := server.Folder("Box")
		client := server.Client("ada", "INBOX")
		client.Create(box)
		old := mails(12, 300)
		server.Append("ada", box, old...)
		client.SelectFolder(box)
		before := client.Validity()
		w := newWorld(t)
		deps := w.deps()
		deps.Registrar = recognising{w}
		_, stop := w.run(serverConfig(t, server, box), deps)
		w.until("all are dealt with", func() bool { return w.dealt(12) })
		stop()

		// Courier's UIDVALIDITY is the second of the clock: until it is another one, the folder is
		// made again.
		for client.Validity() == before {
			client.SelectFolder("INBOX")
			client.Remove(box)
			client.Create(box)
			client.SelectFolder(box)
		}
		slices.Reverse(old)
		server.Append("ada", box, old...)
		server.Append("ada", box, []byte("Subject: new\r\n\r\n"))
		_, stop = w.run(serverConfig(t, server, box), deps)
		w.until("the folder is read anew", func() bool {
			return w.dealt(13) && w.cursors["support"].Folders[0].UidValidity != before
		})
		stop()
		if len(w.records) != 13 {
			t.Errorf("%d items of 13 mails", len(w.records))
		}
		want := server.List("ada", box)
		for _, record := range w.records {
			uid := record.Uid
			if record.Place != nil {
				uid = record.Place.Uid
			}
			if w.digest(record) != want[uid] {
				t.Errorf("the item of mail %d holds other bytes", uid)
			}
		}
	})
}

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

func TestAFolderThatIsNotThereIsSaidSoByEveryServer(t *testing.T) {
	onEachNaming(t, func(t *testing.T, _ kind, server *mailserver.Server) {
		client := server.Client("ada", "INBOX")
		client.Create(server.Folder("Removed"))
		client.Remove(server.Folder("Removed"))
		for _, name := range []string{server.Folder("Missing"), server.Folder("Removed"), server.Folder("Below", "Nothing"), "Elsewhere"} {
			failing(t, serverConfig(t, server, name), imap.ErrNoFolder)
		}
	})
}

// The names of RFC 3501 §5.1.3 in modified UTF-7, and others encoded by hand.
func TestFoldersWithLettersOfAnyNationAndBelowOneAnotherAreRead(t *testing.T) {
	onEachNaming(t, func(t *testing.T, _ kind, server *mailserver.Server) {
		folders := map[string]string{"INBOX": "INBOX"}
		client := server.Client("ada", "INBOX")
		for ours, theirs := range map[string]string{
			"台北":         "&U,BTFw-",
			"日本語 & mehr": "&ZeVnLIqe- &- mehr",
			"Müller":     "M&APw-ller",
		} {
			for _, below := range []bool{false, true} {
				names, encoded := []string{ours}, []string{theirs}
				if below {
					names, encoded = append(names, ours), append(encoded, theirs)
				}
				folders[server.Folder(names...)] = server.Folder(encoded...)
				client.Create(server.Folder(encoded...))
			}
		}
		for _, theirs := range folders {
			server.Append("ada", theirs, mails(2, 300)...)
		}
		w := newWorld(t)
		_, stop := w.run(serverConfig(t, server, slices.Sorted(maps.Keys(folders))...), w.deps())
		w.until("all are said", func() bool { return len(w.said) == 2*len(folders) })
		stop()
		for ours, theirs := range folders {
			w.matches(server, ours, theirs)
		}
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
