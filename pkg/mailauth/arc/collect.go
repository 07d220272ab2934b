package arc

import (
	"strings"

	"github.com/postern-mail/postern/pkg/mailauth/dkim"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// A link is one set of header fields of one instance.
type link struct {
	aar, ams, as int // indexes into the header, -1 where missing
	results      string
	message      *dkim.Signature
	seal         *seal
}

// A seal is one ARC-Seal field (RFC 8617 §4.1.3).
type seal struct {
	tags      dkim.Tags
	algorithm string
	domain    string
	selector  string
	status    string // cv=
	value     []byte
}

// collect gathers the sets and checks their structure (RFC 8617 §5.2, steps 1
// to 3).
func collect(text *dkim.Text) ([]link, string) {
	byInstance := map[int]*link{}
	most := 0
	for i := range text.Header {
		field := &text.Header[i]
		kind := kindOf(field.Name)
		if kind == 0 {
			continue
		}
		value := string(field.Value)
		instance, rest, ok := 0, "", false
		var tags dkim.Tags
		if kind == 'r' {
			instance, rest, ok = cutInstance(value)
		} else {
			var err error
			tags, err = dkim.ParseTags(value)
			if err == nil {
				instance, ok = number(tags.Get("i"))
			}
		}
		if !ok {
			return nil, SetMalformed
		}
		if instance > MaxSets {
			return nil, TooManySets
		}
		l := byInstance[instance]
		if l == nil {
			l = &link{aar: -1, ams: -1, as: -1}
			byInstance[instance] = l
			most = max(most, instance)
		}
		if code := l.add(kind, i, rest, tags); code != "" {
			return nil, code
		}
	}
	links := make([]link, 0, most)
	for n := 1; n <= most; n++ {
		l := byInstance[n]
		if l == nil || l.aar < 0 || l.ams < 0 || l.as < 0 {
			return nil, SetIncomplete
		}
		links = append(links, *l)
	}
	return links, ""
}

// kindOf: 'r' for results, 'm' for the message signature, 's' for the seal.
func kindOf(name string) byte {
	if len(name) < len("ARC-Seal") || name[0]|0x20 != 'a' {
		return 0
	}
	switch strings.ToLower(strings.TrimRight(name, " \t")) {
	case "arc-authentication-results":
		return 'r'
	case "arc-message-signature":
		return 'm'
	case "arc-seal":
		return 's'
	}
	return 0
}

func (l *link) add(kind byte, field int, results string, tags dkim.Tags) string {
	switch kind {
	case 'r':
		if l.aar >= 0 {
			return SetMalformed
		}
		l.aar, l.results = field, results
	case 'm':
		if l.ams >= 0 {
			return SetMalformed
		}
		message, err := messageSignature(tags)
		if err != nil {
			return MessageMalformed
		}
		l.ams, l.message = field, message
	case 's':
		if l.as >= 0 {
			return SetMalformed
		}
		sealed, ok := parseSeal(tags)
		if !ok {
			return SealMalformed
		}
		l.as, l.seal = field, sealed
	}
	return ""
}

// messageSignature reads an ARC-Message-Signature, which must not sign seals
// (RFC 8617 §4.1.2).
func messageSignature(tags dkim.Tags) (*dkim.Signature, error) {
	// The published suite holds h= without From, and c= absent for relaxed, to be
	// valid: docs/divergences.md.
	sig, err := dkim.SignatureOf(tags, dkim.Rules{LooseHeaders: true, Canon: "relaxed/relaxed"})
	if err != nil {
		return nil, err
	}
	for _, name := range sig.Headers {
		if name == "arc-seal" {
			return nil, errSignsSeal
		}
	}
	return sig, nil
}

type malformed string

func (m malformed) Error() string { return string(m) }

const errSignsSeal = malformed("message signature covers a seal")

func parseSeal(tags dkim.Tags) (*seal, bool) {
	s := &seal{
		tags:      tags,
		algorithm: strings.ToLower(tags.Get("a")),
		domain:    dns.Clean(tags.Get("d")),
		selector:  dns.Clean(tags.Get("s")),
		status:    tags.Get("cv"),
	}
	switch s.algorithm {
	case "rsa-sha256", "ed25519-sha256":
	default:
		return nil, false
	}
	switch s.status {
	case "none", "pass", "fail":
	default:
		return nil, false
	}
	if tags.Has("h") { // RFC 8617 §4.1.3
		return nil, false
	}
	if tags.Has("t") && strings.Trim(tags.Get("t"), "0123456789") != "" {
		return nil, false
	}
	var err error
	s.value, err = dkim.Base64(tags.Get("b"))
	if err != nil || len(s.value) == 0 || s.domain == "" || s.selector == "" {
		return nil, false
	}
	return s, dns.CheckName(s.selector+"._domainkey."+s.domain) == nil
}

// cutInstance takes "i=N;" off the front of an ARC-Authentication-Results
// (RFC 8617 §4.1.1).
func cutInstance(value string) (int, string, bool) {
	first, rest, found := strings.Cut(value, ";")
	name, digits, equals := strings.Cut(first, "=")
	if !found || !equals || trim(name) != "i" {
		return 0, "", false
	}
	n, ok := number(trim(digits))
	return n, rest, ok
}

func trim(s string) string { return strings.Trim(s, " \t\r\n") }

// number reads an instance: one or two digits; more are above any limit.
func number(s string) (int, bool) {
	if s == "" || len(s) > 4 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n := 0
	for i := 0; i < len(s); i++ {
		n = n*10 + int(s[i]-'0')
	}
	return n, n > 0
}
