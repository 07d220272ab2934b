package mailauth

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth/dkim"
	"github.com/postern-mail/postern/pkg/mailauth/dmarc"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/mailauth/spf"
	"github.com/postern-mail/postern/pkg/signature"
)

// A judge carries one message through the checks.
type judge struct {
	ctx      context.Context
	msg      *mail.Message
	text     *dkim.Text
	options  Options
	resolver dns.Resolver
	circle   *remembering // nil where no customers are known
	result   Result

	author      author
	boundary    boundary
	identifiers []dmarc.Identifier
	published   dmarc.Policy
	vouched     bool           // a sealer that we trust saw the author authenticated
	signed      signature.Kind // what the author's own good signature over the whole is, "" for none
	badlySigned bool           // the author's own signature over the whole is bad
	// replyToSigned is true where a signature of the author's domain leaves no
	// Reply-To open.
	replyToSigned bool

	fromHome bool // the author's domain is ours
	testing  bool // an aligned signature holds, of a domain that only tests
}

func (j *judge) run() {
	j.author = readAuthor(j.msg, j.text)
	j.result.Address, j.result.Domain = j.author.address, j.author.domain
	j.boundary = findBoundary(j.msg.Header, j.options)
	j.checkSPF()
	j.checkDKIM()
	j.checkDMARC()
	j.checkARC()
	j.checkSignatures()
	j.checkOffer()
	j.checkLikeness()
	j.decide()
}

// reason adds a code once.
func (j *judge) reason(codes ...string) {
	for _, code := range codes {
		if code != "" && !slices.Contains(j.result.Reasons, code) {
			j.result.Reasons = append(j.result.Reasons, code)
		}
	}
}

func (j *judge) checkSPF() {
	envelope := j.boundary.envelope
	j.result.Evidence.Envelope = envelope
	j.result.Evidence.Boundary = j.boundary.line
	j.result.SPF = SPFResult{Result: spf.None, Source: FromNowhere}
	if j.boundary.forged {
		j.reason(ForgedResults)
	}
	// Without the envelope sender HELO can still be checked (RFC 7208 §2.3), but
	// DMARC takes a HELO name only where the sender was null (RFC 9989 §3.2.4).
	unknown := envelope.MailFrom == ""
	if !envelope.ClientIP.IsValid() || unknown {
		if j.adoptSPF() {
			return
		}
		if !envelope.ClientIP.IsValid() || envelope.Helo == "" {
			j.reason(SPFNotEvaluated)
			return
		}
	}
	sender := envelope.MailFrom
	if sender == "<>" {
		sender = ""
	}
	receiver := ""
	if len(j.options.TrustMX) > 0 {
		receiver = j.options.TrustMX[0]
	}
	found := spf.Check(j.ctx, spf.Query{IP: envelope.ClientIP, Helo: envelope.Helo, Sender: sender},
		spf.Options{Resolver: j.resolver, Limits: j.options.Limits.SPF, Receiver: receiver, At: j.options.At})
	j.result.SPF = SPFResult{
		Result: found.Outcome, Domain: found.Domain, Identity: found.Identity,
		ClientIP: envelope.ClientIP.String(), Source: envelope.Source,
		Reason: found.Reason, Term: found.Term, Explanation: found.Explanation,
	}
	switch found.Outcome {
	case spf.Pass, spf.TempError:
		if unknown {
			j.reason(SPFNotEvaluated)
			break
		}
		j.identify(dmarc.SPF, found.Domain, found.Outcome == spf.Pass)
	case spf.Fail:
		j.reason(SPFFail)
	case spf.SoftFail:
		j.reason(SPFSoftFail)
	}
	j.reason(found.Reason)
}

// adoptSPF takes the result that our own server recorded, where the session is not
// known well enough to repeat it.
func (j *judge) adoptSPF() bool {
	for _, r := range j.boundary.results {
		if r.Method != "spf" {
			continue
		}
		identity, name := spf.MailFrom, r.Get("smtp.mailfrom")
		if name == "" {
			identity, name = spf.Helo, r.Get("smtp.helo")
		}
		domain := dns.Clean(name[strings.LastIndexByte(name, '@')+1:])
		outcome := spf.Outcome(r.Value)
		if domain == "" || !outcome.Known() {
			continue
		}
		client := ""
		if ip, err := netip.ParseAddr(r.Get("smtp.remote-ip")); err == nil {
			client = ip.String()
		}
		j.result.SPF = SPFResult{Result: outcome, Domain: domain, Identity: identity, ClientIP: client, Source: FromAuthserv}
		// A HELO name vouches only where the envelope sender was null, which is not
		// said here (RFC 9989 §4.4.2).
		if identity == spf.MailFrom && (outcome == spf.Pass || outcome == spf.TempError) {
			j.identify(dmarc.SPF, domain, outcome == spf.Pass)
		}
		return true
	}
	return false
}

func (j *judge) identify(mechanism dmarc.Mechanism, domain string, passed bool) {
	j.identifiers = append(j.identifiers, dmarc.Identifier{Mechanism: mechanism, Domain: domain, Passed: passed})
}

func (j *judge) checkDKIM() {
	results, found := dkim.Verify(j.ctx, j.text, dkim.Options{
		Resolver: j.resolver, At: j.options.At, Keys: j.options.KeyCache,
		MaxSignatures: j.options.Limits.DKIMSignatures,
	})
	if found > len(results) {
		j.reason(TooManySignatures)
	}
	for _, r := range results {
		j.result.DKIM = append(j.result.DKIM, DKIMResult{
			Result: r.Result, Domain: r.Domain, Selector: r.Selector,
			AUID: r.AUID, Algorithm: r.Algorithm, Reason: r.Reason,
		})
		switch r.Result {
		case dkim.Pass, dkim.TempError:
			j.identify(dmarc.DKIM, r.Domain, r.Result == dkim.Pass)
		}
		if r.Result == dkim.Pass && related(r.Domain, j.author.domain) && !r.ReplyToOpen {
			j.replyToSigned = true
		}
		if r.Reason != "" && related(r.Domain, j.author.domain) {
			j.reason(r.Reason)
		}
		if r.Reason == dkim.KeyTesting && related(r.Domain, j.author.domain) {
			j.testing = true
		}
	}
}

// related reports whether one name is the other or above or below it: whose
// signature's trouble is worth telling.
func related(a, b string) bool {
	return a != "" && b != "" && (below(a, b) || below(b, a))
}

func below(name, domain string) bool {
	return name == domain ||
		len(name) > len(domain) && name[len(name)-len(domain):] == domain && name[len(name)-len(domain)-1] == '.'
}

func (j *judge) checkDMARC() {
	if j.author.domain == "" {
		return
	}
	found := dmarc.Evaluate(j.ctx, j.resolver, j.author.domain, j.identifiers)
	j.published = found.Published
	j.result.DMARC = DMARCResult{
		Result: found.Outcome, Policy: found.Policy, RecordDomain: found.RecordDomain,
		OrgDomain: found.OrgDomain, Aligned: append([]dmarc.Mechanism{}, found.Aligned...),
	}
	j.reason(found.Reason)
}

// checkSignatures looks for the author's own signature. One over a part, or of
// somebody else, is evidence but decides nothing.
func (j *judge) checkSignatures() {
	results, used := signature.Examine(j.msg, j.options.Keys, j.options.At)
	j.result.Evidence.Keys = used
	for _, r := range results {
		j.result.Signatures = append(j.result.Signatures, r)
		j.reason(r.Reason)
		whole := r.MatchesFrom && r.Covers == signature.Whole
		switch {
		case r.Covers == signature.Part:
			j.reason(SignatureOnPart)
		case whole && r.Result == signature.Good && j.signed != signature.OpenPGP:
			j.signed = r.Kind
		case whole && r.Result == signature.Bad:
			j.badlySigned = true
		}
	}
}
