package signature

import (
	"bytes"
	"crypto"
	"crypto/dsa" //nolint:staticcheck // to tell a weak signature from a bad one
	"crypto/ecdsa"
	"crypto/ed25519"
	_ "crypto/md5" // for the same
	"crypto/rsa"
	_ "crypto/sha1"
	"crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
)

// cms checks the signatures of a CMS message over detached content, or over its
// own where there is none.
func (c *checker) cms(raw, detached []byte) []Result {
	unreadable := []Result{{Kind: SMIME, Result: Error, Reason: SignatureUnreadable}}
	data, err := parseSignedData(raw)
	switch {
	case err != nil || len(data.signers) == 0 && detached != nil:
		return unreadable
	case len(data.signers) == 0:
		return nil // certificates alone (RFC 8551 §3.8)
	}
	content := data.content
	switch {
	case detached != nil && data.attached:
		// Two contents: which is shown is for the reader to guess (RFC 8551 §3.5.3).
		return []Result{{Kind: SMIME, Result: Error, Reason: StructureBroken}}
	case detached != nil:
		content = detached
	case !data.attached:
		return unreadable
	}
	var results []Result
	for i := range data.signers {
		results = append(results, c.cmsSigner(data, &data.signers[i], content))
	}
	return results
}

func (c *checker) cmsSigner(data *signedData, signer *signerInfo, content []byte) Result {
	result := Result{Kind: SMIME}
	end := func(outcome Outcome, code string) Result {
		result.Result, result.Reason = outcome, code
		return result
	}
	cert := c.findSigner(data, signer)
	if cert == nil {
		return end(UnknownKey, KeyMissing)
	}
	c.needed.smime(cert, data.certs)
	addresses := mailAddresses(cert)
	if len(addresses) > 0 {
		result.Signer = addresses[0]
	}
	sum := sha256.Sum256(cert.Raw)
	result.Key = hex.EncodeToString(sum[:])

	if tooLarge(cert.PublicKey) {
		return end(Error, KeyTooLarge)
	}
	hash := hashes[signer.digest.Algorithm.String()]
	if hash == 0 {
		return end(Error, AlgorithmUnknown)
	}
	signed := content
	if signer.attrs != nil {
		if !signer.attrType.Equal(data.contentType) {
			return end(Bad, ContentChanged) // RFC 5652 §11.1
		}
		h := hash.New()
		h.Write(content)
		if !bytes.Equal(h.Sum(nil), signer.attrSum) {
			result = c.settle(result, addresses)
			return end(Bad, ContentChanged)
		}
		signed = signer.attrs
	} else if !data.contentType.Equal(oidData) {
		return end(Error, SignatureUnreadable) // RFC 5652 §5.3: attributes are required then
	} else if isAttributes(content) {
		// Attributes that were signed for another content, passed off as one.
		return end(Error, StructureAmbiguous)
	}
	holds, known, weak := verify(cert.PublicKey, signer, hash, signed)
	switch {
	case !known:
		return end(Error, AlgorithmUnknown)
	case !holds && weak != KeyWeak:
		result = c.settle(result, addresses)
		return end(Bad, ValueWrong)
	case weak != "":
		result = end(Weak, weak)
	default:
		result = end(c.certificateState(cert, data))
	}
	return c.settle(result, addresses)
}

// tooLarge tells of a key with which nothing is checked, because that would take too long.
func tooLarge(public crypto.PublicKey) bool {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() > maxRSABits
	case *dsa.PublicKey:
		return key.P.BitLen() > maxDSABits || key.Q.BitLen() > maxDSAOrder || key.G.BitLen() > maxDSABits || key.Y.BitLen() > maxDSABits
	}
	return false
}

func (c *checker) findSigner(data *signedData, signer *signerInfo) *x509.Certificate {
	for _, list := range [][]*x509.Certificate{data.certs, c.keys.certs} {
		for _, cert := range list {
			if signer.issuer != nil && cert.SerialNumber.Cmp(signer.serial) == 0 && bytes.Equal(cert.RawIssuer, signer.issuer) ||
				signer.keyID != nil && bytes.Equal(cert.SubjectKeyId, signer.keyID) {
				return cert
			}
		}
	}
	return nil
}

// hashes are the digests by their object identifiers (RFC 5754, RFC 8419).
var hashes = map[string]crypto.Hash{
	"2.16.840.1.101.3.4.2.1": crypto.SHA256,
	"2.16.840.1.101.3.4.2.2": crypto.SHA384,
	"2.16.840.1.101.3.4.2.3": crypto.SHA512,
	"2.16.840.1.101.3.4.2.4": crypto.SHA224,
	"1.3.14.3.2.26":          crypto.SHA1,
	"1.2.840.113549.2.5":     crypto.MD5,
}

var oidPSS = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}

// verify tells whether a signature holds, whether its kind is known at all, and
// what is weak about it.
func verify(public crypto.PublicKey, signer *signerInfo, hash crypto.Hash, signed []byte) (holds, known bool, weak string) {
	if hash == crypto.SHA1 || hash == crypto.MD5 {
		weak = HashWeak
	}
	h := hash.New()
	h.Write(signed)
	digest := h.Sum(nil)
	switch key := public.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSABits {
			weak = KeyWeak
		}
		if signer.algorithm.Algorithm.Equal(oidPSS) {
			options, ok := pssOptions(signer.algorithm, hash)
			return ok && rsa.VerifyPSS(key, hash, digest, signer.value, options) == nil, ok, weak
		}
		return rsa.VerifyPKCS1v15(key, hash, digest, signer.value) == nil, true, weak
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, digest, signer.value), true, weak
	case ed25519.PublicKey: // RFC 8419 §3: over the attributes themselves
		return ed25519.Verify(key, signed, signer.value), true, weak
	case *dsa.PublicKey: // RFC 8551 §2.2: historic
		var value struct{ R, S *big.Int }
		rest, err := asn1.Unmarshal(signer.value, &value)
		if err != nil || len(rest) > 0 {
			return false, true, ""
		}
		digest = digest[:min(len(digest), key.Q.BitLen()/8)]
		return dsa.Verify(key, digest, value.R, value.S), true, HashWeak
	}
	return false, false, weak
}

// pssOptions reads RSASSA-PSS parameters: both digests are that of the signer
// (RFC 4056 §3).
func pssOptions(algorithm pkix.AlgorithmIdentifier, hash crypto.Hash) (*rsa.PSSOptions, bool) {
	var params struct {
		Hash    pkix.AlgorithmIdentifier `asn1:"explicit,tag:0,optional"`
		MGF     pkix.AlgorithmIdentifier `asn1:"explicit,tag:1,optional"`
		Salt    int                      `asn1:"explicit,tag:2,optional,default:20"`
		Trailer int                      `asn1:"explicit,tag:3,optional,default:1"`
	}
	rest, err := asn1.Unmarshal(algorithm.Parameters.FullBytes, &params)
	if err != nil || len(rest) > 0 || params.Trailer != 1 || params.Salt < 0 || params.Salt > 1024 {
		return nil, false
	}
	var mask pkix.AlgorithmIdentifier
	if _, err := asn1.Unmarshal(params.MGF.Parameters.FullBytes, &mask); err != nil {
		return nil, false
	}
	if hashes[params.Hash.Algorithm.String()] != hash || hashes[mask.Algorithm.String()] != hash {
		return nil, false
	}
	return &rsa.PSSOptions{SaltLength: params.Salt, Hash: hash}, true
}

// certificateState judges the signer's certificate as of the time of receipt
// (RFC 8550 §4, RFC 5280 §6).
func (c *checker) certificateState(cert *x509.Certificate, data *signedData) (Outcome, string) {
	const signing = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	if cert.KeyUsage != 0 && cert.KeyUsage&signing == 0 {
		return Untrusted, KeyNotForSigning // RFC 8550 §4.4.2
	}
	if c.at.Before(cert.NotBefore) || c.at.After(cert.NotAfter) {
		return Expired, KeyExpired
	}
	if c.keys.roots == nil {
		return Untrusted, ChainUntrusted
	}
	between := x509.NewCertPool()
	for _, list := range [][]*x509.Certificate{data.certs, c.keys.certs} {
		for _, other := range list {
			if !tooLarge(other.PublicKey) { // a message brings what it likes
				between.AddCert(other)
			}
		}
	}
	chains, err := cert.Verify(x509.VerifyOptions{
		Roots: c.keys.roots, Intermediates: between, CurrentTime: c.at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}, // RFC 8550 §4.4.4
	})
	if err != nil {
		var invalid x509.CertificateInvalidError
		if errors.As(err, &invalid) {
			switch invalid.Reason {
			case x509.Expired:
				return Expired, KeyExpired
			case x509.IncompatibleUsage:
				return Untrusted, PurposeNotMail
			}
		}
		return Untrusted, ChainUntrusted
	}
	outcome, code := Revoked, KeyRevoked
	for _, chain := range chains {
		switch {
		case c.revoked(chain):
		case weakAuthority(chain):
			outcome, code = Weak, KeyWeak
		case len(cert.EmailAddresses) == 0 && narrowed(chain):
			// RFC 5280 §4.2.1.10: the bounds of an authority hold for the address in the
			// subject, too, where no subjectAltName has one. crypto/x509 does not look there.
			outcome, code = Untrusted, ChainUntrusted
		default:
			return Good, ""
		}
	}
	return outcome, code
}

// weakAuthority tells of an authority between signer and root that anybody could stand in for.
func weakAuthority(chain []*x509.Certificate) bool {
	for _, cert := range chain[1:max(1, len(chain)-1)] {
		if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < minRSABits {
			return true
		}
	}
	return false
}

// narrowed reports whether an authority of a chain may speak for some addresses only.
func narrowed(chain []*x509.Certificate) bool {
	for _, cert := range chain {
		if len(cert.PermittedEmailAddresses)+len(cert.ExcludedEmailAddresses) > 0 {
			return true
		}
	}
	return false
}

// revoked looks for a chain's certificates in the lists that their issuers
// signed (RFC 5280 §6.3).
func (c *checker) revoked(chain []*x509.Certificate) bool {
	for i := 0; i+1 < len(chain); i++ {
		for _, list := range c.keys.crls {
			if !bytes.Equal(list.RawIssuer, chain[i].RawIssuer) || list.CheckSignatureFrom(chain[i+1]) != nil {
				continue
			}
			for _, entry := range list.RevokedCertificateEntries {
				if entry.SerialNumber.Cmp(chain[i].SerialNumber) == 0 && !entry.RevocationTime.After(c.at) {
					return true
				}
			}
		}
	}
	return false
}

var oidEmailAddress = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}

// mailAddresses gives the addresses that a certificate names: subjectAltName, and
// the old attribute of the subject only where that has none (RFC 8550 §3).
func mailAddresses(cert *x509.Certificate) []string {
	if len(cert.EmailAddresses) > 0 {
		return cert.EmailAddresses
	}
	var addresses []string
	for _, attribute := range cert.Subject.Names {
		if text, ok := attribute.Value.(string); ok && attribute.Type.Equal(oidEmailAddress) && strings.Contains(text, "@") {
			addresses = append(addresses, text)
		}
	}
	return addresses
}
