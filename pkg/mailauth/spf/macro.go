package spf

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// A macro is one %{...} (RFC 7208 §7.1).
type macro struct {
	letter     byte // lower case
	escape     bool // the letter was upper case
	keep       int  // right-hand parts kept, 0 for all
	reverse    bool
	delimiters string
}

const delimiters = ".-+,/_="

// readMacro reads the macro at the start of s, "%{" included, and tells how long
// it is; 0 for none.
func readMacro(s string, explaining bool) (macro, int) {
	end := strings.IndexByte(s, '}')
	if !strings.HasPrefix(s, "%{") || end < 3 {
		return macro{}, 0
	}
	body := s[2:end]
	m := macro{letter: body[0] | 0x20, escape: body[0] < 'a'}
	letters := "slodiphv"
	if explaining {
		letters += "crt"
	}
	if !isAlpha(body[0]) || strings.IndexByte(letters, m.letter) < 0 {
		return macro{}, 0
	}
	body = body[1:]
	number := 0
	for number < len(body) && isDigit(body[number]) {
		number++
	}
	if number > 0 {
		keep, err := strconv.Atoi(body[:number])
		if err != nil || keep == 0 { // RFC 7208 §7.3: zero is an error
			return macro{}, 0
		}
		m.keep, body = keep, body[number:]
	}
	if body != "" && body[0]|0x20 == 'r' {
		m.reverse, body = true, body[1:]
	}
	if strings.Trim(body, delimiters) != "" {
		return macro{}, 0
	}
	m.delimiters = body
	if m.delimiters == "" {
		m.delimiters = "."
	}
	return m, end + 1
}

// isMacroString checks macro-string, or explain-string, which may hold spaces.
func isMacroString(s string, explaining bool) bool {
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '%' && i+1 < len(s) && strings.IndexByte("%_-", s[i+1]) >= 0:
			i += 2
		case c == '%':
			_, n := readMacro(s[i:], explaining)
			if n == 0 {
				return false
			}
			i += n
		case c > ' ' && c <= '~' || c == ' ' && explaining:
			i++
		default:
			return false
		}
	}
	return true
}

// expand replaces the macros of a string that isMacroString allows.
func (c *checker) expand(s, domain string, explaining bool) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '%' || i+1 == len(s) {
			out.WriteByte(s[i])
			i++
			continue
		}
		switch s[i+1] {
		case '%':
			out.WriteByte('%')
			i += 2
			continue
		case '_':
			out.WriteByte(' ')
			i += 2
			continue
		case '-':
			out.WriteString("%20")
			i += 2
			continue
		}
		m, n := readMacro(s[i:], explaining)
		if n == 0 { // cannot be: the string was checked
			return ""
		}
		out.WriteString(m.apply(c.value(m.letter, domain)))
		i += n
	}
	return out.String()
}

// apply splits, reverses, cuts and joins (RFC 7208 §7.3).
func (m macro) apply(value string) string {
	if m.keep > 0 || m.reverse || m.delimiters != "." {
		parts := splitAny(value, m.delimiters)
		if m.reverse {
			for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
				parts[i], parts[j] = parts[j], parts[i]
			}
		}
		if m.keep > 0 && m.keep < len(parts) {
			parts = parts[len(parts)-m.keep:]
		}
		value = strings.Join(parts, ".")
	}
	if m.escape {
		value = escape(value)
	}
	return value
}

func splitAny(s, cut string) []string {
	var parts []string
	start := 0
	for i := 0; i < len(s); i++ {
		if strings.IndexByte(cut, s[i]) >= 0 {
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// escape leaves the unreserved characters of RFC 3986 §2.3 alone.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; isAlnum(c) || strings.IndexByte("-._~", c) >= 0 {
			out.WriteByte(c)
		} else {
			out.WriteByte('%')
			out.WriteByte(hex[c>>4])
			out.WriteByte(hex[c&15])
		}
	}
	return out.String()
}

// value gives what a macro letter stands for (RFC 7208 §7.2).
func (c *checker) value(letter byte, domain string) string {
	switch letter {
	case 's':
		return c.local + "@" + c.senderDomain
	case 'l':
		return c.local
	case 'o':
		return c.senderDomain
	case 'd':
		return domain
	case 'i':
		return dotted(c.ip)
	case 'p':
		return c.validatedName(domain)
	case 'v':
		if c.ip.Is4() {
			return "in-addr"
		}
		return "ip6"
	case 'h':
		return c.helo
	case 'c':
		return c.ip.String()
	case 'r':
		if c.options.Receiver == "" {
			return "unknown"
		}
		return c.options.Receiver
	case 't':
		return strconv.FormatInt(c.options.At.Unix(), 10)
	}
	return ""
}

// dotted gives an address as %{i} has it: IPv6 in dotted nibbles.
func dotted(ip netip.Addr) string {
	if ip.Is4() {
		return ip.String()
	}
	const hex = "0123456789ABCDEF"
	raw := ip.As16()
	out := make([]byte, 0, 63)
	for i, b := range raw {
		if i > 0 {
			out = append(out, '.')
		}
		out = append(out, hex[b>>4], '.', hex[b&15])
	}
	return string(out)
}

// validatedName gives %{p}: the domain itself where it is validated, else a name
// below it, else any validated name, else "unknown" (RFC 7208 §7.3).
func (c *checker) validatedName(domain string) string {
	domain = dns.Clean(domain)
	names, _ := c.validatedNames()
	best := "unknown"
	for i, name := range names {
		switch {
		case name == domain:
			return name
		case strings.HasSuffix(name, "."+domain) && !strings.HasSuffix(best, "."+domain):
			best = name
		case i == 0:
			best = name
		}
	}
	return best
}
