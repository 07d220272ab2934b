package inspect_test

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// eicar is the test file of virus scanners (EICAR, 2003), put together so that this file is none.
const eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`

// infected is a MIME entity with the test file attached.
var infected = "Content-Type: multipart/mixed; boundary=inner\r\n\r\n--inner\r\nContent-Type: text/plain\r\n\r\n" + secretWords + "\r\n" +
	"--inner\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=note.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
	base64.StdEncoding.EncodeToString([]byte(eicar)) + "\r\n--inner--\r\n"

// An smimeWorld has a certificate authority of OpenSSL's, in which anna signs and support reads.
type smimeWorld struct {
	t   *testing.T
	dir string
}

func newSMIMEWorld(t *testing.T) *smimeWorld {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is needed for this test: apt-get install openssl")
		}
		t.Skip("openssl is not installed: apt-get install openssl")
	}
	w := &smimeWorld{t: t, dir: t.TempDir()}
	w.put("purpose", "subjectAltName=email:anna@example.com\nextendedKeyUsage=emailProtection\n")
	w.openssl("", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Root", "-days", "36500", "-keyout", "root.key", "-out", "root.pem")
	w.openssl("", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Anna", "-keyout", "anna.key", "-out", "anna.csr")
	w.openssl("", "x509", "-req", "-in", "anna.csr", "-CA", "root.pem", "-CAkey", "root.key", "-extfile", "purpose", "-days", "36500", "-out", "anna.pem")
	for name, kind := range map[string][]string{"support": {"rsa:2048"}, "other": {"rsa:2048"}, "curve": {"ec", "-pkeyopt", "ec_paramgen_curve:P-384"}} {
		w.openssl("", append(append([]string{"req", "-x509", "-newkey"}, kind...), "-nodes", "-subj", "/CN="+name, "-days", "36500", "-keyout", name+".key", "-out", name+".pem")...)
	}
	return w
}

func (w *smimeWorld) put(name, content string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *smimeWorld) file(name string) string {
	w.t.Helper()
	content, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(content)
}

func (w *smimeWorld) openssl(in string, args ...string) string {
	w.t.Helper()
	cmd := exec.Command("openssl", args...)
	var errs strings.Builder
	cmd.Dir, cmd.Stdin, cmd.Stderr = w.dir, strings.NewReader(in), &errs
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("openssl %q: %v: %s", args, err, errs.String())
	}
	return string(out)
}

var ofAnna = []string{"-from", "Anna <anna@example.com>", "-to", "support@example.org", "-subject", "sealed"}

// encrypt encrypts an entity with "openssl cms", by RSA to support where nothing else is said.
func (w *smimeWorld) encrypt(entity string, more ...string) string {
	if len(more) == 0 || !strings.HasSuffix(more[len(more)-1], ".pem") {
		more = append(more, "support.pem")
	}
	return w.openssl(entity, append(append([]string{"cms", "-encrypt", "-binary"}, ofAnna...), more...)...)
}

func (w *smimeWorld) sign(entity string, more ...string) string {
	return w.openssl(entity, append([]string{"cms", "-sign", "-binary", "-signer", "anna.pem", "-inkey", "anna.key"}, more...)...)
}

// decryptionKeys makes a folder of both worlds' keys of support: one of them under a passphrase.
func decryptionKeys(t *testing.T, pgp *pgpWorld, smime *smimeWorld) string {
	t.Helper()
	dir := t.TempDir()
	pgp.gpg("", "--passphrase", "open sesame", "--quick-gen-key", "Locked <locked@example.org>", "future-default", "default", "never")
	for name, content := range map[string]string{
		"openpgp/support.asc":   pgp.gpg("", "--armor", "--export-secret-keys", "support@example.org"),
		"openpgp/locked.asc":    pgp.gpg("", "--passphrase", "open sesame", "--armor", "--export-secret-keys", "locked@example.org"),
		"passphrases/locked":    "open sesame\n",
		"smime/support.pem":     smime.file("support.key") + smime.file("support.pem"),
		"smime/curve.key":       smime.file("curve.key"),
		"smime/certificate.pem": smime.file("curve.pem"),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A sealedMail is what GnuPG or OpenSSL encrypted, and what must become of it: "opened" and reasons, of each piece.
type sealedMail struct {
	name, raw string
	pieces    string // "openpgp opened", "smime opened encryption_without_integrity", "openpgp closed encrypted_message"
	scan      string // verdict
}

func sealedMails(t *testing.T, pgp *pgpWorld, smime *smimeWorld) []sealedMail {
	t.Helper()
	const (
		opened    = "openpgp opened "
		closed    = "openpgp closed encrypted_message"
		damaged   = "openpgp closed encrypted_message_damaged"
		unproven  = "smime opened encryption_without_integrity"
		sOpened   = "smime opened "
		sClosed   = "smime closed encrypted_message"
		suspicion = "suspicious" // the program that is attached to secret
	)
	message := pgp.encrypt(secret)
	cut := pgp.gpg(secret, "--recipient", "support@example.org", "--encrypt")
	binary := func(message string) string {
		return strings.Replace(enveloped(base64.StdEncoding.EncodeToString([]byte(message))), "Content-Disposition: inline", "Content-Transfer-Encoding: base64\r\nContent-Disposition: inline", 1)
	}
	tampered := []byte(cut)
	tampered[len(tampered)-30] ^= 4
	blocks := letter("text/plain; charset=utf-8", "Hello,\r\n\r\n"+pgp.encrypt("first "+secretWords+"\n")+"\r\nand\r\n\r\n"+pgp.gpg("second\n", "--armor", "--recipient", "other@example.org", "--encrypt"))
	signed := smime.sign(secret)
	mails := []sealedMail{
		{"OpenPGP", enveloped(message), opened, suspicion},
		{"OpenPGP, infected", enveloped(pgp.encrypt(infected)), opened, "infected"},
		{"OpenPGP, signed", enveloped(pgp.encrypt(secret, "--local-user", "anna@example.com", "--sign")), opened, suspicion},
		{"OpenPGP, several recipients", enveloped(pgp.encrypt(secret, "--recipient", "other@example.org")), opened, suspicion},
		{"OpenPGP, hidden recipients", enveloped(pgp.encrypt(secret, "--throw-keyids", "--recipient", "other@example.org")), opened, suspicion},
		{"OpenPGP, by a key under a passphrase", enveloped(pgp.gpg(secret, "--armor", "--recipient", "locked@example.org", "--encrypt")), opened, suspicion},
		{"OpenPGP, to another", enveloped(pgp.gpg(secret, "--armor", "--recipient", "other@example.org", "--encrypt")), closed, "encrypted"},
		{"OpenPGP, with a passphrase", enveloped(pgp.gpg(secret, "--armor", "--passphrase", "x", "--symmetric")), closed, "encrypted"},
		{"OpenPGP, without integrity", enveloped(pgp.encrypt(secret, "--rfc2440")), "openpgp closed encrypted_message_unprotected", "encrypted"},
		{"OpenPGP, cut", binary(cut[:len(cut)-20]), damaged, "encrypted"},
		{"OpenPGP, tampered", binary(string(tampered)), damaged, "encrypted"},
		{"OpenPGP, blocks in text", blocks, opened + "," + closed, "encrypted"},
		{"OpenPGP, a file", attached("bill.pdf.exe.gpg", []byte(pgp.gpg("MZ no program", "--recipient", "support@example.org", "--encrypt"))), opened, suspicion},
		{"S/MIME", smime.encrypt(secret), unproven, suspicion},
		{"S/MIME, infected", smime.encrypt(infected, "-aes256"), unproven, "infected"},
		{"S/MIME by openssl smime", smime.openssl(secret, append(append([]string{"smime", "-encrypt", "-binary", "-aes128"}, ofAnna...), "support.pem")...), unproven, suspicion},
		{"S/MIME, OAEP", smime.encrypt(secret, "-aes256", "-recip", "support.pem", "-keyopt", "rsa_padding_mode:oaep"), unproven, suspicion},
		{"S/MIME, authenticated", smime.encrypt(secret, "-aes-256-gcm"), sOpened, suspicion},
		{"S/MIME, on a curve", smime.encrypt(secret, "-aes-128-gcm", "-recip", "curve.pem", "-keyopt", "ecdh_kdf_md:sha256"), sOpened, suspicion},
		{"S/MIME, several recipients", smime.encrypt(secret, "-aes256", "other.pem", "curve.pem", "support.pem"), unproven, suspicion},
		{"S/MIME, to another", smime.encrypt(secret, "-aes256", "other.pem"), sClosed, "encrypted"},
		{"S/MIME, signed and encrypted", smime.encrypt(signed, "-aes256"), unproven, suspicion},
		{"S/MIME, signed around its content", smime.encrypt(smime.sign(secret, "-nodetach"), "-aes-256-gcm"), sOpened, suspicion},
		{"S/MIME, cut", strings.Join(strings.SplitAfter(smime.encrypt(secret, "-aes256"), "\n")[:20], ""), "smime closed encrypted_message_damaged", "encrypted"},
		{"S/MIME within OpenPGP", enveloped(pgp.encrypt(smimeEntity(smime.encrypt(secret, "-aes-256-gcm")))), opened + "," + sOpened, suspicion},
	}
	return mails
}

// smimeEntity is a mail without the fields that say who wrote it.
func smimeEntity(raw string) string { return raw[strings.Index(raw, "MIME-Version"):] }

// piecesOf says of a document what it says of what was encrypted.
func (d document) piecesOf() string {
	var all []string
	for _, p := range d.Encryption {
		state := "closed "
		if p.Opened {
			state = "opened "
		}
		if p.Opened != (p.Key != "") {
			state += "by " + p.Key
		}
		all = append(all, p.Kind+" "+state+p.Reason)
	}
	return strings.Join(all, ",")
}

func TestWhatOthersEncryptedIsOpenedOrSaidWhyNot(t *testing.T) {
	pgp, smime := newPGPWorld(t), newSMIMEWorld(t)
	folder := decryptionKeys(t, pgp, smime)
	for _, m := range sealedMails(t, pgp, smime) {
		d := one(t, m.raw, "--decryption-keys", folder, "--smime-roots", filepath.Join(smime.dir, "root.pem"), "--pgp-keys", pgp.public(), "-")
		if d.piecesOf() != m.pieces || d.Scan.Verdict != m.scan {
			t.Errorf("%s: %q, %s %v", m.name, d.piecesOf(), d.Scan.Verdict, d.Scan.Reasons)
		}
		whole := !strings.Contains(m.pieces, "closed")
		if read := strings.Contains(d.View.Text, "my card is"); whole && !read && !strings.Contains(m.name, "a file") || strings.Contains(d.View.Text, card) || !strings.Contains(m.pieces, "opened") && d.View.Text != "" {
			t.Errorf("%s: view %q", m.name, d.View.Text)
		}
		if signed := strings.Contains(m.name, "signed"); signed != (d.signatures() != "") || signed && !strings.Contains(d.signatures(), "good anna@example.com whole true") {
			t.Errorf("%s: signatures %q", m.name, d.signatures())
		}
		closed := one(t, m.raw, "-")
		if strings.Contains(closed.piecesOf(), "opened") || closed.piecesOf() == "" || strings.Contains(closed.View.Text, "my card") || closed.Scan.Verdict != "encrypted" {
			t.Errorf("%s without keys: %q %s %q", m.name, closed.piecesOf(), closed.Scan.Verdict, closed.View.Text)
		}
	}
}

// public is a file of anna's key alone.
func (w *pgpWorld) public() string {
	return write(w.t, "anna.asc", w.gpg("", "--armor", "--export", "anna@example.com"))
}

func TestAFolderOfKeysThatIsOpenToOthersIsRefused(t *testing.T) {
	folder := decryptionKeys(t, newPGPWorld(t), newSMIMEWorld(t))
	in := func(name string) string { return filepath.Join(folder, name) }
	for _, c := range []struct {
		says         string
		change, undo func() error
	}{
		{"may be read by others", func() error { return os.Chmod(in("smime/support.pem"), 0o644) }, func() error { return os.Chmod(in("smime/support.pem"), 0o600) }},
		{"may be written by others", func() error { return os.Chmod(in("openpgp"), 0o770) }, func() error { return os.Chmod(in("openpgp"), 0o700) }},
		{"keys belong into", func() error { return os.WriteFile(in("support.asc"), nil, 0o600) }, func() error { return os.Remove(in("support.asc")) }},
		{"passphrase that is not in passphrases", func() error { return os.Rename(in("passphrases"), in(".away")) }, func() error { return os.Rename(in(".away"), in("passphrases")) }},
		{"has no certificate", func() error { return os.Rename(in("smime/certificate.pem"), in("smime/.away")) }, func() error { return os.Rename(in("smime/.away"), in("smime/certificate.pem")) }},
		{"no such file", func() error { return os.Rename(folder, folder+".away") }, func() error { return os.Rename(folder+".away", folder) }},
	} {
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		if _, errs, code := run(t, "", "--decryption-keys", folder, "-"); code != 2 || !strings.Contains(errs, c.says) || !strings.Contains(errs, "decryption") {
			t.Errorf("%s: exit %d, %s", c.says, code, errs)
		}
		if err := c.undo(); err != nil {
			t.Fatal(err)
		}
	}
	if _, errs, code := run(t, "", "--decryption-keys", folder, "-"); code != 0 {
		t.Errorf("as it was: %s", errs)
	}
}
