package promise2

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ProtonMail/gopenpgp/v2/crypto"

	"github.com/postern-mail/postern/pkg/reading/readingtest"
)

// insideSeal stands in what came encrypted, and nowhere else.
const insideSeal = "what nobody saw on its way"

// company is the OpenPGP key that mails are encrypted to.
var company = sync.OnceValues(func() (*crypto.Key, error) {
	return crypto.GenerateKey("Company", "support@ours.example", "x25519", 0)
})

// companyKeys makes the folder of the company's private keys, for OpenPGP and S/MIME.
func companyKeys(t *testing.T) string {
	t.Helper()
	dir := readingtest.CompanyFolder(t)
	key, err := company()
	if err != nil {
		t.Fatal(err)
	}
	ring, err := key.Serialize()
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, "openpgp"), 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "openpgp", "company.pgp"), ring, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// entity is what is encrypted: words with markers, and a file with them.
func entity(t *testing.T) string {
	t.Helper()
	return "Content-Type: multipart/mixed; boundary=inside\r\n\r\n--inside\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + insideSeal + "\r\n" + words(3) +
		"--inside\r\nContent-Type: application/zip\r\nContent-Disposition: attachment; filename=" + mark + "-sealed.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b64(zipped(t)) + "--inside--\r\n"
}

// byOpenPGP is a mail whose content is encrypted (RFC 3156 §4).
func byOpenPGP(t *testing.T) []byte {
	t.Helper()
	key, err := company()
	if err != nil {
		t.Fatal(err)
	}
	ring, err := crypto.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	message, err := ring.Encrypt(crypto.NewPlainMessage([]byte(entity(t))), nil)
	if err != nil {
		t.Fatal(err)
	}
	armored, err := message.GetArmored()
	if err != nil {
		t.Fatal(err)
	}
	return multipart("encrypted; protocol=\"application/pgp-encrypted\"", header("encrypted"),
		part("Content-Type: application/pgp-encrypted", "Version: 1\r\n"), part("Content-Type: application/octet-stream", armored+"\r\n"))
}

// bySMIME is a mail whose content OpenSSL encrypted (RFC 8551 §3.3).
func bySMIME(t *testing.T) []byte {
	t.Helper()
	certificate := filepath.Join(t.TempDir(), "support.pem")
	if err := os.WriteFile(certificate, []byte(readingtest.Encrypted(t, "support.pem")), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "openssl", "cms", "-encrypt", "-binary", "-aes256", "-outform", "DER", certificate)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader([]byte(entity(t))), &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("openssl: %v: %s", err, &errs)
	}
	return []byte(header("encrypted by S/MIME") + "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b64(out.String()))
}
