package signature

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/mail"
)

// The mails in testdata were made with OpenSSL 3.0 and GnuPG 2.2 on 21 November
// 2026.
var received = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

func read(t testing.TB, path ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func testKeys(t testing.TB) Keys {
	t.Helper()
	var keys Keys
	for _, ring := range []string{"keys.asc", "more-keys.asc"} {
		if err := keys.AddOpenPGP(read(t, "openpgp", ring)); err != nil {
			t.Fatal(err)
		}
	}
	if err := keys.AddRoots(read(t, "smime", "root.pem")); err != nil {
		t.Fatal(err)
	}
	return keys
}

func check(t testing.TB, raw []byte, keys Keys, at time.Time) []Result {
	t.Helper()
	msg := mail.Parse(raw, mail.Limits{})
	results, used := Examine(msg, keys, at)
	kept, err := json.Marshal(used)
	if err != nil {
		t.Fatal(err)
	}
	var read Used
	if err := json.Unmarshal(kept, &read); err != nil {
		t.Fatal(err)
	}
	again, err := read.Keys()
	if err != nil {
		t.Fatal(err)
	}
	if replayed := Check(msg, again, at); !reflect.DeepEqual(replayed, results) {
		t.Errorf("with the keys that were used alone: %+v, not %+v", replayed, results)
	}
	return results
}

func TestMailsOfOtherPrograms(t *testing.T) {
	month := received.AddDate(0, 1, 0)
	for _, c := range []struct {
		kind   Kind
		file   string
		at     time.Time
		result Outcome
		reason string
		from   bool
		covers Coverage
	}{
		{SMIME, "rsa-detached", received, Good, "", true, Whole},
		{SMIME, "rsa-opaque", received, Good, "", true, Whole},
		{SMIME, "stream-opaque", received, Good, "", true, Whole},
		{SMIME, "pss-detached", received, Good, "", true, Whole},
		{SMIME, "ec-detached", received, Good, "", true, Whole},
		{SMIME, "noattr-detached", received, Good, "", true, Whole},
		{SMIME, "keyid-detached", received, Good, "", true, Whole},
		{SMIME, "sha1-detached", received, Weak, HashWeak, true, Whole},
		{SMIME, "short-key-detached", received, Weak, KeyWeak, true, Whole},
		{SMIME, "web-detached", received, Untrusted, PurposeNotMail, true, Whole},
		{SMIME, "expired-detached", month, Expired, KeyExpired, true, Whole},
		{SMIME, "expired-detached", received.Add(-3 * time.Hour), Good, "", true, Whole},
		{SMIME, "nocert-detached", received, UnknownKey, KeyMissing, false, Whole},

		{OpenPGP, "detached", received, Good, "", true, Whole},
		{OpenPGP, "text-mode", received, Good, "", true, Whole},
		{OpenPGP, "inline", received, Good, "", true, Whole},
		{OpenPGP, "inline-with-text-before", received, Good, "", true, Part},
		{OpenPGP, "of-rosa", received, Good, "", true, Whole}, // RSA of 3072 bits
		{OpenPGP, "of-nina", received, Good, "", true, Whole}, // NIST P-256
		{OpenPGP, "of-bea", received, Good, "", true, Whole},  // brainpoolP256r1
		{OpenPGP, "of-sue", received, Good, "", true, Whole},  // a subkey for signing
		{OpenPGP, "sha1", received, Weak, HashWeak, true, Whole},
		{OpenPGP, "short-key", received, Weak, KeyWeak, true, Whole},
		{OpenPGP, "of-somebody-else", received, Mismatch, SignerNotAuthor, false, Whole},
		{OpenPGP, "revoked-key", received, Revoked, KeyRevoked, true, Whole},
		{OpenPGP, "expired-key", month, Expired, KeyExpired, true, Whole},
		{OpenPGP, "expired-signature", month, Expired, SignatureExpired, true, Whole},
		{OpenPGP, "expired-signature", received.Add(-3 * time.Hour), Good, "", true, Whole},
		{OpenPGP, "detached", received.AddDate(0, 0, -10), Error, SignatureFromFuture, true, Nothing},
	} {
		t.Run(string(c.kind)+" "+c.file, func(t *testing.T) {
			raw := read(t, string(c.kind), c.file+".eml")
			for name, raw := range map[string][]byte{"CRLF": raw, "LF": bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))} {
				results := check(t, raw, testKeys(t), c.at)
				if len(results) != 1 {
					t.Fatalf("%s: %d results", name, len(results))
				}
				r := results[0]
				if r.Kind != c.kind || r.Result != c.result || r.Reason != c.reason || r.MatchesFrom != c.from || r.Covers != c.covers {
					t.Errorf("%s: %+v", name, r)
				}
			}
		})
	}
}

func TestAChangedMailIsBad(t *testing.T) {
	for kind, files := range map[Kind][]string{
		SMIME:   {"rsa-detached", "pss-detached", "ec-detached", "noattr-detached", "keyid-detached", "sha1-detached"},
		OpenPGP: {"detached", "text-mode", "inline", "revoked-key"},
	} {
		for _, file := range files {
			raw := bytes.Replace(read(t, string(kind), file+".eml"), []byte("the goods"), []byte("my money!"), 1)
			results := check(t, raw, testKeys(t), received)
			if len(results) != 1 || results[0].Result != Bad {
				t.Errorf("%s: %+v", file, results)
			}
		}
	}
}

func TestOnlyTheKeysThatWereUsedAreKept(t *testing.T) {
	for kind, file := range map[Kind]string{SMIME: "rsa-detached", OpenPGP: "detached"} {
		_, used := Examine(mail.Parse(read(t, string(kind), file+".eml"), mail.Limits{}), testKeys(t), received)
		if len(used.OpenPGP)+len(used.Roots) != 1 || len(used.Certificates)+len(used.Revocations)+used.Lost != 0 {
			t.Errorf("%s: %d, %d, %d and %d keys, %d lost", kind, len(used.OpenPGP), len(used.Roots), len(used.Certificates), len(used.Revocations), used.Lost)
		}
	}
}

func TestWithoutKeysNobodyIsBelieved(t *testing.T) {
	if r := check(t, read(t, "openpgp", "detached.eml"), Keys{}, received); len(r) != 1 || r[0].Result != UnknownKey {
		t.Errorf("openpgp: %+v", r)
	}
	if r := check(t, read(t, "smime", "rsa-detached.eml"), Keys{}, received); len(r) != 1 || r[0].Result != Untrusted {
		t.Errorf("smime: %+v", r)
	}
}

func TestARevokedCertificateIsRevoked(t *testing.T) {
	keys := testKeys(t)
	if err := keys.AddRevocations(read(t, "smime", "revoked.crl")); err != nil {
		t.Fatal(err)
	}
	if r := check(t, read(t, "smime", "rsa-detached.eml"), keys, received); len(r) != 1 || r[0].Result != Revoked {
		t.Errorf("%+v", r)
	}
	if r := check(t, read(t, "smime", "ec-detached.eml"), keys, received); len(r) != 1 || r[0].Result != Good {
		t.Errorf("another certificate: %+v", r)
	}
}

func TestACertificateKnownBeforehandServes(t *testing.T) {
	keys := testKeys(t)
	if err := keys.AddCertificates(read(t, "smime", "signer.pem")); err != nil {
		t.Fatal(err)
	}
	if r := check(t, read(t, "smime", "nocert-detached.eml"), keys, received); len(r) != 1 || r[0].Result != Good {
		t.Errorf("%+v", r)
	}
}

// Signature wrapping: the signed part stays as it is, and something else is put
// where people look.
func TestWrappedSignaturesDoNotCoverTheWhole(t *testing.T) {
	for kind, file := range map[Kind]string{SMIME: "rsa-detached", OpenPGP: "detached"} {
		raw := read(t, string(kind), file+".eml")
		head, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
		contentType := head[bytes.Index(head, []byte("Content-Type:")):]
		for name, c := range map[string]struct {
			raw    string
			result Outcome
			covers Coverage
		}{
			"beside a text": {"From: anna@example.com\r\nContent-Type: multipart/mixed; boundary=w\r\n\r\n--w\r\n\r\nPay me.\r\n--w\r\n" +
				string(contentType) + "\r\n\r\n" + string(body) + "\r\n--w--\r\n", Good, Part},
			"of another author": {string(bytes.Replace(raw, []byte("anna@example.com"), []byte("boss@example.com"), 1)), Mismatch, Whole},
			"with a third part": {string(bytes.Replace(raw, []byte("Content-Type: application/p"),
				[]byte("Content-Type: text/plain\r\n\r\nPay me.\r\n--"+boundaryOf(contentType)+"\r\nContent-Type: application/p"), 1)), Error, Nothing},
			"under two authors": {"From: boss@example.com, anna@example.com\r\n" + string(raw[bytes.Index(raw, []byte("To:")):]), Mismatch, Whole},
		} {
			results := check(t, []byte(c.raw), testKeys(t), received)
			if len(results) != 1 || results[0].Result != c.result || results[0].Covers != c.covers {
				t.Errorf("%s %s: %+v", kind, name, results)
			}
		}
		attached := "From: boss@example.com\r\nContent-Type: message/rfc822\r\n\r\n" + string(raw)
		if results := check(t, []byte(attached), testKeys(t), received); len(results) != 0 {
			t.Errorf("%s in an attached message: %+v", kind, results)
		}
	}
}

func boundaryOf(contentType []byte) string {
	_, rest, _ := bytes.Cut(contentType, []byte("boundary="))
	rest, _, _ = bytes.Cut(rest, []byte("\r\n"))
	return string(bytes.Trim(rest, `"; `))
}

func TestManySignaturesAreBounded(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("From: a@b.example\r\nContent-Type: multipart/mixed; boundary=w\r\n\r\n")
	for range MaxSignatures + 5 {
		b.WriteString("--w\r\nContent-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=v\r\n\r\n--v\r\n\r\nx\r\n--v--\r\n")
	}
	b.WriteString("--w--\r\n")
	if results := check(t, b.Bytes(), Keys{}, received); len(results) != MaxSignatures {
		t.Errorf("%d results, want %d", len(results), MaxSignatures)
	}
}

func TestBERComesOutAsDER(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"\x30\x80\x02\x01\x05\x00\x00", "\x30\x03\x02\x01\x05"},
		{"\x24\x80\x04\x01a\x04\x02bc\x00\x00", "\x04\x03abc"},
		{"\x30\x03\x02\x01\x05", "\x30\x03\x02\x01\x05"},
	} {
		got, err := toDER([]byte(c.in))
		if err != nil || string(got) != c.want {
			t.Errorf("%x: %x %v, want %x", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{"", "\x30", "\x30\x80", "\x30\x05\x02", "\x04\x80\x00\x00", "\x30\x00\x01", "\x24\x03\x02\x01\x05"} {
		if got, err := toDER([]byte(in)); err == nil {
			t.Errorf("%x: %x", in, got)
		}
	}
}

func FuzzParseSignedData(f *testing.F) {
	f.Add([]byte("\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01\x31\x00\x30\x00\x31\x00\x00\x00\x00\x00\x00\x00"))
	for _, name := range []string{"rsa-detached", "rsa-opaque", "pss-detached", "stream-opaque"} {
		mail.Parse(read(f, "smime", name+".eml"), mail.Limits{}).Walk(func(part *mail.Part) {
			if isSignedData(part.Content) {
				f.Add(part.Content)
			}
		})
	}
	keys := testKeys(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := &checker{keys: keys, at: received, from: "boss@example.com"}
		for _, r := range c.cms(raw, []byte("hello")) {
			if r.Result == Good {
				t.Errorf("good: %+v", r)
			}
		}
	})
}

func FuzzOpenPGPFraming(f *testing.F) {
	mail.Parse(read(f, "openpgp", "detached.eml"), mail.Limits{}).Walk(func(part *mail.Part) {
		if part.Type == "application/pgp-signature" {
			f.Add(part.Content)
		}
	})
	f.Add([]byte("-----BEGIN PGP SIGNATURE-----\n\n=aaaa\n-----END PGP SIGNATURE-----"))
	keys := testKeys(f)
	f.Fuzz(func(t *testing.T, proof []byte) {
		c := &checker{keys: keys, at: received, from: "boss@example.com"}
		for _, r := range c.pgp(proof, []byte("hello")) {
			if r.Result == Good {
				t.Errorf("good: %+v", r)
			}
		}
	})
}

func BenchmarkCheckSMIME(b *testing.B)   { benchmark(b, "smime", "rsa-detached.eml") }
func BenchmarkCheckOpenPGP(b *testing.B) { benchmark(b, "openpgp", "detached.eml") }

func benchmark(b *testing.B, folder, file string) {
	msg, keys := mail.Parse(read(b, folder, file), mail.Limits{}), testKeys(b)
	b.ReportAllocs()
	for b.Loop() {
		if r := Check(msg, keys, received); len(r) != 1 || r[0].Result != Good {
			b.Fatal("not good")
		}
	}
}
