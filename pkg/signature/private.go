package signature

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// A pair is a private key and a certificate of it, which messages are encrypted to.
type pair struct {
	key  crypto.PrivateKey // *rsa.PrivateKey or *ecdh.PrivateKey
	cert *x509.Certificate
}

var (
	errNoPrivate     = errors.New("no private key that decrypts is in it")
	errLockedPEM     = errors.New("a passphrase protects the private key: openssl pkey -in FILE -out NEW takes it off")
	errPEM           = errors.New("neither private key nor certificate in PEM is in it: openssl pkcs12 -in FILE -nodes -out NEW makes them")
	errPrivateKind   = errors.New("private key that is neither RSA nor of a curve of NIST")
	errNoCertificate = errors.New("a private key for S/MIME has no certificate here")
)

// AddPassphrase adds one that OpenPGP keys may be protected by; line ends at its end are not part of it.
func (k *Keys) AddPassphrase(text []byte) error {
	k.phrases = append(k.phrases, bytes.Clone(bytes.TrimRight(text, "\r\n")))
	return nil
}

// AddPrivateOpenPGP is AddOpenPGP for a file that must hold a private key to decrypt with.
func (k *Keys) AddPrivateOpenPGP(ring []byte) error {
	var fresh Keys
	if err := fresh.AddOpenPGP(ring); err != nil {
		return err
	}
	for _, entity := range fresh.pgp {
		for p := range privateOf(entity) {
			if p.PubKeyAlgo.CanEncrypt() {
				k.pgp = append(k.pgp, fresh.pgp...)
				return nil
			}
		}
	}
	return errNoPrivate
}

// AddPrivateSMIME adds the private keys (RFC 5958, RFC 8017, RFC 5915) and the certificates of a PEM file.
// Which belongs to which is found by Settle.
func (k *Keys) AddPrivateSMIME(text []byte) error {
	if len(text) > maxKeyFile {
		return errKeyFileSize
	}
	found := false
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		var key any
		var err error
		switch block.Type {
		case "CERTIFICATE":
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return fmt.Errorf("certificate: %w", err)
			}
			k.ours, found = append(k.ours, cert), true
			continue
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return errLockedPEM
			}
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return errLockedPEM
			}
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return errLockedPEM
		default: // parameters of a curve, and the like
			continue
		}
		if err != nil {
			return errors.New("private key: it cannot be read") // the library's words may quote it
		}
		if key = decrypter(key); key == nil {
			return errPrivateKind
		}
		k.smime, found = append(k.smime, key), true
	}
	if !found {
		return errPEM
	}
	return nil
}

// decrypter gives a private key in the form that it decrypts in, nil where it does not.
func decrypter(key any) crypto.PrivateKey {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return key
	case *ecdsa.PrivateKey:
		if agree, err := key.ECDH(); err == nil {
			return agree
		}
	}
	return nil
}

// Settle takes passphrases off and tells which private key is of no use: because no passphrase opens it, or
// it has no certificate.
func (k *Keys) Settle() error {
	for _, entity := range k.pgp {
		for _, phrase := range k.phrases {
			if entity.DecryptPrivateKeys(phrase) == nil {
				break
			}
		}
	}
	for _, phrase := range k.phrases {
		clear(phrase)
	}
	k.phrases = nil
	if locked := k.Locked(); locked > 0 {
		return fmt.Errorf("%d keys are under a passphrase that is not in passphrases", locked)
	}
	pairs := k.pairs()
	for _, key := range k.smime {
		if !containsKey(pairs, key) {
			return errNoCertificate
		}
	}
	return nil
}

func containsKey(pairs []pair, key crypto.PrivateKey) bool {
	for _, p := range pairs {
		if p.key == key {
			return true
		}
	}
	return false
}

// pairs finds the certificates of the private keys.
func (k Keys) pairs() []pair {
	var found []pair
	for _, cert := range k.ours {
		for _, key := range k.smime {
			if samePublic(key, cert.PublicKey) {
				found = append(found, pair{key, cert})
				break
			}
		}
	}
	return found
}

func samePublic(key crypto.PrivateKey, public crypto.PublicKey) bool {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return key.PublicKey.Equal(public)
	case *ecdh.PrivateKey:
		if curve, ok := public.(*ecdsa.PublicKey); ok {
			agree, err := curve.ECDH()
			return err == nil && key.PublicKey().Equal(agree)
		}
	}
	return false
}

// Decrypts counts what can decrypt: OpenPGP keys, and certificates with their private keys.
func (k Keys) Decrypts() (openpgp, smime int) {
	of := map[string]bool{}
	for _, p := range k.private() {
		if p.PubKeyAlgo.CanEncrypt() {
			of[p.of] = true
		}
	}
	return len(of), len(k.pairs())
}
