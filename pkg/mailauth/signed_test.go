package mailauth

import (
	"bytes"
	"crypto/sha256"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/signature"
)

func sha(b []byte) []byte { s := sha256.Sum256(b); return s[:] }

func TestTheAuthorsOwnSignature(t *testing.T) {
	file := func(path string) []byte {
		text, err := os.ReadFile("../signature/testdata/" + path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var keys signature.Keys
	if err := keys.AddOpenPGP(file("openpgp/keys.asc")); err != nil {
		t.Fatal(err)
	}
	if err := keys.AddRoots(file("smime/root.pem")); err != nil {
		t.Fatal(err)
	}
	pgp, smime := file("openpgp/detached.eml"), file("smime/rsa-detached.eml")
	nobody := knows{}
	anna := knows{"anna@example.com"}
	for _, c := range []struct {
		name      string
		raw       []byte
		policy    string
		customers Customers
		verdict   Verdict
		reason    string
	}{
		{"OpenPGP with a key that we were given", pgp, "none", nil, Verified, AuthorSignatureGood},
		{"which says nothing of its subject", pgp, "none", nil, Verified, HeaderUnsigned},
		{"OpenPGP of a known customer", pgp, "none", anna, Verified, KnownCustomer},
		{"OpenPGP of nobody that we know", pgp, "none", nobody, Authenticated, AuthorSignatureGood},
		{"S/MIME under a trusted root", smime, "none", nil, Authenticated, AuthorSignatureGood},
		{"S/MIME of a known customer", smime, "none", anna, Verified, KnownCustomer},
		{"an old signed mail sent again", pgp, "reject", anna, Forged, PolicyReject},
		{"OpenPGP over a changed text", bytes.Replace(pgp, []byte("the goods"), []byte("my money!"), 1), "none", anna, Forged, AuthorSignatureBad},
		{"S/MIME over a changed text", bytes.Replace(smime, []byte("the goods"), []byte("my money!"), 1), "none", anna, Forged, AuthorSignatureBad},
		{"the signature of somebody else", file("openpgp/of-somebody-else.eml"), "none", knows{"boss@example.com"}, Unverified, signature.SignerNotAuthor},
		{"a signature over a part", file("openpgp/inline-with-text-before.eml"), "none", anna, Unverified, SignatureOnPart},
		{"a weak signature", file("openpgp/sha1.eml"), "none", anna, Unverified, signature.HashWeak},
		{"a revoked key", file("openpgp/revoked-key.eml"), "none", knows{"gone@example.com"}, Unverified, signature.KeyRevoked},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := judged(t, c.raw, Options{
				Resolver: names(t, map[string]string{"_dmarc.example.com": "v=DMARC1; p=" + c.policy}),
				At:       time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), Keys: keys, Customers: c.customers,
			})
			if got.Verdict != c.verdict || !slices.Contains(got.Reasons, c.reason) {
				t.Errorf("%s %v %+v", got.Verdict, got.Reasons, got.Signatures)
			}
			if len(got.Signatures) != 1 {
				t.Errorf("%d signatures", len(got.Signatures))
			}
		})
	}
}

func TestResultsOfOurOwnServer(t *testing.T) {
	zone := map[string]string{"_dmarc.example.com": "v=DMARC1; p=reject"}
	received := "Received: from out.example.com by mx.firm.example with ESMTPS id 1; Sat, 21 Nov 2026 11:59:10 +0000\r\n"
	results := "Authentication-Results: mx.firm.example; spf=pass smtp.mailfrom=anna@example.com\r\n"
	options := Options{TrustMX: []string{"mx.firm.example"}, TrustAuthserv: []string{"mx.firm.example"}}
	for _, c := range []struct {
		name    string
		raw     string
		options Options
		verdict Verdict
		source  SPFSource
		forged  bool
	}{
		{"above the boundary", results + received + plain, options, Authenticated, FromAuthserv, false},
		{"below the boundary", received + results + plain, options, Forged, FromNowhere, true},
		{"without a boundary", results + plain, options, Forged, FromNowhere, false},
		{"with nobody trusted", results + received + plain, Options{TrustMX: options.TrustMX}, Forged, FromNowhere, false},
		{"of another server", "Authentication-Results: mx.evil.example; spf=pass smtp.mailfrom=anna@example.com\r\n" + received + plain, options, Forged, FromNowhere, false},
		{"of a HELO name", "Authentication-Results: mx.firm.example; spf=pass smtp.helo=example.com\r\n" + received + plain, options, Forged, FromAuthserv, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.options.Resolver = names(t, zone)
			got := judgeText(t, c.raw, c.options)
			if got.Verdict != c.verdict || got.SPF.Source != c.source || slices.Contains(got.Reasons, ForgedResults) != c.forged {
				t.Errorf("%s %v %+v", got.Verdict, got.Reasons, got.SPF)
			}
		})
	}
}
