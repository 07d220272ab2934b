package mailauth

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/signature"
)

// signers are the keys of the mails in the testdata of package signature.
func signers(t *testing.T) signature.Keys {
	t.Helper()
	var keys signature.Keys
	for path, add := range map[string]func([]byte) error{
		"openpgp/keys.asc": keys.AddOpenPGP, "openpgp/more-keys.asc": keys.AddOpenPGP, "smime/root.pem": keys.AddRoots,
	} {
		text, err := os.ReadFile(filepath.Join("../signature/testdata", path))
		if err != nil {
			t.Fatal(err)
		}
		if err := add(text); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

// Signature wrapping, with signatures that GnuPG and OpenSSL made: each attack is a mail, a page that
// says what it is, and the verdict with reasons. What the attacker wants read is "PAY ME".
func TestAttacksOnSignatures(t *testing.T) {
	mails, err := filepath.Glob("../signature/testdata/attacks/*.eml")
	if err != nil || len(mails) < 45 {
		t.Fatalf("%d attacks (%v)", len(mails), err)
	}
	options := Options{
		Resolver: names(t, map[string]string{"_dmarc.example.com": "v=DMARC1; p=none"}),
		At:       time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), Keys: signers(t),
	}
	for _, path := range mails {
		base := strings.TrimSuffix(path, ".eml")
		t.Run(filepath.Base(base), func(t *testing.T) {
			var texts []string
			for _, extension := range []string{".eml", ".want", ".readme"} {
				text, err := os.ReadFile(base + extension)
				if err != nil || len(text) == 0 {
					t.Fatalf("%s: %d bytes, %v", extension, len(text), err)
				}
				texts = append(texts, string(text))
			}
			got := judged(t, []byte(texts[0]), options)
			if got.Verdict == Verified || got.Verdict == Authenticated {
				t.Errorf("%s %v", got.Verdict, got.Reasons)
			}
			// As it is read for people: what stands within an S/MIME signature is opened.
			opened, _ := signature.Open(t.Context(), mail.Parse([]byte(texts[0]), mail.Limits{}), options.Keys, signature.OpenLimits{}, mail.Limits{})
			if again := Judge(t.Context(), opened, options); again.Verdict == Verified || again.Verdict == Authenticated {
				t.Errorf("opened: %s %v", again.Verdict, again.Reasons)
			}
			want := strings.Fields(texts[1])
			if string(got.Verdict) != want[0] {
				t.Errorf("%s %v, want %s", got.Verdict, got.Reasons, want[0])
			}
			for _, reason := range want[1:] {
				if !slices.Contains(got.Reasons, reason) {
					t.Errorf("%v lack %s", got.Reasons, reason)
				}
			}
		})
	}
}
