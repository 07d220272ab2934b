package arc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"hash"

	"github.com/postern-mail/postern/pkg/mailauth/dkim"
)

// A validator checks the links of one chain.
type validator struct {
	ctx     context.Context
	text    *dkim.Text
	options Options
	links   []link
}

// validate gives the code of what is wrong, "" for a chain that holds
// (RFC 8617 §5.2, steps 2 to 6).
func (v *validator) validate() string {
	last := len(v.links) - 1
	if v.links[last].seal.status == "fail" {
		return ChainFailedBefore
	}
	for i, l := range v.links {
		if i == 0 && l.seal.status != "none" || i > 0 && l.seal.status != "pass" {
			return SealMalformed
		}
	}
	if code := v.message(&v.links[last]); code != "" {
		return code
	}
	return v.seals()
}

// message checks the newest ARC-Message-Signature. Older ones need not hold any
// more: whoever sealed after them may have changed the message.
func (v *validator) message(l *link) string {
	sig := l.message
	body := v.text.HashBody([]dkim.BodyWant{{Canon: sig.BodyCanon, Limit: sig.Limit}})[0]
	if sig.Limit > body.Length || subtle.ConstantTimeCompare(sig.BodyHash, body.Sum[:]) != 1 {
		return MessageBodyMismatch
	}
	digest := v.text.HeaderDigest(sig, v.text.Select(sig.Headers, l.ams), l.ams)
	return v.check(sig.Domain, sig.Selector, sig.Algorithm, digest[:], sig.Value, MessageMismatch)
}

// seals checks every ARC-Seal. Each signs the sets up to its own, which are
// hashed once for all (RFC 8617 §5.1.1).
func (v *validator) seals() string {
	before := sha256.New()
	digests := make([][]byte, len(v.links))
	for i, l := range v.links {
		v.write(before, v.text.Header[l.aar].Raw)
		v.write(before, v.text.Header[l.ams].Raw)
		cloned, err := before.(hash.Cloner).Clone()
		if err != nil {
			return SealMismatch
		}
		own := v.text.AppendField(nil, dkim.Unsigned(&v.text.Header[l.as], l.seal.tags), dkim.Relaxed)
		cloned.Write(bytes.TrimSuffix(own, []byte("\r\n")))
		digests[i] = cloned.Sum(nil)
		v.write(before, v.text.Header[l.as].Raw)
	}
	for i := len(v.links) - 1; i >= 0; i-- {
		s := v.links[i].seal
		if code := v.check(s.domain, s.selector, s.algorithm, digests[i], s.value, SealMismatch); code != "" {
			return code
		}
	}
	return ""
}

func (v *validator) write(to hash.Hash, raw []byte) {
	to.Write(v.text.AppendField(nil, raw, dkim.Relaxed))
}

// check verifies one signature. A key that cannot be had now fails the chain too:
// ARC has no other word for it, the code tells (RFC 8617 §5.2).
func (v *validator) check(domain, selector, algorithm string, digest, value []byte, mismatch string) string {
	keys, outcome, _ := dkim.LookupKeys(v.ctx, v.options.Resolver, v.options.Keys, domain, selector, algorithm)
	switch outcome {
	case dkim.Pass:
	case dkim.TempError:
		return KeyUnavailable
	default:
		return KeyUnusable
	}
	for _, key := range keys {
		if key.Verify(digest, value) {
			return ""
		}
	}
	return mismatch
}

func (v *validator) coversAuthor() bool {
	newest := v.links[len(v.links)-1]
	picked := v.text.Select(newest.message.Headers, newest.ams)
	present, signed := 0, 0
	for i := range v.text.Header {
		if dkim.Is(&v.text.Header[i], "from") {
			present++
		}
	}
	for _, i := range picked.Fields {
		if i >= 0 && dkim.Is(&v.text.Header[i], "from") {
			signed++
		}
	}
	return present > 0 && present == signed
}
