package signature

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"
)

// A signedData is the CMS type that carries signatures (RFC 5652 §5).
type signedData struct {
	contentType asn1.ObjectIdentifier
	content     []byte
	attached    bool // content is inside
	certs       []*x509.Certificate
	signers     []signerInfo
}

// A signerInfo is one signature (RFC 5652 §5.3).
type signerInfo struct {
	issuer    []byte // DER name, nil where keyID is given
	serial    *big.Int
	keyID     []byte
	digest    pkix.AlgorithmIdentifier
	algorithm pkix.AlgorithmIdentifier
	value     []byte
	attrs     []byte // the signed attributes as the SET that is signed, nil for none
	attrType  asn1.ObjectIdentifier
	attrSum   []byte
}

var (
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
)

const maxCertificates = 50

// isSignedData looks at the content type alone.
func isSignedData(raw []byte) bool {
	oid, err := asn1.Marshal(oidSignedData)
	return err == nil && len(raw) > 0 && raw[0] == 0x30 && bytes.Contains(raw[:min(len(raw), 32)], oid)
}

// parseSignedData reads a ContentInfo of signed data (RFC 5652 §3, §5.1).
func parseSignedData(raw []byte) (*signedData, error) {
	der, err := toDER(raw)
	if err != nil {
		return nil, err
	}
	input := cryptobyte.String(der)
	var info, explicit, sd cryptobyte.String
	var kind asn1.ObjectIdentifier
	if !input.ReadASN1(&info, tag.SEQUENCE) || !info.ReadASN1ObjectIdentifier(&kind) || !kind.Equal(oidSignedData) ||
		!info.ReadASN1(&explicit, tag.Tag(0).Constructed().ContextSpecific()) || !explicit.ReadASN1(&sd, tag.SEQUENCE) {
		return nil, errBER
	}
	out := &signedData{}
	var version int
	var skipped, content cryptobyte.String
	if !sd.ReadASN1Integer(&version) || !sd.ReadASN1(&skipped, tag.SET) || !sd.ReadASN1(&content, tag.SEQUENCE) ||
		!content.ReadASN1ObjectIdentifier(&out.contentType) {
		return nil, errBER
	}
	var wrapped cryptobyte.String
	if !content.ReadOptionalASN1(&wrapped, &out.attached, tag.Tag(0).Constructed().ContextSpecific()) {
		return nil, errBER
	}
	if out.attached {
		var octets cryptobyte.String
		if !wrapped.ReadASN1(&octets, tag.OCTET_STRING) {
			return nil, errBER
		}
		out.content = octets
	}
	if err := out.readCertificates(&sd); err != nil {
		return nil, err
	}
	var crls, infos cryptobyte.String
	var has bool
	if !sd.ReadOptionalASN1(&crls, &has, tag.Tag(1).Constructed().ContextSpecific()) || !sd.ReadASN1(&infos, tag.SET) {
		return nil, errBER
	}
	for !infos.Empty() {
		if len(out.signers) == maxSignerInfos {
			return nil, errBER
		}
		signer, err := readSigner(&infos)
		if err != nil {
			return nil, err
		}
		out.signers = append(out.signers, signer)
	}
	return out, nil
}

// readCertificates takes the certificates that can be read; others are of no use
// (RFC 5652 §10.2.2).
func (d *signedData) readCertificates(sd *cryptobyte.String) error {
	var set cryptobyte.String
	var has bool
	if !sd.ReadOptionalASN1(&set, &has, tag.Tag(0).Constructed().ContextSpecific()) {
		return errBER
	}
	for !set.Empty() && len(d.certs) < maxCertificates {
		var one cryptobyte.String
		var kind tag.Tag
		if !set.ReadAnyASN1Element(&one, &kind) {
			return errBER
		}
		if cert, err := x509.ParseCertificate(one); err == nil && kind == tag.SEQUENCE {
			d.certs = append(d.certs, cert)
		}
	}
	return nil
}

func readSigner(infos *cryptobyte.String) (signerInfo, error) {
	var s signerInfo
	var info cryptobyte.String
	var version int
	if !infos.ReadASN1(&info, tag.SEQUENCE) || !info.ReadASN1Integer(&version) {
		return s, errBER
	}
	var id cryptobyte.String
	keyID := tag.Tag(0).ContextSpecific()
	switch {
	case info.PeekASN1Tag(tag.SEQUENCE):
		var issuer cryptobyte.String
		s.serial = new(big.Int)
		if !info.ReadASN1(&id, tag.SEQUENCE) || !id.ReadASN1Element(&issuer, tag.SEQUENCE) || !id.ReadASN1Integer(s.serial) {
			return s, errBER
		}
		s.issuer = issuer
	case info.PeekASN1Tag(keyID):
		if !info.ReadASN1(&id, keyID) {
			return s, errBER
		}
		s.keyID = id
	default:
		return s, errBER
	}
	if !readAlgorithm(&info, &s.digest) {
		return s, errBER
	}
	if attrs := tag.Tag(0).Constructed().ContextSpecific(); info.PeekASN1Tag(attrs) {
		var whole cryptobyte.String
		if !info.ReadASN1Element(&whole, attrs) {
			return s, errBER
		}
		// RFC 5652 §5.4: signed as a SET OF, not under the implicit tag.
		s.attrs = append([]byte{0x31}, whole[1:]...)
		if !s.readAttributes() {
			return s, errBER
		}
	}
	var value cryptobyte.String
	if !readAlgorithm(&info, &s.algorithm) || !info.ReadASN1(&value, tag.OCTET_STRING) {
		return s, errBER
	}
	s.value = value
	return s, nil
}

func readAlgorithm(from *cryptobyte.String, to *pkix.AlgorithmIdentifier) bool {
	var raw cryptobyte.String
	if !from.ReadASN1Element(&raw, tag.SEQUENCE) {
		return false
	}
	rest, err := asn1.Unmarshal(raw, to)
	return err == nil && len(rest) == 0
}

// readAttributes takes content type and message digest, each of which stands
// exactly once with exactly one value (RFC 5652 §11.1, §11.2).
func (s *signerInfo) readAttributes() bool {
	input := cryptobyte.String(s.attrs)
	var set cryptobyte.String
	if !input.ReadASN1(&set, tag.SET) {
		return false
	}
	for !set.Empty() {
		var attr, values cryptobyte.String
		var kind asn1.ObjectIdentifier
		if !set.ReadASN1(&attr, tag.SEQUENCE) || !attr.ReadASN1ObjectIdentifier(&kind) || !attr.ReadASN1(&values, tag.SET) {
			return false
		}
		switch {
		case kind.Equal(oidContentType):
			if s.attrType != nil || !values.ReadASN1ObjectIdentifier(&s.attrType) || !values.Empty() {
				return false
			}
		case kind.Equal(oidMessageDigest):
			var sum cryptobyte.String
			if s.attrSum != nil || !values.ReadASN1(&sum, tag.OCTET_STRING) || !values.Empty() {
				return false
			}
			s.attrSum = sum
		}
	}
	return s.attrType != nil && s.attrSum != nil
}

// isAttributes reports whether content has the form of signed attributes: a signature without
// attributes over that is the signature with them over something else.
func isAttributes(content []byte) bool {
	return len(content) > 0 && content[0] == 0x31 && (&signerInfo{attrs: content}).readAttributes()
}
