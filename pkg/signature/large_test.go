package signature

import (
	"bytes"
	"crypto/dsa" //nolint:staticcheck // as strangers may use it
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// modulus is an odd number of so many bits, which is nobody's key.
func modulus(bits int) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return n.SetBit(n, 0, 1)
}

// A key of a million bits takes a minute of the processor for one signature, and whoever writes a mail
// may bring it.
func TestAKeyThatWouldTakeMinutesIsNotTried(t *testing.T) {
	block, _ := pem.Decode(read(t, "smime", "signer.pem"))
	signer, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for bits, want := range map[int]string{maxRSABits + 1: KeyTooLarge, maxRSABits: ValueWrong, 1 << 20: KeyTooLarge} {
		forged, err := x509.CreateCertificate(rand.Reader,
			&x509.Certificate{SerialNumber: signer.SerialNumber, RawSubject: signer.RawSubject, EmailAddresses: signer.EmailAddresses, NotBefore: signer.NotBefore, NotAfter: signer.NotAfter, SubjectKeyId: signer.SubjectKeyId},
			&x509.Certificate{RawSubject: signer.RawIssuer, SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(1, 0, 0)},
			&rsa.PublicKey{N: modulus(bits), E: 65537}, issuer)
		if err != nil {
			t.Fatal(err)
		}
		keys := testKeys(t)
		if err := keys.AddCertificates(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: forged})); err != nil {
			t.Fatal(err)
		}
		results := check(t, bytes.Clone(read(t, "smime", "nocert-detached.eml")), keys, received)
		if len(results) != 1 || results[0].Reason != want {
			t.Errorf("%d bits: %+v, want %s", bits, results, want)
		}
	}
}

func TestKeysOfEveryKindAreBounded(t *testing.T) {
	parameters := func(p, q, g, y int) *dsa.PublicKey {
		return &dsa.PublicKey{Parameters: dsa.Parameters{P: modulus(p), Q: modulus(q), G: modulus(g)}, Y: modulus(y)}
	}
	fine := parameters(maxDSABits, maxDSAOrder, maxDSABits, maxDSABits)
	if tooLarge(fine) {
		t.Error("a key at its bounds is refused")
	}
	for name, key := range map[string]*dsa.PublicKey{
		"p": parameters(maxDSABits+1, 256, 2048, 2048), "q": parameters(2048, maxDSAOrder+1, 2048, 2048),
		"g": parameters(2048, 256, maxDSABits+1, 2048), "y": parameters(2048, 256, 2048, maxDSABits+1),
	} {
		if !tooLarge(key) {
			t.Errorf("a key with a large %s is tried", name)
		}
	}
}
