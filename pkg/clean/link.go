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
	scheme, rest, ok := strings.Cut(bareURL(raw), ":")
	if !ok {
		return target{}, unusable
	}
	switch scheme = visible(scheme); scheme {
	case "http", "https":
		return webURL(scheme, rest)
	case "mailto":
		return mailURL(rest)
	}
	if runs(scheme) {
		return target{}, scripted
	}
	return target{}, unusable
}

// bareURL is a URL without what browsers drop.
func bareURL(raw string) string { return onOneLine(trimURL(raw)) }

func trimURL(raw string) string {
	for raw != "" && raw[0] <= ' ' {
		raw = raw[1:]
	}
	for raw != "" && raw[len(raw)-1] <= ' ' {
		raw = raw[:len(raw)-1]
	}
	return raw
}

var lineEnds = strings.NewReplacer("\t", "", "\n", "", "\r", "")

func onOneLine(raw string) string {
	if strings.ContainsAny(raw, "\t\n\r") {
		return lineEnds.Replace(raw)
	}
	return raw
}

// runs says whether what follows a scheme would be run or shown as a document of
// its own.
func runs(scheme string) bool {
	switch scheme {
	case "javascript", "data", "vbscript", "livescript", "mocha", "jscript", "view-source", "blob",
		"filesystem", "mhtml", "res", "feed", "jar":
		return true
	case "http", "https", "mailto":
		return false
	}
	return strings.Contains(scheme, "script")
}

// scriptedURL says whether readURL would refuse a URL as scripted.
func scriptedURL(raw string) bool {
	scheme, _, ok := strings.Cut(bareURL(raw), ":")
	return ok && runs(visible(scheme))
}

// A lastURL remembers what was read last: the text form of a document asks for
// the links that its HTML form has just asked for.
type lastURL struct {
	raw     string
	target  target
	refused refusal
}

func (l *lastURL) read(raw string) (target, refusal) {
	if raw == "" || raw != l.raw {
		l.target, l.refused = readURL(raw)
		l.raw = raw
	}
	return l.target, l.refused
}

// visible is the scheme without what some reader might skip.
func visible(scheme string) string {
	if len(scheme) > 64 {
		return ""
	}
	if onlyOf(scheme, func(c byte) bool { return c >= 'a' && c <= 'z' }) {
		return scheme
	}
	return strings.ToLower(strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7F && r <= 0xA0 || r == 0x200B || r == 0xFEFF {
			return -1
		}
		return r
	}, scheme))
}

func webURL(scheme, rest string) (target, refusal) {
	host, port, tail, ok := webParts(rest)
	if !ok {
		return target{}, unusable
	}
	var b strings.Builder
	b.Grow(len(scheme) + len("://:/") + len(host) + len(port) + len(tail))
	b.WriteString(scheme)
	b.WriteString("://")
	b.WriteString(host)
	if port != "" {
		b.WriteByte(':')
		b.WriteString(port)
	}
	if tail == "" || tail[0] == '?' || tail[0] == '#' {
		b.WriteByte('/')
	}
	if at := strings.IndexByte(tail, '\\'); at >= 0 {
		path := len(tail)
		if end := strings.IndexAny(tail, "?#"); end >= 0 {
			path = end
		}
		tail = strings.ReplaceAll(tail[:path], `\`, "/") + tail[path:]
	}
	writeEscaped(&b, tail)
	return target{b.String(), host}, accepted
}

// webParts takes apart what follows "http:".
func webParts(rest string) (host, port, tail string, ok bool) {
	if len(rest) > maxURL {
		return "", "", "", false
	}
	rest = strings.TrimLeft(rest, "/\\")
	end := strings.IndexAny(rest, "/\\?#")
	if end < 0 {
		end = len(rest)
	}
	authority := rest[:end]
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		authority = authority[at+1:] // user information only serves to deceive
	}
	host = authority
	if colon := strings.LastIndexByte(authority, ':'); colon >= 0 && !strings.HasSuffix(authority, "]") {
		host, port = authority[:colon], authority[colon+1:]
	}
	host, ok = hostName(host)
	if !ok || len(port) > 5 || port != "" && !onlyOf(port, func(c byte) bool { return c >= '0' && c <= '9' }) {
		return "", "", "", false
	}
	return host, port, rest[end:], true
}

const hexDigits = "0123456789ABCDEF"

// escapedInURL holds the bytes that may not stand in a URL (RFC 3986 §2).
var escapedInURL = func() (table [256]bool) {
	for c := range table {
		table[c] = c <= ' ' || c >= 0x7F || strings.IndexByte("\"<>\\^`{|}'", byte(c)) >= 0
	}
	return table
}()

// writeEscaped percent-encodes what may not stand in a URL, a percent sign that
// begins no encoded byte among it.
func writeEscaped(b *strings.Builder, text string) {
	start := 0
	for i := 0; i < len(text); i++ {
		if c := text[i]; escapedInURL[c] || c == '%' && !(i+2 < len(text) && unhex(text[i+1]) < 16 && unhex(text[i+2]) < 16) {
			b.WriteString(text[start:i])
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
			start = i + 1
		}
	}
	b.WriteString(text[start:])
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
	if strings.ContainsAny(local, ",;:&#/[]()") {
		return target{}, unusable
	}
	writeEscaped(&b, local)
	b.WriteByte('@')
	b.WriteString(host)
	return target{b.String(), host}, accepted
}

// userHost gives the host that the user information of a URL looks like:
// https://bank.example@evil.example/. "" means that there is none.
func userHost(raw string) string {
	_, rest, ok := strings.Cut(bareURL(raw), ":")
	if !ok || len(rest) > maxURL {
		return ""
	}
	rest = strings.TrimLeft(rest, "/\\")
	if end := strings.IndexAny(rest, "/\\?#"); end >= 0 {
		rest = rest[:end]
	}
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return ""
	}
	user, _, _ := strings.Cut(rest[:at], ":")
	if strings.HasPrefix(strings.ToLower(visible(bareScheme(raw))), "mailto") {
		return ""
	}
	return hostOf(user)
}

func bareScheme(raw string) string {
	scheme, _, _ := strings.Cut(bareURL(raw), ":")
	return scheme
}

// hostOf gives the host that a word of a link's text names: of a URL, or of
// something with a dot that ends in a top-level domain or begins with www.
func hostOf(word string) string {
	if len(word) > 300 {
		return ""
	}
	word = strings.Trim(word, "<>()[]{}\"'“”„‘’«».,;:!?…")
	address := false // an address as such, whatever its host's last label is
	if scheme, rest, ok := strings.Cut(word, "://"); ok {
		address, word = isScheme(scheme), rest
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
	if !address && !strings.Contains(word, ".") {
		return ""
	}
	host, ok := hostName(word)
	if !ok {
		return ""
	}
	if _, err := netip.ParseAddr(host); err == nil {
		if address {
			return host
		}
		return "" // 7.1.4.0 is the version of something
	}
	if address || strings.HasPrefix(host, "www.") {
		return host
	}
	suffix, listed := publicsuffix.PublicSuffix(host)
	if fileSuffixes[suffix] && strings.Count(host, ".") == 1 {
		return "" // setup.py is a file before it is a host
	}
	if !listed || suffix == host || !strings.Contains(host, ".") {
		return ""
	}
	return host
}

// fileSuffixes are top-level domains that mostly end the names of files.
var fileSuffixes = wordSet("zip mov md py sh rs")

// isScheme says whether what stands before "://" ends in a scheme whose addresses lead to hosts.
func isScheme(word string) bool {
	word = strings.ToLower(word)
	return strings.HasSuffix(word, "https") || strings.HasSuffix(word, "http") || strings.HasSuffix(word, "ftp")
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
