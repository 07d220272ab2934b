package inspect_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A pgpWorld is a GnuPG home with keys of its own: anna writes, support reads.
type pgpWorld struct {
	t    *testing.T
	home string
	keys string // file with anna's public and support's private key
}

func newPGPWorld(t *testing.T) *pgpWorld {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("gpg is needed for this test: apt-get install gnupg")
		}
		t.Skip("gpg is not installed: apt-get install gnupg")
	}
	home, err := os.MkdirTemp("", "gpg") // t.TempDir is too long for the agent's socket
	if err != nil {
		t.Fatal(err)
	}
	w := &pgpWorld{t: t, home: home}
	t.Cleanup(func() {
		w.command("gpgconf", "--kill", "all").Run() //nolint:errcheck // the agent may not run
		os.RemoveAll(home)
	})
	w.gpg("", "--passphrase", "", "--quick-gen-key", "Anna <anna@example.com>", "rsa2048", "default", "never")
	for _, user := range []string{"Support <support@example.org>", "Other <other@example.org>"} {
		w.gpg("", "--passphrase", "", "--quick-gen-key", user, "future-default", "default", "never")
	}
	w.keys = write(t, "keys.asc", w.gpg("", "--armor", "--export", "anna@example.com")+w.gpg("", "--armor", "--export-secret-keys", "support@example.org"))
	return w
}

func (w *pgpWorld) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "GNUPGHOME="+w.home, "LC_ALL=C")
	return cmd
}

// gpg runs gpg on a text and gives what it prints.
func (w *pgpWorld) gpg(in string, args ...string) string {
	w.t.Helper()
	cmd := w.command("gpg", append([]string{"--batch", "--quiet", "--trust-model", "always", "--pinentry-mode", "loopback"}, args...)...)
	var errs bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader(in), &errs
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("gpg %q: %v: %s", args, err, errs.String())
	}
	return string(out)
}

// encrypt encrypts to support and, where asked, signs as anna.
func (w *pgpWorld) encrypt(text string, more ...string) string {
	return w.gpg(text, append(more, "--armor", "--recipient", "support@example.org", "--encrypt")...)
}

const secretWords = "my card is " + card

// secret is a MIME entity as a mail program encrypts one.
var secret = "Content-Type: multipart/mixed; boundary=inner\r\n\r\n" +
	"--inner\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße, " + secretWords + ".\r\n" +
	"--inner\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"bill.pdf.exe\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
	base64.StdEncoding.EncodeToString([]byte("MZ no program")) + "\r\n--inner--\r\n"

// letter is a mail of anna's with a body of that type.
func letter(contentType, body string) string {
	return "From: Anna <anna@example.com>\r\nTo: support@example.org\r\nSubject: ...\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: " + contentType + "\r\n\r\n" + body
}

// enveloped is a mail whose content is encrypted (RFC 3156 §4).
func enveloped(message string) string {
	return letter(`multipart/encrypted; protocol="application/pgp-encrypted"; boundary=outer`,
		"--outer\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"+
			"--outer\r\nContent-Type: application/octet-stream; name=encrypted.asc\r\nContent-Disposition: inline; filename=encrypted.asc\r\n\r\n"+
			message+"\r\n--outer--\r\n")
}

func partsOf(d document) (parts []string) {
	for _, p := range d.Message.Parts {
		parts = append(parts, p.Path+" "+p.Type)
	}
	return parts
}

func (d document) signatures() string {
	var all []string
	for _, s := range d.Sender.Signatures {
		all = append(all, fmt.Sprintf("%s %s %s %s %v", s.Kind, s.Result, s.Signer, s.Covers, s.MatchesFrom))
	}
	return strings.Join(all, ", ")
}

func TestMailEncryptedByGnuPGIsReadLikeAnyOther(t *testing.T) {
	w := newPGPWorld(t)
	program := sha256.Sum256([]byte("MZ no program"))
	for name, c := range map[string]struct{ raw, signatures, verdict string }{
		"encrypted":                {enveloped(w.encrypt(secret)), "", "unverified"},
		"signed and encrypted":     {enveloped(w.encrypt(secret, "--local-user", "anna@example.com", "--sign")), "openpgp good anna@example.com whole true", "verified"},
		"signed by another":        {enveloped(w.encrypt(secret, "--local-user", "support@example.org", "--sign")), "openpgp mismatch support@example.org whole false", "unverified"},
		"signed by nobody known":   {enveloped(w.encrypt(secret, "--local-user", "other@example.org", "--sign")), "openpgp unknown_key", "unverified"},
		"not compressed":           {enveloped(w.encrypt(secret, "--compress-algo", "none")), "", "unverified"},
		"compressed with bzip2":    {enveloped(w.encrypt(secret, "--compress-algo", "bzip2")), "", "unverified"},
		"to nobody named":          {enveloped(w.encrypt(secret, "--throw-keyids", "--recipient", "other@example.org")), "", "unverified"},
		"with a passphrase beside": {enveloped(w.encrypt(secret, "--passphrase", "x", "--symmetric")), "", "unverified"},
	} {
		d := one(t, c.raw, "--pgp-keys", w.keys, "-")
		want := []string{" multipart/encrypted", "1 application/pgp-encrypted", "2 application/octet-stream", "2 multipart/mixed", "2.1 text/plain", "2.2 application/octet-stream"}
		if !slices.Equal(partsOf(d), want) {
			t.Errorf("%s: parts %q", name, partsOf(d))
			continue
		}
		if p := d.Message.Parts[5]; p.Filename != "bill.pdf.exe" || p.SHA256 != hex.EncodeToString(program[:]) || p.Size != 13 {
			t.Errorf("%s: %+v", name, p)
		}
		if strings.Contains(d.View.Text, card) || !strings.Contains(d.View.Text, "Grüße, my card is") || len(d.View.Masked) != 1 {
			t.Errorf("%s: view %q", name, d.View.Text)
		}
		if d.Scan.Verdict != "suspicious" || !slices.Contains(d.Scan.Reasons, "double_extension") || slices.Contains(d.Scan.Reasons, "encrypted_message") {
			t.Errorf("%s: scan %+v", name, d.Scan)
		}
		var files []string
		for _, a := range d.Attachments {
			files = append(files, a.Path+" "+a.Name+" "+a.Verdict)
		}
		if !slices.Equal(files, []string{"1  clean", "2 encrypted.asc clean", "2.2 bill.pdf.exe suspicious"}) {
			t.Errorf("%s: attachments %q", name, files)
		}
		if !strings.HasPrefix(d.signatures(), c.signatures) || (c.signatures == "") != (d.signatures() == "") || d.Sender.Verdict != c.verdict {
			t.Errorf("%s: %s, signatures %q", name, d.Sender.Verdict, d.signatures())
		}
	}
}

// RFC 3156 §6.1: a signed entity, with its signature beside it, is encrypted as a whole.
func TestASignatureInsideTheEncryptionIsChecked(t *testing.T) {
	w := newPGPWorld(t)
	proof := w.gpg(secret, "--armor", "--local-user", "anna@example.com", "--detach-sign")
	signed := func(entity string) string {
		return enveloped(w.encrypt("Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; micalg=pgp-sha256; boundary=signed\r\n\r\n--signed\r\n" +
			entity + "\r\n--signed\r\nContent-Type: application/pgp-signature\r\n\r\n" + proof + "\r\n--signed--\r\n"))
	}
	if d := one(t, signed(secret), "--pgp-keys", w.keys, "-"); d.signatures() != "openpgp good anna@example.com whole true" || d.Sender.Verdict != "verified" {
		t.Errorf("%s %q", d.Sender.Verdict, d.signatures())
	}
	if d := one(t, signed(strings.Replace(secret, "my card", "no card", 1)), "--pgp-keys", w.keys, "-"); d.signatures() != "openpgp bad anna@example.com whole true" || d.Sender.Verdict != "forged" {
		t.Errorf("changed: %s %q", d.Sender.Verdict, d.signatures())
	}
}

func TestWithoutItsKeyAMailStaysEncrypted(t *testing.T) {
	w := newPGPWorld(t)
	raw := enveloped(w.encrypt(secret))
	other := write(t, "other.asc", w.gpg("", "--armor", "--export-secret-keys", "other@example.org"))
	public := write(t, "public.asc", w.gpg("", "--armor", "--export", "support@example.org"))
	for name, flags := range map[string][]string{"no key": nil, "another key": {"--pgp-keys", other}, "the public key": {"--pgp-keys", public}} {
		d := one(t, raw, append(flags, "-")...)
		if d.Scan.Verdict != "encrypted" || !slices.Contains(d.Scan.Reasons, "encrypted_message") || len(d.Message.Parts) != 3 || d.View.Text != "" {
			t.Errorf("%s: %+v %q %q", name, d.Scan, partsOf(d), d.View.Text)
		}
	}
	binary := strings.Replace(enveloped(base64.StdEncoding.EncodeToString([]byte(w.gpg(secret, "--recipient", "support@example.org", "--encrypt")))),
		"Content-Disposition: inline", "Content-Transfer-Encoding: base64\r\nContent-Disposition: inline", 1)
	if d := one(t, binary, "-"); d.Scan.Verdict != "encrypted" {
		t.Errorf("without armor: %+v", d.Scan)
	}
	if d := one(t, letter("text/plain", "Hello,\r\n\r\n"+w.encrypt("words")), "-"); d.Scan.Verdict != "encrypted" {
		t.Errorf("a text that begins in the clear: %+v", d.Scan)
	}
	w.gpg("", "--passphrase", "secret", "--quick-gen-key", "Locked <locked@example.org>", "future-default", "default", "never")
	locked := write(t, "locked.asc", w.gpg("", "--passphrase", "secret", "--armor", "--export-secret-keys", "locked@example.org"))
	raw = enveloped(w.gpg(secret, "--armor", "--recipient", "locked@example.org", "--encrypt"))
	out, errs, code := run(t, raw, "--pgp-keys", locked, "-")
	if code != 0 || !strings.Contains(errs, "passphrase") || !strings.Contains(out, `"verdict":"encrypted"`) || strings.Contains(out, "my card") {
		t.Errorf("under a passphrase: code %d, %s, %s", code, errs, out)
	}
}

// Every byte of the encrypted data is changed in turn.
func TestNothingOfATamperedMailGetsOut(t *testing.T) {
	w := newPGPWorld(t)
	message := []byte(w.gpg("Content-Type: text/plain\r\n\r\n"+secretWords+"\r\n", "--recipient", "support@example.org", "--encrypt"))
	mailOf := func(message []byte) string {
		return strings.Replace(enveloped(base64.StdEncoding.EncodeToString(message)), "Content-Disposition: inline", "Content-Transfer-Encoding: base64\r\nContent-Disposition: inline", 1)
	}
	if d := one(t, mailOf(message), "--pgp-keys", w.keys, "-"); !strings.Contains(d.View.Text, "my card") {
		t.Fatalf("the mail as it is: %+v %q", d.Scan, d.View.Text)
	}
	dir, paths := t.TempDir(), ""
	for i := range message {
		changed := bytes.Clone(message)
		changed[i] ^= 0x10
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, []byte(mailOf(changed)), 0o600); err != nil {
			t.Fatal(err)
		}
		paths += path + "\n"
	}
	out, errs, code := run(t, "", "--show-masked", "--pgp-keys", w.keys, "--list", write(t, "list", paths))
	if code != 0 {
		t.Fatal(errs)
	}
	opened := 0
	for i, line := range strings.Split(strings.TrimSpace(out), "\n") {
		var d document
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.Contains(d.View.Text, secretWords) && i < 100: // what goes before the data is not covered, and the data is whole
			opened++
		case d.View.Text != "" || d.Scan.Verdict != "encrypted" || len(d.Message.Parts) > 3 || strings.Contains(line, "my card"):
			t.Errorf("byte %d of %d: %s", i, len(message), line)
		}
	}
	if opened > 10 {
		t.Errorf("%d changes went unseen", opened)
	}
}

func TestInlineMessagesAreOpened(t *testing.T) {
	w := newPGPWorld(t)
	signed := w.encrypt("Grüße, "+secretWords+"\n", "--local-user", "anna@example.com", "--sign")
	foreign := w.gpg("not for us\n", "--armor", "--recipient", "other@example.org", "--encrypt")
	const plain = "text/plain; charset=utf-8"
	d := one(t, letter(plain, signed), "--pgp-keys", w.keys, "-")
	if !slices.Equal(partsOf(d), []string{"1 text/plain", "1.1 text/plain"}) || d.signatures() != "openpgp good anna@example.com whole true" || d.Sender.Verdict != "verified" {
		t.Errorf("%q %q %s", partsOf(d), d.signatures(), d.Sender.Verdict)
	}
	if strings.Contains(d.View.Text, "PGP MESSAGE") || !strings.HasPrefix(d.View.Text, "Grüße, my card is") || len(d.View.Masked) != 1 || d.Scan.Verdict != "clean" {
		t.Errorf("%q %+v", d.View.Text, d.Scan)
	}
	d = one(t, letter(plain, "Please pay X.\n\n"+signed), "--pgp-keys", w.keys, "-")
	if d.signatures() != "openpgp good anna@example.com part true" || d.Sender.Verdict != "unverified" || !strings.Contains(d.View.Text, "Please pay X.\n\nGrüße") {
		t.Errorf("with text before: %q %s %q", d.signatures(), d.Sender.Verdict, d.View.Text)
	}
	d = one(t, letter(plain, signed+"\n"+foreign), "--pgp-keys", w.keys, "-")
	if d.Scan.Verdict != "encrypted" || !strings.Contains(d.View.Text, "my card") || !strings.Contains(d.View.Text, "PGP MESSAGE") || d.signatures() != "openpgp good anna@example.com part true" {
		t.Errorf("with one for somebody else: %+v %q %q", d.Scan, d.View.Text, d.signatures())
	}
	d = one(t, letter("multipart/alternative; boundary=a", "--a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"+signed+"\r\n--a\r\nContent-Type: text/html\r\n\r\n<p>This mail is encrypted.</p>\r\n--a--\r\n"), "--pgp-keys", w.keys, "-")
	if !strings.Contains(d.View.Text, "my card") || !strings.Contains(d.View.HTML, "my card") || strings.Contains(d.View.HTML, card) || !strings.Contains(d.View.HTML, "This mail is encrypted") {
		t.Errorf("beside HTML: %q %q", d.View.Text, d.View.HTML)
	}
	if d := one(t, letter(plain, signed), "-"); d.Scan.Verdict != "encrypted" || !strings.Contains(d.View.Text, "PGP MESSAGE") {
		t.Errorf("without a key: %+v %q", d.Scan, d.View.Text)
	}
}

func TestAnEncryptedAttachmentIsOpened(t *testing.T) {
	w := newPGPWorld(t)
	encrypted := w.gpg("MZ no program", "--recipient", "support@example.org", "--encrypt")
	d := one(t, attached("bill.pdf.exe.gpg", []byte(encrypted)), "--pgp-keys", w.keys, "-")
	if d.Scan.Verdict != "suspicious" || len(d.Attachments) != 2 || d.Attachments[1].Path != "2.1" || d.Attachments[1].Name != "bill.pdf.exe" || d.Attachments[1].Size != 13 {
		t.Errorf("%+v %+v", d.Scan, d.Attachments)
	}
	if d := one(t, attached("bill.pdf.exe.gpg", []byte(encrypted)), "-"); d.Scan.Verdict != "encrypted" {
		t.Errorf("without a key: %+v", d.Scan)
	}
}

func TestAnEncryptedCompressionBombIsALimit(t *testing.T) {
	w := newPGPWorld(t)
	message := w.encrypt("Content-Type: text/plain\r\n\r\n"+strings.Repeat("0", 65<<20), "--compress-level", "9")
	if len(message) > 1<<20 {
		t.Fatalf("a bomb of %d bytes", len(message))
	}
	for name, raw := range map[string]string{"PGP/MIME": enveloped(message), "inline": letter("text/plain", message)} {
		d := one(t, raw, "--pgp-keys", w.keys, "-")
		if d.Scan.Verdict != "limit" || !slices.Contains(d.Scan.Reasons, "size_limit") || strings.Contains(d.View.Text, "000000000") {
			t.Errorf("%s: %+v", name, d.Scan)
		}
	}
}
