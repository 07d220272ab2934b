// Package signature checks the signatures that a message's author put on it:
// OpenPGP (RFC 9580, carried by RFC 3156 or inline) and S/MIME (RFC 8551 over
// RFC 5652). It works on the raw bytes of a part, says which part a signature
// covers and whether its signer is the author. With private keys it opens what was
// encrypted. It neither fetches keys nor decides what an answer is worth, and it
// neither signs nor encrypts.
package signature

// A Kind is a family of signatures.
type Kind string

const (
	OpenPGP Kind = "openpgp"
	SMIME   Kind = "smime"
)

// An Outcome is what a signature is.
type Outcome string

const (
	Good       Outcome = "good"
	Bad        Outcome = "bad"         // it does not belong to these bytes
	UnknownKey Outcome = "unknown_key" // nobody here has the key
	Expired    Outcome = "expired"     // the key, certificate or signature, at the time of receipt
	Revoked    Outcome = "revoked"
	Untrusted  Outcome = "untrusted" // the certificate leads to no trusted root, or is not for mail
	Mismatch   Outcome = "mismatch"  // good, of somebody who is not the author
	Weak       Outcome = "weak"      // by means that no longer prove anything
	Error      Outcome = "error"     // cannot be read
)

// A Coverage is how much of the message a signature speaks for.
type Coverage string

const (
	Whole   Coverage = "whole" // all that is shown of the body
	Part    Coverage = "part"  // a part among others
	Nothing Coverage = "none"
)

// A Result is what became of one signature.
type Result struct {
	Kind        Kind     `json:"kind"`
	Result      Outcome  `json:"result"`
	Signer      string   `json:"signer"` // address where known, else the key's id
	MatchesFrom bool     `json:"matches_from"`
	Covers      Coverage `json:"covers"`

	Path   string `json:"-"` // section of the signed part
	Key    string `json:"-"` // fingerprint of the key or certificate, hex
	Reason string `json:"-"` // code of why it is not good
}
