package erase_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/dir"
	"github.com/postern-mail/postern/pkg/vault/erase"
	"github.com/postern-mail/postern/pkg/vault/internal/dirlayout"
)

func openDir(t *testing.T) (root string, store *dir.Store, eraser erase.Eraser) {
	t.Helper()
	root = t.TempDir()
	store, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if eraser, err = erase.Dir(root); err != nil {
		t.Fatal(err)
	}
	return root, store, eraser
}

// leave writes what a killed writer of that name leaves.
func leave(t *testing.T, root, name string, age time.Duration) {
	t.Helper()
	file, err := os.CreateTemp(dirlayout.Temp(root), dirlayout.TempPrefix(name)+"*")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	then := time.Now().Add(-age)
	if err := os.Chtimes(file.Name(), then, then); err != nil {
		t.Fatal(err)
	}
}

func TestLeftoversOfTheObjectAreRemovedAndThoseOfOthersAreNot(t *testing.T) {
	root, store, eraser := openDir(t)
	put(t, store, "raw/a", 10, vault.PutOptions{})
	leave(t, root, "raw/a", 0)
	leave(t, root, "raw/a", 0)
	leave(t, root, "raw/b", 0)
	expect(t, "raw/a", eraser.Remains, erase.Report{Versions: 1, Uploads: 2})
	expect(t, "raw/a", eraser.Erase, erase.Report{Versions: 1, Uploads: 2, Gone: true})
	expect(t, "raw/b", eraser.Remains, erase.Report{Uploads: 1})
}

func TestTagsWithoutAnObjectAreNotTakenForGone(t *testing.T) {
	root, store, eraser := openDir(t)
	put(t, store, "raw/a", 10, vault.PutOptions{Tags: map[string]string{"class": "support"}})
	if err := os.Remove(dirlayout.Object(root, "raw/a")); err != nil {
		t.Fatal(err)
	}
	expect(t, "raw/a", eraser.Remains, erase.Report{Versions: 1})
	expect(t, "raw/a", eraser.Erase, erase.Report{Gone: true})
}

func TestASweepOfAFolderTakesOldLeftoversOnly(t *testing.T) {
	root, store, eraser := openDir(t)
	put(t, store, "raw/a", 10, vault.PutOptions{})
	leave(t, root, "raw/b", 48*time.Hour)
	leave(t, root, "raw/c", time.Hour)
	if n, err := eraser.Sweep(t.Context(), "raw/", time.Now().Add(-24*time.Hour)); n != 1 || err != nil {
		t.Errorf("swept %d (%v)", n, err)
	}
	expect(t, "raw/b", eraser.Remains, erase.Report{Gone: true})
	expect(t, "raw/c", eraser.Remains, erase.Report{Uploads: 1})
	expect(t, "raw/a", eraser.Remains, erase.Report{Versions: 1})
}

func TestNoNameOfAnErasedObjectStaysInTheTree(t *testing.T) {
	root, store, eraser := openDir(t)
	put(t, store, "raw/0a1b/attempt", 10, vault.PutOptions{Tags: map[string]string{"a": "b"}})
	put(t, store, "view/x", 10, vault.PutOptions{})
	expect(t, "raw/0a1b/attempt", eraser.Erase, erase.Report{Versions: 1, Gone: true})
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if strings.Contains(path, "0a1b") || strings.Contains(path, "attempt") {
			t.Errorf("%s stays", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	put(t, store, "raw/0a1b/other", 10, vault.PutOptions{}) // its folders are made anew
	expect(t, "view/x", eraser.Remains, erase.Report{Versions: 1})
}

func TestAnObjectThatIsErasedWhileItIsWrittenDoesNotAppear(t *testing.T) {
	_, store, eraser := openDir(t)
	reading, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := store.Put(t.Context(), "raw/a", reading, vault.PutOptions{})
		done <- err
	}()
	if _, err := writer.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	expect(t, "raw/a", eraser.Erase, erase.Report{Uploads: 1, Gone: true})
	writer.Close()
	if err := <-done; err == nil {
		t.Error("the writer was told that it is stored")
	}
	expect(t, "raw/a", eraser.Remains, erase.Report{Gone: true})
}

func TestAFolderThatIsNoVaultHasNoEraser(t *testing.T) {
	if _, err := erase.Dir(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
