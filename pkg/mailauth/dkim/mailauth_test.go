package dkim

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io/fs"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/mailauth/internal/rawmail"
)

// The mails and keys of the mailauth project, signed by go-msgauth: two other
// implementations' material must agree with ours.
func TestMailsAndKeysOfMailauthAgree(t *testing.T) {
	files := corpora.Open(t)
	read := func(name string) []byte {
		text, err := fs.ReadFile(files, "dkim/mailauth/"+name)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	block := func(name string) []byte {
		found, _ := pem.Decode(read(name))
		if found == nil {
			t.Fatalf("%s is no PEM", name)
		}
		return found.Bytes
	}
	private := func(name string) crypto.Signer {
		if key, err := x509.ParsePKCS8PrivateKey(block(name)); err == nil {
			return key.(crypto.Signer)
		}
		key, err := x509.ParsePKCS1PrivateKey(block(name))
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	public := func(name string) string {
		der := block(name)
		if parsed, err := x509.ParsePKIXPublicKey(der); err == nil {
			if key, ok := parsed.(ed25519.PublicKey); ok {
				return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(key)
			}
		}
		return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
	}
	for n := 1; n <= 4; n++ {
		raw := rawmail.CRLF(read(fmt.Sprintf("message%d.eml", n)))
		// Every instance of what people act on, and more.
		names := []string{"From", "Subject", "Subject", "Date", "To", "Message-ID", "Content-Type"}
		for _, kind := range []string{"rsa", "ed25519"} {
			for _, canon := range []msgauth.Canonicalization{msgauth.CanonicalizationSimple, msgauth.CanonicalizationRelaxed} {
				var signed bytes.Buffer
				err := msgauth.Sign(&signed, bytes.NewReader(raw), &msgauth.SignOptions{
					Domain: "example.com", Selector: "s", Signer: private("private-" + kind + ".pem"), HeaderKeys: names,
					HeaderCanonicalization: canon, BodyCanonicalization: canon,
				})
				if err != nil {
					t.Fatal(err)
				}
				results := verify(signed.String(), Options{Resolver: zone(t, public("public-"+kind+".pem")), At: time.Now()})
				if len(results) == 0 || results[0].Result != Pass {
					t.Errorf("message%d, %s, %s: %+v", n, kind, canon, results)
				}
			}
		}
	}
	small, err := x509.ParsePKIXPublicKey(block("public-small.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if bits := small.(*rsa.PublicKey).N.BitLen(); bits >= MinRSABits {
		t.Fatalf("the small key has %d bits", bits)
	}
	key, err := ParseKey(public("public-small.pem"))
	if err == nil {
		err = key.allows("rsa-sha256")
	}
	if Code(err, "") != KeyTooShort {
		t.Errorf("the small key: %v", err)
	}
}
