// Package arc validates the chain that intermediaries put on a message
// (RFC 8617). It says who sealed and whether the chain holds; whether a sealer
// is to be believed is for the reader's configuration. It does not seal.
package arc

import (
	"context"
	"time"

	"github.com/postern-mail/postern/pkg/mailauth/dkim"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// An Outcome is the chain validation status (RFC 8617 §4.4).
type Outcome string

const (
	None Outcome = "none" // there is no chain
	Pass Outcome = "pass"
	Fail Outcome = "fail"
)

// Reason codes of a chain that fails.
const (
	TooManySets         = "arc_too_many_sets"
	SetMalformed        = "arc_set_malformed"
	SetIncomplete       = "arc_set_incomplete"
	ChainFailedBefore   = "arc_failed_before"
	SealMismatch        = "arc_seal_mismatch"
	SealMalformed       = "arc_seal_malformed"
	MessageMismatch     = "arc_message_signature_mismatch"
	MessageMalformed    = "arc_message_signature_malformed"
	KeyUnavailable      = "arc_key_unavailable"
	KeyUnusable         = "arc_key_unusable"
	MessageBodyMismatch = "arc_body_hash_mismatch"
)

// MaxSets is the longest chain (RFC 8617 §4.2.1).
const MaxSets = 50

// Options of Validate.
type Options struct {
	Resolver dns.Resolver
	At       time.Time
	Keys     *dkim.KeyCache // optional
}

// A Result is the state of a message's chain.
type Result struct {
	Outcome Outcome
	Reason  string // code, for a chain that fails
	Sets    []Set  // instance 1 first; empty unless the structure is sound

	// CoversAuthor is true where the newest message signature covers every From
	// field: a chain that leaves the author open says nothing about one.
	CoversAuthor bool
}

// A Set is what one intermediary added.
type Set struct {
	Sealer  string // d= of its seal
	Results string // its ARC-Authentication-Results, after the instance tag
}

// Validate checks a message's chain (RFC 8617 §5.2).
func Validate(ctx context.Context, text *dkim.Text, options Options) Result {
	links, code := collect(text)
	if code != "" {
		return Result{Outcome: Fail, Reason: code}
	}
	if len(links) == 0 {
		return Result{Outcome: None}
	}
	result := Result{Outcome: Fail}
	for _, l := range links {
		result.Sets = append(result.Sets, Set{Sealer: l.seal.domain, Results: l.results})
	}
	v := &validator{ctx: ctx, text: text, options: options, links: links}
	if result.Reason = v.validate(); result.Reason == "" {
		result.Outcome = Pass
		result.CoversAuthor = v.coversAuthor()
	}
	return result
}
