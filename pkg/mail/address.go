package mail

import (
	"strings"
)

// ParseAddresses reads an address list (RFC 5322 §3.4, RFC 6532, RFC 6854),
// tolerantly: what is no address but a name gives an Address without Addr.
func ParseAddresses(list string) []Address {
	out, _, _ := parseAddresses(list, DefaultLimits.Addresses)
	return out
}

// parseAddresses also counts charset issues, and says whether the limit was hit.
func parseAddresses(list string, limit int) (out []Address, issues int, cut bool) {
	r := &addressReader{in: list}
	group, groups, comment := "", false, ""
	for r.pos < len(r.in) {
		a := r.next()
		switch a.end {
		case ':':
			group, groups = a.name(), true
			issues += a.issues
			continue
		}
		address := Address{Group: group}
		address.Name, address.Addr = a.mailbox()
		issues += a.issues
		if address.Name != "" || address.Addr != "" {
			if len(out) >= limit {
				return out, issues, true
			}
			out = append(out, address)
		}
		if a.end == ';' {
			group = ""
		}
		comment = a.commentName()
	}
	if len(out) == 0 && !groups && comment != "" { // a field that is nothing but a comment
		out = append(out, Address{Name: comment})
	}
	return out, issues, false
}

// An addressItem is what stands between two separators of a list.
type addressItem struct {
	words   []addressWord // before the angle bracket, or all
	angle   string        // within the last angle brackets
	inAngle bool
	comment string
	at      bool // an at sign stands in a word
	end     byte // the separator: ',' ';' ':' or 0
	issues  int
}

type addressWord struct {
	text   string
	quoted bool
	glued  bool // no white space before it
}

type addressReader struct {
	in  string
	pos int
}

func (r *addressReader) next() addressItem {
	var a addressItem
	glued := false
	for r.pos < len(r.in) {
		c := r.in[r.pos]
		switch {
		case isBlank(c):
			glued = false
			r.pos++
			continue
		case c == ',' || c == ';':
			a.end = c
			r.pos++
			return a
		case c == ':' && !a.inAngle && !a.at:
			a.end = ':'
			r.pos++
			return a
		case c == '(':
			text := r.comment()
			if text != "" {
				a.comment = text
			}
			continue // comments do not separate what they stand between
		case c == '"':
			a.add(addressWord{text: r.quoted(), quoted: true, glued: glued})
		case c == '<':
			a.angle, a.inAngle = r.angle(), true
		case c == '=' && strings.HasPrefix(r.in[r.pos:], "=?"):
			a.add(addressWord{text: r.encodedWord(), glued: glued})
		default:
			a.add(addressWord{text: r.atom(), glued: glued})
		}
		glued = true
	}
	return a
}

// maxWords is how many words before an address are kept as its name.
const maxWords = 500

func (a *addressItem) add(w addressWord) {
	at := !w.quoted && strings.Contains(w.text, "@")
	if len(a.words) >= maxWords && (!at || a.at) {
		return
	}
	a.at = a.at || at
	a.words = append(a.words, w)
}

// atom reads up to what has a meaning of its own.
func (r *addressReader) atom() string {
	start := r.pos
	for r.pos++; r.pos < len(r.in); r.pos++ {
		c := r.in[r.pos]
		if isBlank(c) || strings.IndexByte(`,;:("<`, c) >= 0 {
			break
		}
		if c == '[' && r.in[r.pos-1] == '@' { // RFC 5322 §3.4.1: a domain literal may hold colons
			if i := strings.IndexByte(r.in[r.pos:min(len(r.in), r.pos+128)], ']'); i > 0 {
				r.pos += i
			}
		}
	}
	return r.in[start:r.pos]
}

// encodedWord reads one =?...?= whole: senders leave commas in it.
func (r *addressReader) encodedWord() string {
	limit := r.in[r.pos:min(len(r.in), r.pos+1000)]
	w, status := readWord(limit, 0)
	if status != aWord {
		return r.atom()
	}
	start := r.pos
	r.pos += w.end
	return r.in[start:r.pos]
}

func (r *addressReader) quoted() string {
	var out strings.Builder
	for r.pos++; r.pos < len(r.in); r.pos++ {
		switch c := r.in[r.pos]; c {
		case '"':
			r.pos++
			return out.String()
		case '\\':
			if r.pos+1 < len(r.in) {
				r.pos++
				out.WriteByte(r.in[r.pos])
			}
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// comment gives the text of a comment, those nested in it as they stand.
func (r *addressReader) comment() string {
	depth := 0
	var out strings.Builder
	for ; r.pos < len(r.in); r.pos++ {
		c := r.in[r.pos]
		switch {
		case c == '\\' && r.pos+1 < len(r.in):
			r.pos++
			out.WriteByte(r.in[r.pos])
			continue
		case c == '(':
			depth++
			if depth == 1 {
				continue
			}
		case c == ')':
			depth--
			if depth == 0 {
				r.pos++
				return strings.TrimSpace(out.String())
			}
		}
		out.WriteByte(c)
	}
	return strings.TrimSpace(out.String())
}

// angle reads what stands in angle brackets, comments and white space removed.
func (r *addressReader) angle() string {
	var out strings.Builder
	for r.pos++; r.pos < len(r.in); {
		c := r.in[r.pos]
		switch {
		case c == '>':
			r.pos++
			return out.String()
		case c == '(':
			r.comment()
			continue
		case c == '"':
			writeQuoted(&out, r.quoted())
			continue
		case !isBlank(c):
			out.WriteByte(c)
		}
		r.pos++
	}
	return out.String()
}

func writeQuoted(out *strings.Builder, text string) {
	out.WriteByte('"')
	for i := 0; i < len(text); i++ {
		if text[i] == '"' || text[i] == '\\' {
			out.WriteByte('\\')
		}
		out.WriteByte(text[i])
	}
	out.WriteByte('"')
}

// name joins the words to a display name.
func (a *addressItem) name() string {
	var out strings.Builder
	for i, w := range a.words {
		if i > 0 && !w.glued {
			out.WriteByte(' ')
		}
		out.WriteString(w.text)
	}
	text, n := decodeText(out.String())
	a.issues += n
	return strings.Join(strings.Fields(text), " ")
}

// mailbox gives name and address of one item.
func (a *addressItem) mailbox() (name, addr string) {
	if a.inAngle {
		addr = a.angle
		if strings.HasPrefix(addr, "@") { // RFC 5322 §4.4: a route
			if i := strings.IndexByte(addr, ':'); i >= 0 {
				addr = addr[i+1:]
			}
		}
		name = a.name()
		if name == "" {
			name = a.commentName()
		}
		return name, validUTF8(addr)
	}
	if !a.at {
		return a.name(), ""
	}
	// No brackets: the words around the at sign are the address, the others a name.
	at := 0
	for i, w := range a.words {
		if !w.quoted && strings.Contains(w.text, "@") {
			at = i
			break
		}
	}
	from, to := at, at+1
	for from > 0 && (a.words[from].glued || strings.HasPrefix(a.words[from].text, "@") || strings.HasPrefix(a.words[from].text, ".") || strings.HasSuffix(a.words[from-1].text, ".")) {
		from--
	}
	for to < len(a.words) && (a.words[to].glued || strings.HasSuffix(a.words[to-1].text, "@") || strings.HasSuffix(a.words[to-1].text, ".") || strings.HasPrefix(a.words[to].text, ".")) {
		to++
	}
	var out strings.Builder
	for _, w := range a.words[from:to] {
		if w.quoted {
			writeQuoted(&out, w.text)
		} else {
			out.WriteString(w.text)
		}
	}
	rest := addressItem{words: append(append([]addressWord{}, a.words[:from]...), a.words[to:]...)}
	name = rest.name()
	a.issues += rest.issues
	if name == "" {
		name = a.commentName()
	}
	return name, validUTF8(out.String())
}

func (a *addressItem) commentName() string {
	text, n := decodeText(a.comment)
	a.issues += n
	return strings.Join(strings.Fields(text), " ")
}

func validUTF8(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
