package spf

import (
	"context"
	"net/netip"
	"strings"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// A checker carries one query through the records that it leads to.
type checker struct {
	ctx      context.Context
	options  Options
	resolver dns.Resolver

	ip           netip.Addr
	helo         string
	local        string
	senderDomain string

	lookups int
	void    int

	names      []string // validated names of the address, once asked
	namesAsked bool
	namesErr   error
}

// checkHost is check_host() (RFC 7208 §4).
func (c *checker) checkHost(domain string) verdict {
	// RFC 7208 §4.3: a malformed or single-label domain has no policy.
	if dns.CheckName(domain) != nil || strings.HasPrefix(domain, "[") {
		return verdict{outcome: None} // an address literal is no domain either
	}
	if !c.options.SingleLabels && dns.Parent(strings.TrimSuffix(domain, ".")) == "" {
		return verdict{outcome: None}
	}
	answer, err := c.resolver.Lookup(c.ctx, dns.TXT, domain)
	if dns.IsTemporary(err) {
		return tempError // RFC 7208 §4.4
	}
	found := ""
	for _, text := range answer.Texts {
		if !isRecord(text) {
			continue
		}
		if found != "" {
			return permError(RecordMultiple) // RFC 7208 §4.5
		}
		found = text
	}
	if found == "" {
		return verdict{outcome: None}
	}
	rec, ok := parser{singleLabels: c.options.SingleLabels}.parse(found)
	if !ok {
		return permError(RecordMalformed)
	}
	return c.evaluate(rec, domain)
}

var outcomes = map[byte]Outcome{'+': Pass, '-': Fail, '~': SoftFail, '?': Neutral}

func (c *checker) evaluate(rec *record, domain string) verdict {
	for _, t := range rec.terms {
		matched, problem := c.match(t, domain)
		if problem != nil {
			return *problem
		}
		if !matched {
			continue
		}
		found := verdict{outcome: outcomes[t.qualifier], term: t.text}
		if found.outcome == Fail && rec.explain != "" {
			found.explanation = c.explain(rec.explain, domain)
		}
		return found
	}
	if rec.redirect == "" {
		return verdict{outcome: Neutral} // RFC 7208 §4.7
	}
	if !c.count() {
		return permError(TooManyLookups)
	}
	found := c.checkHost(c.target(rec.redirect, domain))
	if found.outcome == None {
		return permError(RedirectMissing) // RFC 7208 §6.1
	}
	return found
}

// count takes one of the terms that may ask (RFC 7208 §4.6.4).
func (c *checker) count() bool {
	c.lookups++
	return c.lookups <= c.options.Limits.Lookups
}

// ask makes a look-up; one that finds nothing gives an empty answer.
func (c *checker) ask(kind dns.Type, name string) (dns.Answer, *verdict) {
	answer, err := c.resolver.Lookup(c.ctx, kind, name)
	switch {
	case dns.IsTemporary(err):
		return dns.Answer{}, &tempError
	case err != nil:
		return dns.Answer{}, nil
	}
	return answer, nil
}

// lookup asks a mechanism's own question and counts what finds nothing.
func (c *checker) lookup(kind dns.Type, name string) (dns.Answer, *verdict) {
	answer, err := c.resolver.Lookup(c.ctx, kind, name)
	switch {
	case dns.IsTemporary(err):
		return dns.Answer{}, &tempError
	case dns.IsVoid(err):
		return dns.Answer{}, c.countVoid()
	case err != nil:
		return dns.Answer{}, nil // a name that cannot be asked holds nothing
	}
	return answer, nil
}

// countVoid takes one of the look-ups that may find nothing (RFC 7208 §4.6.4).
func (c *checker) countVoid() *verdict {
	if c.void++; c.void > c.options.Limits.Void {
		problem := permError(TooManyVoid)
		return &problem
	}
	return nil
}

// match evaluates one mechanism (RFC 7208 §5).
func (c *checker) match(t term, domain string) (bool, *verdict) {
	switch t.name {
	case "all":
		return true, nil
	case "ip4", "ip6":
		return t.net.Contains(c.ip), nil
	}
	if !c.count() {
		problem := permError(TooManyLookups)
		return false, &problem
	}
	target := domain
	if t.domain != "" {
		target = c.target(t.domain, domain)
	}
	switch t.name {
	case "include":
		return c.include(target)
	case "a":
		return c.hasAddress(target, t, c.lookup)
	case "mx":
		return c.hasExchange(target, t)
	case "ptr":
		return c.hasName(target)
	}
	answer, problem := c.lookup(dns.A, target) // exists: A even for IPv6 (RFC 7208 §5.7)
	return problem == nil && len(answer.Addrs) > 0, problem
}

// include: RFC 7208 §5.2.
func (c *checker) include(target string) (bool, *verdict) {
	inner := c.checkHost(target)
	switch inner.outcome {
	case Pass:
		return true, nil
	case TempError, PermError:
		return false, &inner
	case None:
		problem := permError(IncludeMissing)
		return false, &problem
	}
	return false, nil
}

// hasAddress: RFC 7208 §5.3.
func (c *checker) hasAddress(host string, t term, ask func(dns.Type, string) (dns.Answer, *verdict)) (bool, *verdict) {
	kind, length := dns.A, t.bits4
	if !c.ip.Is4() {
		kind, length = dns.AAAA, t.bits6
	}
	answer, problem := ask(kind, host)
	for _, ip := range answer.Addrs {
		if prefix, err := ip.Prefix(length); err == nil && prefix.Contains(c.ip) {
			return true, nil
		}
	}
	return false, problem
}

// hasExchange: RFC 7208 §5.4.
func (c *checker) hasExchange(target string, t term) (bool, *verdict) {
	answer, problem := c.lookup(dns.MX, target)
	if problem != nil {
		return false, problem
	}
	if len(answer.MX) > c.options.Limits.MX { // RFC 7208 §4.6.4
		problem := permError(TooManyExchanges)
		return false, &problem
	}
	for _, mx := range answer.MX {
		if mx.Host == "" {
			continue // RFC 7505: a null MX names no host
		}
		// Only the term's own question counts as void, not those about its hosts.
		matched, problem := c.hasAddress(mx.Host, t, c.ask)
		if matched || problem != nil {
			return matched, problem
		}
	}
	return false, nil
}

// hasName: RFC 7208 §5.5. Errors make it no match.
func (c *checker) hasName(target string) (bool, *verdict) {
	target = dns.Clean(target)
	names, err := c.validatedNames()
	if dns.IsVoid(err) {
		if problem := c.countVoid(); problem != nil {
			return false, problem
		}
	}
	for _, name := range names {
		if name == target || strings.HasSuffix(name, "."+target) {
			return true, nil
		}
	}
	return false, nil
}

// validatedNames gives the names of the client's address that lead back to it
// (RFC 7208 §5.5).
func (c *checker) validatedNames() ([]string, error) {
	if c.namesAsked {
		return c.names, c.namesErr
	}
	c.namesAsked = true
	answer, err := c.resolver.Lookup(c.ctx, dns.PTR, dns.ReverseName(c.ip))
	if err != nil {
		c.namesErr = err
		return nil, err
	}
	kind := dns.A
	if !c.ip.Is4() {
		kind = dns.AAAA
	}
	for i, name := range answer.Names {
		if i == c.options.Limits.PTR {
			break // RFC 7208 §4.6.4: the rest is ignored
		}
		found, err := c.resolver.Lookup(c.ctx, kind, name)
		if err != nil {
			continue
		}
		for _, ip := range found.Addrs {
			if ip == c.ip {
				c.names = append(c.names, dns.Clean(name))
				break
			}
		}
	}
	return c.names, nil
}

// target expands a domain-spec; names too long lose labels on the left
// (RFC 7208 §7.3).
func (c *checker) target(spec, domain string) string {
	name := strings.TrimSuffix(c.expand(spec, domain, false), ".")
	for len(name) > 253 {
		dot := strings.IndexByte(name, '.')
		if dot < 0 {
			break
		}
		name = name[dot+1:]
	}
	return name
}

// explain fetches and expands the explanation of a domain; any trouble means
// there is none (RFC 7208 §6.2).
func (c *checker) explain(spec, domain string) string {
	answer, err := c.resolver.Lookup(c.ctx, dns.TXT, c.target(spec, domain))
	if err != nil || len(answer.Texts) != 1 || !isMacroString(answer.Texts[0], true) {
		return ""
	}
	text := c.expand(answer.Texts[0], domain, true)
	for i := 0; i < len(text); i++ {
		if text[i] < ' ' || text[i] > '~' {
			return ""
		}
	}
	return text
}
