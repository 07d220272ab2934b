package keyfolder_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postern-mail/postern/pkg/keyfolder"
	"github.com/postern-mail/postern/pkg/signature"
)

var form = keyfolder.Form{
	Key: "test.keys", Secret: true, Danger: "do harm",
	Kinds: []keyfolder.Kind{{Name: "first", Add: took}, {Name: "second", Add: took}},
}

func took(*signature.Keys, []byte) error { return nil }

func open(dir string) error {
	_, err := keyfolder.Open(dir, form, time.Now, slog.New(slog.DiscardHandler))
	return err
}

func folder(t *testing.T) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	file = filepath.Join(dir, "first", "key")
	if err := os.Mkdir(filepath.Join(dir, "first"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("key"), 0o440); err != nil {
		t.Fatal(err)
	}
	return dir, file
}

// Of files a group may read them, as mounted secrets need it, and nobody may more.
func TestASecretIsKeptFromOthers(t *testing.T) {
	dir, file := folder(t)
	for mode, says := range map[os.FileMode]string{
		0o400: "", 0o440: "", 0o600: "", 0o640: "", 0o444: "may be read by others", 0o401: "may be read by others", 0o620: "may be written by others, who could then do harm", 0o602: "may be written",
	} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if err := open(dir); (err == nil) != (says == "") || err != nil && (!strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "test.keys: ")) {
			t.Errorf("%v: %v", mode, err)
		}
	}
}

// A secret that Kubernetes mounts has folders of mode 1777, to which nobody can write.
func TestAFolderThatNobodyCanWriteToMayLookAsIfTheyCould(t *testing.T) {
	dir, _ := folder(t)
	if err := os.Chmod(filepath.Join(dir, "first"), 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if err := open(dir); err == nil {
		t.Error("a folder that anybody writes to is read")
	}
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Skip("mounting is not allowed here:", err)
	}
	defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
	if err := unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Skip("mounting is not allowed here:", err)
	}
	if err := open(dir); err != nil {
		t.Errorf("mounted to be read: %v", err)
	}
}

func TestWhatEditorsLeaveIsPassedOverAndAnythingElseIsAnError(t *testing.T) {
	dir, _ := folder(t)
	if err := os.WriteFile(filepath.Join(dir, "first", ".key.swp"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := open(dir); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte("key"), 0o400); err != nil {
		t.Fatal(err)
	}
	if err := open(dir); err == nil || !strings.Contains(err.Error(), "keys belong into first or second") {
		t.Error(err)
	}
}
