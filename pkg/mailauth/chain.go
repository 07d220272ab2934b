package mailauth

import (
	"strings"

	"github.com/postern-mail/postern/pkg/mailauth/arc"
	"github.com/postern-mail/postern/pkg/mailauth/authres"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// checkARC validates the chain of intermediaries and asks whether one that we
// trust saw the author authenticated.
func (j *judge) checkARC() {
	chain := arc.Validate(j.ctx, j.text, arc.Options{Resolver: j.resolver, At: j.options.At, Keys: j.options.KeyCache})
	j.result.ARC.Result = string(chain.Outcome)
	for _, set := range chain.Sets {
		j.result.ARC.Sealers = append(j.result.ARC.Sealers, set.Sealer)
	}
	j.reason(chain.Reason)
	if chain.Outcome != arc.Pass {
		return
	}
	// The outermost sealers are believed as far inwards as they are configured. Who
	// stands further in could be anybody, and says nothing (RFC 8617 §9.5).
	first := len(chain.Sets)
	for first > 0 && oneOf(chain.Sets[first-1].Sealer, j.options.TrustSealers) {
		first--
	}
	if first == len(chain.Sets) {
		return
	}
	if !chain.CoversAuthor {
		j.reason(ARCAuthorUnsigned)
		return
	}
	j.result.ARC.Trusted = true
	j.vouched = vouches(chain.Sets[first].Results, j.author.domain)
}

// vouches reports whether results say that DMARC passed for this very domain.
func vouches(results, domain string) bool {
	said, err := authres.Parse(results)
	if err != nil || domain == "" {
		return false
	}
	for _, r := range said.Results {
		if r.Method == "dmarc" && r.Value == "pass" {
			from := r.Get("header.from")
			return dns.Clean(from[strings.LastIndexByte(from, '@')+1:]) == domain
		}
	}
	return false
}
