package dkim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"time"

	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// Options of Verify.
type Options struct {
	Resolver      dns.Resolver
	At            time.Time     // when the message was received
	MaxSignatures int           // verified a message, the topmost; 0 for DefaultMaxSignatures
	ClockSkew     time.Duration // a t= this far ahead of At is no lie; 0 for DefaultClockSkew
	Keys          *KeyCache     // optional
}

const (
	DefaultMaxSignatures = 10
	DefaultClockSkew     = time.Hour
)

// Verify checks the signatures of a message, topmost first. It returns one
// result for each signature checked, and how many stand in the message.
func Verify(ctx context.Context, text *Text, options Options) (results []Result, found int) {
	limit := options.MaxSignatures
	if limit <= 0 {
		limit = DefaultMaxSignatures
	}
	var checks []check
	for i := range text.Header {
		field := &text.Header[i]
		if !Is(field, "dkim-signature") {
			continue
		}
		if found++; found > limit {
			continue
		}
		sig, err := ParseSignature(string(field.Value))
		checks = append(checks, check{field: i, sig: sig, err: err})
	}
	wants := make([]BodyWant, len(checks))
	for i := range checks {
		if checks[i].err == nil {
			wants[i] = BodyWant{checks[i].sig.BodyCanon, checks[i].sig.Limit}
		}
	}
	bodies := text.HashBody(wants)
	for i := range checks {
		results = append(results, checks[i].verify(ctx, text, bodies[i], options))
	}
	return results, found
}

type check struct {
	field int
	sig   *Signature
	err   error
}

func (c *check) verify(ctx context.Context, text *Text, body BodyDigest, options Options) Result {
	sig := c.sig
	result := Result{Domain: sig.Domain, Selector: sig.Selector, AUID: sig.AUID, Algorithm: sig.Algorithm}
	end := func(outcome Outcome, code string) Result {
		result.Result, result.Reason = outcome, code
		return result
	}
	if c.err != nil {
		return end(PermError, Code(c.err, SignatureMalformed))
	}
	// The body first: it needs no look-up (RFC 6376 §6.1.3 lets the order free).
	if sig.Limit > body.Length {
		return end(PermError, BodyShorterThanSigned) // RFC 6376 §3.5
	}
	if subtle.ConstantTimeCompare(sig.BodyHash, body.Sum[:]) != 1 {
		return end(Fail, BodyHashMismatch)
	}
	keys, outcome, code := LookupKeys(ctx, options.Resolver, options.Keys, sig.Domain, sig.Selector, sig.Algorithm)
	if outcome != Pass {
		return end(outcome, code)
	}
	picked := text.Select(sig.Headers, c.field)
	digest := text.HeaderDigest(sig, picked, c.field)
	var key *Key
	for _, candidate := range keys {
		if candidate.Verify(digest[:], sig.Value) {
			key = candidate
			break
		}
	}
	if key == nil {
		return end(Fail, SignatureMismatch)
	}
	result.Holds, result.KeyBits = true, key.Bits
	result.ReplyToOpen = open(text, picked, "reply-to")
	if outcome, code := acceptable(text, sig, key, picked, body, c.field, options); code != "" {
		return end(outcome, code)
	}
	return end(Pass, "")
}

// HeaderDigest gives the hash that a signature signs: the selected fields, then
// the signature's own field without the value of b= (RFC 6376 §3.7).
func (t *Text) HeaderDigest(sig *Signature, picked Selection, own int) [sha256.Size]byte {
	buf := make([]byte, 0, 4<<10)
	for _, i := range picked.Fields {
		if i >= 0 {
			buf = t.AppendField(buf, t.Header[i].Raw, sig.HeaderCanon)
		}
	}
	buf = t.AppendField(buf, Unsigned(&t.Header[own], sig.Tags), sig.HeaderCanon)
	return sha256.Sum256(bytes.TrimSuffix(buf, crlf))
}

// Unsigned gives a signature field's raw bytes without the value of its b= tag.
func Unsigned(field *mail.Field, tags Tags) []byte {
	raw := field.Raw
	colon := bytes.IndexByte(raw, ':') + 1
	for _, tag := range tags {
		if tag.Name != "b" {
			continue
		}
		// The value starts right after the colon, so offsets in it are offsets there.
		out := make([]byte, 0, len(raw))
		out = append(out, raw[:colon+tag.Start]...)
		return append(out, raw[colon+tag.End:]...)
	}
	return raw
}

// acceptable asks of a signature that holds whether it says enough.
func acceptable(text *Text, sig *Signature, key *Key, picked Selection, body BodyDigest, own int, options Options) (Outcome, string) {
	if key.Exact && sig.AUIDDomain() != sig.Domain {
		return PermError, KeySubdomainRefused // RFC 6376 §3.6.1, t=s
	}
	skew := options.ClockSkew
	if skew <= 0 {
		skew = DefaultClockSkew
	}
	switch {
	case !sig.Expires.IsZero() && options.At.After(sig.Expires):
		return Policy, SignatureExpired // RFC 6376 §3.5, x=
	case !sig.Time.IsZero() && sig.Time.After(options.At.Add(skew)):
		return Policy, SignatureFromFuture // RFC 6376 §3.5, t=
	case sig.Limit >= 0 && sig.Limit < body.Length:
		return Policy, BodyTailUnsigned // RFC 6376 §8.2
	}
	if code := openFields(text, picked, own); code != "" {
		return Policy, code
	}
	if key.Testing {
		// RFC 6376 §3.6.1, t=y: no different from an unsigned message.
		return Policy, KeyTesting
	}
	return Pass, ""
}

// guarded are the fields that people act on. One that the signature covers in
// part may have been added by anybody (RFC 6376 §5.4, §8.15).
var guarded = []struct{ name, added, unsigned string }{
	{"from", FromAdded, FromUnsigned},
	{"subject", SubjectAdded, SubjectUnsigned},
	{"date", DateAdded, ""},
	{"to", ToAdded, ""},
	{"reply-to", ReplyToAdded, ""},
	{"content-type", ContentTypeAdded, ""},
	{"content-transfer-encoding", ContentTypeAdded, ""},
}

// unmoved are guarded fields that servers write anew above a signature that never covered them. Only
// one beside another that is signed was added to be taken for it.
var unmoved = []string{"content-type", "content-transfer-encoding"}

// openFields gives the code of the first guarded field that the signature leaves
// open. A field that was never signed counts as added where it stands above the
// signature: signers put theirs on top.
func openFields(text *Text, picked Selection, own int) string {
	for _, guard := range guarded {
		present, signed, above := count(text, picked, guard.name, own)
		switch {
		case present == signed:
		case signed > 0 || above && guard.unsigned == "" && !slices.Contains(unmoved, guard.name):
			return guard.added
		case guard.unsigned != "":
			return guard.unsigned
		}
	}
	return ""
}

// count counts the instances of a field, those that are signed, and tells whether
// one stands above the signature.
func count(text *Text, picked Selection, name string, own int) (present, signed int, above bool) {
	for i := range text.Header {
		if Is(&text.Header[i], name) {
			present++
			above = above || i < own
		}
	}
	for _, i := range picked.Fields {
		if i >= 0 && Is(&text.Header[i], name) {
			signed++
		}
	}
	return present, signed, above
}

// open reports whether a signature leaves an instance of a field out.
func open(text *Text, picked Selection, name string) bool {
	present, signed, _ := count(text, picked, name, 0)
	return present > signed
}
