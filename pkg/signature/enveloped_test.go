package signature

import (
	"bytes"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/mail"
)

// encryptedMail is one that OpenSSL made, to the certificates in support.pem (RSA, P-256).
func encryptedMail(t testing.TB, name string) []byte { return read(t, "encrypted", name) }

func supportSMIME(t testing.TB) Keys {
	t.Helper()
	var keys Keys
	if err := keys.AddPrivateSMIME(encryptedMail(t, "support.pem")); err != nil {
		t.Fatal(err)
	}
	if err := keys.Settle(); err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestSMIMEMailsOfOpenSSLAreOpened(t *testing.T) {
	keys := supportSMIME(t)
	if _, smime := keys.Decrypts(); smime != 2 {
		t.Fatalf("%d keys for S/MIME", smime)
	}
	for name, want := range map[string]string{
		"aes128": "encryption_without_integrity", "aes256": "encryption_without_integrity", "3des": "encryption_without_integrity", "smime": "encryption_without_integrity",
		"oaep": "encryption_without_integrity", "oaep-sha256": "encryption_without_integrity", "keyid": "encryption_without_integrity",
		"several": "encryption_without_integrity", "stream": "encryption_without_integrity",
		"ec": "encryption_without_integrity", "ec256": "encryption_without_integrity",
		"gcm": "", "ecgcm": "",
		"pw":      "encryption_without_integrity", // a password opens it, too
		"foreign": "encrypted_message", "rc2": "encrypted_message_unknown",
	} {
		t.Run(name, func(t *testing.T) {
			msg, pieces := Open(t.Context(), mail.Parse(encryptedMail(t, name+".eml"), mail.Limits{}), keys, OpenLimits{}, mail.Limits{})
			opens := strings.HasPrefix(want, "encryption") || want == ""
			if len(pieces) != 1 || pieces[0].Reason != want || pieces[0].Opened != opens || pieces[0].Kind != SMIME || pieces[0].Path != "1" {
				t.Fatalf("%+v", pieces)
			}
			if got := texts(msg); opens && got != "the secret words" || !opens && got != "" {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestSignaturesWithinSMIMEAreChecked(t *testing.T) {
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	keys := supportSMIME(t)
	if err := keys.AddRoots(encryptedMail(t, "root.pem")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"signed-opaque", "signed-detached", "signed-gcm"} {
		msg := opened(t, encryptedMail(t, name+".eml"), keys, OpenLimits{})
		results := Check(msg, keys, at)
		if len(results) != 1 || results[0].Result != Good || results[0].Covers != Whole || results[0].Signer != "anna@example.com" || texts(msg) != "the secret words" {
			t.Errorf("%s: %+v %q", name, results, texts(msg))
		}
		if results := Check(mail.Parse(encryptedMail(t, name+".eml"), mail.Limits{}), keys, at); len(results) != 0 {
			t.Errorf("%s closed: %+v", name, results)
		}
	}
	// Signed, encrypted, and signed again (RFC 8551 §3.7): three layers, all of which are opened.
	msg := opened(t, encryptedMail(t, "triple.eml"), keys, OpenLimits{})
	if results := Check(msg, keys, at); len(results) != 2 || results[0].Result != Good || results[1].Result != Good || texts(msg) != "the secret words" {
		t.Errorf("%+v %q", results, texts(msg))
	}
	if got := opened(t, encryptedMail(t, "triple.eml"), keys, OpenLimits{Layers: 2}); texts(got) != "" || fmt.Sprint(unopened(got)) != "[depth_limit]" {
		t.Errorf("one layer past the limit: %q %v", texts(got), unopened(got))
	}
}

func TestWhatStandsWithinASignatureIsRead(t *testing.T) {
	for _, name := range []string{"rsa-opaque.eml", "stream-opaque.eml"} {
		msg, pieces := Open(t.Context(), mail.Parse(read(t, "smime", name), mail.Limits{}), Keys{}, OpenLimits{}, mail.Limits{})
		if len(pieces) != 0 || len(msg.Root.Opened) != 1 || texts(msg) == "" {
			t.Errorf("%s: %+v %q", name, pieces, texts(msg))
		}
		if results := Check(msg, testKeys(t), time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)); len(results) != 1 || results[0].Result != Good || results[0].Covers != Whole {
			t.Errorf("%s: %+v", name, results)
		}
	}
}

// body gives the CMS bytes of a mail that is S/MIME as a whole, and the mail with others in their place.
func body(t testing.TB, raw []byte) (content []byte, with func([]byte) []byte) {
	t.Helper()
	content = mail.Parse(raw, mail.Limits{}).Root.Content
	head := raw[:bytes.Index(raw, []byte("\n\n"))+2]
	return content, func(changed []byte) []byte {
		return append(bytes.Clone(head), base64.StdEncoding.EncodeToString(changed)...)
	}
}

// Of an authenticated one the whole comes out, or nothing does. Without that a change shows, as Efail has it.
func TestNothingOfAChangedAuthenticatedEnvelopeGetsOut(t *testing.T) {
	for _, name := range []string{"gcm.eml", "ecgcm.eml", "signed-gcm.eml"} {
		content, with := body(t, encryptedMail(t, name))
		keys := supportSMIME(t)
		step := max(1, len(content)/400)
		for i := 0; i < len(content); i += step {
			changed := bytes.Clone(content)
			changed[i] ^= 0x10
			if got := texts(opened(t, with(changed), keys, OpenLimits{})); got != "" && got != "the secret words" {
				t.Fatalf("%s, byte %d: %q", name, i, got)
			}
			if got := texts(opened(t, with(content[:i]), keys, OpenLimits{})); got != "" {
				t.Errorf("%s cut to %d bytes: %q", name, i, got)
			}
		}
		// The integrity value is the end; without attributes nothing follows it.
		for i := 1; i <= 16; i++ {
			changed := bytes.Clone(content)
			changed[len(changed)-i] ^= 1
			msg, pieces := Open(t.Context(), mail.Parse(with(changed), mail.Limits{}), keys, OpenLimits{}, mail.Limits{})
			if texts(msg) != "" || len(pieces) != 1 || pieces[0].Reason != Damaged {
				t.Errorf("%s, byte %d of the proof: %q %+v", name, i, texts(msg), pieces)
			}
		}
	}
}

// A changed envelope without integrity is refused where that shows, and never said to have integrity.
func TestAnEnvelopeWithoutIntegrityNeverSeemsToHaveIt(t *testing.T) {
	content, with := body(t, encryptedMail(t, "aes256.eml"))
	keys := supportSMIME(t)
	for i := range content {
		changed := bytes.Clone(content)
		changed[i] ^= 0x01
		_, pieces := Open(t.Context(), mail.Parse(with(changed), mail.Limits{}), keys, OpenLimits{}, mail.Limits{})
		for _, piece := range pieces {
			if piece.Opened && piece.Reason != WithoutIntegrity {
				t.Errorf("byte %d: %+v", i, piece)
			}
		}
		if got, _ := Open(t.Context(), mail.Parse(with(content[:i]), mail.Limits{}), keys, OpenLimits{}, mail.Limits{}); texts(got) != "" {
			t.Errorf("cut to %d bytes: %q", i, texts(got))
		}
	}
	// An authenticated cipher in an envelope that is not (the value would be thrown away) is none.
	gcm, withGCM := body(t, encryptedMail(t, "gcm.eml"))
	auth, _ := asn1.Marshal(oidAuthEnvelopedData)
	plain, _ := asn1.Marshal(oidEnvelopedData)
	at := bytes.Index(gcm, auth)
	if at < 0 {
		t.Fatal("no type")
	}
	if got := texts(opened(t, withGCM(append(append(bytes.Clone(gcm[:at]), plain...), gcm[at+len(auth):]...)), keys, OpenLimits{})); got != "" {
		t.Errorf("opened as without integrity: %q", got)
	}
	if behind := with(append(bytes.Clone(content), content...)); texts(opened(t, behind, keys, OpenLimits{})) != "" {
		t.Error("a second envelope behind the first")
	}
}

func TestSMIMEEndsAtTheLimits(t *testing.T) {
	keys := supportSMIME(t)
	const plain = "Content-Type: text/plain; charset=utf-8\r\n\r\nthe secret words\r\n"
	for limit, want := range map[OpenLimits]string{
		{Bytes: int64(len(plain))}:     "[]",
		{Bytes: int64(len(plain)) - 1}: "[size_limit]",
		{Tries: 1}:                     "[]",
	} {
		if got := opened(t, encryptedMail(t, "aes256.eml"), keys, limit); fmt.Sprint(unopened(got)) != want {
			t.Errorf("%+v: %v", limit, unopened(got))
		}
	}
	// Two ways in, the first of which is broken: the second costs a second try.
	content, with := body(t, encryptedMail(t, "several.eml"))
	e, err := parseEnvelope(content)
	if err != nil || len(e.recipients) != 3 {
		t.Fatalf("%v, %d recipients", err, len(e.recipients))
	}
	changed := bytes.Clone(content)
	changed[bytes.Index(changed, e.recipients[1].key)] ^= 1
	for tries, want := range map[int]string{2: "[]", 1: "[encrypted_message_damaged]"} {
		if got := opened(t, with(changed), keys, OpenLimits{Tries: tries}); fmt.Sprint(unopened(got)) != want {
			t.Errorf("%d tries: %v", tries, unopened(got))
		}
	}
}

func TestPrivateKeysThatAreOfNoUseAreRefused(t *testing.T) {
	file := encryptedMail(t, "support.pem")
	first, rest := pem.Decode(file)
	only := pem.EncodeToMemory(first)
	cert, _ := pem.Decode(rest)
	locked := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: first.Bytes})
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"nothing":                             {[]byte("hello"), "openssl pkcs12"},
		"under a passphrase":                  {locked, "takes it off"},
		"a broken key":                        {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: first.Bytes[:40]}), "cannot be read"},
		"no certificate":                      {only, "has no certificate"},
		"a certificate alone is none of ours": {pem.EncodeToMemory(cert), ""},
	} {
		var keys Keys
		err := keys.AddPrivateSMIME(c.text)
		if err == nil {
			err = keys.Settle()
		}
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if got := fmt.Sprintf(verb, supportSMIME(t)); got != "‹keys›" {
			t.Errorf("%s: %s", verb, got)
		}
	}
}

func FuzzParseEnvelope(f *testing.F) {
	paths, err := filepath.Glob("testdata/encrypted/*.eml")
	if err != nil || len(paths) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(mail.Parse(raw, mail.Limits{}).Root.Content)
	}
	keys := supportSMIME(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parseEnvelope(data)
		if err == nil {
			total := 0
			for _, piece := range e.content {
				total += len(piece)
			}
			if total > len(data) || len(e.recipients) > maxRecipients {
				t.Errorf("%d bytes and %d recipients out of %d", total, len(e.recipients), len(data))
			}
		}
		_, with := body(t, encryptedMail(t, "gcm.eml"))
		opened(t, with(data), keys, OpenLimits{})
	})
}

func BenchmarkOpenSMIME(b *testing.B) {
	msg, keys := mail.Parse(encryptedMail(b, "aes256.eml"), mail.Limits{}), supportSMIME(b)
	b.ReportAllocs()
	for b.Loop() {
		Open(b.Context(), msg, keys, OpenLimits{}, mail.Limits{})
	}
}
