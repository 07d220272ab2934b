package signature

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/mail"
)

func corpus(t testing.TB, path string) []byte {
	t.Helper()
	text, err := fs.ReadFile(corpora.Open(t), path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The examples of RFC 4134 are signed with SHA-1: whoever can read them must find
// them right, and weak.
func TestExamplesOfRFC4134(t *testing.T) {
	at := time.Date(2002, 10, 1, 0, 0, 0, 0, time.UTC)
	content := corpus(t, "crypto/rfc4134/ExContent.bin")
	for _, c := range []struct {
		name     string
		detached bool
		want     []Outcome
	}{
		{"4.1", false, []Outcome{Weak}},             // DSA
		{"4.2", false, []Outcome{Weak}},             // RSA
		{"4.3", true, []Outcome{Weak}},              // detached
		{"4.4", false, []Outcome{Weak}},             // attributes of many kinds
		{"4.5", false, []Outcome{Weak}},             // BER
		{"4.6", false, []Outcome{Weak, UnknownKey}}, // two signers; the second certificate inherits its DSA parameters
		{"4.7", false, []Outcome{Weak}},             // signer by key id
		{"4.10", false, []Outcome{Weak}},            // receipts and hints
		{"4.11", false, nil},                        // certificates alone: nobody signs
	} {
		t.Run(c.name, func(t *testing.T) {
			check := &checker{at: at}
			var detached []byte
			if c.detached {
				detached = content
			}
			results := check.cms(corpus(t, "crypto/rfc4134/"+c.name+".bin"), detached)
			if len(results) != len(c.want) {
				t.Fatalf("%+v, want %v", results, c.want)
			}
			for i := range results {
				if results[i].Result != c.want[i] {
					t.Errorf("signer %d: %+v, want %s", i, results[i], c.want[i])
				}
			}
		})
	}
}

func TestMailsOfRFC4134(t *testing.T) {
	at := time.Date(2002, 10, 1, 0, 0, 0, 0, time.UTC)
	for _, name := range []string{"4.8", "4.9"} {
		raw := corpus(t, "crypto/rfc4134/"+name+".eml")
		results := check(t, raw, Keys{}, at)
		// The author writes from examples.com, the certificate names example.com.
		if len(results) != 1 || results[0].Result != Weak || results[0].MatchesFrom || results[0].Covers != Whole {
			t.Errorf("%s: %+v", name, results)
		}
		changed := bytes.Replace(raw, []byte("This is some sample"), []byte("This is other sample"), 1)
		if bytes.Equal(raw, changed) {
			continue // the content is inside the signature
		}
		if results := check(t, changed, Keys{}, at); len(results) != 1 || results[0].Result != Bad {
			t.Errorf("%s changed: %+v", name, results)
		}
	}
}

// sign9216 signs a mail with a key and certificate of RFC 9216. It is our own
// writing of CMS; OpenSSL's is in testdata.
func sign9216(t *testing.T, from, keyFile, certFile string) []byte {
	t.Helper()
	keyPEM, _ := pem.Decode(corpus(t, "crypto/rfc9216/"+keyFile))
	certPEM, _ := pem.Decode(corpus(t, "crypto/rfc9216/"+certFile))
	parsed, err := x509.ParsePKCS8PrivateKey(keyPEM.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(certPEM.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	signer := parsed.(crypto.Signer)
	content := []byte("Content-Type: text/plain\r\n\r\nHello.\r\n")
	digestOID, algorithmOID, sum := asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, sha256Of(content)
	if _, ed := signer.(ed25519.PrivateKey); ed {
		digestOID, algorithmOID, sum = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, asn1.ObjectIdentifier{1, 3, 101, 112}, sha512Of(content)
	}
	attribute := func(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, value func(*cryptobyte.Builder)) {
		b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oid)
			b.AddASN1(tag.SET, value)
		})
	}
	var attrs cryptobyte.Builder
	attrs.AddASN1(tag.SET, func(b *cryptobyte.Builder) {
		attribute(b, oidContentType, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidData) })
		attribute(b, oidMessageDigest, func(b *cryptobyte.Builder) { b.AddASN1OctetString(sum) })
	})
	signed := attrs.BytesOrPanic()
	var value []byte
	switch key := signer.(type) {
	case ed25519.PrivateKey:
		value = ed25519.Sign(key, signed)
	case *rsa.PrivateKey:
		value, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sha256Of(signed))
	}
	if err != nil {
		t.Fatal(err)
	}
	algorithm := func(b *cryptobyte.Builder, oid asn1.ObjectIdentifier) {
		b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oid) })
	}
	context := func(n uint8) tag.Tag { return tag.Tag(n).Constructed().ContextSpecific() }
	var cms cryptobyte.Builder
	cms.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSignedData)
		b.AddASN1(context(0), func(b *cryptobyte.Builder) {
			b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1)
				b.AddASN1(tag.SET, func(b *cryptobyte.Builder) { algorithm(b, digestOID) })
				b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidData) })
				b.AddASN1(context(0), func(b *cryptobyte.Builder) { b.AddBytes(cert.Raw) })
				b.AddASN1(tag.SET, func(b *cryptobyte.Builder) {
					b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1Int64(1)
						b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddBytes(cert.RawIssuer)
							b.AddASN1BigInt(cert.SerialNumber)
						})
						algorithm(b, digestOID)
						b.AddASN1(context(0), func(b *cryptobyte.Builder) {
							var set cryptobyte.String
							input := cryptobyte.String(signed)
							input.ReadASN1(&set, tag.SET)
							b.AddBytes(set)
						})
						algorithm(b, algorithmOID)
						b.AddASN1OctetString(value)
					})
				})
			})
		})
	})
	return fmt.Appendf(nil, "From: <%s>\r\nContent-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b\r\n\r\n--b\r\n%s\r\n--b\r\nContent-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n--b--\r\n",
		from, content, base64.StdEncoding.EncodeToString(cms.BytesOrPanic()))
}

func sha256Of(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
func sha512Of(b []byte) []byte { s := sha512.Sum512(b); return s[:] }

func TestPeopleOfRFC9216(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rsaRoot, edRoot := "3_1_RSA_Certification_Authority_Root_Certificate.pem", "6_1_Ed25519_Certification_Authority_Root_Certificate.pem"
	for _, c := range []struct {
		from, key, cert, root, cross string
		want                         Outcome
	}{
		{"alice@smime.example", "4_2_Alice_s_Signing_Private_Key_Material.pem", "4_1_Alice_s_Signature_Verification_End_Entity_Certificate.pem", rsaRoot, "", Good},
		{"bob@smime.example", "5_2_Bob_s_Signing_Private_Key_Material.pem", "5_1_Bob_s_Signature_Verification_End_Entity_Certificate.pem", rsaRoot, "", Good},
		{"carlos@smime.example", "7_2_Carlos_s_Signing_Private_Key_Material.pem", "7_1_Carlos_s_Signature_Verification_End_Entity_Certificate.pem", edRoot, "", Good},
		{"dana@smime.example", "8_2_Dana_s_Signing_Private_Key_Material.pem", "8_1_Dana_s_Signature_Verification_End_Entity_Certificate.pem", edRoot, "", Good},
		{"alice@smime.example", "4_2_Alice_s_Signing_Private_Key_Material.pem", "4_1_Alice_s_Signature_Verification_End_Entity_Certificate.pem", edRoot, "", Untrusted},
		{"alice@smime.example", "4_2_Alice_s_Signing_Private_Key_Material.pem", "4_1_Alice_s_Signature_Verification_End_Entity_Certificate.pem", edRoot, "3_3_RSA_Certification_Authority_Cross_Signed_Certificate.pem", Good},
		{"carlos@smime.example", "7_2_Carlos_s_Signing_Private_Key_Material.pem", "7_1_Carlos_s_Signature_Verification_End_Entity_Certificate.pem", rsaRoot, "6_3_Ed25519_Certification_Authority_Cross_Signed_Certificate.pem", Good},
		{"bob@smime.example", "4_2_Alice_s_Signing_Private_Key_Material.pem", "4_1_Alice_s_Signature_Verification_End_Entity_Certificate.pem", rsaRoot, "", Mismatch},
		{"alice@smime.example", "5_2_Bob_s_Signing_Private_Key_Material.pem", "4_1_Alice_s_Signature_Verification_End_Entity_Certificate.pem", rsaRoot, "", Bad},
		{"alice@smime.example", "4_2_Alice_s_Signing_Private_Key_Material.pem", "4_3_Alice_s_Encryption_End_Entity_Certificate.pem", rsaRoot, "", Bad},
	} {
		var keys Keys
		if err := keys.AddRoots(corpus(t, "crypto/rfc9216/"+c.root)); err != nil {
			t.Fatal(err)
		}
		if c.cross != "" {
			if err := keys.AddCertificates(corpus(t, "crypto/rfc9216/"+c.cross)); err != nil {
				t.Fatal(err)
			}
		}
		results := check(t, sign9216(t, c.from, c.key, c.cert), keys, at)
		if len(results) != 1 || results[0].Result != c.want {
			t.Errorf("%s with %s under %s: %+v, want %s", c.from, c.cert, c.root, results, c.want)
		}
	}
}

// The detached signatures of the gopenpgp project.
func TestDetachedSignaturesOfGopenpgp(t *testing.T) {
	folder := "crypto/gopenpgp/testdata/signature/"
	var keys Keys
	for _, name := range []string{"publicKey1", "publicKey2"} {
		if err := keys.AddOpenPGP(corpus(t, folder+name)); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Date(2021, 5, 1, 0, 0, 0, 0, time.UTC)
	c := &checker{keys: keys, at: at}
	results := c.pgp(corpus(t, folder+"detachedSigSignedTwice"), []byte("hello world"))
	if len(results) != 2 {
		t.Fatalf("%+v, want two signatures", results)
	}
	for _, r := range results {
		if r.Result != Mismatch || r.Signer == "" { // right, but of no author
			t.Errorf("%+v", r)
		}
	}
	for _, r := range c.pgp(corpus(t, folder+"detachedSigSignedTwice"), []byte("hello worlds")) {
		if r.Result != Bad {
			t.Errorf("another text: %+v", r)
		}
	}
}

// Messages that other programs made, in the words of gopenpgp's own tests.
func TestMessagesOfGopenpgpAreOpened(t *testing.T) {
	const folder = "crypto/gopenpgp/testdata/"
	unlocked := func(name, passphrase string) Keys {
		ring, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(corpus(t, folder+name)))
		if err != nil {
			t.Fatal(err)
		}
		for _, entity := range ring {
			if passphrase == "" {
				continue
			}
			if err := entity.DecryptPrivateKeys([]byte(passphrase)); err != nil {
				t.Fatal(err)
			}
		}
		return Keys{pgp: ring}
	}
	for _, c := range []struct{ message, key, passphrase, words, closed string }{
		{"issue11_message", "issue11_privatekey", "1234", "message from sender", "[]"},
		{"gpg2.3-aead-pgp-message.pgp", "gpg2.3-aead-test-key.asc", "test", "hello world\n", "[]"},
		{"message_badmdc", "sed_key", "", "", "[encrypted_message_damaged]"},
		{"sed_message", "sed_key", "", "", "[encrypted_message_unprotected]"},
		{"issue11_message", "sed_key", "", "", "[encrypted_message]"},
	} {
		raw := []byte("From: a@example.com\r\nContent-Type: application/octet-stream; name=message.gpg\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
			base64.StdEncoding.EncodeToString(corpus(t, folder+c.message)))
		msg := opened(t, raw, unlocked(c.key, c.passphrase), OpenLimits{})
		words := ""
		if len(msg.Root.Opened) == 1 {
			words = string(msg.Root.Opened[0].Content)
		}
		if words != c.words || fmt.Sprint(unopened(msg)) != c.closed {
			t.Errorf("%s: %q %v", c.message, words, unopened(msg))
		}
	}
}

// The examples of RFC 4134 §5 are encrypted to Bob, with Triple DES and RC2 (RFC 4134 §5.2), which is not known any more.
func TestEnvelopesOfRFC4134AreOpened(t *testing.T) {
	key, err := x509.ParsePKCS8PrivateKey(corpus(t, "crypto/rfc4134/BobPrivRSAEncrypt.pri"))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(corpus(t, "crypto/rfc4134/BobRSASignByCarl.cer"))
	if err != nil {
		t.Fatal(err)
	}
	keys := Keys{smime: []crypto.PrivateKey{key}, ours: []*x509.Certificate{cert}}
	for name, known := range map[string]bool{"5.1.bin": true, "5.2.bin": false} {
		e, err := parseEnvelope(corpus(t, "crypto/rfc4134/"+name))
		if err != nil {
			t.Fatal(err)
		}
		means, ok := contentMeans[e.algorithm.Algorithm.String()]
		if ok != known || len(e.recipients) == 0 || !e.recipients[0].is(cert) {
			t.Fatalf("%s: %v, known %v, %d recipients", name, e.algorithm.Algorithm, ok, len(e.recipients))
		}
		if !known {
			continue
		}
		content, err := e.recipients[0].contentKey(key, means.keySize)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := e.decrypt(means, content)
		if err != nil || !bytes.Equal(plain, corpus(t, "crypto/rfc4134/ExContent.bin")) {
			t.Errorf("%s: %q, %v", name, plain, err)
		}
	}
	// A whole mail. It holds bare words, where a MIME entity should stand.
	msg, pieces := Open(t.Context(), mail.Parse(corpus(t, "crypto/rfc4134/5.3.eml"), mail.Limits{}), keys, OpenLimits{}, mail.Limits{})
	if len(pieces) != 1 || !pieces[0].Opened || pieces[0].Reason != WithoutIntegrity || texts(msg) != "This is some sample content." {
		t.Errorf("%+v %q", pieces, texts(msg))
	}
}
