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

// An envelope is the CMS type that is encrypted: EnvelopedData (RFC 5652 §6), or
// AuthEnvelopedData (RFC 5083 §2), which shows whether it is as it was encrypted.
type envelope struct {
	recipients  []recipient
	contentType asn1.ObjectIdentifier
	algorithm   pkix.AlgorithmIdentifier
	content     [][]byte // ciphertext, in pieces

	authenticated bool
	attrs         []byte // what is authenticated beside the content, as the SET; nil for none
	mac           []byte
}

// A recipient is one way to the content's key: the key encrypted to a certificate
// (RFC 5652 §6.2.1), or wrapped under one that is agreed on with it (§6.2.2).
type recipient struct {
	issuer    []byte // DER name, nil where keyID is given
	serial    *big.Int
	keyID     []byte
	algorithm pkix.AlgorithmIdentifier
	key       []byte

	agreed bool
	sender []byte // its one-time public key, of an agreement
	ukm    []byte
}

func (r *recipient) is(cert *x509.Certificate) bool {
	if r.issuer != nil {
		return cert.SerialNumber.Cmp(r.serial) == 0 && bytes.Equal(cert.RawIssuer, r.issuer)
	}
	return len(r.keyID) > 0 && bytes.Equal(cert.SubjectKeyId, r.keyID)
}

var (
	oidEnvelopedData     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 3}
	oidAuthEnvelopedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 23}
)

// Bounds of an envelope.
const (
	maxRecipients  = 1000
	maxOctetPieces = 1 << 20
)

// isEnveloped looks at the content type alone.
func isEnveloped(raw []byte) bool {
	for _, kind := range []asn1.ObjectIdentifier{oidEnvelopedData, oidAuthEnvelopedData} {
		oid, err := asn1.Marshal(kind)
		if err == nil && len(raw) > 0 && raw[0] == 0x30 && bytes.Contains(raw[:min(len(raw), 32)], oid) {
			return true
		}
	}
	return false
}

// parseEnvelope reads a ContentInfo of encrypted data (RFC 5652 §3). The content stays where it
// is: it may be most of a mail.
func parseEnvelope(raw []byte) (*envelope, error) {
	info, rest, err := berInside(raw, 0x30)
	if err != nil || len(bytes.Trim(rest, "\x00\r\n")) > 0 {
		return nil, errBER
	}
	var out envelope
	kind, info, err := berElement(info)
	if err != nil {
		return nil, err
	}
	switch oid, err := objectIdentifier(kind); {
	case err != nil:
		return nil, err
	case oid.Equal(oidAuthEnvelopedData):
		out.authenticated = true
	case !oid.Equal(oidEnvelopedData):
		return nil, errBER
	}
	explicit, rest, err := berInside(info, 0xa0)
	if err != nil || len(rest) > 0 {
		return nil, errBER
	}
	data, rest, err := berInside(explicit, 0x30)
	if err != nil || len(rest) > 0 {
		return nil, errBER
	}
	_, data, err = berInside(data, 0x02) // version
	if err != nil {
		return nil, err
	}
	if len(data) > 0 && data[0] == 0xa0 { // certificates of the sender are of no use here
		if _, data, err = berElement(data); err != nil {
			return nil, err
		}
	}
	infos, data, err := berElement(data)
	if err == nil {
		err = out.readRecipients(infos)
	}
	if err != nil {
		return nil, err
	}
	content, data, err := berInside(data, 0x30)
	if err == nil {
		err = out.readContent(content)
	}
	if err == nil {
		err = out.readRest(data)
	}
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// readContent takes the EncryptedContentInfo (RFC 5652 §6.1).
func (e *envelope) readContent(info []byte) error {
	kind, info, err := berElement(info)
	if err == nil {
		e.contentType, err = objectIdentifier(kind)
	}
	if err != nil {
		return err
	}
	algorithm, info, err := berElement(info)
	if err != nil {
		return err
	}
	if e.algorithm, err = algorithmOf(algorithm); err != nil {
		return err
	}
	if len(info) == 0 || info[0] != 0x80 && info[0] != 0xa0 {
		return errBER // without content there is nothing to open
	}
	form := info[0]
	body, rest, err := berInside(info, form)
	if err != nil || len(rest) > 0 {
		return errBER
	}
	if form == 0x80 {
		e.content = [][]byte{body}
		return nil
	}
	return e.readPieces(body, 0)
}

// readPieces takes an octet string that comes in pieces (X.690 §8.7.3).
func (e *envelope) readPieces(body []byte, depth int) error {
	for len(body) > 0 {
		if depth > maxBERDepth || len(e.content) > maxOctetPieces {
			return errBER
		}
		form := body[0]
		if form != 0x04 && form != 0x24 {
			return errBER
		}
		piece, rest, err := berInside(body, form)
		if err != nil {
			return err
		}
		if form == 0x24 {
			if err := e.readPieces(piece, depth+1); err != nil {
				return err
			}
		} else {
			e.content = append(e.content, piece)
		}
		body = rest
	}
	return nil
}

// readRest takes what stands behind the content: attributes, and the proof of an authenticated one.
func (e *envelope) readRest(data []byte) error {
	if len(data) > 0 && data[0] == 0xa1 {
		attrs, rest, err := berElement(data)
		if err != nil {
			return err
		}
		data = rest
		if e.authenticated {
			der, err := toDER(attrs)
			if err != nil {
				return err
			}
			e.attrs = append([]byte{0x31}, der[1:]...) // RFC 5083 §2.2: as a SET OF, not under the implicit tag
		}
	}
	if !e.authenticated {
		if len(data) > 0 {
			return errBER
		}
		return nil
	}
	mac, rest, err := berInside(data, 0x04)
	if err != nil {
		return err
	}
	e.mac = mac
	if len(rest) > 0 {
		if _, rest, err = berInside(rest, 0xa2); err != nil || len(rest) > 0 {
			return errBER
		}
	}
	return nil
}

// readRecipients takes those that are known how to open; others are of somebody else.
func (e *envelope) readRecipients(raw []byte) error {
	der, err := toDER(raw)
	if err != nil {
		return err
	}
	input := cryptobyte.String(der)
	var infos cryptobyte.String
	if !input.ReadASN1(&infos, tag.SET) || !input.Empty() {
		return errBER
	}
	for count := 0; !infos.Empty(); count++ {
		var info cryptobyte.String
		var kind tag.Tag
		if count == maxRecipients || !infos.ReadAnyASN1(&info, &kind) {
			return errBER
		}
		known := true
		switch kind {
		case tag.SEQUENCE:
			known = e.readTransport(info)
		case tag.Tag(1).Constructed().ContextSpecific():
			known = e.readAgreement(info)
		}
		if !known {
			return errBER
		}
	}
	return nil
}

// readTransport takes a KeyTransRecipientInfo (RFC 5652 §6.2.1).
func (e *envelope) readTransport(info cryptobyte.String) bool {
	var r recipient
	var version int
	var key cryptobyte.String
	if !info.ReadASN1Integer(&version) || !r.readID(&info, tag.Tag(0).ContextSpecific(), false) ||
		!readAlgorithm(&info, &r.algorithm) || !info.ReadASN1(&key, tag.OCTET_STRING) || !info.Empty() {
		return false
	}
	r.key = key
	e.recipients = append(e.recipients, r)
	return true
}

// readID takes who a recipient is: issuer and serial number, or the key's id, which stands alone or at the
// beginning of a sequence.
func (r *recipient) readID(from *cryptobyte.String, keyID tag.Tag, inSequence bool) bool {
	var id cryptobyte.String
	if from.PeekASN1Tag(tag.SEQUENCE) {
		var issuer cryptobyte.String
		r.serial = new(big.Int)
		if !from.ReadASN1(&id, tag.SEQUENCE) || !id.ReadASN1Element(&issuer, tag.SEQUENCE) || !id.ReadASN1Integer(r.serial) {
			return false
		}
		r.issuer = issuer
		return true
	}
	if !from.ReadASN1(&id, keyID) {
		return false
	}
	if inSequence && !id.ReadASN1(&id, tag.OCTET_STRING) {
		return false
	}
	r.keyID = id
	return true
}

// readAgreement takes a KeyAgreeRecipientInfo (RFC 5652 §6.2.2), one recipient for each of its keys. A sender's
// static key is of no use here: RFC 8551 has no need of it.
func (e *envelope) readAgreement(info cryptobyte.String) bool {
	shared := recipient{agreed: true}
	var version int
	var originator, ukm, keys cryptobyte.String
	var has bool
	if !info.ReadASN1Integer(&version) || !info.ReadASN1(&originator, tag.Tag(0).Constructed().ContextSpecific()) ||
		!info.ReadOptionalASN1(&ukm, &has, tag.Tag(1).Constructed().ContextSpecific()) {
		return false
	}
	if has {
		var octets cryptobyte.String
		if !ukm.ReadASN1(&octets, tag.OCTET_STRING) || !ukm.Empty() {
			return false
		}
		shared.ukm = octets
	}
	if !readAlgorithm(&info, &shared.algorithm) || !info.ReadASN1(&keys, tag.SEQUENCE) || !info.Empty() {
		return false
	}
	oneTime := tag.Tag(1).Constructed().ContextSpecific()
	if !originator.PeekASN1Tag(oneTime) {
		return true
	}
	var public cryptobyte.String
	var algorithm pkix.AlgorithmIdentifier
	if !originator.ReadASN1(&public, oneTime) || !readAlgorithm(&public, &algorithm) || !public.ReadASN1BitStringAsBytes(&shared.sender) {
		return false
	}
	for !keys.Empty() {
		one := shared
		var each, key cryptobyte.String
		if len(e.recipients) == maxRecipients || !keys.ReadASN1(&each, tag.SEQUENCE) ||
			!one.readID(&each, tag.Tag(0).Constructed().ContextSpecific(), true) ||
			!each.ReadASN1(&key, tag.OCTET_STRING) || !each.Empty() {
			return false
		}
		one.key = key
		e.recipients = append(e.recipients, one)
	}
	return true
}

func objectIdentifier(raw []byte) (asn1.ObjectIdentifier, error) {
	input := cryptobyte.String(raw)
	var oid asn1.ObjectIdentifier
	if !input.ReadASN1ObjectIdentifier(&oid) || !input.Empty() {
		return nil, errBER
	}
	return oid, nil
}

func algorithmOf(raw []byte) (pkix.AlgorithmIdentifier, error) {
	var algorithm pkix.AlgorithmIdentifier
	der, err := toDER(raw)
	if err != nil {
		return algorithm, err
	}
	input := cryptobyte.String(der)
	if !readAlgorithm(&input, &algorithm) {
		return algorithm, errBER
	}
	return algorithm, nil
}

// berElement takes one element off the front, as it stands.
func berElement(raw []byte) (element, rest []byte, err error) {
	n, err := berLength(raw, 0)
	if err != nil {
		return nil, nil, err
	}
	return raw[:n], raw[n:], nil
}

// berInside takes one element of a tag off the front and gives what is in it.
func berInside(raw []byte, tag byte) (inside, rest []byte, err error) {
	element, rest, err := berElement(raw)
	if err != nil || element[0] != tag {
		return nil, nil, errBER
	}
	header, length, err := berHeader(element)
	if err != nil {
		return nil, nil, err
	}
	if length < 0 {
		return element[header.size : len(element)-2], rest, nil
	}
	return element[header.size:], rest, nil
}

// berLength is how long the element at the front is, with its header and its end.
func berLength(raw []byte, depth int) (int, error) {
	if depth > maxBERDepth {
		return 0, errBER
	}
	header, length, err := berHeader(raw)
	if err != nil {
		return 0, err
	}
	if length >= 0 {
		if length > len(raw)-header.size {
			return 0, errBER
		}
		return header.size + length, nil
	}
	if raw[0]&0x20 == 0 { // of indefinite length only what holds others can be (X.690 §8.1.3.2)
		return 0, errBER
	}
	at := header.size
	for {
		if len(raw)-at < 2 {
			return 0, errBER
		}
		if raw[at] == 0 && raw[at+1] == 0 {
			return at + 2, nil
		}
		n, err := berLength(raw[at:], depth+1)
		if err != nil {
			return 0, err
		}
		at += n
	}
}
