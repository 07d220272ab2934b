package readingtest

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/keyfolder"
	"github.com/postern-mail/postern/pkg/reading"
)

// Encrypted gives a mail that OpenSSL encrypted to the keys of CompanyFolder, a file of pkg/signature/testdata/encrypted.
func Encrypted(t testing.TB, name string) string {
	t.Helper()
	at, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(at, "go.work")); err == nil {
			break
		}
		if filepath.Dir(at) == at {
			err = errors.New("tests run within the project")
		}
		at = filepath.Dir(at)
	}
	var content []byte
	if err == nil {
		content, err = os.ReadFile(filepath.Join(at, "pkg/signature/testdata/encrypted", name))
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// CompanyFolder makes a folder of a company's private keys, as decryption.keys names one.
func CompanyFolder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "smime"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "smime", "support.pem"), []byte(Encrypted(t, "support.pem")), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Company opens such a folder.
func Company(t testing.TB, dir string, now func() time.Time) *keyfolder.Folder {
	t.Helper()
	folder, err := reading.OpenKeys(dir, now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return folder
}
