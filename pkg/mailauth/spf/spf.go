// Package spf decides whether a domain lets a host send mail in its name
// (RFC 7208), macros and explanations included. It neither knows nor guesses the
// client's address: who calls it must have it from a source that can be trusted.
package spf

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// An Outcome is a result of check_host() (RFC 7208 §2.6).
type Outcome string

const (
	None      Outcome = "none"
	Neutral   Outcome = "neutral"
	Pass      Outcome = "pass"
	Fail      Outcome = "fail"
	SoftFail  Outcome = "softfail"
	TempError Outcome = "temperror"
	PermError Outcome = "permerror"
)

// Known reports whether a word is one of the outcomes.
func (o Outcome) Known() bool {
	switch o {
	case None, Neutral, Pass, Fail, SoftFail, TempError, PermError:
		return true
	}
	return false
}

// Reason codes of an error outcome.
const (
	LookupFailed     = "spf_lookup_failed"
	RecordMalformed  = "spf_record_malformed"
	RecordMultiple   = "spf_record_multiple"
	TooManyLookups   = "spf_too_many_lookups"
	TooManyVoid      = "spf_too_many_void_lookups"
	TooManyExchanges = "spf_too_many_mx"
	IncludeMissing   = "spf_include_without_record"
	RedirectMissing  = "spf_redirect_without_record"
)

// Limits of RFC 7208 §4.6.4.
type Limits struct {
	Lookups int // terms that ask the DNS
	Void    int // look-ups that find nothing
	MX      int // exchanges looked at under one mx term
	PTR     int // names looked at for one address
}

// DefaultLimits are those of the RFC.
var DefaultLimits = Limits{Lookups: 10, Void: 2, MX: 10, PTR: 10}

// Options of Check.
type Options struct {
	Resolver dns.Resolver
	Limits   Limits    // zero for DefaultLimits
	Receiver string    // our own host name, for %{r}; "unknown" where empty
	At       time.Time // for %{t}

	// SingleLabels accepts domains of one label, as closed networks have them.
	// RFC 7208 §4.3 and §7.1 rule them out.
	SingleLabels bool
}

// A Query is what an SMTP session said.
type Query struct {
	IP     netip.Addr
	Helo   string
	Sender string // envelope sender, "" for the null sender
}

// An Identity is which name of the session was checked (RFC 7208 §2.3, §2.4).
type Identity string

const (
	MailFrom Identity = "mailfrom"
	Helo     Identity = "helo"
)

// A Result is the answer for one query.
type Result struct {
	Outcome     Outcome
	Domain      string // that was checked, lower case
	Identity    Identity
	Term        string // of the domain's own record that matched, "" for none
	Reason      string // code, for an error outcome
	Explanation string // what the domain says to a failed sender; its author is the domain
}

// Check asks whether the client may use the envelope sender, or its HELO name
// where the sender is null (RFC 7208 §2.4).
func Check(ctx context.Context, query Query, options Options) Result {
	if options.Limits == (Limits{}) {
		options.Limits = DefaultLimits
	}
	local, domain, identity := "postmaster", query.Helo, Helo
	if query.Sender != "" {
		identity = MailFrom
		at := strings.LastIndexByte(query.Sender, '@')
		domain = query.Sender[at+1:]
		if at > 0 {
			local = query.Sender[:at] // RFC 7208 §4.3: an empty one becomes postmaster
		}
	}
	c := &checker{
		ctx: ctx, options: options, resolver: options.Resolver,
		ip: query.IP.Unmap().WithZone(""), helo: query.Helo,
		local: local, senderDomain: domain,
	}
	found := c.checkHost(domain)
	return Result{
		Outcome: found.outcome, Domain: dns.Clean(domain), Identity: identity,
		Term: found.term, Reason: found.reason, Explanation: found.explanation,
	}
}

// A verdict is the result of one run of check_host().
type verdict struct {
	outcome     Outcome
	term        string
	reason      string
	explanation string
}

func permError(code string) verdict { return verdict{outcome: PermError, reason: code} }

var tempError = verdict{outcome: TempError, reason: LookupFailed}
