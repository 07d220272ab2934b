package mailauth

import (
	"mime"
	"strings"
	"unicode"

	"golang.org/x/net/html/charset"
)

// A mailbox is one entry of an address list.
type mailbox struct {
	name   string // display name as it stands, quotes removed, encoded words not decoded
	local  string
	domain string
}

// An addressParser reads an address list by RFC 5322 §3.4 and RFC 6532, with the
// dots in phrases that everybody writes and nothing else of the obsolete syntax:
// what is obsolete is where readers differ, and it is named as a problem.
type addressParser struct {
	s        string
	pos      int
	problems []string
}

const (
	maxMailboxes    = 100
	maxCommentDepth = 20
)

func (p *addressParser) problem(code string) { p.problems = appendNew(p.problems, []string{code}) }

// list reads everything there is.
func (p *addressParser) list() []mailbox {
	var boxes []mailbox
	for len(boxes) < maxMailboxes {
		p.skip()
		switch {
		case p.pos >= len(p.s):
			return boxes
		case p.s[p.pos] == ',':
			p.pos++
			p.problem(FromMalformed) // an empty element, RFC 5322 §4.4
			continue
		}
		box, ok := p.mailbox()
		if !ok {
			p.problem(FromMalformed)
			return boxes
		}
		if box != nil {
			boxes = append(boxes, *box)
		}
		p.skip()
		if p.pos >= len(p.s) {
			return boxes
		}
		if p.s[p.pos] != ',' {
			p.problem(FromMalformed)
			// What follows may be another mailbox to another reader: go on, so that
			// it is counted.
			if box == nil {
				return boxes
			}
			continue
		}
		p.pos++
	}
	return boxes
}

// mailbox reads one mailbox, or the start or end of a group (then it is nil).
func (p *addressParser) mailbox() (*mailbox, bool) {
	if p.s[p.pos] == '<' {
		return p.angle("")
	}
	if p.s[p.pos] == ';' {
		p.problem(FromGroup)
		p.pos++
		return nil, true
	}
	start := p.pos
	words, ok := p.words()
	if !ok {
		return nil, false
	}
	if p.pos < len(p.s) {
		switch p.s[p.pos] {
		case '<':
			return p.angle(strings.Join(words, " "))
		case ':':
			p.problem(FromGroup) // RFC 5322 §3.4, RFC 6854: allowed, but no author
			p.pos++
			p.skip()
			if p.pos < len(p.s) && p.s[p.pos] != ';' {
				return p.mailbox()
			}
			return nil, true
		case '@':
			p.pos = start
			local, domain, ok := p.addrSpec()
			if !ok {
				return nil, false
			}
			p.skip()
			if p.pos < len(p.s) && p.s[p.pos] == '<' {
				// user@one <user@two>: a display name that was not quoted.
				box, ok := p.angle(local + "@" + domain)
				if box != nil && !(strings.EqualFold(box.local, local) && strings.EqualFold(box.domain, domain)) {
					p.problem(FromTwoAddresses)
				}
				return box, ok
			}
			return &mailbox{local: local, domain: domain}, true
		}
	}
	// Words without an address: some readers show them as one.
	return &mailbox{local: strings.Join(words, " ")}, true
}

// words reads the words of a phrase.
func (p *addressParser) words() ([]string, bool) {
	var words []string
	for {
		p.skip()
		if p.pos >= len(p.s) {
			return words, len(words) > 0
		}
		switch c := p.s[p.pos]; {
		case c == '"':
			word, ok := p.quoted()
			if !ok {
				return nil, false
			}
			words = append(words, word)
		case isAtom(c) || c == '.':
			start := p.pos
			for p.pos < len(p.s) && (isAtom(p.s[p.pos]) || p.s[p.pos] == '.') {
				p.pos++
			}
			words = append(words, p.s[start:p.pos])
		default:
			return words, len(words) > 0
		}
	}
}

// angle reads <local@domain>.
func (p *addressParser) angle(name string) (*mailbox, bool) {
	p.pos++ // '<'
	p.skip()
	if p.pos < len(p.s) && p.s[p.pos] == '@' {
		p.problem(FromRoute) // RFC 5322 §4.4, obs-route
		colon := strings.IndexByte(p.s[p.pos:], ':')
		if colon < 0 {
			return nil, false
		}
		p.pos += colon + 1
		p.skip()
	}
	if p.pos < len(p.s) && p.s[p.pos] == '>' {
		p.pos++
		return &mailbox{name: name}, true
	}
	local, domain, ok := p.addrSpec()
	if !ok {
		return nil, false
	}
	p.skip()
	if p.pos >= len(p.s) || p.s[p.pos] != '>' {
		return nil, false
	}
	p.pos++
	return &mailbox{name: name, local: local, domain: domain}, true
}

// addrSpec reads local@domain. White space and comments around "@" are obsolete
// and a place to hide things.
func (p *addressParser) addrSpec() (local, domain string, ok bool) {
	p.skip()
	if p.pos < len(p.s) && p.s[p.pos] == '"' {
		if local, ok = p.quoted(); !ok {
			return "", "", false
		}
	} else {
		local = p.dotAtom()
	}
	before := p.pos
	p.skip()
	if p.pos >= len(p.s) || p.s[p.pos] != '@' {
		return "", "", false
	}
	after := p.pos + 1
	if before != p.pos {
		p.problem(FromCommentInAddress)
	}
	p.pos = after
	p.skip()
	if p.pos != after {
		p.problem(FromCommentInAddress)
	}
	if p.pos < len(p.s) && p.s[p.pos] == '[' {
		end := strings.IndexByte(p.s[p.pos:], ']')
		if end < 0 {
			return "", "", false
		}
		domain = p.s[p.pos : p.pos+end+1]
		p.pos += end + 1
		return local, domain, local != ""
	}
	domain = p.dotAtom()
	if badDots(local) && !strings.ContainsAny(local, " ") || badDots(domain) {
		p.problem(FromMalformed)
	}
	return local, domain, local != "" && domain != ""
}

func badDots(s string) bool {
	return strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") || strings.Contains(s, "..")
}

func (p *addressParser) dotAtom() string {
	start := p.pos
	for p.pos < len(p.s) && (isAtom(p.s[p.pos]) || p.s[p.pos] == '.') {
		p.pos++
	}
	return p.s[start:p.pos]
}

// quoted reads a quoted-string and gives what it says.
func (p *addressParser) quoted() (string, bool) {
	var out strings.Builder
	for p.pos++; p.pos < len(p.s); p.pos++ {
		switch c := p.s[p.pos]; c {
		case '"':
			p.pos++
			return out.String(), true
		case '\\':
			if p.pos++; p.pos == len(p.s) {
				return "", false
			}
			out.WriteByte(p.s[p.pos])
		default:
			out.WriteByte(c)
		}
	}
	return "", false
}

// skip passes white space and comments. A comment that spells an address hides
// one from those who do not show it.
func (p *addressParser) skip() {
	for p.pos < len(p.s) {
		switch p.s[p.pos] {
		case ' ', '\t':
			p.pos++
		case '(':
			start, depth := p.pos, 0
			for p.pos < len(p.s) {
				c := p.s[p.pos]
				p.pos++
				if c == '\\' && p.pos < len(p.s) {
					p.pos++
				} else if c == '(' {
					depth++
				} else if c == ')' {
					depth--
				}
				if depth == 0 {
					break
				}
			}
			if depth != 0 || p.depth(start) > maxCommentDepth {
				p.problem(FromMalformed)
			}
			if strings.ContainsAny(p.s[start:p.pos], "@<>") {
				p.problem(FromCommentAddress)
			}
		default:
			return
		}
	}
}

func (p *addressParser) depth(start int) int {
	return strings.Count(p.s[start:p.pos], "(")
}

// isAtom: RFC 5322 §3.2.3 and every octet of UTF-8 (RFC 6532 §3.2).
func isAtom(c byte) bool {
	return c >= 0x80 || c > ' ' && c < 0x7f && strings.IndexByte(`()<>[]:;@\,."`, c) < 0
}

// readName looks for signs of impersonation in the display name.
func (a *author) readName(box mailbox) {
	decoder := mime.WordDecoder{CharsetReader: charset.NewReaderLabel}
	name, err := decoder.DecodeHeader(box.name)
	if err != nil {
		name = box.name
	}
	a.name = name
	for _, r := range name {
		switch {
		case r == 0 || r == '\n' || r == '\r':
			a.ambiguous(FromControl)
		case isBidi(r):
			a.sign(NameBidi)
		case unicode.Is(unicode.Cf, r) && r != 0x200d && r != 0xad:
			a.sign(NameInvisible)
		}
	}
	if at := strings.IndexAny(name, "@\uff20\ufe6b"); at > 0 && !strings.Contains(strings.ToLower(name), strings.ToLower(a.address)) {
		a.sign(NameLooksLikeAddress)
	}
}

// isBidi: the controls that turn text around (UAX #9).
func isBidi(r rune) bool {
	return r == 0x061c || r == 0x200e || r == 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}
