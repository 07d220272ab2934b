package signature

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Keys are what signatures are checked with and messages opened. Whoever fills them
// vouches for them: a key here is trusted to belong to the addresses that it names.
// The zero value knows nobody.
type Keys struct {
	pgp     openpgp.EntityList
	roots   *x509.CertPool
	anchors []*x509.Certificate // in roots
	certs   []*x509.Certificate // of signers, where messages do not bring them
	crls    []*x509.RevocationList

	phrases [][]byte            // that OpenPGP keys may be under, until Settle
	smime   []crypto.PrivateKey // that decrypt
	ours    []*x509.Certificate // of those
}

// Format keeps private keys out of whatever prints them by mistake.
func (Keys) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, "‹keys›") }

const maxKeyFile = 16 << 20

var (
	errKeyFileSize = fmt.Errorf("key file over %d bytes", maxKeyFile)
	errNoKeys      = errors.New("no keys found")
	errNoCerts     = errors.New("no certificates found")
)

// AddOpenPGP adds the keys of a key ring, armored (several blocks are fine) or
// binary.
func (k *Keys) AddOpenPGP(ring []byte) error {
	if len(ring) > maxKeyFile {
		return errKeyFileSize
	}
	armored := []byte("-----BEGIN PGP")
	if !bytes.Contains(ring, armored) {
		entities, err := openpgp.ReadKeyRing(bytes.NewReader(ring))
		if err != nil {
			return fmt.Errorf("key ring: %w", err)
		}
		k.pgp = append(k.pgp, own(entities)...)
		return nil
	}
	found := false
	for {
		start := bytes.Index(ring, armored)
		if start < 0 {
			break
		}
		end := len(ring)
		if next := bytes.Index(ring[start+len(armored):], armored); next >= 0 {
			end = start + len(armored) + next
		}
		entities, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(ring[start:end]))
		if err != nil {
			return fmt.Errorf("key ring: %w", err)
		}
		k.pgp = append(k.pgp, own(entities)...)
		found = true
		ring = ring[end:]
	}
	if !found {
		return errNoKeys
	}
	return nil
}

// own leaves out what others have said of keys, of which anybody can add any amount and which is not
// believed here.
func own(entities openpgp.EntityList) openpgp.EntityList {
	for _, entity := range entities {
		for _, identity := range entity.Identities {
			identity.Signatures = slices.DeleteFunc(identity.Signatures, func(s *packet.Signature) bool {
				return s.IssuerKeyId == nil || *s.IssuerKeyId != entity.PrimaryKey.KeyId
			})
		}
	}
	return entities
}

// Fingerprint gives that of the one OpenPGP key in a binary certificate, in hex. It verifies nothing
// that the certificate says of itself.
func Fingerprint(ring []byte) (string, error) {
	if len(ring) > maxKeyFile {
		return "", errKeyFileSize
	}
	found := ""
	packets := packet.NewReader(bytes.NewReader(ring))
	for {
		p, err := packets.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("key ring: %w", err)
		}
		switch key := p.(type) {
		case *packet.PrivateKey:
			return "", errors.New("key ring of a private key")
		case *packet.PublicKey:
			if key.IsSubkey && found != "" {
				continue
			}
			if key.IsSubkey || found != "" {
				return "", errors.New("key ring of several keys, or of none")
			}
			found = hex.EncodeToString(key.Fingerprint)
		default:
			if found == "" {
				return "", errors.New("key ring that begins with no key")
			}
		}
	}
	if found == "" {
		return "", errNoKeys
	}
	return found, nil
}

// And gives these keys and others together. Neither is changed.
func (k Keys) And(more Keys) Keys {
	both := k
	both.pgp, both.anchors = slices.Concat(k.pgp, more.pgp), slices.Concat(k.anchors, more.anchors)
	both.certs, both.crls = slices.Concat(k.certs, more.certs), slices.Concat(k.crls, more.crls)
	both.smime, both.ours = slices.Concat(k.smime, more.smime), slices.Concat(k.ours, more.ours)
	if len(both.anchors) > 0 {
		both.roots = x509.NewCertPool()
		for _, anchor := range both.anchors {
			both.roots.AddCert(anchor)
		}
	}
	return both
}

// Count tells how many keys and certificates there are.
func (k Keys) Count() int { return len(k.pgp) + len(k.certs) + len(k.anchors) }

// Private tells whether a private key is among them.
func (k Keys) Private() bool {
	return slices.ContainsFunc(k.pgp, func(e *openpgp.Entity) bool {
		return e.PrivateKey != nil || slices.ContainsFunc(e.Subkeys, func(s openpgp.Subkey) bool { return s.PrivateKey != nil })
	})
}

// AddTrusted adds a certificate of a signer that somebody vouches for: it needs no authority.
func (k *Keys) AddTrusted(text []byte) error {
	if err := k.AddRoots(text); err != nil {
		return err
	}
	return k.AddCertificates(text)
}

// SplitOpenPGP gives the public keys of a ring, each in its binary form. A private key is refused.
func SplitOpenPGP(ring []byte) ([][]byte, error) {
	var keys Keys
	if err := keys.AddOpenPGP(ring); err != nil {
		return nil, err
	}
	if keys.Private() {
		return nil, errors.New("it is a private key, which belongs to its owner alone")
	}
	var split [][]byte
	for _, entity := range keys.pgp {
		var out bytes.Buffer
		if err := entity.Serialize(&out); err != nil {
			return nil, fmt.Errorf("key ring: %w", err)
		}
		split = append(split, out.Bytes())
	}
	return split, nil
}

// SplitCertificates gives certificates in PEM or DER, each in DER.
func SplitCertificates(text []byte) ([][]byte, error) {
	certificates, err := readCertificates(text)
	var split [][]byte
	for _, certificate := range certificates {
		split = append(split, certificate.Raw)
	}
	return split, err
}

// AddRoots adds the certificates in PEM or DER that chains must lead to.
func (k *Keys) AddRoots(text []byte) error {
	certs, err := readCertificates(text)
	if err != nil {
		return err
	}
	if k.roots == nil {
		k.roots = x509.NewCertPool()
	}
	for _, cert := range certs {
		k.roots.AddCert(cert)
	}
	k.anchors = append(k.anchors, certs...)
	return nil
}

// AddCertificates adds certificates of signers or intermediates. They are not
// trusted by themselves.
func (k *Keys) AddCertificates(text []byte) error {
	certs, err := readCertificates(text)
	if err == nil {
		k.certs = append(k.certs, certs...)
	}
	return err
}

// AddRevocations adds a certificate revocation list in DER or PEM. It counts for
// the certificates of the issuer that signed it.
func (k *Keys) AddRevocations(text []byte) error {
	if len(text) > maxKeyFile {
		return errKeyFileSize
	}
	if block, _ := pem.Decode(text); block != nil {
		text = block.Bytes
	}
	list, err := x509.ParseRevocationList(text)
	if err != nil {
		return fmt.Errorf("revocation list: %w", err)
	}
	k.crls = append(k.crls, list)
	return nil
}

func readCertificates(text []byte) ([]*x509.Certificate, error) {
	if len(text) > maxKeyFile {
		return nil, errKeyFileSize
	}
	var certs []*x509.Certificate
	if !bytes.Contains(text, []byte("-----BEGIN")) {
		found, err := x509.ParseCertificates(text)
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		return found, nil
	}
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errNoCerts
	}
	return certs, nil
}
