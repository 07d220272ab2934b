package promise3

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/signet"
	"github.com/postern-mail/postern/pkg/vault/s3"
	"github.com/postern-mail/postern/pkg/vault/s3/s3test"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/audit"
	"github.com/postern-mail/postern/services/keyring"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/services/retain"
	"github.com/postern-mail/postern/test/program"
)

const (
	raw  = itemv1.LayerKind_LAYER_KIND_RAW
	view = itemv1.LayerKind_LAYER_KIND_VIEW
	pii  = itemv1.LayerKind_LAYER_KIND_PII
)

// month is beyond the 30 days of a customer's original, and within the 180 of masked values.
const month = 32 * 24 * time.Hour

// A copy is every store and the keyring's state as they were at one moment.
type copied struct {
	folder string
	hoard  *hoard
	cell   []byte
}

// copyAll stops the process, copies, and starts it again.
func (w *world) copyAll(t *testing.T, r *running) (copied, *running) {
	t.Helper()
	r.journalled(t)
	c := copied{folder: filepath.Join(t.TempDir(), "copy"), hoard: newHoard()}
	if err := c.hoard.streams(t.Context(), r.Process); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := os.CopyFS(c.folder, os.DirFS(w.data)); err != nil {
		t.Fatal(err)
	}
	var err error
	if c.cell, err = os.ReadFile(filepath.Join(w.data, "keyring", "root.cell")); err != nil {
		t.Fatal(err)
	}
	r = w.start(t)
	maps.Copy(c.hoard.vault, objects(t, r.Vault))
	return c, r
}

func (w *world) present(t *testing.T) (bunch, []byte) {
	t.Helper()
	cell, err := os.ReadFile(filepath.Join(w.data, "keyring", "root.cell"))
	if err != nil {
		t.Fatal(err)
	}
	state, err := unlock(cell, filepath.Join(w.data, "keyring", "state"))
	if err != nil {
		t.Fatal(err)
	}
	return bunchOf(t, state), cell
}

// A story is what was done to which item.
type story struct {
	erased, held string
	before       map[string]*itemv1.Record
}

// expires tells whether a layer of an item must be gone after a month.
func (s story) gone(record *itemv1.Record, layer *itemv1.Layer, now time.Time) bool {
	switch record.GetItem() {
	case s.erased:
		return true
	case s.held:
		return false
	}
	return layer.GetDue().AsTime().Before(now)
}

// destroy erases one item, holds another, and lets a month pass.
func destroy(t *testing.T, r *running, before map[string]*itemv1.Record) story {
	t.Helper()
	s := story{before: before}
	for _, item := range slices.Sorted(maps.Keys(before)) {
		record := before[item]
		if record.GetClass() != "customer" || layerOf(record, view) == nil || layerOf(record, pii) == nil {
			continue
		}
		switch {
		case s.erased == "":
			s.erased = item
		case s.held == "":
			s.held = item
		}
	}
	if s.held == "" {
		t.Fatal("there are not two customers' mails with masked values")
	}
	tool := r.tool(t, "retain")
	if _, err := tool.Client.Hold(t.Context(), &keyringv1.Hold{Hold: "Hcourt", Items: []string{s.held}, Actor: "test", Reason: []byte("sealed")}); err != nil {
		t.Fatal(err)
	}
	service, err := tool.Retain()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := service.EraseItems(t.Context(), []string{s.erased}, "test"); err != nil && !errors.Is(err, retain.ErrPending) {
		t.Fatal(err)
	}
	r.Clock.Advance(month)
	if err := r.SweepWhole(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGoneMeansGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.start(t)
	before := r.settled(t, len(w.box.Mails()))
	old, r := w.copyAll(t, r)
	oldState, err := unlock(old.cell, filepath.Join(old.folder, "keyring", "state"))
	if err != nil {
		t.Fatal(err)
	}
	oldKeys := bunchOf(t, oldState)
	old.hoard.journal(t, r.Process, oldKeys)

	s := destroy(t, r, before)
	now := r.Clock.Now()
	w.offset = month
	fresh, r := w.copyAll(t, r) // the other items move to other buckets: a copy of today has them
	present, cell := w.present(t)
	fresh.hoard.journal(t, r.Process, present)

	destroyed, kept := 0, 0
	for item, record := range before {
		for _, layer := range record.GetLayers() {
			at := sealed{item, layer.GetKind()}
			if !old.hoard.opens(at, oldKeys) {
				t.Errorf("%s %s: the copy with the key root of its own day does not open: this test sees nothing", item, at.kind)
			}
			if s.gone(record, layer, now) {
				destroyed++
				if old.hoard.opens(at, present) || fresh.hoard.opens(at, present) {
					t.Errorf("%s %s: it is destroyed and a copy opens", item, at.kind)
				}
				continue
			}
			kept++
			if !fresh.hoard.opens(at, present) {
				t.Errorf("%s %s: nothing destroyed it and it does not open", item, at.kind)
			}
		}
	}
	if destroyed < 10 || kept < 10 {
		t.Fatalf("%d layers destroyed and %d kept: too few to tell", destroyed, kept)
	}
	if n := unlockAny(cell, filepath.Join(old.folder, "keyring", "state")); n != 0 {
		t.Errorf("the present cell opens %d old state files", n)
	}
	if n := unlockAny(old.cell, filepath.Join(w.data, "keyring", "state")); n != 0 {
		t.Errorf("the old cell opens %d present state files", n)
	}
	t.Run("the old stores beside the present keyring", func(t *testing.T) { restored(t, w, r, old, s, now) })
	t.Run("the old state beside the present cell", func(t *testing.T) { rolledBack(t, old, cell) })
}

// restored runs the system over the old stores with the present keyring, and asks it.
func restored(t *testing.T, w *world, r *running, old copied, s story, now time.Time) {
	r.stop()
	folder := filepath.Join(t.TempDir(), "restored")
	for _, part := range []string{"nats", "vault", "keys", "nkeys"} {
		if err := os.CopyFS(filepath.Join(folder, part), os.DirFS(filepath.Join(old.folder, part))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(folder, "keyring"), os.DirFS(filepath.Join(w.data, "keyring"))); err != nil {
		t.Fatal(err)
	}
	again := &world{data: folder, box: w.box, offset: w.offset}
	p := again.start(t)
	present, _ := again.present(t)
	desk := p.tool(t, "desk").Opener()
	until(t, "the keyring answers", func(ctx context.Context) (bool, error) {
		_, err := p.tool(t, "desk").Client.Status(ctx)
		return err == nil, err
	})
	refused, opened := 0, 0
	for item, record := range s.before {
		for _, kind := range []itemv1.LayerKind{raw, view, pii} {
			layer := layerOf(record, kind)
			if layer == nil {
				continue
			}
			ask := open.Ask{Purpose: keys.ForRead, Layer: kind, Item: item, Actor: "test", Ticket: record.GetTicket()}
			switch kind {
			case raw:
				ask.Purpose, ask.Reason, ask.ApprovedBy = keys.ForBreakglass, []byte("sealed"), "another"
			case pii:
				ask.Purpose, ask.Reason = keys.ForReveal, []byte("sealed")
			}
			key, err := desk.Open(t.Context(), ask)
			key.Clear()
			lives := present.rings[layer.GetBucket()] != nil
			switch {
			case s.gone(record, layer, now) && err == nil:
				t.Errorf("%s %s: the restored system opens what is destroyed", item, kind)
			case lives && err != nil:
				t.Errorf("%s %s: its bucket lives and the restored system does not open it: %v", item, kind, err)
			case err != nil:
				refused++
			default:
				opened++
			}
		}
	}
	if refused == 0 || opened == 0 {
		t.Errorf("%d refused and %d opened: too few to tell", refused, opened)
	}
}

// rolledBack starts a keyring on old state files beside the present cell: it must not serve.
func rolledBack(t *testing.T, old copied, cell []byte) {
	folder := filepath.Join(t.TempDir(), "rolled")
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(old.folder, "keyring"))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "root.cell"), cell, 0o600); err != nil {
		t.Fatal(err)
	}
	if state, err := unlock(cell, filepath.Join(folder, "state")); err == nil {
		t.Errorf("the present cell opens the old state of generation %d", state.GetGeneration())
	}
	disk, err := keyring.NewDisk(folder)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.OpenOffline(t.Context(), disk, folder, keyring.DiskStore(disk)); !errors.Is(err, keyring.ErrCellLost) {
		t.Errorf("a keyring on old state files beside the present cell: %v", err)
	}
}

func TestAHoldKeepsAnItemPastItsDateAndItsReleaseLetsItGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.start(t)
	s := destroy(t, r, r.settled(t, len(w.box.Mails())))
	standing := func() *itemv1.Layer {
		records, err := r.records(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return layerOf(records[s.held], raw)
	}
	layer := standing()
	if layer.GetState() != itemv1.LayerState_LAYER_STATE_PRESENT {
		t.Fatalf("a held item's original is %s after its date", layer.GetState())
	}
	tool := r.tool(t, "retain")
	if _, err := tool.Client.Release(t.Context(), &keyringv1.Release{Hold: "Hcourt", Items: []string{s.held}, Actor: "test"}); err != nil {
		t.Fatal(err)
	}
	if err := r.SweepWhole(t.Context()); err != nil {
		t.Fatal(err)
	}
	if layer := standing(); layer.GetState() != itemv1.LayerState_LAYER_STATE_DESTROYED {
		t.Errorf("after its release it is %s", layer.GetState())
	}
	if _, err := r.Vault.Stat(t.Context(), layer.GetObject()); err == nil {
		t.Error("after its release its object is still there")
	}
	t.Run("certificates", func(t *testing.T) { certificates(t, r, s) })
	t.Run("log", func(t *testing.T) { log(t, r) })
	r.stop()
	file := filepath.Join(t.TempDir(), "postern.yaml")
	if err := os.WriteFile(file, []byte("data_dir: "+w.data+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := program.Run(t, "audit", "verify", "--config", file); code != 0 || !strings.Contains(out, "the audit log is whole") {
		t.Errorf("postern audit verify: %d %s", code, out)
	}
}

// certificates checks every certificate offline, and that no byte of one can be changed.
func certificates(t *testing.T, r *running, s story) {
	keyFile := r.Config.Retain.Key + ".pub"
	public, err := signet.LoadPublic(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	speaks := map[string]int{}
	for name, content := range objects(t, r.Vault) {
		if !strings.HasPrefix(name, "certificates/") {
			continue
		}
		certificate, err := retain.Verify(content, public)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, line := range certificate.Items {
			for item := range s.before {
				if certificate.Speaks(line, item) {
					speaks[item+" "+line.Layer]++
				}
			}
		}
		file := filepath.Join(t.TempDir(), "certificate.json")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, code := program.Run(t, "certificate", "verify", "--key", keyFile, file); code != 0 {
			t.Errorf("%s: %s", name, out)
		}
		for i := range content {
			content[i] ^= 1
			if _, err := retain.Verify(content, public); err == nil {
				t.Fatalf("%s: byte %d of %d was changed and nothing was noticed", name, i, len(content))
			}
			content[i] ^= 1
		}
	}
	for _, layer := range []string{s.erased + " raw", s.erased + " view", s.erased + " pii", s.held + " raw"} {
		if speaks[layer] != 1 {
			t.Errorf("%d certificates speak of %s", speaks[layer], layer)
		}
	}
}

// log checks the audit log, and that no entry and no checkpoint can be changed.
func log(t *testing.T, r *running) {
	conn := r.tool(t, "audit").Conn
	public, err := signet.LoadPublic(r.Config.Audit.Key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := conn.Kept(t.Context(), "AUDIT")
	if err != nil {
		t.Fatal(err)
	}
	var messages []audit.Message
	until(t, "the log is signed to its end", func(ctx context.Context) (bool, error) {
		checkpoints, err := audit.Checkpoints(ctx, conn)
		if err != nil {
			return false, err
		}
		report, err := audit.Verify(audit.Messages(ctx, conn), checkpoints, public)
		return report.Signed >= kept.Last, err
	})
	checkpoints, err := audit.Checkpoints(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	last := checkpoints[len(checkpoints)-1]
	for message, err := range audit.Messages(t.Context(), conn) {
		if err != nil {
			t.Fatal(err)
		}
		if message.Sequence <= last.GetSequence() {
			messages = append(messages, message)
		}
	}
	verify := func() error {
		_, err := audit.Verify(func(yield func(audit.Message, error) bool) {
			for _, m := range messages {
				if !yield(m, nil) {
					return
				}
			}
		}, checkpoints, public)
		return err
	}
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	for i := range messages {
		at := i % len(messages[i].Payload)
		messages[i].Payload[at] ^= 1
		if err := verify(); !errors.Is(err, audit.ErrAltered) {
			t.Fatalf("byte %d of entry %d was changed: %v", at, i+1, err)
		}
		messages[i].Payload[at] ^= 1
	}
	for _, part := range [][]byte{last.Head, last.Signature} {
		for i := range part {
			part[i] ^= 1
			if verify() == nil {
				t.Fatalf("byte %d of a checkpoint was changed and nothing was noticed", i)
			}
			part[i] ^= 1
		}
	}
	last.Sequence--
	if verify() == nil {
		t.Error("a checkpoint of another entry passes")
	}
}

func TestEveryVersionInS3IsGone(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t, s3test.WithVersions())
	w := newWorld(t)
	w.change = func(c *wiring.Config) { useS3(t, c, server) }
	r := w.start(t)
	before := r.settled(t, len(w.box.Mails()))
	client, err := minio.New(server.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(server.AccessKey, server.SecretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	versions := func() map[string]int {
		t.Helper()
		found := map[string]int{}
		for object := range client.ListObjects(t.Context(), server.Bucket, minio.ListObjectsOptions{Recursive: true, WithVersions: true}) {
			if object.Err != nil {
				t.Fatal(object.Err)
			}
			found[object.Key]++
		}
		return found
	}
	// An operator's tool wrote over one original and deleted another: older versions stay.
	var names []string
	for _, record := range before {
		if layer := layerOf(record, raw); record.GetClass() == "customer" && layer.GetObject() != "" {
			names = append(names, layer.GetObject())
		}
	}
	slices.Sort(names)
	if len(names) < 3 {
		t.Fatalf("%d customers' originals in the bucket", len(names))
	}
	if _, err := client.PutObject(t.Context(), server.Bucket, names[0], strings.NewReader("other"), 5, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := client.RemoveObject(t.Context(), server.Bucket, names[1], minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	if seen := versions(); seen[names[0]] != 2 || seen[names[1]] != 2 || seen[names[2]] != 1 {
		t.Fatalf("versions before: %d %d %d, want 2 2 1", seen[names[0]], seen[names[1]], seen[names[2]])
	}
	s := destroy(t, r, before)
	now := r.Clock.Now()
	after := versions()
	destroyed, kept := 0, 0
	for item, record := range before {
		for _, layer := range record.GetLayers() {
			if layer.GetObject() == "" {
				continue
			}
			left := after[layer.GetObject()]
			if s.gone(record, layer, now) {
				destroyed++
				if left != 0 {
					t.Errorf("%s %s: %d versions are left of what is destroyed", item, layer.GetKind(), left)
				}
			} else if kept++; left == 0 {
				t.Errorf("%s %s: nothing destroyed it and it is not there", item, layer.GetKind())
			}
		}
	}
	if destroyed < 10 || kept == 0 {
		t.Errorf("%d objects destroyed and %d kept: too few to tell", destroyed, kept)
	}
}

func useS3(t *testing.T, c *wiring.Config, server s3.Config) {
	t.Helper()
	secret := func(name, value string) config.Secret {
		path := filepath.Join(filepath.Dir(c.DataDir), name)
		if err := os.WriteFile(path, []byte(value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return config.Secret(path)
	}
	c.Vault.Kind = "s3"
	c.Vault.S3 = wiring.S3Config{
		Endpoint: server.Endpoint, Insecure: server.Plaintext, Region: server.Region, Bucket: server.Bucket, PathStyle: server.PathStyle,
		AccessKeyFile: secret("s3-access", server.AccessKey), SecretKeyFile: secret("s3-secret", server.SecretKey),
	}
}
