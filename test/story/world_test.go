// Package story tells what happens to real mail in the whole system, from the mailbox to
// the certificate of its destruction, in both of Postern's shapes: the same words for one
// process with everything inside and for a fleet on real servers.
package story

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/postern/demo/mailbox"
	"github.com/postern-mail/postern/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// A world is Postern in one of its shapes, with a mailbox that mails have come to.
type world interface {
	// mails are those of the mailbox, in the order in which they came.
	mails() []mailbox.Mail
	// settled waits until all mails are where they stay, and gives their records.
	settled(t *testing.T) map[string]*itemv1.Record
	// advance moves every clock on.
	advance(t *testing.T, by time.Duration)
	// sweep runs retention until nothing is under way any more.
	sweep(t *testing.T)
	// link signs somebody who may do everything in at the desk.
	link(t *testing.T) string
	// vault is where sealed mail is kept, and stored the folder of its files.
	vault(t *testing.T) vault.Store
	stored() string
	// keyFile is a service's signing key, below keys/ of its data folder.
	keyFile(service, name string) string
	// rest ends the services, so that an operator's command finds the log at rest, and gives
	// the configuration for it.
	rest(t *testing.T) (config string)
}

func TestTheStoryInOneProcess(t *testing.T) { tell(t, newOneProcess(t)) }

func TestTheStoryInAFleet(t *testing.T) {
	w := newFleet(t)
	t.Run("every service is one process with one nkey", func(t *testing.T) { identities(t, w.fleet) })
	tell(t, w)
}

// tell tells the whole story; each part stands on the one before.
func tell(t *testing.T, w world) {
	records := w.settled(t)
	if t.Run("mails become tickets", func(t *testing.T) { mailsBecomeTickets(t, w, records) }); t.Failed() {
		return
	}
	agent := program.SignIn(t, w.link(t))
	t.Run("agents read what is clean and masked", func(t *testing.T) { agentsRead(t, w, agent, byName(t, w, records)) })
	t.Run("a month later the originals are destroyed", func(t *testing.T) { originalsAreDestroyed(t, w, agent) })
	t.Run("the log is whole", func(t *testing.T) { logIsWhole(t, w) })
}

// byName gives each record by the name of its mail: mailboxes number mails from one, in
// the order in which they came.
func byName(t *testing.T, w world, records map[string]*itemv1.Record) map[string]*itemv1.Record {
	t.Helper()
	named := map[string]*itemv1.Record{}
	for _, record := range records {
		uid := int(record.GetUid())
		if uid < 1 || uid > len(w.mails()) {
			t.Fatalf("a record has UID %d of %d mails", uid, len(w.mails()))
		}
		named[w.mails()[uid-1].Name] = record
	}
	return named
}

// read gives a whole object.
func read(t *testing.T, store vault.Store, name string) []byte {
	t.Helper()
	body, _, err := store.Get(program.Context(t), name)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	content, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// files gives every file below a folder whose path holds some text.
func files(t *testing.T, folder, part string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.Contains(path, part) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
