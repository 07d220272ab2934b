package ingest_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/corpora"
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
	for _, folder := range []string{"mime", "real", "dkim", "crypto/rfc4134", "crypto/rfc9216"} {
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
