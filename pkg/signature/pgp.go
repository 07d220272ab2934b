package signature

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/postern-mail/postern/pkg/mail"
)

// pgp checks the signatures in a detached OpenPGP signature (RFC 9580 §10.4).
func (c *checker) pgp(proof, content []byte) []Result {
	unreadable := []Result{{Kind: OpenPGP, Result: Error, Reason: SignatureUnreadable}}
	var source io.Reader = bytes.NewReader(proof)
	if bytes.Contains(proof, []byte("-----BEGIN PGP")) {
		block, err := armor.Decode(source)
		if err != nil || block.Type != openpgp.SignatureType {
			return unreadable
		}
		source = block.Body
	}
	var results []Result
	packets := packet.NewReader(io.LimitReader(source, MaxSignature))
	for len(results) < MaxSignatures {
		p, err := packets.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		sig, ok := p.(*packet.Signature)
		if err != nil || !ok {
			results = append(results, unreadable...)
			break
		}
		results = append(results, c.pgpSignature(sig, content))
	}
	if len(results) == 0 {
		return unreadable
	}
	return results
}

func (c *checker) pgpSignature(sig *packet.Signature, content []byte) Result {
	result := Result{Kind: OpenPGP}
	end := func(outcome Outcome, code string) Result {
		result.Result, result.Reason = outcome, code
		return result
	}
	if sig.SigType != packet.SigTypeBinary && sig.SigType != packet.SigTypeText {
		return end(Error, SignatureUnreadable) // not of a document (RFC 9580 §5.2.1)
	}
	if sig.IssuerKeyId == nil {
		return end(UnknownKey, KeyMissing)
	}
	result.Signer = fmt.Sprintf("%016X", *sig.IssuerKeyId)
	candidates := c.keys.pgp.KeysById(*sig.IssuerKeyId)
	c.needed.pgp(candidates)
	if len(candidates) == 0 {
		return end(UnknownKey, KeyMissing)
	}
	if !sig.Hash.Available() {
		return end(Weak, HashWeak) // what cannot be computed any more is obsolete (RFC 9580 §9.5)
	}
	var key *openpgp.Key
	for i := range candidates {
		if pgpHolds(&candidates[i], sig, content) {
			key = &candidates[i]
			break
		}
	}
	if key == nil {
		result.Signer = signerName(candidates[0].Entity, result.Signer)
		result = c.settle(result, addressesOf(candidates[0].Entity))
		return end(Bad, ContentChanged)
	}
	result.Key = hex.EncodeToString(key.Entity.PrimaryKey.Fingerprint)
	result.Signer = signerName(key.Entity, result.Signer)
	outcome, code := c.pgpKeyState(key, sig)
	result = end(outcome, code)
	return c.settle(result, addressesOf(key.Entity))
}

func pgpHolds(key *openpgp.Key, sig *packet.Signature, content []byte) bool {
	hash, err := sig.PrepareVerify()
	if err != nil {
		return false
	}
	if sig.SigType == packet.SigTypeText {
		openpgp.NewCanonicalTextHash(hash).Write(content)
	} else {
		hash.Write(content)
	}
	return key.PublicKey.VerifySignature(hash, sig) == nil
}

// pgpKeyState judges a signature that holds by its means, its key and the time of
// receipt.
func (c *checker) pgpKeyState(key *openpgp.Key, sig *packet.Signature) (Outcome, string) {
	switch sig.Hash {
	case crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA3_256, crypto.SHA3_512, crypto.SHA224:
	default:
		return Weak, HashWeak // RFC 9580 §9.5: MD5, SHA-1, RIPEMD-160
	}
	if bits, err := key.PublicKey.BitLength(); err != nil || pgpKeyWeak(key.PublicKey.PubKeyAlgo, bits) {
		return Weak, KeyWeak
	}
	self, identity := key.Entity.PrimarySelfSignature()
	subkey := key.PublicKey != key.Entity.PrimaryKey
	switch {
	case self == nil:
		return Error, SignatureUnreadable
	case sig.CreationTime.After(c.at.Add(clockSkew)):
		return Error, SignatureFromFuture
	case key.Entity.Revoked(c.at), subkey && key.Revoked(c.at), identity != nil && identity.Revoked(c.at):
		return Revoked, KeyRevoked
	case key.Entity.PrimaryKey.KeyExpired(self, c.at),
		subkey && key.PublicKey.KeyExpired(key.SelfSignature, c.at):
		return Expired, KeyExpired
	case sig.CreationTime.Before(key.PublicKey.CreationTime):
		return Error, SignatureUnreadable
	case sig.SigLifetimeSecs != nil && sig.SigExpired(c.at):
		return Expired, SignatureExpired
	case key.SelfSignature != nil && key.SelfSignature.FlagsValid && !key.SelfSignature.FlagSign:
		return Untrusted, KeyNotForSigning
	}
	for _, notation := range sig.Notations {
		if notation.IsCritical {
			return Error, SignatureUnreadable // RFC 9580 §5.2.3.7: what must be known is not
		}
	}
	return Good, ""
}

func pgpKeyWeak(algorithm packet.PublicKeyAlgorithm, bits uint16) bool {
	switch algorithm {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly:
		return bits < minRSABits
	case packet.PubKeyAlgoDSA, packet.PubKeyAlgoElGamal, packet.PubKeyAlgoRSAEncryptOnly:
		return true // RFC 9580 §9.1: deprecated
	}
	return false
}

// addressesOf gives the addresses of a key's user ids that are not revoked.
func addressesOf(entity *openpgp.Entity) []string {
	var addresses []string
	for _, identity := range entity.Identities {
		if identity.UserId != nil && identity.UserId.Email != "" && identity.SelfSignature != nil && len(identity.Revocations) == 0 {
			addresses = append(addresses, identity.UserId.Email)
		}
	}
	return addresses
}

func signerName(entity *openpgp.Entity, fallback string) string {
	if identity := entity.PrimaryIdentity(); identity != nil && identity.UserId != nil && identity.UserId.Email != "" {
		return identity.UserId.Email
	}
	return fallback
}

var cleartextStart = []byte("-----BEGIN PGP SIGNED MESSAGE-----")

// inline checks cleartext signatures in a text part (RFC 9580 §7). Text around
// the signed one makes it a part.
func (c *checker) inline(part *mail.Part, covers Coverage) {
	text := part.Content
	if !bytes.Contains(text, cleartextStart) || len(text) > maxCleartext {
		return
	}
	for found := 0; found < MaxSignatures; found++ {
		before := bytes.Index(text, cleartextStart)
		block, rest := clearsign.Decode(text)
		if block == nil {
			if before >= 0 && found == 0 {
				c.add(part, covers, Result{Kind: OpenPGP, Result: Error, Reason: SignatureUnreadable})
			}
			return
		}
		scope := covers
		if len(bytes.TrimSpace(text[:before])) > 0 || len(bytes.TrimSpace(rest)) > 0 || found > 0 || !bareArmor(text[before:len(text)-len(rest)]) {
			scope = Part
		}
		proof, err := io.ReadAll(io.LimitReader(block.ArmoredSignature.Body, MaxSignature))
		if err != nil {
			c.add(part, covers, Result{Kind: OpenPGP, Result: Error, Reason: SignatureUnreadable})
			return
		}
		for _, result := range c.pgp(proof, block.Bytes) {
			c.add(part, scope, result)
		}
		text = rest
	}
}

// bareArmor reports whether the armor below a signed text is nothing but a signature: its headers,
// and what stands beside its lines of base64, are read by people and signed by nobody.
func bareArmor(block []byte) bool {
	lines := bytes.Split(bytes.ReplaceAll(block, []byte("\r\n"), []byte("\n")), []byte("\n"))
	inside, last, ended := false, false, false
	for _, line := range lines {
		switch line = bytes.TrimRight(line, " \t"); {
		case !inside:
			inside = bytes.Equal(line, proofStart)
		case len(line) == 0:
		case ended:
			return false
		case bytes.Equal(line, proofEnd):
			ended = true
		case last: // behind the checksum
			return false
		case line[0] == '=':
			last = true
		case len(line) > 76 || len(bytes.Trim(line, base64Letters)) > 0: // RFC 9580 §6.1, §6.2
			return false
		}
	}
	return ended
}

var (
	proofStart = []byte("-----BEGIN PGP SIGNATURE-----")
	proofEnd   = []byte("-----END PGP SIGNATURE-----")
)

const base64Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
