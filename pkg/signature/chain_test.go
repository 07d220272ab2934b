package signature

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/postern-mail/postern/pkg/mail"
)

// The mails in testdata/chain were made with OpenSSL 3.0 on 22 November 2026. Its own check of them
// refuses both under the narrow authority.
func TestWhatAuthoritiesMaySay(t *testing.T) {
	var keys Keys
	if err := keys.AddRoots(read(t, "chain", "root.pem")); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		file   string
		result Outcome
		reason string
	}{
		{"named-under-wide", Good, ""},
		{"subject-under-wide", Good, ""},
		{"named-under-narrow", Untrusted, ChainUntrusted},
		{"subject-under-narrow", Untrusted, ChainUntrusted}, // RFC 5280 §4.2.1.10
		{"named-under-weak", Weak, KeyWeak},                 // an authority of 1024 bits
	} {
		r := check(t, read(t, "chain", c.file+".eml"), keys, at)
		if len(r) != 1 || r[0].Result != c.result || r[0].Reason != c.reason || !r[0].MatchesFrom {
			t.Errorf("%s: %+v", c.file, r)
		}
	}
}

// The attributes that OpenSSL signed for one content are taken for a content of their own: the
// signature without attributes over them is the same. After Strenzke, 2023.
func TestAttributesAreNoContent(t *testing.T) {
	var attrs, value []byte
	var data *signedData
	mail.Parse(read(t, "smime", "rsa-detached.eml"), mail.Limits{}).Walk(func(part *mail.Part) {
		if isSignedData(part.Content) {
			found, err := parseSignedData(part.Content)
			if err != nil {
				t.Fatal(err)
			}
			data, attrs, value = found, found.signers[0].attrs, found.signers[0].value
		}
	})
	signer := data.signers[0]
	context := tag.Tag(0).Constructed().ContextSpecific()
	algorithm := func(b *cryptobyte.Builder, oid []int) {
		b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oid) })
	}
	var cms cryptobyte.Builder
	cms.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSignedData)
		b.AddASN1(context, func(b *cryptobyte.Builder) {
			b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1)
				b.AddASN1(tag.SET, func(b *cryptobyte.Builder) { algorithm(b, signer.digest.Algorithm) })
				b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidData)
					b.AddASN1(context, func(b *cryptobyte.Builder) { b.AddASN1OctetString(attrs) })
				})
				b.AddASN1(context, func(b *cryptobyte.Builder) {
					for _, cert := range data.certs {
						b.AddBytes(cert.Raw)
					}
				})
				b.AddASN1(tag.SET, func(b *cryptobyte.Builder) {
					b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1Int64(1)
						b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddBytes(signer.issuer)
							b.AddASN1BigInt(signer.serial)
						})
						algorithm(b, signer.digest.Algorithm)
						algorithm(b, signer.algorithm.Algorithm)
						b.AddASN1OctetString(value)
					})
				})
			})
		})
	})
	raw := fmt.Sprintf("From: anna@example.com\r\nContent-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n",
		base64.StdEncoding.EncodeToString(cms.BytesOrPanic()))
	if r := check(t, []byte(raw), testKeys(t), received); len(r) != 1 || r[0].Result != Error || r[0].Reason != StructureAmbiguous {
		t.Errorf("%+v", r)
	}
}

func TestOnlyASignatureStandsInItsArmor(t *testing.T) {
	const begin, end = "-----BEGIN PGP SIGNATURE-----\n", "-----END PGP SIGNATURE-----"
	for _, c := range []struct {
		text string
		bare bool
	}{
		{begin + "\niIcE\n=G9mN\n" + end, true},
		{begin + "\niIcE\n" + end, true}, // RFC 9580 §6.1: the checksum may be left out
		{strings.ReplaceAll(begin+"\niIcE\n=G9mN\n"+end+"\n", "\n", "\r\n"), true},
		{"text of any kind\n" + begin + "\niIcE\n" + end + "\n\n", true},
		{begin + "\niIcE\n", false},
		{begin + "Version: 1\n\niIcE\n" + end, false},
		{begin + "\niIcE\n=G9mN\npay\n" + end, false},
		{begin + "\niIcE pay\n" + end, false},
		{begin + "\n" + strings.Repeat("A", 77) + "\n" + end, false},
		{begin + "\niIcE\n" + end + "\npay", false},
		{"", false},
	} {
		if got := bareArmor([]byte(c.text)); got != c.bare {
			t.Errorf("%q: %v", c.text, got)
		}
	}
}
