package ingest_test

import (
	"context"
	"maps"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/ingest/imap"
	"github.com/postern-mail/postern/services/ingest/imaptest/mailserver"
)

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

		client.SelectFolder("INBOX")
		client.Remove(box)
		client.Create(box)
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
