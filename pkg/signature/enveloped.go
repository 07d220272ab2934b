package signature

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:staticcheck // of mails as old programs send them
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/ProtonMail/go-crypto/openpgp/aes/keywrap"

	"github.com/postern-mail/postern/pkg/mail"
)

// readCMS opens one encrypted CMS message into the opening and gives a code of why it could
// not, "" where it could.
func (o *opener) readCMS(source []byte, opening *mail.Opening, piece *Piece) (refused string) {
	defer func() {
		if recover() != nil { // what was thrown may quote what was being read
			refused = Damaged
		}
	}()
	e, err := parseEnvelope(source)
	if err != nil {
		return Damaged
	}
	means, known := contentMeans[e.algorithm.Algorithm.String()]
	known = known && means.authenticates == e.authenticated && e.contentType.Equal(oidData)
	code := StaysClosed
	for i := range e.recipients {
		r := &e.recipients[i]
		for _, ours := range o.smime {
			if !r.is(ours.cert) {
				continue
			}
			if !known {
				return UnknownMeans
			}
			if o.tries++; o.tries > o.limits.Tries {
				return code
			}
			if o.ctx.Err() != nil {
				return TooMuchTime
			}
			key, err := r.contentKey(ours.key, means.keySize)
			if err != nil {
				code = Damaged
				if errors.Is(err, errMeans) {
					code = UnknownMeans
				}
				continue
			}
			plain, err := e.decrypt(means, key)
			clear(key)
			// RFC 8551 §3.3: what is encrypted is a MIME entity; some encrypt bare text. Anything else is what a
			// wrong key makes of it.
			if err == nil && !isEntity(plain) && isWords(plain) {
				opening.Form = mail.Words
			} else if err != nil || !isEntity(plain) {
				code = Damaged
				continue
			}
			if o.left -= int64(len(plain)); o.left < 0 {
				return TooManyBytes
			}
			opening.Content = plain
			sum := sha256.Sum256(ours.cert.Raw)
			piece.Key = hex.EncodeToString(sum[:])
			if !e.authenticated {
				piece.Reason = WithoutIntegrity
			}
			return ""
		}
	}
	return code
}

var (
	errMeans   = errors.New("means of encryption that are not known")
	errContent = errors.New("content that does not decrypt")
)

// means are how content is encrypted.
type means struct {
	keySize       int // bytes
	authenticates bool
	block         func([]byte) (cipher.Block, error)
}

// contentMeans by their object identifiers: AES (RFC 3565, RFC 5084), and the Triple DES of older programs (RFC 3370 §5.1).
var contentMeans = map[string]means{
	"2.16.840.1.101.3.4.1.2":  {16, false, aes.NewCipher},
	"2.16.840.1.101.3.4.1.22": {24, false, aes.NewCipher},
	"2.16.840.1.101.3.4.1.42": {32, false, aes.NewCipher},
	"2.16.840.1.101.3.4.1.6":  {16, true, aes.NewCipher},
	"2.16.840.1.101.3.4.1.26": {24, true, aes.NewCipher},
	"2.16.840.1.101.3.4.1.46": {32, true, aes.NewCipher},
	"1.2.840.113549.3.7":      {24, false, des.NewTripleDESCipher},
}

// decrypt gives the content. Of an authenticated one nothing comes out that was changed.
func (e *envelope) decrypt(m means, key []byte) ([]byte, error) {
	block, err := m.block(key)
	if err != nil {
		return nil, err
	}
	content := slices.Concat(append(slices.Clip(e.content), e.mac)...) // the one copy: what comes out takes its place
	if m.authenticates {
		var params struct {
			Nonce []byte
			ICV   int `asn1:"optional,default:12"` // RFC 5084 §3.2
		}
		rest, err := asn1.Unmarshal(e.algorithm.Parameters.FullBytes, &params)
		if err != nil || len(rest) > 0 || len(params.Nonce) != 12 || params.ICV != len(e.mac) {
			return nil, errContent
		}
		gcm, err := cipher.NewGCMWithTagSize(block, params.ICV)
		if err != nil {
			return nil, err
		}
		return gcm.Open(content[:0], params.Nonce, content, e.attrs)
	}
	var iv []byte
	rest, err := asn1.Unmarshal(e.algorithm.Parameters.FullBytes, &iv)
	size := block.BlockSize()
	if err != nil || len(rest) > 0 || len(iv) != size || len(content) == 0 || len(content)%size != 0 {
		return nil, errContent
	}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(content, content)
	pad := int(content[len(content)-1]) // RFC 5652 §6.3
	if pad == 0 || pad > size {
		return nil, errContent
	}
	for _, c := range content[len(content)-pad:] {
		if int(c) != pad {
			return nil, errContent
		}
	}
	return content[:len(content)-pad], nil
}

var (
	oidRSA  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidOAEP = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 7}
	oidMGF1 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
)

// contentKey gives the key that the content is encrypted with.
func (r *recipient) contentKey(private crypto.PrivateKey, size int) ([]byte, error) {
	if r.agreed {
		agree, ok := private.(*ecdh.PrivateKey)
		if !ok {
			return nil, errContent
		}
		return r.agreedKey(agree, size)
	}
	key, ok := private.(*rsa.PrivateKey)
	if !ok {
		return nil, errContent
	}
	switch {
	case r.algorithm.Algorithm.Equal(oidRSA):
		// RFC 3218 §2.3.2: where the key does not come out right another takes its place, and nobody
		// learns from how long it took or from what was said which it was.
		content := make([]byte, size)
		if _, err := rand.Read(content); err != nil {
			return nil, err
		}
		return content, rsa.DecryptPKCS1v15SessionKey(nil, key, r.key, content) //nolint:staticcheck // it is what mail programs send (RFC 8551 §2.3)
	case r.algorithm.Algorithm.Equal(oidOAEP):
		options, err := oaepOptions(r.algorithm)
		if err != nil {
			return nil, err
		}
		content, err := key.Decrypt(nil, r.key, options)
		if err != nil || len(content) != size {
			return nil, errContent
		}
		return content, nil
	}
	return nil, errMeans
}

// oaepOptions reads the parameters of RSAES-OAEP (RFC 4055 §4.1).
func oaepOptions(algorithm pkix.AlgorithmIdentifier) (*rsa.OAEPOptions, error) {
	var params struct {
		Hash   pkix.AlgorithmIdentifier `asn1:"explicit,tag:0,optional"`
		MGF    pkix.AlgorithmIdentifier `asn1:"explicit,tag:1,optional"`
		Source pkix.AlgorithmIdentifier `asn1:"explicit,tag:2,optional"`
	}
	options := &rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1}
	if len(algorithm.Parameters.FullBytes) > 0 {
		if rest, err := asn1.Unmarshal(algorithm.Parameters.FullBytes, &params); err != nil || len(rest) > 0 {
			return nil, errContent
		}
	}
	if params.Hash.Algorithm != nil {
		options.Hash = hashes[params.Hash.Algorithm.String()]
	}
	if params.MGF.Algorithm != nil {
		var mask pkix.AlgorithmIdentifier
		if _, err := asn1.Unmarshal(params.MGF.Parameters.FullBytes, &mask); err != nil || !params.MGF.Algorithm.Equal(oidMGF1) {
			return nil, errMeans
		}
		options.MGFHash = hashes[mask.Algorithm.String()]
	}
	if params.Source.Algorithm != nil {
		if _, err := asn1.Unmarshal(params.Source.Parameters.FullBytes, &options.Label); err != nil {
			return nil, errContent
		}
	}
	if options.Hash == 0 || options.MGFHash == 0 || options.Hash == crypto.MD5 || options.MGFHash == crypto.MD5 {
		return nil, errMeans
	}
	return options, nil
}

// agreements are the digests by which a shared secret becomes a key (RFC 5753 §7.1.4). Those with the cofactor are
// the same, since it is 1 for these curves.
var agreements = map[string]crypto.Hash{
	"1.3.133.16.840.63.0.2": crypto.SHA1,
	"1.3.132.1.11.0":        crypto.SHA224,
	"1.3.132.1.11.1":        crypto.SHA256,
	"1.3.132.1.11.2":        crypto.SHA384,
	"1.3.132.1.11.3":        crypto.SHA512,
	"1.3.133.16.840.63.0.3": crypto.SHA1,
	"1.3.132.1.14.0":        crypto.SHA224,
	"1.3.132.1.14.1":        crypto.SHA256,
	"1.3.132.1.14.2":        crypto.SHA384,
	"1.3.132.1.14.3":        crypto.SHA512,
}

// wraps are the ways in which a key is wrapped under another, with the size of that (RFC 3565 §2.3.2).
var wraps = map[string]int{"2.16.840.1.101.3.4.1.5": 16, "2.16.840.1.101.3.4.1.25": 24, "2.16.840.1.101.3.4.1.45": 32}

// agreedKey agrees with the sender's one-time key and unwraps with what comes of it (RFC 5753 §3.1).
func (r *recipient) agreedKey(private *ecdh.PrivateKey, size int) ([]byte, error) {
	way, known := agreements[r.algorithm.Algorithm.String()]
	var wrap pkix.AlgorithmIdentifier
	if !known {
		return nil, errMeans
	}
	if rest, err := asn1.Unmarshal(r.algorithm.Parameters.FullBytes, &wrap); err != nil || len(rest) > 0 {
		return nil, errContent
	}
	wrapSize := wraps[wrap.Algorithm.String()]
	if wrapSize == 0 {
		return nil, errMeans
	}
	public, err := private.Curve().NewPublicKey(r.sender)
	if err != nil {
		return nil, errContent
	}
	secret, err := private.ECDH(public)
	if err != nil {
		return nil, errContent
	}
	defer clear(secret)
	about, err := sharedInfo(r.algorithm.Parameters.FullBytes, r.ukm, wrapSize)
	if err != nil {
		return nil, err
	}
	under := x963(way, secret, about, wrapSize)
	defer clear(under)
	content, err := keywrap.Unwrap(under, r.key)
	if err != nil || len(content) != size {
		return nil, errContent
	}
	return content, nil
}

// sharedInfo is the ECC-CMS-SharedInfo (RFC 5753 §7.2).
func sharedInfo(wrap, ukm []byte, size int) ([]byte, error) {
	return asn1.Marshal(struct {
		KeyInfo     asn1.RawValue
		EntityUInfo []byte `asn1:"explicit,tag:0,optional,omitempty"`
		SuppPubInfo []byte `asn1:"explicit,tag:2"`
	}{asn1.RawValue{FullBytes: wrap}, ukm, binary.BigEndian.AppendUint32(nil, uint32(size*8))})
}

// x963 is the key derivation of ANSI X9.63 (SEC 1 §3.6.1).
func x963(hash crypto.Hash, secret, about []byte, size int) []byte {
	var out []byte
	for counter := uint32(1); len(out) < size; counter++ {
		h := hash.New()
		h.Write(secret)
		h.Write(binary.BigEndian.AppendUint32(nil, counter))
		h.Write(about)
		out = h.Sum(out)
	}
	return out[:size]
}
