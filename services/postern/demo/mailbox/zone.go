package mailbox

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"net/netip"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// zone is what the DNS says of everybody in the mails. A domain that is not in it
// does not exist, which is how most senders' policies look: there is none.
func zone(public *rsa.PublicKey) map[string]*dns.Entry {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil // an RSA key always marshals
	}
	key := "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der) // RFC 6376 §3.6.1
	z := map[string]*dns.Entry{
		TrustedMX: {A: []netip.Addr{netip.MustParseAddr("198.51.100.2")}},
		// The company's own domain, which others like to use.
		"brightwater.example":        {TXT: []string{"v=spf1 mx -all"}, MX: []dns.ZoneMX{{Pref: 10, Host: TrustedMX}}},
		"_dmarc.brightwater.example": {TXT: []string{"v=DMARC1; p=reject"}},
	}
	for _, e := range envelopes {
		ip := netip.MustParseAddr(e.ip)
		if z[e.host] == nil {
			z[e.host] = &dns.Entry{A: []netip.Addr{ip}}
			z[reverse(ip)] = &dns.Entry{PTR: []string{e.host}}
		}
		if e.signer != "" {
			z[selector+"._domainkey."+e.signer] = &dns.Entry{TXT: []string{key}}
		}
	}
	say := func(name, text string) {
		if text == "" {
			return
		}
		if z[name] == nil {
			z[name] = &dns.Entry{}
		}
		z[name].TXT = append(z[name].TXT, text)
	}
	for domain, policy := range policies {
		say(domain, policy.spf)
		say("_dmarc."+domain, policy.dmarc)
	}
	return z
}

// policies are the senders' SPF (RFC 7208) and DMARC records: a mixed lot, as in life.
var policies = map[string]struct{ spf, dmarc string }{
	"lindqvist.example":           {"v=spf1 ip4:203.0.113.10 -all", "v=DMARC1; p=quarantine"},
	"nordlicht-optik.example":     {"v=spf1 ip4:203.0.113.25 -all", "v=DMARC1; p=reject; rua=mailto:dmarc@nordlicht-optik.example"},
	"postbox.example":             {"v=spf1 ip4:198.51.100.0/24 ~all", "v=DMARC1; p=none"},
	"veloweekly.example":          {"", "v=DMARC1; p=none"},
	"news.veloweekly.example":     {"v=spf1 ip4:203.0.113.80 -all", ""},
	"lists.spoke-and-hub.example": {"v=spf1 ip4:203.0.113.91 -all", ""},
	"quast-keramik.example":       {"v=spf1 ip4:203.0.113.33 ?all", ""},
	"gartenbau-mueller.example":   {"v=spf1 ip4:203.0.113.12 -all", ""},
	"solheim-events.example":      {"v=spf1 ip4:203.0.113.48 -all", "v=DMARC1; p=reject"},
	"raman-logistics.example":     {"v=spf1 ip4:203.0.113.49 -all", ""},
	"lefevre.example":             {"v=spf1 ip4:203.0.113.45 ~all", ""},
	"macleod.example":             {"v=spf1 ip4:203.0.113.200 ~all", ""},                // not where its mails come from
	"brlghtwater.example":         {"v=spf1 ip4:192.0.2.70 -all", "v=DMARC1; p=reject"}, // impostors authenticate, too
	"cheap-relay.example":         {"v=spf1 ip4:192.0.2.0/24 -all", ""},
	"mail.postbox.example":        {"v=spf1 ip4:198.51.100.25 -all", ""},
	"mail.weiss-partner.example":  {"v=spf1 ip4:203.0.113.13 -all", ""},
	"mail.adeyemi.example":        {"v=spf1 ip4:203.0.113.47 -all", ""},
}

// reverse is the name under which the DNS keeps an IPv4 address's host. (RFC 1035 §3.5)
func reverse(ip netip.Addr) string {
	b := ip.As4()
	return netip.AddrFrom4([4]byte{b[3], b[2], b[1], b[0]}).String() + ".in-addr.arpa"
}
