package verify_test

import (
	"os"
	"path/filepath"
	"slices"
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

// A signature that was encrypted with the mail makes the verdict, and the verdict is repeated as long as the key is
// there. When it is gone, that is said; a key that came later changes nothing.
func TestAVerdictThatRestsOnWhatWasEncryptedIsRepeatedWithTheKey(t *testing.T) {
	raw := readingtest.Encrypted(t, "signed-gcm.eml")
	authors := t.TempDir()
	put(t, filepath.Join(authors, "roots", "root.pem"), []byte(readingtest.Encrypted(t, "root.pem")), 0o644)
	roots, err := verify.OpenKeys(authors, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	company := readingtest.CompanyFolder(t)
	empty := t.TempDir()
	store, opener := readingtest.Seal(t, raw)
	worker := func(folder string) *verify.Worker {
		desk := reading.NewDesk(store, reading.DefaultLimits, mail.DefaultLimits).DecryptWith(readingtest.Company(t, folder, time.Now))
		return verify.NewWorker(verify.Config{}, desk, opener, dns.None{}, never, roots, nil)
	}
	judge := func(folder string) *mailv1.Verified {
		t.Helper()
		record := &itemv1.Record{Item: item, Received: timestamppb.New(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))}
		verified, err := worker(folder).Verify(t.Context(), &mailv1.Received{Record: record})
		if err != nil {
			t.Fatal(err)
		}
		return verified
	}
	again := func(folder string, verified *mailv1.Verified) *verifyv1.Replayed {
		t.Helper()
		replayed, err := worker(folder).Replay(t.Context(), &verifyv1.Replay{Item: item, Evidence: verified.GetEvidence(), Actor: "paula"})
		if err != nil {
			t.Fatal(err)
		}
		return replayed
	}

	opened, closed := judge(company), judge(empty)
	if got := opened.GetFindings(); got.GetSenderVerdict() != "authenticated" || !slices.Contains(got.GetSenderReasons(), mailauth.AuthorSignatureGood) {
		t.Errorf("with the key: %v", got)
	}
	if got := closed.GetFindings(); got.GetSenderVerdict() != "unverified" {
		t.Errorf("without: %v", got)
	}
	if got := again(company, opened); len(got.GetDifferences())+len(got.GetKeysGone()) > 0 || got.GetNow().GetVerdict() != "authenticated" {
		t.Errorf("repeated with the key: %v", got)
	}
	if got := again(empty, opened); !slices.Contains(got.GetDifferences(), "encryption") || !slices.Contains(got.GetDifferences(), "verdict") || len(got.GetKeysGone()) != 1 || len(got.GetKeysGone()[0]) != 64 {
		t.Errorf("repeated when the key is gone: %v", got)
	}
	for _, folder := range []string{company, empty} {
		if got := again(folder, closed); len(got.GetDifferences())+len(got.GetKeysGone()) > 0 || got.GetNow().GetVerdict() != "unverified" {
			t.Errorf("a mail that was judged closed: %v", got)
		}
	}
	if err := os.Remove(filepath.Join(company, "smime", "support.pem")); err != nil {
		t.Fatal(err)
	}
	if got := again(company, opened); len(got.GetKeysGone()) != 1 {
		t.Errorf("repeated when the key was removed: %v", got)
	}
}
