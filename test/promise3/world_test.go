// Package promise3 shows the third promise on the whole system, in both of its shapes: gone
// means gone. It copies every store and the keyring's state, has some of the mail destroyed,
// and then tries to open the copies with what the present root cell gives. It reads cell,
// state and key packets by their published forms, with none of the keyring's own code.
package promise3

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/s3"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/archive"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// A world is Postern in one of its shapes, with a mailbox that mails have come to.
type world interface {
	// mails is how many the mailbox has.
	mails() int
	// as signs in with a credential.
	as(t *testing.T, credential string) *wiring.Tool
	// now is what the services' clocks say, and advance moves them on.
	now() time.Time
	advance(t *testing.T, by time.Duration)
	// hold, release and erase are what people ask for; sweep runs retention until nothing
	// is under way any more.
	hold(t *testing.T, item string) (id string)
	release(t *testing.T, id, item string)
	erase(t *testing.T, item string)
	sweep(t *testing.T)
	// folder holds every file of every store, and keyring, below a folder of that form, the keyring's.
	folder() string
	keyring(folder string) string
	// bucket is where sealed mail is kept; nil where that is a folder.
	bucket(t *testing.T) *s3.Config
	// keyFile is the public half of a service's signing key.
	keyFile(service, name string) string
	// configuration is that of a credential, in which the operator's commands find the log.
	// In one process nothing may run meanwhile.
	configuration(t *testing.T, credential string) string
	// stop ends everything, and start goes on over the same files.
	stop(t *testing.T)
	start(t *testing.T)
	// beside is another Postern: over a copy of the stores, with the keyring of this one.
	// This one is stopped.
	beside(t *testing.T, copy string) world
}

// copyTree copies a folder with all that belongs to its files: S3 gateways keep things beside them.
func copyTree(t *testing.T, to, from string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(program.Context(t), "cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copy: %v %s", err, out)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, met func(ctx context.Context) (bool, error)) {
	t.Helper()
	ctx := program.Context(t)
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		ok, err := met(ctx)
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: it never came (last error: %v)", what, err)
		case <-ticker.C:
		}
	}
}

// settled waits until every mail is a ticket or set aside.
func settled(t *testing.T, w world) map[string]*itemv1.Record {
	t.Helper()
	records, err := fleet.WaitSettled(program.Context(t), w.as(t, topology.Doctor).Conn, w.mails())
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// journalled waits until the journal has every record.
func journalled(t *testing.T, w world) {
	t.Helper()
	tool := w.as(t, "archive")
	kept, err := tool.Conn.Kept(t.Context(), topology.Items)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the journal has every record", func(ctx context.Context) (bool, error) {
		batches, err := archive.Batches(ctx, tool.Vault, topology.Items)
		return len(batches) > 0 && batches[len(batches)-1].Last >= kept.Last, err
	})
}

// objects copies the whole vault, as it shows itself.
func objects(t *testing.T, store vault.Store) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for object, err := range store.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		body, _, err := store.Get(t.Context(), object.Name)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(body)
		_ = body.Close()
		if err != nil {
			t.Fatal(err)
		}
		all[object.Name] = content
	}
	return all
}

func layerOf(record *itemv1.Record, kind itemv1.LayerKind) *itemv1.Layer {
	for _, layer := range record.GetLayers() {
		if layer.GetKind() == kind {
			return layer
		}
	}
	return nil
}
