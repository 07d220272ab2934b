package signet_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/postern-mail/postern/pkg/signet"
)

func TestAKeyIsMadeOnceAndFoundAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys", "audit.ed25519")
	var group sync.WaitGroup
	keys := make([]ed25519.PrivateKey, 8)
	for i := range keys {
		group.Go(func() {
			key, err := signet.Load(path)
			if err != nil {
				t.Error(err)
			}
			keys[i] = key
		})
	}
	group.Wait()
	for _, key := range keys {
		if !bytes.Equal(key, keys[0]) {
			t.Fatal("two that started together hold different keys")
		}
	}
	if err := os.Remove(path + ".pub"); err != nil {
		t.Fatal(err)
	}
	if _, err := signet.Load(path); err != nil {
		t.Fatal(err)
	}
	public, err := signet.LoadPublic(path + ".pub")
	if err != nil || !public.Equal(keys[0].Public()) {
		t.Errorf("the public half does not fit: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestOpenSSLReadsBothHalves(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is absent")
		}
		t.Skip("openssl is absent")
	}
	path := filepath.Join(t.TempDir(), "key")
	if _, err := signet.Load(path); err != nil {
		t.Fatal(err)
	}
	derived, err := exec.Command(openssl, "pkey", "-in", path, "-pubout").Output()
	if err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(path + ".pub")
	if err != nil || !bytes.Equal(derived, written) {
		t.Errorf("openssl derives\n%s\nand the file is\n%s", derived, written)
	}
}

func TestAFileThatIsNoKeyIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := signet.Load(path); err == nil {
		t.Error("it was taken")
	}
	if content, _ := os.ReadFile(path); string(content) != "hello" {
		t.Error("it was written over")
	}
}

func TestAPublicHalfOfAnotherKeyIsRefused(t *testing.T) {
	one, other := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "other")
	for _, path := range []string{one, other} {
		if _, err := signet.Load(path); err != nil {
			t.Fatal(err)
		}
		if err := signet.Check(path); err != nil {
			t.Errorf("two that belong together: %v", err)
		}
	}
	if err := errors.Join(os.Remove(one+".pub"), os.Rename(other+".pub", one+".pub")); err != nil {
		t.Fatal(err)
	}
	if _, err := signet.Load(one); err == nil {
		t.Error("it was taken")
	}
	if err := signet.Check(one); err == nil || !strings.Contains(err.Error(), "of another key") {
		t.Errorf("it is well: %v", err)
	}
	if err := signet.Check(other); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a half that is missing: %v", err)
	}
}
