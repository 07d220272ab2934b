package retain_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/signet"
	"github.com/postern-mail/postern/services/retain"
)

var (
	issuer = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, ed25519.SeedSize))
	public = issuer.Public().(ed25519.PublicKey)
)

func sample() retain.Certificate {
	when := time.Date(2026, 5, 1, 2, 3, 4, 0, time.UTC)
	salt := bytes.Repeat([]byte{1}, 16)
	return retain.Certificate{
		ID: "C01", Plan: "P01", PlanHash: strings.Repeat("ab", 32), Cause: "expiry",
		Policy: retain.Policy{Name: "standard", Digest: strings.Repeat("cd", 32)},
		Times:  retain.Times{Planned: when, PacketsRemoved: when, KeysForgotten: when, Checked: when},
		Salt:   hex.EncodeToString(salt),
		Items:  []retain.Gone{{Item: retain.ItemDigest(salt, "item"), Layer: "raw", Keys: "gone", Ciphertext: "gone", Versions: 2}},
		Checks: []retain.Check{{Code: "objects_listed", Count: 1, Result: "none left"}},
		Issued: when,
	}
}

func issue(t *testing.T) []byte {
	t.Helper()
	file, err := retain.Issue(sample(), issuer)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestACertificateVerifiesWithThePublicKeyAlone(t *testing.T) {
	got, err := retain.Verify(issue(t), public)
	if err != nil {
		t.Fatal(err)
	}
	if got.Plan != "P01" || got.Issuer != signet.Name(public) || len(got.Items) != 1 || got.Items[0].Versions != 2 {
		t.Errorf("read %+v", got)
	}
}

func TestEveryChangedByteOfACertificateIsCaught(t *testing.T) {
	file := issue(t)
	for i := range file {
		for _, flip := range []byte{1, 0x20, 0x80} {
			changed := bytes.Clone(file)
			changed[i] ^= flip
			if _, err := retain.Verify(changed, public); err == nil {
				t.Fatalf("byte %d of %d changed by %#x and nothing was noticed", i, len(file), flip)
			}
		}
	}
	for name, changed := range map[string][]byte{
		"a space before": append([]byte(" "), file...), "a line after": append(bytes.Clone(file), '\n'),
		"cut": file[:len(file)-1], "empty": nil, "twice": append(bytes.Clone(file), file...),
		"a field more": bytes.Replace(file, []byte(`,"signature"`), []byte(`,"note":"x","signature"`), 1),
	} {
		if _, err := retain.Verify(changed, public); err == nil {
			t.Errorf("%s: nothing was noticed", name)
		}
	}
}

func TestACertificateOfAnotherIssuerIsRefused(t *testing.T) {
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, ed25519.SeedSize))
	if _, err := retain.Verify(issue(t), other.Public().(ed25519.PublicKey)); err == nil {
		t.Error("it was taken")
	}
}

func TestAnItemIsFoundByWhoKnowsItsID(t *testing.T) {
	salt := []byte{0, 1, 2}
	want := sha256.Sum256([]byte{0, 1, 2, 'i', 'd'})
	if got := retain.ItemDigest(salt, "id"); got != hex.EncodeToString(want[:]) {
		t.Errorf("digest %s", got)
	}
}

// openssl is the independent reader: the signature is plain Ed25519 over the prefix and the certificate's bytes.
func TestOpenSSLAgreesAboutTheSignature(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is absent")
		}
		t.Skip("openssl is absent")
	}
	file := issue(t)
	_, rest, _ := bytes.Cut(file, []byte(`{"certificate":`))
	body, tail, _ := bytes.Cut(rest, []byte(`,"signature":"`))
	encoded, _, _ := bytes.Cut(tail, []byte(`"}`))
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// RFC 8410 §4: the fixed SubjectPublicKeyInfo header of an Ed25519 key.
	header, _ := hex.DecodeString("302a300506032b6570032100")
	key := write("key.der", append(header, public...))
	message := write("message", append([]byte("postern destruction certificate v1\n"), body...))
	decode := exec.Command(openssl, "base64", "-d", "-A")
	decode.Stdin = bytes.NewReader(encoded)
	signature, err := decode.Output()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(openssl, "pkeyutl", "-verify", "-pubin", "-inkey", key, "-keyform", "DER", "-rawin",
		"-in", message, "-sigfile", write("signature", signature)).CombinedOutput()
	if err != nil {
		t.Errorf("openssl: %v\n%s", err, out)
	}
}
