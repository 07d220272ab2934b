package mailauth

import (
	"slices"

	"github.com/postern-mail/postern/pkg/mailauth/alike"
	"github.com/postern-mail/postern/pkg/mailauth/dmarc"
	"github.com/postern-mail/postern/pkg/signature"
)

// decide turns what was found into a verdict. The gravest rule that applies wins:
// ambiguous, forged, verified, authenticated, unverified.
func (j *judge) decide() {
	j.explain()
	switch {
	case len(j.author.ambiguities) > 0:
		j.result.Verdict = Ambiguous
		j.reason(j.author.ambiguities...)
	case j.badlySigned:
		j.result.Verdict = Forged
		j.reason(AuthorSignatureBad)
	case j.result.DMARC.Result == dmarc.Fail && j.vouched:
		// RFC 8617 §7.2.1: local policy may let a trusted chain stand in for DMARC.
		j.reason(ARCVouched)
		j.authenticated()
	case j.disowned():
		// A good signature of the author does not help here: it covers neither date
		// nor recipient, so an old mail can be sent again by anybody.
		j.result.Verdict = Forged
	case j.signed != "":
		j.reason(AuthorSignatureGood)
		if j.result.DMARC.Result != dmarc.Pass {
			j.reason(HeaderUnsigned)
		}
		j.authenticated()
		if j.signed == signature.OpenPGP && j.options.Customers == nil && j.result.Verdict == Authenticated {
			// Who gave us the key said whose it is.
			j.result.Verdict = Verified
		}
	case j.result.DMARC.Result == dmarc.Pass:
		j.authenticated()
	default:
		// An aligned pass without a policy is not enough: nobody said that the
		// From field is to be held against the identifier. docs/divergences.md.
		j.result.Verdict = Unverified
	}
	j.reason(j.author.signs...)
	if j.fromHome && j.result.Verdict != Authenticated && j.result.Verdict != Verified {
		j.reason(ClaimsToBeOurs)
	}
}

func (j *judge) authenticated() {
	// A true mail can be sent again with a Reply-To that its signature leaves open,
	// and the answer would go to whoever did it. SPF shows that nobody did.
	if slices.Contains(j.author.signs, ReplyToElsewhere) && !j.replyToSigned &&
		!(j.result.DMARC.Result == dmarc.Pass && slices.Contains(j.result.DMARC.Aligned, dmarc.SPF)) {
		j.result.Verdict = Unverified
		j.reason(ReplyToUnsigned)
		return
	}
	j.result.Verdict = Authenticated
	if j.known() {
		j.result.Verdict = Verified
		j.reason(KnownCustomer)
	}
}

// disowned: the author's domain asks for such mail to be refused or set aside.
func (j *judge) disowned() bool {
	if j.result.DMARC.Result != dmarc.Fail {
		return false
	}
	switch j.result.DMARC.Policy {
	case dmarc.Reject, dmarc.Quarantine:
		// RFC 6376 §3.6.1: a domain that tests its keys must not suffer from it.
		return !j.testing
	}
	return false
}

// known tells whether the author is in the directory.
func (j *judge) known() bool { return j.result.Address != "" && j.has(alike.Of(j.result.Address)) }

// explain names what DMARC found.
func (j *judge) explain() {
	aligned := j.result.DMARC.Aligned
	if slices.Contains(aligned, dmarc.DKIM) {
		j.reason(DKIMAligned)
	}
	if slices.Contains(aligned, dmarc.SPF) {
		j.reason(SPFAligned)
	}
	switch j.result.DMARC.Result {
	case dmarc.Pass:
		j.reason(DMARCPass)
	case dmarc.Fail:
		j.reason(NothingAligned)
		switch j.published {
		case dmarc.Reject:
			j.reason(PolicyReject)
		case dmarc.Quarantine:
			j.reason(PolicyQuarantine)
		default:
			j.reason(PolicyNone)
		}
		if j.published != j.result.DMARC.Policy {
			j.reason(PolicyTesting)
		}
	case dmarc.None:
		if j.author.domain == "" {
			return
		}
		j.reason(NoPolicy)
		if len(aligned) > 0 {
			j.reason(AlignedWithoutPolicy)
		}
	}
}
