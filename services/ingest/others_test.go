package ingest_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/ingest/imaptest"
	"github.com/postern-mail/postern/services/ingest/imaptest/mailserver"
)

// A person is somebody else in the mailbox, or a rule: what they do next is drawn.
type person struct {
	client *imaptest.Client
	random *rand.Rand
	folder string // the one that is open
	sent   int
}

var folders = []string{"INBOX", "Done"}

// act does one thing of what people and rules do.
func (p *person) act() {
	there := p.client.UIDs()
	some := func() string {
		var list []string
		for range 1 + p.random.IntN(5) {
			list = append(list, strconv.FormatUint(uint64(there[p.random.IntN(len(there))]), 10))
		}
		return strings.Join(list, ",")
	}
	action := p.random.IntN(10)
	if len(there) == 0 && action < 6 {
		action = 6
	}
	switch action {
	case 0, 1:
		flag := []string{`\Seen`, `\Flagged`, `\Answered`, "Read"}[p.random.IntN(4)]
		p.client.Do(fmt.Sprintf("UID STORE %s %sFLAGS (%s)", some(), []string{"+", "-", "-", ""}[p.random.IntN(4)], flag))
	case 2, 3:
		p.client.Do(fmt.Sprintf("UID MOVE %s %s", some(), folders[p.random.IntN(2)])) // perhaps to where it is
	case 4:
		p.client.Do(fmt.Sprintf(`UID STORE %s +FLAGS.SILENT (\Deleted)`, some()))
		p.client.Do("EXPUNGE")
	case 5:
		p.client.Do(fmt.Sprintf("UID COPY %s %s", some(), folders[p.random.IntN(2)]))
	case 6, 7, 8:
		for range 1 + p.random.IntN(6) {
			p.sent++
			p.client.Append(folders[p.random.IntN(2)], p.mail())
		}
	case 9:
		p.folder = folders[p.random.IntN(2)]
		p.client.SelectFolder(p.folder)
	}
}

// mail is one that nobody has sent before, and now and then one that everybody sends.
func (p *person) mail() []byte {
	size := []int{1, 200, 3000, 30_000, 300_000}[p.random.IntN(5)]
	name := fmt.Sprint(p.random.Uint64())
	if p.random.IntN(8) == 0 {
		size, name = 200, "the same"
	}
	return fmt.Appendf(nil, "From: c@example.org\r\nMessage-ID: <same@example.org>\r\nSubject: %s\r\n\r\n%s\r\n", name, strings.Repeat("A line.\r\n", size/9))
}

// Several people and rules move, copy, flag, expunge and append in two folders, as they are drawn, while both are
// read. What is on the server at the end is an item under its UID, byte for byte, and no UID is two.
// POSTERN_CHAOS_SEED repeats a run.
func TestChaosPeopleAtWorkInAMailboxLoseAndDoubleNothing(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv("POSTERN_CHAOS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	acts := 60
	if os.Getenv("POSTERN_CHAOS") == "long" {
		acts = 1000
	}
	with := slices.DeleteFunc(slices.Clone(kinds), func(k kind) bool { return !slices.Contains(k.offers, "MOVE") })
	on(t, with, nil, func(t *testing.T, _ kind, server *mailserver.Server) {
		t.Logf("POSTERN_CHAOS_SEED=%d", seed)
		server.Client("ada", "INBOX").Create("Done")
		server.Append("ada", "INBOX", mails(30, 2000)...)
		w := newWorld(t)
		_, stop := w.run(serverConfig(t, server, folders...), w.deps())
		var people []*person
		for i := range uint64(3) {
			people = append(people, &person{client: server.Client("ada", "INBOX"), random: rand.New(rand.NewPCG(seed, i)), folder: "INBOX"})
		}
		for range acts {
			for _, each := range people {
				each.act()
			}
		}
		want := map[string]map[uint32][sha256.Size]byte{}
		for _, folder := range folders {
			want[folder] = server.List("ada", folder)
		}
		w.until("everything that is left is an item", func() bool {
			items := map[string]map[uint32]bool{"INBOX": {}, "Done": {}}
			for _, record := range w.records {
				items[record.Folder][record.Uid] = true
			}
			for folder, there := range want {
				for uid := range there {
					if !items[folder][uid] {
						return false
					}
				}
			}
			return true
		})
		w.until("the cursors are whole", func() bool {
			for _, folder := range w.cursors["support"].GetFolders() {
				highest := slices.Max(append(slices.Collect(maps.Keys(want[folder.Name])), 0))
				if len(folder.Done) != 1 || folder.Done[0].First != 1 || folder.Done[0].Last < highest || len(folder.Troubles) > 0 {
					return false
				}
			}
			return true
		})
		stop()
		for _, folder := range folders {
			items := w.items(folder) // none of them twice, each as it was sealed
			for uid, digest := range want[folder] {
				if items[uid] != digest {
					t.Errorf("%s: mail %d is not the item of its UID", folder, uid)
				}
			}
		}
		for _, record := range w.records {
			if record.Generation != 0 || record.SetAside != nil {
				t.Errorf("%s, mail %d: generation %d, set aside %v", record.Folder, record.Uid, record.Generation, record.SetAside)
			}
		}
		sent := 0
		for _, each := range people {
			sent += each.sent
		}
		t.Logf("%d items; %d mails were appended, %d are left", len(w.records), 30+sent, len(want["INBOX"])+len(want["Done"]))
	})
}
