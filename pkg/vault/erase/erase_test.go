package erase_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/dir"
	"github.com/postern-mail/postern/pkg/vault/erase"
	"github.com/postern-mail/postern/pkg/vault/memory"
	"github.com/postern-mail/postern/pkg/vault/s3"
	"github.com/postern-mail/postern/pkg/vault/s3/s3test"
	"github.com/postern-mail/postern/pkg/vault/vaulttest"
)

func TestTheEraserOfAMemoryVault(t *testing.T) {
	store := memory.New()
	suite(t, store, erase.Memory(store))
}

func TestTheEraserOfADirectoryVault(t *testing.T) {
	root := t.TempDir()
	store, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	eraser, err := erase.Dir(root)
	if err != nil {
		t.Fatal(err)
	}
	suite(t, store, eraser)
}

func TestTheEraserOfABucketWithoutVersions(t *testing.T) {
	store, eraser := openS3(t, s3test.Start(t))
	suite(t, store, eraser)
}

func TestTheEraserOfABucketWithVersions(t *testing.T) {
	store, eraser := openS3(t, s3test.Start(t, s3test.WithVersions()))
	suite(t, store, eraser)
}

func TestTheEraserOfABucketWithObjectLock(t *testing.T) {
	store, eraser := openS3(t, s3test.Start(t, s3test.WithLock(s3.Compliance)))
	suite(t, store, eraser)
}

func openS3(t *testing.T, config s3.Config) (*s3.Store, erase.Eraser) {
	t.Helper()
	store, err := s3.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	eraser, err := erase.S3(config)
	if err != nil {
		t.Fatal(err)
	}
	return store, eraser
}

// suite tests what every eraser must do, on an empty store.
func suite(t *testing.T, store vault.Store, eraser erase.Eraser) {
	neighbours := []string{"raw/a", "raw/ab", "raw/a.1", "raw/b/c", "x"}
	for _, name := range neighbours {
		put(t, store, name, 10, vault.PutOptions{Tags: map[string]string{"class": "support"}})
	}
	for i, size := range []int{0, 10, 6 << 20} {
		name := fmt.Sprintf("raw/a-%d", i)
		put(t, store, name, size, vault.PutOptions{Tags: map[string]string{"class": "support"}})
		expect(t, name, eraser.Remains, erase.Report{Versions: 1})
		expect(t, name, eraser.Erase, erase.Report{Versions: 1, Gone: true})
		expect(t, name, eraser.Remains, erase.Report{Gone: true})
		expect(t, name, eraser.Erase, erase.Report{Gone: true})
		if _, _, err := store.Get(t.Context(), name); !errors.Is(err, vault.ErrNotFound) {
			t.Errorf("get %s after its erasure: %v", name, err)
		}
		if _, err := store.Stat(t.Context(), name); !errors.Is(err, vault.ErrNotFound) {
			t.Errorf("stat %s after its erasure: %v", name, err)
		}
	}
	expect(t, "raw/never/there", eraser.Erase, erase.Report{Gone: true})
	for _, name := range neighbours {
		expect(t, name, eraser.Remains, erase.Report{Versions: 1})
	}
	for _, name := range []string{"", "raw/../x", "raw/"} {
		if _, err := eraser.Erase(t.Context(), name); !errors.Is(err, vault.ErrName) {
			t.Errorf("erase %q: %v", name, err)
		}
		if _, err := eraser.Remains(t.Context(), name); !errors.Is(err, vault.ErrName) {
			t.Errorf("remains of %q: %v", name, err)
		}
	}
	if n, err := eraser.Sweep(t.Context(), "raw/", time.Now().Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("sweep of nothing: %d, %v", n, err)
	}
	ended := ended(t)
	if report, err := eraser.Erase(ended, "raw/a"); err == nil || report.Gone {
		t.Errorf("under an ended context: %+v, %v", report, err)
	}
	if report, err := eraser.Remains(ended, "raw/a"); err == nil || report.Gone {
		t.Errorf("under an ended context: %+v, %v", report, err)
	}
	expect(t, "raw/a", eraser.Remains, erase.Report{Versions: 1})
	expect(t, "raw/a", eraser.Erase, erase.Report{Versions: 1, Gone: true})
}

func put(t *testing.T, store vault.Store, name string, size int, opts vault.PutOptions) {
	t.Helper()
	if _, err := store.Put(t.Context(), name, bytes.NewReader(vaulttest.Bytes(size)), opts); err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
}
