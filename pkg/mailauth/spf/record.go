package spf

import (
	"net/netip"
	"strconv"
	"strings"
)

// A record is a parsed SPF record (RFC 7208 §4.6.1).
type record struct {
	terms    []term
	redirect string // domain-spec, "" for none
	explain  string // domain-spec, "" for none
}

// A term is one mechanism (RFC 7208 §5).
type term struct {
	text      string
	qualifier byte // '+', '-', '~' or '?'
	name      string
	domain    string       // domain-spec, "" where absent
	net       netip.Prefix // of ip4 and ip6
	bits4     int          // of a and mx
	bits6     int
}

// isRecord reports whether a TXT record is an SPF record (RFC 7208 §4.5).
func isRecord(text string) bool {
	const version = "v=spf1"
	return len(text) >= len(version) && strings.EqualFold(text[:len(version)], version) &&
		(len(text) == len(version) || text[len(version)] == ' ')
}

// maxTerms bounds a record; one of the largest DNS message has fewer.
const maxTerms = 16 << 10

// A parser reads records.
type parser struct{ singleLabels bool }

// parse reads a record. Any error in it anywhere makes it useless
// (RFC 7208 §4.6).
func (p parser) parse(text string) (*record, bool) {
	for i := 0; i < len(text); i++ {
		if text[i] < ' ' || text[i] > '~' { // RFC 7208 §3.1, §4.6.1
			return nil, false
		}
	}
	rec := &record{}
	count := 0
	var redirected, explained bool
	for _, word := range strings.Split(text[len("v=spf1"):], " ") {
		if word == "" {
			continue
		}
		if count++; count > maxTerms {
			return nil, false
		}
		name, value, isModifier := modifier(word)
		if !isModifier {
			t, ok := p.mechanism(word)
			if !ok {
				return nil, false
			}
			rec.terms = append(rec.terms, t)
			continue
		}
		switch strings.ToLower(name) {
		case "redirect":
			if redirected || !p.isDomainSpec(value) { // RFC 7208 §6: at most once
				return nil, false
			}
			redirected, rec.redirect = true, value
		case "exp":
			if explained || !p.isDomainSpec(value) {
				return nil, false
			}
			explained, rec.explain = true, value
		default:
			if !isMacroString(value, false) { // RFC 7208 §6: unknown ones are ignored, if well formed
				return nil, false
			}
		}
	}
	return rec, true
}

// modifier splits name=value (RFC 7208 §4.6.1).
func modifier(word string) (name, value string, ok bool) {
	for i := 0; i < len(word); i++ {
		c := word[i]
		switch {
		case isAlpha(c):
		case i > 0 && (isDigit(c) || c == '-' || c == '_' || c == '.'):
		case i > 0 && c == '=':
			return word[:i], word[i+1:], true
		default:
			return "", "", false
		}
	}
	return "", "", false
}

func (p parser) mechanism(word string) (term, bool) {
	t := term{text: word, qualifier: '+', bits4: 32, bits6: 128}
	if strings.IndexByte("+-~?", word[0]) >= 0 {
		t.qualifier, word = word[0], word[1:]
	}
	end := strings.IndexAny(word, ":/")
	if end < 0 {
		end = len(word)
	}
	t.name = strings.ToLower(word[:end])
	rest := word[end:]
	switch t.name {
	case "all":
		return t, rest == ""
	case "include", "exists":
		t.domain = strings.TrimPrefix(rest, ":")
		return t, strings.HasPrefix(rest, ":") && p.isDomainSpec(t.domain)
	case "ptr":
		if rest == "" {
			return t, true
		}
		t.domain = rest[1:]
		return t, rest[0] == ':' && p.isDomainSpec(t.domain)
	case "a", "mx":
		rest, ok := t.cutBits(rest)
		if !ok || rest == "" {
			return t, ok
		}
		t.domain = rest[1:]
		return t, rest[0] == ':' && p.isDomainSpec(t.domain)
	case "ip4", "ip6":
		if !strings.HasPrefix(rest, ":") {
			return t, false
		}
		var ok bool
		t.net, ok = network(rest[1:], t.name == "ip4")
		return t, ok
	}
	return t, false
}

// cutBits takes the dual-cidr-length off the end (RFC 7208 §5.6).
func (t *term) cutBits(rest string) (string, bool) {
	var ok bool
	if i := strings.LastIndex(rest, "//"); i >= 0 && digits(rest[i+2:]) {
		if t.bits6, ok = bits(rest[i+2:], 128); !ok {
			return "", false
		}
		rest = rest[:i]
	}
	if i := strings.LastIndexByte(rest, '/'); i >= 0 && digits(rest[i+1:]) {
		if t.bits4, ok = bits(rest[i+1:], 32); !ok {
			return "", false
		}
		rest = rest[:i]
	}
	return rest, true
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// bits reads a prefix length without leading zeros (RFC 7208 §5.6).
func bits(s string, most int) (int, bool) {
	if !digits(s) || len(s) > 3 || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n <= most
}

// network reads the address of ip4 and ip6 (RFC 7208 §5.6).
func network(s string, four bool) (netip.Prefix, bool) {
	most := 128
	if four {
		most = 32
	}
	length := most
	if address, suffix, found := strings.Cut(s, "/"); found {
		n, ok := bits(suffix, most)
		if !ok {
			return netip.Prefix{}, false
		}
		s, length = address, n
	}
	ip, err := netip.ParseAddr(s)
	if err != nil || ip.Is4() != four || ip.Zone() != "" {
		return netip.Prefix{}, false
	}
	// ParseAddr leaves ::ffff:192.0.2.1 as IPv6, which is what ip6 means.
	prefix, err := ip.Prefix(length)
	return prefix, err == nil
}

func isAlpha(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isAlnum(c byte) bool { return isAlpha(c) || isDigit(c) }

// isDomainSpec checks domain-spec: a macro string that ends in a macro or in a
// top label (RFC 7208 §7.1).
func (p parser) isDomainSpec(s string) bool {
	if s == "" || !isMacroString(s, false) {
		return false
	}
	if s[len(s)-1] == '}' && strings.Contains(s, "%{") {
		return true
	}
	// "%%", "%_" and "%-" at the end are macro expansions too.
	if n := len(s); n >= 2 && s[n-2] == '%' && strings.IndexByte("%_-", s[n-1]) >= 0 {
		return true
	}
	s = strings.TrimSuffix(s, ".")
	dot := strings.LastIndexByte(s, '.')
	return (dot >= 0 || p.singleLabels) && isTopLabel(s[dot+1:])
}

// isTopLabel: letters, digits and inner hyphens, not digits alone.
func isTopLabel(s string) bool {
	if s == "" || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	letter := false
	for i := 0; i < len(s); i++ {
		if !isAlnum(s[i]) && s[i] != '-' {
			return false
		}
		letter = letter || !isDigit(s[i])
	}
	return letter
}
