package signature

import (
	"bytes"
	"strings"
	"time"

	"github.com/postern-mail/postern/pkg/mail"
)

// Limits of Check.
const (
	MaxSignatures  = 10        // looked at in one message
	MaxSignature   = 1 << 20   // bytes of one detached signature
	MaxNesting     = 20        // depth of parts
	clockSkew      = time.Hour // a signature this far ahead of receipt is no lie
	maxRSABits     = 8192      // the work grows with the cube, and whoever signs chooses it; RFC 8551 §4.4 knows 4096
	maxDSABits     = 4096
	maxDSAOrder    = 512     // bits
	minRSABits     = 2048    // RFC 8551 §4.3, RFC 9580 §12.4
	maxCleartext   = 8 << 20 // of one inline signed text
	maxSignerInfos = 4
)

// Reason codes.
const (
	StructureBroken     = "signature_structure"
	StructureAmbiguous  = "signature_structure_ambiguous"
	SignatureUnreadable = "signature_unreadable"
	ContentChanged      = "signed_content_changed"
	ValueWrong          = "signature_value_wrong"
	KeyMissing          = "signer_key_unknown"
	HashWeak            = "signature_hash_weak"
	KeyWeak             = "signer_key_weak"
	KeyTooLarge         = "signer_key_too_large"
	AlgorithmUnknown    = "signature_algorithm_unknown"
	KeyRevoked          = "signer_key_revoked"
	KeyExpired          = "signer_key_expired"
	SignatureExpired    = "author_signature_expired"
	SignatureFromFuture = "author_signature_from_future"
	KeyNotForSigning    = "signer_key_not_for_signing"
	ChainUntrusted      = "signer_chain_untrusted"
	PurposeNotMail      = "signer_certificate_not_for_mail"
	SignerNotAuthor     = "signer_is_not_author"
)

// Check finds and checks the signatures of a message, as of the time that it was
// received. Attached messages are left alone: what they carry is not said of this
// one. It gives nil for a message without signatures.
func Check(msg *mail.Message, keys Keys, at time.Time) []Result {
	return newChecker(msg, keys, at).check()
}

func newChecker(msg *mail.Message, keys Keys, at time.Time) *checker {
	c := &checker{root: msg.Root, keys: keys, at: at, local: !bytes.Contains(msg.Raw, []byte("\r\n")), needed: needed{keys: keys}}
	if len(msg.From) == 1 && strings.Contains(msg.From[0].Addr, "@") {
		c.from = msg.From[0].Addr
	}
	return c
}

func (c *checker) check() []Result {
	if c.root != nil {
		c.walk(c.root, Whole, 0)
	}
	return c.results
}

type checker struct {
	root    *mail.Part
	keys    Keys
	at      time.Time
	from    string // address of the author, "" where there is not one
	local   bool   // the message is stored with LF for CRLF
	results []Result
	needed  needed
}

func (c *checker) walk(part *mail.Part, covers Coverage, depth int) {
	if depth > MaxNesting || len(c.results) >= MaxSignatures {
		return
	}
	if len(part.Opened) > 0 {
		covers = c.opened(part, covers, depth)
	}
	switch {
	case part.Type == "multipart/encrypted" && len(part.Children) == 2 && part.Children[0].Type == "application/pgp-encrypted":
		// RFC 3156 §4: the first part says how, the second holds all.
		c.walk(part.Children[1], covers, depth+1)
		return
	case part.Type == "multipart/signed":
		c.detached(part, covers)
		if len(part.Children) == 2 {
			c.walk(part.Children[0], covers, depth+1)
			return
		}
	case isOpaque(part):
		c.opaque(part, covers)
		return
	case strings.HasPrefix(part.Type, "text/") && part.Disposition != "attachment":
		if part.Type != "text/plain" {
			covers = Part // what is signed is not what is shown of it
		}
		c.inline(part, covers)
		return
	}
	for _, child := range part.Children {
		c.walk(child, Part, depth+1)
	}
}

// opened checks what was encrypted in a part: signatures that came with it (RFC 3156
// §6.2) and those within. It gives what they cover: less than all where something
// stands beside them.
func (c *checker) opened(part *mail.Part, covers Coverage, depth int) Coverage {
	if len(part.Opened) > 1 || len(part.Unopened) > 0 {
		covers = Part
	} else if strings.HasPrefix(part.Type, "text/") { // else its letters would be guessed, of which there are none
		if around, _ := part.Text(); strings.TrimSpace(around) != "" {
			covers = Part
		}
	}
	outside := c.local
	for _, opened := range part.Opened {
		c.local = !bytes.Contains(opened.Raw, []byte("\r\n"))
		if len(opened.Proof) > 0 {
			for _, result := range c.pgp(opened.Proof, opened.Raw) {
				c.add(opened, covers, result)
			}
		}
		c.walk(opened, covers, depth+1)
	}
	c.local = outside
	return covers
}

// add records a result and what it covers.
func (c *checker) add(part *mail.Part, covers Coverage, result Result) {
	if len(c.results) >= MaxSignatures {
		return
	}
	result.Path, result.Covers = part.Path, covers
	if result.Result == Error {
		result.Covers = Nothing
	}
	c.results = append(c.results, result)
}

// detached checks a multipart/signed (RFC 1847 §2.1): exactly two parts, the
// second of which signs the bytes of the first.
func (c *checker) detached(part *mail.Part, covers Coverage) {
	kind := OpenPGP
	protocol := strings.ToLower(part.Params["protocol"])
	if strings.Contains(protocol, "pkcs7") || protocol == "" && len(part.Children) > 1 && strings.Contains(part.Children[1].Type, "pkcs7") {
		kind = SMIME
	}
	broken := func(code string) { c.add(part, covers, Result{Kind: kind, Result: Error, Reason: code}) }
	if len(part.Children) != 2 {
		broken(StructureBroken)
		return
	}
	signed, proof := part.Children[0], part.Children[1]
	switch {
	case len(part.Ambiguous)+len(signed.Ambiguous)+len(proof.Ambiguous) > 0:
		broken(StructureAmbiguous)
		return
	case kind == SMIME && proof.Type != "application/pkcs7-signature" && proof.Type != "application/x-pkcs7-signature",
		kind == OpenPGP && proof.Type != "application/pgp-signature":
		broken(StructureBroken)
		return
	case len(proof.Content) > MaxSignature:
		broken(SignatureUnreadable)
		return
	}
	content := c.wire(signed.Raw)
	if kind == SMIME {
		for _, result := range c.cms(proof.Content, content) {
			c.add(signed, covers, result)
		}
		return
	}
	for _, result := range c.pgp(proof.Content, content) {
		c.add(signed, covers, result)
	}
}

// wire gives bytes the line ends that they were signed with (RFC 3156 §5,
// RFC 8551 §3.1.1).
func (c *checker) wire(raw []byte) []byte {
	if !c.local {
		return raw
	}
	return bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
}

// isOpaque reports whether a part is signed-data that holds its own content
// (RFC 8551 §3.5.2). A type that is not said is found by looking.
func isOpaque(part *mail.Part) bool {
	switch part.Type {
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		smime := strings.ToLower(part.Params["smime-type"])
		return smime == "signed-data" || smime == "" && isSignedData(part.Content)
	}
	return false
}

func (c *checker) opaque(part *mail.Part, covers Coverage) {
	for _, result := range c.cms(part.Content, nil) {
		c.add(part, covers, result)
	}
}

// settle ends a check whose mathematics are right: whose signature is it?
func (c *checker) settle(result Result, addresses []string) Result {
	for _, address := range addresses {
		if c.from != "" && sameAddress(address, c.from) {
			result.Signer, result.MatchesFrom = address, true
			break
		}
	}
	if result.Result == Good && !result.MatchesFrom {
		result.Result, result.Reason = Mismatch, SignerNotAuthor
	}
	return result
}

// sameAddress compares in any case of ASCII. Other letters that have a case in common are other
// letters, and other people's addresses.
func sameAddress(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		x, y := a[i], b[i]
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		if 'A' <= y && y <= 'Z' {
			y += 'a' - 'A'
		}
		if x != y {
			return false
		}
	}
	return true
}
