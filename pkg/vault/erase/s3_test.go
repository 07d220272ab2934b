package erase_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/erase"
	"github.com/postern-mail/postern/pkg/vault/internal/s3client"
	"github.com/postern-mail/postern/pkg/vault/s3"
	"github.com/postern-mail/postern/pkg/vault/s3/s3test"
	"github.com/postern-mail/postern/pkg/vault/vaulttest"
)

func TestEveryVersionAndEveryMarkerIsRemoved(t *testing.T) {
	config := s3test.Start(t, s3test.WithVersions())
	store, eraser := openS3(t, config)
	client := newClient(t, config)
	// As an operator's tool could leave it: a write without a condition adds a
	// version, a deletion without a version adds a marker.
	other, err := minio.New(config.Endpoint, &minio.Options{
		Creds: credentials.NewStaticV4(config.AccessKey, config.SecretKey, ""), BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		t.Fatal(err)
	}
	put(t, store, "raw/a", 6<<20, vault.PutOptions{})
	put(t, store, "raw/ab", 100, vault.PutOptions{})
	for range 2 {
		if err := client.RemoveVersion(t.Context(), s3client.Version{Name: "raw/a"}); err != nil {
			t.Fatal(err)
		}
		if _, err := other.PutObject(t.Context(), config.Bucket, "raw/a", strings.NewReader("x"), 1, minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, "raw/a", eraser.Remains, erase.Report{Versions: 3, Markers: 2})
	expect(t, "raw/a", eraser.Erase, erase.Report{Versions: 3, Markers: 2, Gone: true})
	expect(t, "raw/a", eraser.Remains, erase.Report{Gone: true})
	expect(t, "raw/ab", eraser.Remains, erase.Report{Versions: 1})
}

func TestAnObjectThatOnlyAMarkerHidesIsNotGone(t *testing.T) {
	config := s3test.Start(t, s3test.WithVersions())
	store, eraser := openS3(t, config)
	put(t, store, "raw/a", 100, vault.PutOptions{})
	if err := newClient(t, config).RemoveVersion(t.Context(), s3client.Version{Name: "raw/a"}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Stat(t.Context(), "raw/a"); !errors.Is(err, vault.ErrNotFound) {
		t.Fatalf("the marker does not hide it: %v", err)
	}
	expect(t, "raw/a", eraser.Remains, erase.Report{Versions: 1, Markers: 1})
	expect(t, "raw/a", eraser.Erase, erase.Report{Versions: 1, Markers: 1, Gone: true})
}

func TestUnfinishedUploadsAreRemoved(t *testing.T) {
	config := s3test.Start(t)
	store, eraser := openS3(t, config)
	client := newClient(t, config)
	begin(t, client, "raw/a")
	begin(t, client, "raw/a")
	begin(t, client, "raw/ab")
	put(t, store, "raw/a", 100, vault.PutOptions{})
	expect(t, "raw/a", eraser.Remains, erase.Report{Versions: 1, Uploads: 2})
	expect(t, "raw/a", eraser.Erase, erase.Report{Versions: 1, Uploads: 2, Gone: true})
	expect(t, "raw/ab", eraser.Remains, erase.Report{Uploads: 1})
}

func TestAnUploadThatWasErasedCannotBeCompleted(t *testing.T) {
	config := s3test.Start(t)
	_, eraser := openS3(t, config)
	upload := begin(t, newClient(t, config), "raw/a")
	expect(t, "raw/a", eraser.Erase, erase.Report{Uploads: 1, Gone: true})
	if _, err := upload.Complete(t.Context()); err == nil {
		t.Error("it was completed")
	}
	expect(t, "raw/a", eraser.Remains, erase.Report{Gone: true})
}

func TestASweepTakesOldUploadsUnderItsPrefixAndNothingElse(t *testing.T) {
	config := s3test.Start(t)
	store, eraser := openS3(t, config)
	client := newClient(t, config)
	put(t, store, "raw/done", 100, vault.PutOptions{})
	begin(t, client, "raw/a")
	begin(t, client, "raw/b/c")
	begin(t, client, "view/a")
	sweep := func(prefix string, before time.Time, want int) {
		t.Helper()
		if n, err := eraser.Sweep(t.Context(), prefix, before); n != want || err != nil {
			t.Errorf("swept %d under %q, want %d (%v)", n, prefix, want, err)
		}
	}
	sweep("raw/", time.Now().Add(-time.Hour), 0)
	sweep("raw/", time.Now().Add(time.Hour), 2)
	sweep("raw/", time.Now().Add(time.Hour), 0)
	expect(t, "view/a", eraser.Remains, erase.Report{Uploads: 1})
	expect(t, "raw/done", eraser.Remains, erase.Report{Versions: 1})
}

func TestMoreUploadsThanAPageHoldsAreAllRemoved(t *testing.T) {
	config := s3test.Start(t)
	_, eraser := openS3(t, config)
	client := newClient(t, config)
	const count = 1005
	begin := func(name string) {
		if _, err := client.Begin(t.Context(), name, "token", vault.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range count {
		begin(fmt.Sprintf("raw/%d", i))
	}
	if n, err := eraser.Sweep(t.Context(), "", time.Now().Add(time.Hour)); n != count || err != nil {
		t.Errorf("swept %d of %d (%v)", n, count, err)
	}
	for range count {
		begin("raw/a")
	}
	expect(t, "raw/a", eraser.Erase, erase.Report{Uploads: count, Gone: true})
}

func TestWhatALockHoldsIsReportedAndNotForced(t *testing.T) {
	for _, lock := range []s3.Lock{s3.Governance, s3.Compliance} {
		t.Run(string(lock), func(t *testing.T) {
			store, eraser := openS3(t, s3test.Start(t, s3test.WithLock(lock)))
			until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
			for name, size := range map[string]int{"raw/small": 100, "raw/large": 6 << 20} {
				put(t, store, name, size, vault.PutOptions{RetainUntil: until})
				expect(t, name, eraser.Erase, erase.Report{LockedUntil: until})
				expect(t, name, eraser.Remains, erase.Report{Versions: 1, LockedUntil: until})
				body, _, err := store.Get(t.Context(), name)
				if err != nil {
					t.Fatalf("a locked object is lost: %v", err)
				}
				data, err := io.ReadAll(body)
				body.Close()
				if err != nil || !bytes.Equal(data, vaulttest.Bytes(size)) {
					t.Errorf("a locked object was changed: %v", err)
				}
			}
		})
	}
}

func TestALockThatHasRunOutKeepsNothing(t *testing.T) {
	store, eraser := openS3(t, s3test.Start(t, s3test.WithLock(s3.Compliance)))
	until := time.Now().Add(3 * time.Second).Truncate(time.Second) // a lock has no fractions: what is said after this is said of one that is over
	put(t, store, "raw/a", 100, vault.PutOptions{RetainUntil: until})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		report, err := eraser.Erase(ctx, "raw/a")
		if err == nil && report.Gone {
			break
		}
		if err != nil && time.Now().Before(until) {
			t.Fatalf("while locked: %v", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("it stays: %+v, %v", report, err)
		}
	}
	expect(t, "raw/a", eraser.Remains, erase.Report{Gone: true})
}

func TestAServiceThatDoesNotAnswerIsNeverTakenForGone(t *testing.T) {
	config := s3test.Start(t)
	store, _ := openS3(t, config)
	put(t, store, "raw/a", 100, vault.PutOptions{})

	missing := config
	missing.Bucket = "other"
	stranger := config
	stranger.SecretKey = strings.Repeat("x", 20)
	dead := config
	dead.Endpoint, dead.Tries = "127.0.0.1:1", 1
	for what, config := range map[string]s3.Config{"missing bucket": missing, "wrong key": stranger, "no server": dead} {
		_, eraser := openS3(t, config)
		if report, err := eraser.Erase(t.Context(), "raw/a"); err == nil || report.Gone {
			t.Errorf("%s: erase says %+v, %v", what, report, err)
		}
		if report, err := eraser.Remains(t.Context(), "raw/a"); err == nil || report.Gone {
			t.Errorf("%s: remains says %+v, %v", what, report, err)
		}
		if _, err := eraser.Sweep(t.Context(), "", time.Now()); err == nil {
			t.Errorf("%s: sweep says nothing is wrong", what)
		}
	}
}

func newClient(t *testing.T, config s3.Config) *s3client.Client {
	t.Helper()
	client, err := s3client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// begin begins an upload, stores a part and leaves it.
func begin(t *testing.T, client *s3client.Client, name string) *s3client.Upload {
	t.Helper()
	upload, err := client.Begin(t.Context(), name, "token", vault.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := upload.Part(t.Context(), vaulttest.Bytes(1000)); err != nil {
		t.Fatal(err)
	}
	return upload
}
