package mailauth

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth/alike"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/mailauth/spf"
)

var at = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// key is the Ed25519 key that tests sign with; only its public half matters.
var key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))

func keyRecord() string {
	return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))
}

// sign signs with another implementation, so that both must agree.
func sign(t testing.TB, raw, domain string, headers ...string) string {
	t.Helper()
	if headers == nil {
		headers = []string{"From", "To", "Subject", "Date"}
	}
	var out bytes.Buffer
	err := msgauth.Sign(&out, strings.NewReader(raw), &msgauth.SignOptions{
		Domain: domain, Selector: "s", Signer: key, HeaderKeys: headers,
		HeaderCanonicalization: msgauth.CanonicalizationRelaxed, BodyCanonicalization: msgauth.CanonicalizationRelaxed,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const plain = "From: Anna <anna@example.com>\r\nTo: help@firm.example\r\nSubject: Hello\r\nDate: Sat, 21 Nov 2026 11:59:00 +0000\r\n\r\nGood day.\r\n"

// names is a zone: TXT records by name, several divided by "|".
func names(t testing.TB, records map[string]string) *dns.Zone {
	t.Helper()
	entries := map[string]*dns.Entry{}
	for name, text := range records {
		switch text {
		case "servfail", "timeout":
			entries[name] = &dns.Entry{Error: text}
		default:
			entries[name] = &dns.Entry{TXT: strings.Split(text, "|")}
		}
	}
	zone, err := dns.NewZone(entries)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func judgeText(t testing.TB, raw string, options Options) Result {
	t.Helper()
	options.At = time.Now().Add(time.Minute) // the signer signs with the wall clock
	return judged(t, []byte(raw), options)
}

type knows []string

func (k knows) Has(_ context.Context, form alike.Form) (bool, error) {
	return form.Kind == alike.Address && slices.Contains(k, form.Value), nil
}

func TestVerdicts(t *testing.T) {
	reject := "v=DMARC1; p=reject"
	for _, c := range []struct {
		name    string
		raw     string
		dns     map[string]string
		options Options
		verdict Verdict
		reasons []string // that must be among those given
	}{
		{name: "an aligned signature authenticates", raw: sign(t, plain, "example.com"),
			dns:     map[string]string{"s._domainkey.example.com": keyRecord(), "_dmarc.example.com": reject},
			verdict: Authenticated, reasons: []string{DMARCPass, DKIMAligned}},
		{name: "an authenticated customer is verified", raw: sign(t, plain, "example.com"),
			dns:     map[string]string{"s._domainkey.example.com": keyRecord(), "_dmarc.example.com": reject},
			options: Options{Customers: knows{"anna@example.com"}}, verdict: Verified, reasons: []string{KnownCustomer}},
		{name: "a customer's name alone verifies nobody", raw: plain,
			dns:     map[string]string{"_dmarc.example.com": "v=DMARC1; p=none"},
			options: Options{Customers: knows{"anna@example.com"}}, verdict: Unverified, reasons: []string{PolicyNone, NothingAligned}},
		{name: "nothing aligned under reject is forged", raw: plain,
			dns: map[string]string{"_dmarc.example.com": reject}, verdict: Forged, reasons: []string{PolicyReject, SPFNotEvaluated}},
		{name: "nothing aligned under quarantine is forged", raw: plain,
			dns: map[string]string{"_dmarc.example.com": "v=DMARC1; p=quarantine"}, verdict: Forged, reasons: []string{PolicyQuarantine}},
		{name: "quarantine that is only tested forges nothing", raw: plain,
			dns: map[string]string{"_dmarc.example.com": "v=DMARC1; p=quarantine; t=y"}, verdict: Unverified, reasons: []string{PolicyTesting}},
		{name: "somebody else's signature does not help", raw: sign(t, plain, "evil.example"),
			dns:     map[string]string{"s._domainkey.evil.example": keyRecord(), "_dmarc.example.com": reject},
			verdict: Forged, reasons: []string{NothingAligned}},
		{name: "an aligned pass without a policy is unverified", raw: sign(t, plain, "example.com"),
			dns:     map[string]string{"s._domainkey.example.com": keyRecord()},
			verdict: Unverified, reasons: []string{NoPolicy, AlignedWithoutPolicy}},
		{name: "without the DNS nothing is known", raw: sign(t, plain, "example.com"),
			dns: nil, verdict: Unverified, reasons: []string{"dmarc_record_unavailable", "key_unavailable"}},
		{name: "a key that cannot be fetched forges nothing", raw: sign(t, plain, "example.com"),
			dns:     map[string]string{"s._domainkey.example.com": "timeout", "_dmarc.example.com": reject},
			verdict: Unverified, reasons: []string{"dmarc_identifier_unavailable"}},
		{name: "a changed body is forged under reject", raw: strings.Replace(sign(t, plain, "example.com"), "Good day", "Bad day", 1),
			dns:     map[string]string{"s._domainkey.example.com": keyRecord(), "_dmarc.example.com": reject},
			verdict: Forged, reasons: []string{"body_hash_mismatch"}},
		{name: "a key in testing neither proves nor condemns", raw: sign(t, plain, "example.com"),
			dns:     map[string]string{"s._domainkey.example.com": keyRecord() + "; t=y", "_dmarc.example.com": reject},
			verdict: Unverified, reasons: []string{"key_testing"}},
		{name: "a second From is ambiguous however it is signed", raw: "From: boss@bank.example\r\n" + sign(t, plain, "example.com"),
			dns:     map[string]string{"s._domainkey.example.com": keyRecord(), "_dmarc.example.com": reject},
			verdict: Ambiguous, reasons: []string{FromRepeated}},
		{name: "a second Subject takes the pass away", raw: "Subject: Pay now\r\n" + sign(t, plain, "example.com"),
			dns:     map[string]string{"s._domainkey.example.com": keyRecord(), "_dmarc.example.com": reject},
			verdict: Forged, reasons: []string{"subject_added"}},
		{name: "a Subject that is not signed takes the pass away", raw: sign(t, plain, "example.com", "From", "To"),
			dns:     map[string]string{"s._domainkey.example.com": keyRecord(), "_dmarc.example.com": reject},
			verdict: Forged, reasons: []string{"subject_unsigned"}},
		{name: "an SPF pass given by flag authenticates", raw: plain,
			dns:     map[string]string{"example.com": "v=spf1 ip4:192.0.2.1 -all", "_dmarc.example.com": reject},
			options: Options{ClientIP: netip.MustParseAddr("192.0.2.1"), Helo: "mx", MailFrom: "anna@example.com"},
			verdict: Authenticated, reasons: []string{SPFAligned}},
		{name: "an SPF pass of another domain does not", raw: plain,
			dns:     map[string]string{"evil.example": "v=spf1 +all", "_dmarc.example.com": reject},
			options: Options{ClientIP: netip.MustParseAddr("192.0.2.1"), Helo: "mx", MailFrom: "x@evil.example"},
			verdict: Forged, reasons: []string{NothingAligned}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.options.Resolver = dns.None{}
			if c.dns != nil {
				c.options.Resolver = names(t, c.dns)
			}
			got := judgeText(t, c.raw, c.options)
			if got.Verdict != c.verdict {
				t.Errorf("verdict %s %v, want %s", got.Verdict, got.Reasons, c.verdict)
			}
			for _, reason := range c.reasons {
				if !slices.Contains(got.Reasons, reason) {
					t.Errorf("reasons %v lack %s", got.Reasons, reason)
				}
			}
			for _, reason := range got.Reasons {
				if r := Reasons[reason]; r.Agent == "" || r.Engineer == "" {
					t.Errorf("%s is not explained", reason)
				}
			}
		})
	}
}

func TestTheSessionComesOnlyFromTheBoundary(t *testing.T) {
	zone := map[string]string{"example.com": "v=spf1 ip4:192.0.2.1 -all", "_dmarc.example.com": "v=DMARC1; p=reject"}
	ours := "Received: from out.example.com (out.example.com [192.0.2.1])\r\n\tby mx.firm.example (Postfix) with ESMTPS id 1\r\n\tfor <help@firm.example>; Sat, 21 Nov 2026 11:59:10 +0000 (UTC)\r\n"
	theirs := strings.ReplaceAll(strings.ReplaceAll(ours, "192.0.2.1", "203.0.113.9"), "out.example.com", "evil.example")
	path := "Return-Path: <anna@example.com>\r\n"
	handedBack := "Received: from localhost (localhost [127.0.0.1])\r\n\tby mx.firm.example (Postfix); Sat, 21 Nov 2026 11:59:11 +0000\r\n"
	trust := []string{"MX.firm.example."}
	for _, c := range []struct {
		name   string
		raw    string
		trust  []string
		result spf.Outcome
		source SPFSource
		ip     string
	}{
		{"mail that our server took from itself, and no filter is trusted", path + handedBack + ours + plain, trust, spf.None, FromNowhere, ""},
		{"our server's line", path + ours + plain, trust, spf.Pass, FromReceived, "192.0.2.1"},
		{"our server is not named", path + ours + plain, nil, spf.None, FromNowhere, ""},
		{"a forged line below ours", path + theirs + ours + plain, trust, spf.Fail, FromReceived, "203.0.113.9"},
		{"a server behind ours wrote above it", path + "Received: from mx.firm.example (mx.firm.example [10.0.0.1])\r\n\tby store.firm.example (Postfix) with LMTP id 3; Sat, 21 Nov 2026 11:59:11 +0000\r\n" + ours + plain, trust, spf.Pass, FromReceived, "192.0.2.1"},
		{"a Return-Path below the boundary leaves HELO", ours + path + plain, trust, spf.None, FromReceived, "192.0.2.1"},
		{"the null sender", "Return-Path: <>\r\n" + ours + plain, trust, spf.None, FromReceived, "192.0.2.1"},
		{"a filter on our server handed it back", path + handedBack + ours + plain, trust, spf.Pass, FromReceived, "192.0.2.1"},
		{"the filter wrote a line too", path + handedBack + "Received: from mx.firm.example ([198.51.100.1])\r\n\tby localhost (mx.firm.example [127.0.0.1]) (amavisd-new, port 10024); Sat, 21 Nov 2026 11:59:11 +0000\r\n" + ours + plain, trust, spf.Pass, FromReceived, "192.0.2.1"},
		{"a stranger's line below the filter's", path + handedBack + strings.Replace(ours, "mx.firm.example", "mx.evil.example", 1) + ours + plain, trust, spf.None, FromNowhere, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			filter := strings.Contains(c.name, "filter") && !strings.Contains(c.name, "no filter")
			got := judgeText(t, c.raw, Options{Resolver: names(t, zone), TrustMX: c.trust, TrustFilter: filter})
			if got.SPF.Result != c.result || got.SPF.Source != c.source || got.SPF.ClientIP != c.ip {
				t.Errorf("got %+v", got.SPF)
			}
		})
	}
}

func TestAHELONameAloneAuthenticatesNobody(t *testing.T) {
	zone := names(t, map[string]string{"example.com": "v=spf1 ip4:192.0.2.1 -all", "_dmarc.example.com": "v=DMARC1; p=none"})
	session := Options{Resolver: zone, ClientIP: netip.MustParseAddr("192.0.2.1"), Helo: "example.com"}
	got := judgeText(t, plain, session)
	if got.SPF.Result != spf.Pass || got.SPF.Identity != spf.Helo || got.Verdict != Unverified {
		t.Errorf("sender unknown: %s %+v", got.Verdict, got.SPF)
	}
	session.MailFrom = "<>" // RFC 7208 §2.4: then HELO is the sender
	if got := judgeText(t, plain, session); got.SPF.Identity != spf.Helo || got.Verdict != Authenticated {
		t.Errorf("null sender: %s %+v", got.Verdict, got.SPF)
	}
}

func TestReceivedLines(t *testing.T) {
	for _, c := range []struct{ line, by, helo, ip, from string }{
		{"from h.example (n.example [192.0.2.1]) by mx.example (Postfix) with ESMTP id 1; d", "mx.example", "h.example", "192.0.2.1", ""},
		{"from h.example (unknown [IPv6:2001:db8::1]) by mx.example; d", "mx.example", "h.example", "2001:db8::1", ""},
		{"from n.example ([192.0.2.1] helo=h.example) by mx.example with esmtp (Exim 4.96) (envelope-from <a@b.example>) id 1; d", "mx.example", "h.example", "192.0.2.1", "a@b.example"},
		{"from [192.0.2.1] (helo=[203.0.113.9]) by mx.example; d", "mx.example", "[203.0.113.9]", "192.0.2.1", ""},
		{"from [203.0.113.9] (n.example [192.0.2.1]) by mx.example; d", "mx.example", "[203.0.113.9]", "192.0.2.1", ""},
		{"from unknown (HELO h.example) (192.0.2.1) by mx.example with SMTP; d", "mx.example", "h.example", "192.0.2.1", ""},
		{"from unknown (HELO 203.0.113.9) (192.0.2.1) by mx.example with SMTP; d", "mx.example", "203.0.113.9", "192.0.2.1", ""},
		{"from n.example (192.0.2.1) by mx.example with Microsoft SMTP Server; d", "mx.example", "n.example", "192.0.2.1", ""},
		{"from h.example (n.example [192.0.2.1] [203.0.113.9]) by mx.example; d", "mx.example", "h.example", "", ""},
		{"by mx.example with LMTP id 1; d", "mx.example", "", "", ""},
		{"from h.example (envelope-from <x@y.example>) by mx.example; d", "mx.example", "h.example", "", ""},
		{"from by (n.example [192.0.2.1]) by mx.example; d", "mx.example", "by", "192.0.2.1", ""},
		{"from from (n.example [192.0.2.1]) by mx.example; d", "mx.example", "from", "192.0.2.1", ""},
		{"from a; by b", "", "", "", ""},
	} {
		got := parseReceived(c.line)
		ip := ""
		if got.client.IsValid() {
			ip = got.client.String()
		}
		if got.by != c.by || got.helo != c.helo || ip != c.ip || got.mailFrom != c.from {
			t.Errorf("%s\n\tgot %+v", c.line, got)
		}
	}
}

func TestAmbiguousAuthors(t *testing.T) {
	for _, c := range []struct{ from, reason, domain string }{
		{"Anna <anna@example.com>", "", "example.com"},
		{"anna@example.com", "", "example.com"},
		{"anna@example.com (Anna)", "", "example.com"},
		{"John Q. Public <john@example.com>", "", "example.com"},
		{`"Anna, Inc." <anna@EXAMPLE.com>`, "", "example.com"},
		{"anna@example.com <anna@example.com>", "", "example.com"},
		{"=?utf-8?q?J=C3=B6rg?= <j@example.com>", "", "example.com"},
		{"j@b\u00fccher.example", "", "xn--bcher-kva.example"},
		{"", FromEmpty, ""},
		{"<>", FromEmpty, ""},
		{"Anna", FromEmpty, ""},
		{"a@bank.example, b@evil.example", FromSeveral, ""},
		{"a@bank.example b@evil.example", FromMalformed, ""},
		{"bank: a@bank.example;", FromGroup, ""},
		{"undisclosed:;", FromGroup, ""},
		{"a@bank.example <b@evil.example>", FromTwoAddresses, ""},
		{"=?utf-8?q?a=40bank.example=2C?=@evil.example", FromEncodedWord, ""},
		{"<=?utf-8?q?a=40bank.example?=@evil.example>", FromEncodedWord, ""},
		{"a@bank.example\x00@evil.example", FromNUL, ""},
		{"b@evil.example (<a@bank.example>)", FromCommentAddress, ""},
		{"a(x)@bank.example", FromCommentInAddress, ""},
		{"<@bank.example:b@evil.example>", FromRoute, ""},
		{`"a@bank.example>"@evil.example`, FromQuotedLocal, ""},
		{"<a@bank.example><b@evil.example>", FromMalformed, ""},
		{"a@bank.example\r b@evil.example", FromBareLineBreak, ""},
		{"a@evil.example\x0b", FromControl, ""},
		{"a@bank..example", FromMalformed, ""},
		{"\xff <a@bank.example>", "", "bank.example"}, // an old charset in the name harms nobody
		{"\xffa@bank.example", FromEncoding, ""},
		{"a@bank.example\u3002evil.example", FromDomainMalformed, ""},
	} {
		got := readFrom(" " + c.from + "\r\n")
		if c.reason == "" {
			if len(got.ambiguities) > 0 || got.domain != c.domain {
				t.Errorf("%q: %v, domain %q", c.from, got.ambiguities, got.domain)
			}
		} else if !slices.Contains(got.ambiguities, c.reason) {
			t.Errorf("%q: %v, want %s", c.from, got.ambiguities, c.reason)
		}
	}
}

func TestSignsOfImpersonation(t *testing.T) {
	for _, c := range []struct{ from, sign string }{
		{"Anna <anna@example.com>", ""},
		{`"anna@example.com" <anna@example.com>`, ""},
		{`"info@bank.example" <x@evil.example>`, NameLooksLikeAddress},
		{"=?utf-8?q?info=40bank.example?= <x@evil.example>", NameLooksLikeAddress},
		{"Anna \u202eknab <x@evil.example>", NameBidi},
		{"Ban\u200bk <x@evil.example>", NameInvisible},
		{"J\u00f6rg <j@b\u00fccher.example>", ""},
		{"x@b\u0430nk.example", DomainMixedScripts}, // a Cyrillic a
		{"x@\u0431\u0430\u043d\u043a.example", ""},  // Cyrillic throughout
		{"x@[192.0.2.1]", FromDomainLiteral},
	} {
		got := readFrom(c.from)
		if len(got.ambiguities) > 0 {
			t.Errorf("%s: %v", c.from, got.ambiguities)
		}
		if c.sign == "" && len(got.signs) > 0 || c.sign != "" && !slices.Contains(got.signs, c.sign) {
			t.Errorf("%s: %v, want %q", c.from, got.signs, c.sign)
		}
	}
}

func TestSignsOfBeingTakenForSomebodyElse(t *testing.T) {
	ours := Ours{Domains: []string{"northwind.example", "nw.example"}, Names: []string{"Northwind", "Northwind Support"}}
	customers := alike.NewSet(alike.Person([]string{"Anna Weber", "Contoso GmbH"}, []string{"anna@contoso.example"})...)
	for _, c := range []struct {
		from string
		want string // the signs
	}{
		{"Anna Weber <anna@contoso.example>", ""},
		{"ANNA WEBER <ANNA@contoso.example>", ""},
		{"Bert <bert@contoso.example>", ""},
		{"Bert <bert@mail.contoso.example>", ""},
		{"Anna Weber <anna.weber@post.example>", NameOfCustomer},
		{"\"Weber, Anna\" <aw@post.example>", NameOfCustomer},
		{"=?utf-8?B?0JBubmEgV2ViZXI=?= <aw@post.example>", NameOfCustomer}, // Cyrillic A
		{"Anna <anna@post.example>", ""},
		{"billing@cont\u043eso.example", DomainMixedScripts + " " + DomainLooksLikeKnown}, // Cyrillic o
		{"billing@contosso.example", DomainNearKnown},
		{"billing@mail.contozo.example", DomainNearKnown},
		{"billing@contoso.invalid", ""},
		{"Northwind Support <help@post.example>", NameIsOurs},
		{"NORTHWIND <help@post.example>", NameIsOurs},
		{"help@n\u043erthwind.example", DomainMixedScripts + " " + DomainLooksLikeOurs},
		{"help@nortwhind.example", DomainNearOurs},
		{"help@northwind.invalid", DomainUsesOurs},
		{"help@northwind-support.invalid", DomainUsesOurs},
		{"help@northwind.example.evil.invalid", DomainUsesOurs},
		{"help@nw.example.evil.invalid", DomainUsesOurs},
		{"help@nw.invalid", ""}, // too short to be anybody's
		{"help@northwind.example", ClaimsToBeOurs},
		{"Northwind Support <help@mail.northwind.example>", ClaimsToBeOurs},
	} {
		raw := "From: " + c.from + "\r\nTo: help@northwind.example\r\n\r\nGood day\r\n"
		got := judgeText(t, raw, Options{Ours: ours, Customers: customers, Resolver: names(t, nil)})
		var signs []string
		for _, reason := range got.Reasons {
			if strings.HasPrefix(reason, "domain_") && reason != DomainLooksLike || strings.HasPrefix(reason, "display_name_") || reason == ClaimsToBeOurs {
				signs = append(signs, reason)
			}
		}
		if strings.Join(signs, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.from, signs, c.want)
		}
	}
}

type brokenCircle struct{}

func (brokenCircle) Has(context.Context, alike.Form) (bool, error) {
	return false, errors.New("the directory is away")
}

func TestADirectoryThatCannotBeAskedConfirmsNobodyAndIsSaid(t *testing.T) {
	got := judgeText(t, plain, Options{Customers: brokenCircle{}, Resolver: names(t, nil)})
	if got.Verdict != Unverified || !slices.Contains(got.Reasons, DirectoryUnavailable) {
		t.Errorf("%s %v", got.Verdict, got.Reasons)
	}
}

func TestSmuggledAuthorsAreAmbiguous(t *testing.T) {
	zone := names(t, map[string]string{"s._domainkey.example.com": keyRecord(), "_dmarc.example.com": "v=DMARC1; p=reject"})
	for name, raw := range map[string]string{
		"after a lone CR":    "X-A: b\rFrom: boss@bank.example\r\n" + plain,
		"ended by a lone LF": strings.Replace(plain, "From: Anna <anna@example.com>\r\n", "From: Anna <anna@example.com>\n", 1),
		"no From at all":     strings.Replace(plain, "From:", "X-From:", 1),
	} {
		t.Run(name, func(t *testing.T) {
			if got := judgeText(t, raw, Options{Resolver: zone}); got.Verdict != Ambiguous {
				t.Errorf("%s %v", got.Verdict, got.Reasons)
			}
		})
	}
}

func TestTheResultHasEveryFieldAndNoNull(t *testing.T) {
	text, err := json.Marshal(judgeText(t, "", Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte("null")) {
		t.Errorf("null in %s", text)
	}
	for _, field := range []string{`"verdict":"ambiguous"`, `"address":""`, `"dkim":[]`, `"aligned":[]`, `"sealers":[]`, `"signatures":[]`, `"source":"none"`, `"policy":"none"`} {
		if !bytes.Contains(text, []byte(field)) {
			t.Errorf("%s lacks %s", text, field)
		}
	}
}

func TestLookupsOfOneMessageAreBounded(t *testing.T) {
	got := judgeText(t, sign(t, plain, "example.com"), Options{
		Resolver: names(t, map[string]string{"_dmarc.example.com": "v=DMARC1; p=reject"}),
		Limits:   Limits{Lookups: 1},
	})
	if len(got.Evidence.Questions) != 1 || !slices.Contains(got.Reasons, LookupBudgetSpent) || got.Verdict != Unverified {
		t.Errorf("%s %v after %d questions", got.Verdict, got.Reasons, len(got.Evidence.Questions))
	}
}

// Converting a name to A-labels takes the square of its length: the million letters of this
// one would take hours.
func TestADomainWithoutEndIsNotConverted(t *testing.T) {
	endless := strings.Repeat("\u4e00\u4e8c\u4e09", 333_333)
	for _, raw := range []string{
		"From: a@" + endless + ".example\r\n\r\n",
		"From: a@example.com\r\nReply-To: " + strings.Repeat("b@"+endless[:900]+".example, ", 1000) + "c@" + endless + "\r\n\r\n",
		"From: " + endless + " <a@example.com>\r\n\r\n",
	} {
		got := Judge(t.Context(), mail.Parse([]byte(raw), mail.Limits{}), Options{Ours: Ours{Domains: []string{"firm.example"}, Names: []string{"Firm"}}, Customers: knows{}})
		if got.Verdict == Verified || got.Verdict == Authenticated {
			t.Errorf("%s %v", got.Verdict, got.Reasons)
		}
	}
}

// A mail made to cost as much as it can: many headers, signatures, seals, authors
// and an SPF record that leads on and on.
func TestAHostileMailIsBounded(t *testing.T) {
	var raw strings.Builder
	body := base64.StdEncoding.EncodeToString(sha([]byte("x\r\n")))
	for i := range 100 {
		fmt.Fprintf(&raw, "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=d%d.example; s=s; h=from:subject; bh=%s; b=AAAA; l=3\r\n", i, body)
	}
	for i := 1; i <= 50; i++ {
		status := "pass"
		if i == 1 {
			status = "none"
		}
		fmt.Fprintf(&raw, "ARC-Seal: i=%d; a=ed25519-sha256; cv=%s; d=a%d.example; s=s; b=AAAA\r\n", i, status, i)
		fmt.Fprintf(&raw, "ARC-Message-Signature: i=%d; a=ed25519-sha256; c=relaxed/relaxed; d=a%d.example; s=s; h=from; bh=%s; b=AAAA\r\n", i, i, body)
		fmt.Fprintf(&raw, "ARC-Authentication-Results: i=%d; a%d.example; none\r\n", i, i)
	}
	for range 1000 {
		raw.WriteString("Received: from x (((( by y\r\nAuthentication-Results: mx.firm.example; spf=pass\r\n")
	}
	raw.WriteString("From: " + strings.Repeat("(", 1000) + strings.Repeat("<a@b.example>,", 1000) + "\r\nSubject: s\r\n\r\nx\r\n")
	options := Options{
		Resolver: endless{}, ClientIP: netip.MustParseAddr("192.0.2.1"), Helo: "h.example", MailFrom: "l@" + strings.Repeat("a.", 100) + "example",
		TrustMX: []string{"mx.firm.example"}, TrustAuthserv: []string{"mx.firm.example"},
	}
	got := judgeText(t, raw.String(), options)
	if got.Verdict != Ambiguous || len(got.DKIM) != 10 || !slices.Contains(got.Reasons, TooManySignatures) {
		t.Errorf("%s %v, %d signatures", got.Verdict, got.Reasons, len(got.DKIM))
	}
	if n := len(got.Evidence.Questions); n > DefaultLimits.Lookups {
		t.Errorf("%d questions", n)
	}
	if n := len(got.Evidence.Headers); n > maxEvidenceFields {
		t.Errorf("%d header fields kept", n)
	}
}

// endless gives every name a record that leads on.
type endless struct{}

func (endless) Lookup(_ context.Context, kind dns.Type, name string) (dns.Answer, error) {
	switch {
	case strings.Contains(name, "_domainkey"):
		return dns.Answer{Texts: []string{keyRecord(), keyRecord()}}, nil
	case kind == dns.TXT:
		return dns.Answer{Texts: []string{"v=spf1 mx ptr a:%{l}.%{d} include:b.%{d} -all"}}, nil
	case kind == dns.MX:
		var answer dns.Answer
		for i := range 10 {
			answer.MX = append(answer.MX, dns.Exchange{Host: fmt.Sprintf("mx%d.%s", i, name)})
		}
		return answer, nil
	}
	return dns.Answer{}, dns.ErrNoData
}
