package mail

import (
	"strings"
)

// A param is one attribute of a structured field, as written.
type param struct {
	name   string // lower case, with the stars of RFC 2231
	value  string // unquoted
	quoted bool
	first  string // of an unquoted value with blanks in it: what a strict reader takes
	odd    string // code of what is odd about it, "" for nothing
}

// structured splits a field value like "a/b; c=d" into its value and parameters.
// Comments and white space are dropped from the value (RFC 2045 §5.1). It is
// tolerant: what does not fit the grammar is noted, not refused.
type structured struct {
	value   string
	params  []param
	junk    bool // text that is no parameter, a missing semicolon
	dotted  bool // there is a full stop in that text: it may be the end of a name
	blanks  bool // white space within the value itself
	comment bool // a comment, which many readers do not know, touches value or boundary
	cut     bool // the limit of parameters was hit
}

type fieldReader struct {
	in  []byte
	pos int
}

func parseStructured(in []byte, maxParams int) structured {
	r := &fieldReader{in: in}
	var out structured
	var value []byte
	for r.pos < len(in) {
		c := in[r.pos]
		if c == ';' {
			break
		}
		if c == '(' {
			r.comment()
			out.comment = true
			continue
		}
		if c == '"' && len(value) == 0 { // a whole value in quotes: senders err so
			v, _ := r.quoted()
			value = append(value, v...)
			out.junk = true
			continue
		}
		if isBlank(c) {
			r.blanks()
			if len(value) > 0 && r.atAttribute() {
				out.junk = true
				break
			}
			out.blanks = out.blanks || len(value) > 0 && r.pos < len(in) && in[r.pos] != ';' && in[r.pos] != '('
			continue
		}
		value = append(value, c)
		r.pos++
	}
	out.value = strings.ToLower(string(value))
	for r.pos < len(in) {
		for r.pos < len(in) && (in[r.pos] == ';' || isBlank(in[r.pos])) {
			r.pos++
		}
		if r.pos >= len(in) {
			break
		}
		if in[r.pos] == '(' {
			r.comment()
			continue
		}
		if len(out.params) >= maxParams {
			out.cut = true
			break
		}
		p, ok := r.param(&out)
		if ok {
			out.params = append(out.params, p)
		}
	}
	return out
}

func (r *fieldReader) param(out *structured) (param, bool) {
	start := r.pos
	for r.pos < len(r.in) && r.in[r.pos] != '=' && r.in[r.pos] != ';' {
		r.pos++
	}
	name := strings.ToLower(strings.TrimFunc(string(r.in[start:r.pos]), isBlankRune))
	if r.pos >= len(r.in) || r.in[r.pos] == ';' || name == "" {
		out.junk = true
		out.dotted = out.dotted || strings.Contains(name, ".")
		if r.pos < len(r.in) {
			r.pos++
		}
		return param{}, false
	}
	blank := isBlank(r.in[r.pos-1])
	r.pos++
	p := param{name: name}
	if blank || r.pos < len(r.in) && isBlank(r.in[r.pos]) { // RFC 2045 §5.1 has none there, RFC 822 had
		p.odd = "blank_around_equals"
	}
	r.blanks()
	if r.pos < len(r.in) && r.in[r.pos] == '(' && !isNameParam(name) {
		r.comment()
		p.odd = "comment"
		r.blanks()
	}
	if r.pos < len(r.in) && r.in[r.pos] == '"' {
		p.quoted = true
		value, odd := r.quoted()
		p.value = value
		if odd != "" {
			p.odd = odd
		}
		r.blanks()
		if r.pos < len(r.in) && r.in[r.pos] == '(' {
			r.comment()
			r.blanks()
			if p.odd == "" || p.odd == "blank_around_equals" {
				p.odd = "comment"
			}
		}
		if r.pos < len(r.in) && r.in[r.pos] != ';' {
			out.junk = true
			if !r.atAttribute() {
				p.odd = "text_after_quotes"
				for r.pos < len(r.in) && r.in[r.pos] != ';' {
					r.pos++
				}
			}
		}
		return p, true
	}
	from := r.pos
	for r.pos < len(r.in) && r.in[r.pos] != ';' {
		c := r.in[r.pos]
		if c == '(' && !isNameParam(name) {
			break
		}
		if c == '(' && p.first == "" {
			p.first = string(r.in[from:r.pos])
		}
		if c == '"' {
			p.odd = "quote_inside"
		}
		if isBlank(c) {
			at := r.pos
			if p.first == "" {
				p.first = string(r.in[from:at])
			}
			r.blanks()
			if r.pos < len(r.in) && r.in[r.pos] == '(' && !isNameParam(name) {
				r.pos = at
				break
			}
			if r.atAttribute() {
				out.junk = true
				p.value = string(r.in[from:at])
				p.first = ""
				return p, true
			}
			continue
		}
		r.pos++
	}
	p.value = strings.TrimFunc(unfold(r.in[from:r.pos]), isBlankRune)
	if p.odd == "" && strings.ContainsAny(p.value, `,<>@[]\`) {
		p.odd = "special_without_quotes"
	}
	if p.first == p.value {
		p.first = ""
	}
	if r.pos < len(r.in) && r.in[r.pos] == '(' {
		if p.odd == "" {
			p.odd = "comment"
		}
		for r.pos < len(r.in) && r.in[r.pos] != ';' {
			if r.in[r.pos] == '(' {
				r.comment()
				continue
			}
			r.pos++
		}
	}
	return p, true
}

// quoted reads a quoted string at pos (RFC 5322 §3.2.4). A backslash before
// anything but a quote or a backslash stays: it is a path.
func (r *fieldReader) quoted() (value, odd string) {
	var out []byte
	for r.pos++; r.pos < len(r.in); r.pos++ {
		switch c := r.in[r.pos]; c {
		case '"':
			r.pos++
			return string(out), odd
		case '\\':
			odd = "quoted_pair"
			if r.pos+1 < len(r.in) && (r.in[r.pos+1] == '"' || r.in[r.pos+1] == '\\') {
				r.pos++
			}
			out = append(out, r.in[r.pos])
		case '\r', '\n':
			odd = "folded"
		default:
			out = append(out, c)
		}
	}
	return string(out), "unterminated_quote"
}

// comment skips a comment with what is nested in it (RFC 5322 §3.2.2). One that
// never ends takes the rest.
func (r *fieldReader) comment() {
	depth := 0
	for ; r.pos < len(r.in); r.pos++ {
		switch r.in[r.pos] {
		case '\\':
			r.pos++
		case '(':
			depth++
		case ')':
			depth--
			if depth == 0 {
				r.pos++
				return
			}
		}
	}
	r.pos = len(r.in)
}

func (r *fieldReader) blanks() {
	for r.pos < len(r.in) && isBlank(r.in[r.pos]) {
		r.pos++
	}
}

// atAttribute says whether "word=" stands at pos: a parameter whose semicolon
// was left out. Words are short, so the look ahead is.
func (r *fieldReader) atAttribute() bool {
	for i := r.pos; i < len(r.in) && i < r.pos+40; i++ {
		c := r.in[i]
		if c == '=' {
			return i > r.pos
		}
		if !isTokenByte(c) {
			return false
		}
	}
	return false
}

func isTokenByte(c byte) bool {
	return c > ' ' && c < 0x7f && !strings.ContainsRune(`()<>@,;:\"/[]?=`, rune(c))
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func isBlankRune(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' }

func isNameParam(name string) bool {
	return strings.HasPrefix(name, "name") || strings.HasPrefix(name, "filename")
}
