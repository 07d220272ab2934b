package clean

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// maxURL bounds the bytes of a link that stays.
const maxURL = 4096

// A target is where a link leads.
type target struct {
	url  string
	host string
}

// A refusal says why a link did not stay.
type refusal int

const (
	accepted refusal = iota
	scripted         // javascript:, data:, vbscript: and the like
	unusable         // relative, of another scheme, or not a URL
)

// readURL reads a link as browsers do (WHATWG URL §4.4: white space at the ends
// and tabs and line ends anywhere are dropped, a backslash is a slash) and
// writes it anew: http, https or mailto, no user information, host in ASCII,
// nothing unescaped that could end an attribute.
func readURL(raw string) (target, refusal) {
	raw = strings.TrimFunc(raw, func(r rune) bool { return r <= ' ' })
	if strings.ContainsAny(raw, "\t\n\r") {
		raw = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(raw)
	}
	scheme, rest, ok := strings.Cut(raw, ":")
	if !ok {
		return target{}, unusable
	}
	switch scheme = visible(scheme); scheme {
	case "http", "https":
		return webURL(scheme, rest)
	case "mailto":
		return mailURL(rest)
	case "javascript", "data", "vbscript", "livescript", "mocha", "jscript", "view-source", "blob",
		"filesystem", "mhtml", "res", "feed", "jar":
		return target{}, scripted
	}
	if strings.Contains(scheme, "script") {
		return target{}, scripted
	}
	return target{}, unusable
}

// visible is the scheme without what some reader might skip.
func visible(scheme string) string {
	if len(scheme) > 64 {
		return ""
	}
	return strings.ToLower(strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7F && r <= 0xA0 || r == 0x200B || r == 0xFEFF {
			return -1
		}
		return r
	}, scheme))
}

func webURL(scheme, rest string) (target, refusal) {
	if len(rest) > maxURL {
		return target{}, unusable
	}
	rest = strings.TrimLeft(rest, "/\\")
	end := strings.IndexAny(rest, "/\\?#")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		authority = authority[at+1:] // user information only serves to deceive
	}
	host, port := authority, ""
	if colon := strings.LastIndexByte(authority, ':'); colon >= 0 && !strings.HasSuffix(authority, "]") {
		host, port = authority[:colon], authority[colon+1:]
	}
	host, ok := hostName(host)
	if !ok || len(port) > 5 || port != "" && !onlyOf(port, func(c byte) bool { return c >= '0' && c <= '9' }) {
		return target{}, unusable
	}
	var b strings.Builder
	b.WriteString(scheme + "://" + host)
	if port != "" {
		b.WriteString(":" + port)
	}
	if tail == "" || tail[0] == '?' || tail[0] == '#' {
		b.WriteByte('/')
	}
	slashes := true
	for i := 0; i < len(tail); i++ {
		c := tail[i]
		if c == '?' || c == '#' {
			slashes = false
		}
		if c == '\\' && slashes {
			c = '/'
		}
		writeEscaped(&b, c)
	}
	return target{b.String(), host}, accepted
}

const hexDigits = "0123456789ABCDEF"

// writeEscaped percent-encodes what may not stand in a URL (RFC 3986 §2).
func writeEscaped(b *strings.Builder, c byte) {
	if c <= ' ' || c >= 0x7F || strings.IndexByte("\"<>\\^`{|}'", c) >= 0 {
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
		return
	}
	b.WriteByte(c)
}

// hostName gives the host's ASCII form (RFC 5891), or an address literal.
func hostName(host string) (string, bool) {
	if inside, ok := strings.CutPrefix(host, "["); ok {
		inside, closed := strings.CutSuffix(inside, "]")
		addr, err := netip.ParseAddr(inside)
		if !closed || err != nil || addr.Zone() != "" {
			return "", false
		}
		return "[" + addr.String() + "]", true
	}
	if strings.Contains(host, "%") || host == "" || len(host) > 255 {
		return "", false
	}
	ascii := strings.ToLower(host)
	if !onlyOf(host, func(c byte) bool { return c < 0x80 }) {
		var err error
		if ascii, err = idna.Lookup.ToASCII(host); err != nil {
			return "", false
		}
	}
	ascii = strings.TrimSuffix(ascii, ".")
	if !onlyOf(ascii, isHostByte) || ascii[0] == '.' || ascii[0] == '-' || strings.Contains(ascii, "..") {
		return "", false
	}
	return ascii, true
}

func isHostByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_'
}

func mailURL(rest string) (target, refusal) {
	// Only the address stays: subject, body and attach would be words that the
	// sender puts into the reader's mouth.
	address, _, _ := strings.Cut(rest, "?")
	address = strings.ReplaceAll(address, "%40", "@")
	local, domain, ok := strings.Cut(address, "@")
	host, good := hostName(domain)
	if !ok || !good || local == "" || len(local) > 256 {
		return target{}, unusable
	}
	var b strings.Builder
	b.WriteString("mailto:")
	for i := 0; i < len(local); i++ {
		if c := local[i]; strings.IndexByte(",;:&#/[]()", c) >= 0 {
			return target{}, unusable
		}
		writeEscaped(&b, local[i])
	}
	b.WriteString("@" + host)
	return target{b.String(), host}, accepted
}

// claimedHost finds the first word of a link's text that names a host: a URL,
// or something with a dot that ends in a top-level domain.
func claimedHost(text string) string {
	for _, word := range strings.Fields(text) {
		if host := hostOf(word); host != "" {
			return host
		}
	}
	return ""
}

func hostOf(word string) string {
	if len(word) > 300 || !strings.Contains(word, ".") {
		return ""
	}
	word = strings.Trim(word, "<>()[]{}\"'“”„‘’«».,;:!?…")
	if at := strings.Index(word, "://"); at >= 0 {
		word = word[at+3:]
	}
	if end := strings.IndexAny(word, "/?#\\"); end >= 0 {
		word = word[:end]
	}
	if at := strings.LastIndexByte(word, '@'); at >= 0 {
		word = word[at+1:]
	}
	if colon := strings.IndexByte(word, ':'); colon >= 0 {
		word = word[:colon]
	}
	if !strings.Contains(word, ".") {
		return ""
	}
	host, ok := hostName(word)
	if !ok {
		return ""
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return host
	}
	suffix, listed := publicsuffix.PublicSuffix(host)
	if !listed || suffix == host || !strings.Contains(host, ".") {
		return ""
	}
	return host
}

// sameParty says whether two hosts belong to one registrable domain.
func sameParty(a, b string) bool {
	if a == b {
		return true
	}
	da, err := publicsuffix.EffectiveTLDPlusOne(a)
	if err != nil {
		return false
	}
	db, err := publicsuffix.EffectiveTLDPlusOne(b)
	return err == nil && da == db
}
