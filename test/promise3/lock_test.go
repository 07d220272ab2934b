package promise3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sys/unix"

	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/vault/s3"
	"github.com/postern-mail/postern/pkg/vault/s3/s3test"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/retain"
)

// A store that locks what it holds refuses to destroy ciphertext by the store's own clock,
// whatever becomes of the keys. Here Postern's clock runs ahead of it.
func TestWhatALockKeepsIsNoiseUntilItsDayAndGoneAfterIt(t *testing.T) {
	for _, lock := range []s3.Lock{s3.Governance, s3.Compliance} {
		t.Run(string(lock), func(t *testing.T) {
			t.Parallel()
			gate := t.TempDir()
			server := s3test.Start(t, s3test.WithLock(lock), s3test.InFolder(gate))
			w := newOneProcess(t, func(w *oneProcess) { w.store = &server })
			l := locked{w, s3Client(t, &server), &server, gate, settled(t, w)}
			l.test(t)
		})
	}
}

// locked is a Postern over a bucket with object lock.
type locked struct {
	*oneProcess
	client *minio.Core
	server *s3.Config
	gate   string // the gateway's folder
	before map[string]*itemv1.Record
}

func (l locked) test(t *testing.T) {
	items := slices.DeleteFunc(dueSoon(l.before), func(item string) bool { return l.before[item].GetState() != itemv1.State_STATE_TICKETED })
	if len(items) < 10 {
		t.Fatalf("%d originals are filed and due within a month: too few to tell", len(items))
	}
	sealed := map[string][]byte{}
	for _, item := range items {
		sealed[item] = l.checkFiled(t, item)
	}
	// One is erased on request, long before its lock ends; the others' time is over by
	// Postern's clock, and not yet by the store's.
	l.erase(t, items[0])
	l.advance(t, month)
	l.sweep(t)
	h := historyOf(t, l.oneProcess, items...)
	l.checkLocked(t, h, items)
	for _, item := range items {
		l.checkRefused(t, item)
		if !bytes.Equal(l.object(t, item), sealed[item]) {
			t.Errorf("item %s: its locked object is another than the one that was stored", item)
		}
	}
	// As long as the lock lasts nothing more happens, however often it is looked.
	said := len(h.documents)
	l.advance(t, 27*time.Hour)
	l.sweep(t)
	if again := historyOf(t, l.oneProcess, items...); len(again.documents) != said {
		t.Errorf("%d certificates while the locks last, and there were %d before", len(again.documents), said)
	}
	if t.Failed() {
		return
	}
	for _, item := range items {
		l.endLock(t, item)
	}
	until(t, "every locked object is gone", func(context.Context) (bool, error) {
		l.advance(t, time.Hour+time.Minute) // orphans are swept every hour
		l.sweep(t)
		return len(l.versions(t, items)) == 0, nil
	})
	l.checkUnlocked(t, historyOf(t, l.oneProcess, items...), items)
}

func (l locked) name(item string) string { return layerOf(l.before[item], raw).GetObject() }

func (l locked) due(item string) time.Time { return layerOf(l.before[item], raw).GetDue().AsTime() }

// object reads an original out of the bucket.
func (l locked) object(t *testing.T, item string) []byte {
	t.Helper()
	body, _, _, err := l.client.GetObject(t.Context(), l.server.Bucket, l.name(item), minio.GetObjectOptions{})
	if err != nil {
		t.Fatalf("item %s: its object: %v", item, err)
	}
	defer body.Close()
	content, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// versions are those of some items' originals, delete markers among them.
func (l locked) versions(t *testing.T, items []string) (found []minio.ObjectInfo) {
	t.Helper()
	for _, version := range versions(t, l.client, l.server.Bucket) {
		if slices.ContainsFunc(items, func(item string) bool { return l.name(item) == version.Key }) {
			found = append(found, version)
		}
	}
	return found
}

// checkFiled looks at an original as another client sees it: its tags, and a lock that ends when
// it is due and not a second later.
func (l locked) checkFiled(t *testing.T, item string) []byte {
	t.Helper()
	tags, err := l.client.GetObjectTagging(t.Context(), l.server.Bucket, l.name(item), minio.GetObjectTaggingOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"class": l.before[item].GetClass(), "due": l.due(item).Format(time.DateOnly)}
	if got := tags.ToMap(); !maps.Equal(got, want) {
		t.Errorf("item %s: tags %v, want %v", item, got, want)
	}
	info, err := l.client.StatObject(t.Context(), l.server.Bucket, l.name(item), minio.StatObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Metadata.Get("X-Amz-Object-Lock-Mode"), strings.ToUpper(string(l.server.Lock)); got != want {
		t.Errorf("item %s: lock of mode %q, want %s", item, got, want)
	}
	if ends := lockEnds(t, info); !ends.Equal(l.due(item)) {
		t.Errorf("item %s: its lock ends %v and it is due %v", item, ends, l.due(item))
	}
	if err := l.client.Client.RemoveObject(t.Context(), l.server.Bucket, l.name(item), minio.RemoveObjectOptions{VersionID: info.VersionID}); err == nil {
		t.Fatalf("item %s: the store lets its locked version go: this test sees nothing", item)
	}
	return l.object(t, item)
}

// lockEnds reads a lock's date from an object's headers: the gateway's own document of it is one
// that the client does not read.
func lockEnds(t *testing.T, info minio.ObjectInfo) time.Time {
	t.Helper()
	ends, err := time.Parse(time.RFC3339, info.Metadata.Get("X-Amz-Object-Lock-Retain-Until-Date"))
	if err != nil {
		t.Fatalf("the date of a lock: %v", err)
	}
	return ends
}

// linesOf gives what certificates of a cause say of each item's original.
func (l locked) linesOf(t *testing.T, h history, items []string, causes ...string) map[string][]retain.Gone {
	t.Helper()
	lines := map[string][]retain.Gone{}
	for _, document := range h.documents {
		if !slices.Contains(causes, document.Cause) {
			continue
		}
		for _, line := range document.Items {
			for _, item := range items {
				if line.Layer == "raw" && document.Speaks(line, item) {
					lines[item] = append(lines[item], line)
				}
			}
		}
	}
	return lines
}

// checkLocked holds the certificates against what a lock leaves: keys gone, ciphertext locked
// until a day that is not beyond the due date, and the object there.
func (l locked) checkLocked(t *testing.T, h history, items []string) {
	t.Helper()
	lines := l.linesOf(t, h, items, retain.Expiry, retain.Erasure)
	for _, item := range items {
		if len(lines[item]) != 1 {
			t.Errorf("item %s: %d certificates speak of its original, want one", item, len(lines[item]))
			continue
		}
		line := lines[item][0]
		if line.Keys != "gone" || line.Ciphertext != "locked" || line.Versions != 0 {
			t.Errorf("item %s: keys %q, ciphertext %q, %d versions removed", item, line.Keys, line.Ciphertext, line.Versions)
		}
		day, err := time.Parse(time.DateOnly, line.LockedUntil)
		if err != nil || day.After(l.due(item)) || line.LockedUntil != l.due(item).Format(time.DateOnly) {
			t.Errorf("item %s: locked until %q, and it is due %v", item, line.LockedUntil, l.due(item))
		}
	}
	if found := l.versions(t, items); len(found) != len(items) {
		t.Errorf("%d versions of %d locked originals are there", len(found), len(items))
	}
	after := recordsOf(t, l)
	for _, item := range items {
		if state(after[item]) != destroyed {
			t.Errorf("item %s: its original is %s", item, state(after[item]))
		}
	}
}

// checkRefused asks for the key of what is still there, as a worker and as a person.
func (l locked) checkRefused(t *testing.T, item string) {
	t.Helper()
	for credential, ask := range map[string]open.Ask{
		"verify": {Purpose: keys.ForVerify, Layer: raw, Item: item},
		"desk": {
			Purpose: keys.ForBreakglass, Layer: raw, Item: item, Actor: "test", Ticket: l.before[item].GetTicket(),
			Reason: []byte("sealed"), ApprovedBy: "another",
		},
	} {
		key, err := l.as(t, credential).Opener().Open(t.Context(), ask)
		key.Clear()
		if code, refused := keys.RefusalOf(err); !refused || code != keys.Destroyed {
			t.Errorf("item %s: %s asks for its original and gets %v, want %s", item, credential, err, keys.Destroyed)
		}
	}
}

// checkUnlocked holds the certificates against what is left when a lock is over: nothing.
func (l locked) checkUnlocked(t *testing.T, h history, items []string) {
	t.Helper()
	lines := l.linesOf(t, h, items, retain.LockOver)
	for _, item := range items {
		if len(lines[item]) != 1 {
			t.Errorf("item %s: %d certificates say that its ciphertext is gone, want one", item, len(lines[item]))
			continue
		}
		if line := lines[item][0]; line.Keys != "gone" || line.Ciphertext != "gone" || line.Versions != 1 || line.LockedUntil != "" {
			t.Errorf("item %s: %+v", item, line)
		}
		if h.spoken[item+" raw"] != 2 {
			t.Errorf("item %s: %d certificates speak of its original, want two", item, h.spoken[item+" raw"])
		}
	}
}

// endLock has the lock of an original end by the store's clock. Who may lift a lock of
// governance sets it to end in a moment. One of compliance nobody can shorten: for the days that
// pass, its date in the gateway's own files is changed.
func (l locked) endLock(t *testing.T, item string) {
	t.Helper()
	mode := minio.RetentionMode(strings.ToUpper(string(l.server.Lock)))
	soon := time.Now().UTC().Add(2 * time.Second).Truncate(time.Second) // as Postern sets them: the date is told without fractions
	err := l.client.Client.PutObjectRetention(t.Context(), l.server.Bucket, l.name(item),
		minio.PutObjectRetentionOptions{Mode: &mode, RetainUntilDate: &soon, GovernanceBypass: true})
	switch {
	case l.server.Lock == s3.Governance && err != nil:
		t.Fatal(err)
	case l.server.Lock == s3.Governance:
		return
	case err == nil:
		t.Fatal("the store shortens a lock of compliance")
	}
	if err := l.setBack(t, l.name(item), soon); err != nil {
		t.Fatalf("item %s: the date of its lock: %v", item, err)
	}
	info, err := l.client.StatObject(t.Context(), l.server.Bucket, l.name(item), minio.StatObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if ends := lockEnds(t, info); !ends.Equal(soon) {
		t.Fatalf("item %s: its lock still ends %v", item, ends)
	}
}

const retentionAttribute = "user.object-retention"

var retainUntil = regexp.MustCompile(`("RetainUntilDate":")[^"]*(")`)

// setBack changes a lock's date where the gateway keeps it: an attribute of the object's file, or,
// on file systems without those, a file beside it.
func (l locked) setBack(t *testing.T, name string, to time.Time) error {
	t.Helper()
	changed := func(value []byte) []byte {
		return retainUntil.ReplaceAll(value, []byte("${1}"+to.Format(time.RFC3339)+"${2}"))
	}
	path := filepath.Join(l.gate, "objects", l.server.Bucket, name)
	value := make([]byte, 4096)
	if n, err := unix.Getxattr(path, retentionAttribute, value); err == nil {
		return unix.Setxattr(path, retentionAttribute, changed(value[:n]), 0)
	}
	found := errors.New("the gateway keeps it elsewhere")
	err := filepath.WalkDir(filepath.Join(l.gate, "sidecar"), func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.Contains(at, filepath.Base(name)) || !strings.Contains(entry.Name(), "object-retention") {
			return err
		}
		value, err := os.ReadFile(at)
		if err == nil {
			err = os.WriteFile(at, changed(value), 0o600)
		}
		found = err
		return err
	})
	return errors.Join(err, found)
}
