package attachment

import (
	"bytes"

	"github.com/postern-mail/postern/pkg/mail"
)

// sealedType tells whether a file is an encrypted or a signed message, by its bytes
// and by what it is declared as; "" for neither.
func sealedType(content []byte, declared, extension string) string {
	trimmed := bytes.TrimLeft(content[:min(len(content), 4096)], " \t\r\n\xef\xbb\xbf")
	switch {
	case bytes.HasPrefix(trimmed, []byte("-----BEGIN PGP MESSAGE-----")):
		return "application/pgp-encrypted"
	case extension == "pgp" || extension == "gpg" || declared == "application/pgp-encrypted":
		if isPGPMessage(content) {
			return "application/pgp-encrypted"
		}
	}
	if _, ok := cmsContent(content); ok {
		return "application/pkcs7-mime"
	}
	return ""
}

// holdsPGPMessage finds an armored message at the start of a line of a text, from its
// first line to its last (RFC 9580 §6.2).
func holdsPGPMessage(text []byte) bool {
	_, after, found := bytes.Cut(text, []byte("\n-----BEGIN PGP MESSAGE-----"))
	return found && bytes.Contains(after, []byte("\n-----END PGP MESSAGE-----"))
}

// isPGPMessage knows the first packet of an encrypted OpenPGP message (RFC 9580
// §4.3): a wrapped session key or the encrypted data itself.
func isPGPMessage(b []byte) bool {
	if len(b) == 0 || b[0]&0x80 == 0 {
		return false
	}
	tag := b[0] >> 2 & 0x0f
	if b[0]&0x40 != 0 {
		tag = b[0] & 0x3f
	}
	return tag == 1 || tag == 3 || tag == 9 || tag == 18 || tag == 20
}

// Object identifiers of CMS content, as they are encoded (RFC 5652, RFC 5083,
// RFC 3274).
const (
	oidSigned     = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
	oidEnveloped  = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"
	oidEncrypted  = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06"
	oidAuthEnv    = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17"
	oidCompressed = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x09"
)

// cmsContent tells the content type of a CMS object (RFC 5652 §3).
func cmsContent(b []byte) (oid string, ok bool) {
	inner, _, tag, ok := berNext(b)
	if !ok || tag != 0x30 {
		return "", false
	}
	value, _, tag, ok := berNext(inner)
	if !ok || tag != 0x06 {
		return "", false
	}
	switch string(value) {
	case oidSigned, oidEnveloped, oidEncrypted, oidAuthEnv, oidCompressed:
		return string(value), true
	}
	return "", false
}

// berNext takes one element off b (X.690 §8.1). Of indefinite length, its value
// reaches to the end of b: whoever reads it stops at the end marker.
func berNext(b []byte) (value, rest []byte, tag byte, ok bool) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return nil, nil, 0, false
	}
	tag = b[0]
	length := int(b[1])
	b = b[2:]
	switch {
	case length == 0x80:
		return b, nil, tag, true
	case length > 0x84:
		return nil, nil, 0, false
	case length > 0x80:
		n := length & 0x7f
		if len(b) < n {
			return nil, nil, 0, false
		}
		length = 0
		for _, c := range b[:n] {
			length = length<<8 | int(c)
		}
		b = b[n:]
	}
	if length > len(b) {
		return nil, nil, 0, false
	}
	return b[:length], b[length:], tag, true
}

// openSealed says of an encrypted message that it is one, and looks into one
// that is only signed.
func (w *walker) openSealed(a *Attachment, f file) error {
	oid, ok := cmsContent(f.content)
	if !ok || oid == oidEnveloped || oid == oidEncrypted || oid == oidAuthEnv {
		a.add(EncryptedMessage)
		return nil
	}
	if f.opened {
		return nil // what is signed in it is examined as a part of the mail
	}
	content, ok := signedContent(f.content)
	if oid != oidSigned || !ok {
		a.add(UnsupportedContainer)
		return nil
	}
	if len(content) == 0 {
		return nil // certificates alone, or a signature beside its content
	}
	if reason := w.budget.member(); reason != "" {
		return errStop
	}
	return w.packedMessage(a, f, mail.Parse(content, mail.Limits{}))
}

// signedContent joins the content of SignedData (RFC 5652 §5.1, §5.2): behind
// version and algorithms, its type and an octet string that may be in pieces.
// ok is false where the structure is not understood.
func signedContent(b []byte) (content []byte, ok bool) {
	info, _, _, _ := berNext(b)
	_, rest, _, _ := berNext(info) // contentType
	explicit, _, tag, ok := berNext(rest)
	if !ok || tag != 0xa0 {
		return nil, false
	}
	signed, _, tag, ok := berNext(explicit)
	if !ok || tag != 0x30 {
		return nil, false
	}
	_, rest, _, ok1 := berNext(signed)              // version
	_, rest, tag, ok2 := berNext(rest)              // digestAlgorithms
	if !ok1 || !ok2 || tag != 0x31 || rest == nil { // of unknown length: not followed
		return nil, false
	}
	encapsulated, _, tag, ok := berNext(rest)
	if !ok || tag != 0x30 {
		return nil, false
	}
	_, rest, tag, ok = berNext(encapsulated)
	if !ok || tag != 0x06 {
		return nil, false
	}
	if len(rest) < 2 || rest[0] != 0xa0 {
		return nil, true
	}
	octets, _, _, ok := berNext(rest)
	if !ok {
		return nil, false
	}
	return berOctets(octets)
}

// berOctets joins an octet string, primitive or in pieces.
func berOctets(b []byte) ([]byte, bool) {
	value, _, tag, ok := berNext(b)
	if !ok {
		return nil, false
	}
	if tag == 0x04 {
		return value, true
	}
	if tag != 0x24 {
		return nil, false
	}
	var joined []byte
	for rest := value; len(rest) >= 2 && !(rest[0] == 0 && rest[1] == 0); {
		var piece []byte
		if piece, rest, tag, ok = berNext(rest); !ok || tag != 0x04 {
			return nil, false
		}
		joined = append(joined, piece...)
	}
	return joined, true
}
