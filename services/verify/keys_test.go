package verify_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/reading/readingtest"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	verifyv1 "github.com/postern-mail/postern/proto/verify/v1"
	"github.com/postern-mail/postern/services/verify"
)

// signedBy is a file of pkg/signature's, which GnuPG and OpenSSL made.
func signedBy(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../pkg/signature/testdata", path))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func put(t *testing.T, path string, content []byte, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
}

func TestAnAuthorsOwnSignatureIsCheckedWithTheKeysOfTheFolder(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "openpgp", "authors.asc"), signedBy(t, "openpgp/keys.asc"), 0o644)
	put(t, filepath.Join(dir, "roots", "root.pem"), signedBy(t, "smime/root.pem"), 0o644)
	put(t, filepath.Join(dir, "openpgp", ".hidden~"), []byte("what an editor left"), 0o644)
	authors, err := verify.OpenKeys(dir, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	resolver, err := dns.ParseZone([]byte(`{"_dmarc.example.com.": {"TXT": ["v=DMARC1; p=none"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"openpgp/detached.eml": "verified", "smime/rsa-detached.eml": "authenticated", "openpgp/revoked-key.eml": "unverified"} {
		store, opener := readingtest.Seal(t, string(signedBy(t, path)))
		desk := reading.NewDesk(store, reading.DefaultLimits, mail.DefaultLimits)
		record := &itemv1.Record{Item: item, Received: timestamppb.New(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))}
		verified, err := verify.NewWorker(verify.Config{}, desk, opener, resolver, never, authors, nil).Verify(t.Context(), &mailv1.Received{Record: record})
		if err != nil {
			t.Fatal(err)
		}
		if got := verified.GetFindings(); got.GetSenderVerdict() != want || want != "unverified" && !slices.Contains(got.GetSenderReasons(), mailauth.AuthorSignatureGood) {
			t.Errorf("%s: %s %v, want %s", path, got.GetSenderVerdict(), got.GetSenderReasons(), want)
		}
		// Years later the folder is empty, and the verdict is what it was.
		later := verify.NewWorker(verify.Config{}, desk, opener, dns.None{}, never, nil, nil)
		again, err := later.Replay(t.Context(), &verifyv1.Replay{Item: item, Evidence: verified.GetEvidence(), Actor: "paula"})
		if err != nil || len(again.GetDifferences()) > 0 || again.GetKeys() != 1 {
			t.Errorf("%s: %v, %v", path, again, err)
		}
	}
}

func TestAFolderOfKeysIsReadAgainAndWhatCannotBeReadChangesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "openpgp", "authors.asc")
	put(t, path, signedBy(t, "openpgp/keys.asc"), 0o644)
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	var log bytes.Buffer
	authors, err := verify.OpenKeys(dir, func() time.Time { return now }, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	knows := func() bool {
		resolver, err := dns.ParseZone([]byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		store, opener := readingtest.Seal(t, string(signedBy(t, "openpgp/detached.eml")))
		worker := verify.NewWorker(verify.Config{}, reading.NewDesk(store, reading.DefaultLimits, mail.DefaultLimits), opener, resolver, never, authors, nil)
		verified, err := worker.Verify(t.Context(), &mailv1.Received{Record: &itemv1.Record{Item: item, Received: timestamppb.New(now)}})
		if err != nil {
			t.Fatal(err)
		}
		return verified.GetFindings().GetSenderVerdict() == "verified"
	}
	if !knows() {
		t.Fatal("the author's key is not known")
	}
	put(t, path, []byte("-----BEGIN PGP nonsense"), 0o644)
	now = now.Add(time.Minute)
	if !knows() || !strings.Contains(log.String(), "authors.asc") {
		t.Errorf("a torn file takes the keys away, or is not told of: %s", &log)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if knows() {
		t.Error("a key that was removed is still believed")
	}
}

func TestAFolderOfKeysThatCannotBeTrustedIsRefused(t *testing.T) {
	good := signedBy(t, "openpgp/keys.asc")
	for says, make := range map[string]func(dir string){
		"no such file":                   func(dir string) { _ = os.Remove(dir) },
		`authors.asc" may be written by`: func(dir string) { put(t, filepath.Join(dir, "openpgp", "authors.asc"), good, 0o666) },
		"it is empty":                    func(dir string) { put(t, filepath.Join(dir, "openpgp", "authors.asc"), nil, 0o644) },
		"key ring":                       func(dir string) { put(t, filepath.Join(dir, "openpgp", "authors.asc"), []byte("hello"), 0o644) },
		"is not read: keys belong into":  func(dir string) { put(t, filepath.Join(dir, "authors.asc"), good, 0o644) },
		"no certificates found":          func(dir string) { put(t, filepath.Join(dir, "roots", "a.pem"), good, 0o644) },
		`openpgp" may be written by`: func(dir string) {
			put(t, filepath.Join(dir, "openpgp", "a"), good, 0o644)
			_ = os.Chmod(filepath.Join(dir, "openpgp"), 0o777)
		},
		`/openpgp/folder" is no file`: func(dir string) { put(t, filepath.Join(dir, "openpgp", "folder", "a"), good, 0o644) },
	} {
		dir := t.TempDir()
		make(dir)
		if _, err := verify.OpenKeys(dir, time.Now, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "verify.keys: ") {
			t.Errorf("want %q, got %v", says, err)
		}
	}
	if keys, err := verify.OpenKeys("", time.Now, nil); err != nil || keys == nil {
		t.Errorf("no folder: %v", err)
	}
}
