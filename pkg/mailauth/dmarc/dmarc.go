// Package dmarc decides whether the author's domain vouches for a message
// (RFC 9989): DNS tree walk instead of a public suffix list, psd, np and t. It
// evaluates policy only: reports are neither sent nor parsed.
package dmarc

import (
	"context"
	"errors"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// An Outcome is a DMARC result, in the words of RFC 8601 §2.7.
type Outcome string

const (
	Pass      Outcome = "pass"
	Fail      Outcome = "fail"
	None      Outcome = "none" // no record applies
	TempError Outcome = "temperror"
	PermError Outcome = "permerror"
)

// Reason codes.
const (
	RecordUnavailable     = "dmarc_record_unavailable"
	IdentifierUnavailable = "dmarc_identifier_unavailable"
	ExistenceUnavailable  = "dmarc_existence_unavailable"
	DomainMalformed       = "author_domain_malformed"
)

// A Mechanism is what authenticated an identifier.
type Mechanism string

const (
	DKIM Mechanism = "dkim"
	SPF  Mechanism = "spf"
)

// An Identifier is a domain that DKIM or SPF spoke about.
type Identifier struct {
	Mechanism Mechanism
	Domain    string
	// Passed is true where it is authenticated. Otherwise the check could not be
	// made for now, and one that failed is not an identifier at all.
	Passed bool
}

// A Result is the decision for one author domain.
type Result struct {
	Outcome      Outcome
	Policy       Policy // that applies, with t= taken into account; none where there is no record
	RecordDomain string // where the record stands that applies, "" for none
	OrgDomain    string // of the author
	Aligned      []Mechanism
	Published    Policy // that applies before t= was taken into account
	Reason       string
}

// Evaluate decides for the author's domain, given what is known of the message.
func Evaluate(ctx context.Context, resolver dns.Resolver, author string, identifiers []Identifier) Result {
	author = dns.Clean(author)
	result := Result{Outcome: None, Policy: NoPolicy, Published: NoPolicy, OrgDomain: author}
	if dns.CheckName(author) != nil || dns.CheckName("_dmarc."+author) != nil {
		result.Outcome, result.Reason = PermError, DomainMalformed
		return result
	}
	w := &walker{ctx: ctx, resolver: resolver, walks: map[string]*walk{}}
	climb := w.walk(author)
	own := len(climb.records) > 0 && climb.records[0].domain == author
	if climb.err != nil && !own {
		result.Outcome, result.Reason = TempError, RecordUnavailable
		return result
	}
	// With a record of its own the author's policy is known, even where the walk
	// above it broke off: identical names then still align.
	applies, has := climb.applies()
	result.OrgDomain = climb.organization()
	w.broken = climb.err != nil
	certain := true
	if has {
		result.RecordDomain = applies.domain
		result.Published, certain = w.policyFor(author, applies)
		result.Policy = result.Published
		if applies.record.Testing {
			result.Policy = milder(result.Published)
		}
	}
	waiting := w.align(&result, author, applies.record, identifiers)
	switch {
	case !has:
	case len(result.Aligned) > 0:
		result.Outcome = Pass
	case waiting:
		result.Outcome, result.Reason = TempError, IdentifierUnavailable
	case !certain:
		result.Outcome, result.Reason = TempError, ExistenceUnavailable // RFC 9989 §5.3.6
	default:
		result.Outcome = Fail
	}
	return result
}

// applies picks the record whose policy counts: the author domain's own, else
// its organizational domain's, else its public suffix domain's. Where that one asks
// for nothing there is no DMARC processing, whatever stands above it
// (RFC 9989 §4.10.1).
func (r *walk) applies() (found, bool) {
	organization := r.organization()
	for _, want := range []string{r.start, organization, dns.Parent(organization)} {
		for _, f := range r.records {
			if f.domain == want && (want == r.start || want == organization || f.record.PSD == 'y') {
				return f, f.usable
			}
		}
	}
	return found{}, false
}

// policyFor reads p, sp or np (RFC 9989 §4.10.1). Which of them it is may depend on
// whether the author's domain exists; it is not certain where that could not be told.
func (w *walker) policyFor(author string, f found) (policy Policy, certain bool) {
	if f.domain == author {
		return f.record.P, true
	}
	policy = f.record.P
	if f.record.SP != "" {
		policy = f.record.SP
	}
	if f.record.NP == "" || f.record.NP == policy {
		return policy, true
	}
	// RFC 9989 §3.2.13: NXDOMAIN as RFC 8020 has it. One question settles it: it is
	// the same for all types.
	_, err := w.resolver.Lookup(w.ctx, dns.A, author)
	switch {
	case errors.Is(err, dns.ErrNXDomain):
		return f.record.NP, true
	case dns.IsTemporary(err):
		return milderOf(policy, f.record.NP), false
	}
	return policy, true
}

// milderOf gives the policy that asks for less.
func milderOf(a, b Policy) Policy {
	for _, policy := range []Policy{NoPolicy, Quarantine} {
		if a == policy || b == policy {
			return policy
		}
	}
	return Reject
}

// milder is the policy of a domain that only tests (RFC 9989 §4.7, t).
func milder(policy Policy) Policy {
	if policy == Reject {
		return Quarantine
	}
	return NoPolicy
}

// align fills in the aligned mechanisms and tells whether an identifier that
// would align could not be checked for now (RFC 9989 §4.4).
func (w *walker) align(result *Result, author string, record Record, identifiers []Identifier) (waiting bool) {
	for _, mechanism := range []Mechanism{DKIM, SPF} {
		strict := mechanism == DKIM && record.StrictDKIM || mechanism == SPF && record.StrictSPF
		aligned := false
		for _, id := range identifiers {
			if id.Mechanism != mechanism || aligned {
				continue
			}
			domain := dns.Clean(id.Domain)
			switch ok, known := w.aligned(author, domain, result.OrgDomain, strict); {
			case !known:
				waiting = true
			case ok && id.Passed:
				aligned = true
			case ok:
				waiting = true
			}
		}
		if aligned {
			result.Aligned = append(result.Aligned, mechanism)
		}
	}
	return waiting
}

// aligned compares two domains, walking the other's tree only where it can
// matter (RFC 9989 §4.10.2).
func (w *walker) aligned(author, other, organization string, strict bool) (aligned, known bool) {
	switch {
	case author == other:
		return true, true
	case strict:
		return false, true
	case w.broken:
		return false, false
	case !within(other, organization):
		return false, true
	}
	climb := w.walk(other)
	if climb.err != nil {
		return false, false
	}
	return climb.organization() == organization, true
}

// within reports whether a name is the domain or below it: two names of one
// organization both are.
func within(name, domain string) bool {
	return name == domain || len(name) > len(domain) && name[len(name)-len(domain)-1] == '.' && name[len(name)-len(domain):] == domain
}
