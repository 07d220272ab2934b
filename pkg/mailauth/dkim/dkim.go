// Package dkim verifies DKIM signatures (RFC 6376, RFC 8301, RFC 8463, RFC 8616)
// and says of each what it proves and what it leaves open. A signature that holds
// but leaves the author, the subject or the end of the body open is not a pass.
// It does not sign.
package dkim

// An Outcome is the result of one signature, in the words of RFC 8601 §2.7.1.
type Outcome string

const (
	Pass      Outcome = "pass"
	Fail      Outcome = "fail"      // the signature or body hash does not hold
	Neutral   Outcome = "neutral"   // present, but of no use
	None      Outcome = "none"      // no signature
	Policy    Outcome = "policy"    // holds, but not acceptable here
	TempError Outcome = "temperror" // the key could not be had now
	PermError Outcome = "permerror" // can never be verified
)

// Reason codes. Each says why a signature is not a pass.
const (
	SignatureMalformed      = "signature_malformed"
	VersionUnknown          = "signature_version_unknown"
	AlgorithmUnknown        = "algorithm_unknown"
	AlgorithmWeak           = "algorithm_weak"
	CanonicalizationUnknown = "canonicalization_unknown"
	QueryUnknown            = "key_query_unknown"
	FromUnsigned            = "from_unsigned"
	AUIDOutsideDomain       = "auid_outside_domain"
	KeyUnavailable          = "key_unavailable"
	KeyNotFound             = "key_not_found"
	KeyMalformed            = "key_malformed"
	KeyRevoked              = "key_revoked"
	KeyTypeMismatch         = "key_type_mismatch"
	KeyHashRefused          = "key_hash_refused"
	KeyServiceRefused       = "key_service_refused"
	KeySubdomainRefused     = "key_subdomain_refused"
	KeyTooShort             = "key_too_short"
	KeyTooLong              = "key_too_long"
	KeyTesting              = "key_testing"
	BodyHashMismatch        = "body_hash_mismatch"
	BodyShorterThanSigned   = "body_shorter_than_signed"
	BodyTailUnsigned        = "body_tail_unsigned"
	SignatureMismatch       = "signature_mismatch"
	SignatureExpired        = "signature_expired"
	SignatureFromFuture     = "signature_from_future"
	SubjectUnsigned         = "subject_unsigned"
	FromAdded               = "from_added"
	SubjectAdded            = "subject_added"
	DateAdded               = "date_added"
	ToAdded                 = "to_added"
	ReplyToAdded            = "reply_to_added"
	ContentTypeAdded        = "content_type_added"
)

// A Result is what became of one signature.
type Result struct {
	Result    Outcome
	Domain    string // d=
	Selector  string // s=
	AUID      string // i=
	Algorithm string // a=
	Reason    string // code, "" for a pass

	// Holds is true where the mathematics are right, whatever was made of it.
	Holds   bool
	KeyBits int // of the key that was used

	// ReplyToOpen is true where the message has a Reply-To that the signature does
	// not cover: many signers leave it out, and anybody can add one.
	ReplyToOpen bool
}
