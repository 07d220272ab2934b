package mail

import (
	"strconv"
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
		if r.pos < len(r.in) {
			r.pos++
		}
		return param{}, false
	}
	r.pos++
	p := param{name: name}
	r.blanks()
	if r.pos < len(r.in) && r.in[r.pos] == '(' && !isNameParam(name) {
		r.comment()
		p.odd = "comment"
		r.blanks()
	}
	if r.pos < len(r.in) && r.in[r.pos] == '"' {
		p.quoted = true
		p.value, p.odd = r.quoted()
		r.blanks()
		if r.pos < len(r.in) && r.in[r.pos] == '(' {
			r.comment()
			r.blanks()
			if p.odd == "" {
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

// A value is what a parameter says once its pieces are joined and decoded.
type value struct {
	text     string
	set      bool
	plain    string // the value of the plain attribute, where there is one too
	hasPlain bool
	odd      string // code of the oddest of its pieces
	first    string // what a strict reader takes of an unquoted value
	repeated bool   // given more than once, not the same each time
	issues   int    // charset issues
}

// lookup joins what a field says of one attribute: continuations, charsets and
// percent signs of RFC 2231, and the plain form. RFC 2231 wins over plain.
func (s structured) lookup(name string) value {
	var v value
	var ext string
	hasExt := false
	pieces := map[int]param{}
	for _, p := range s.params {
		if !strings.HasPrefix(p.name, name) {
			continue
		}
		rest := p.name[len(name):]
		if p.odd != "" && v.odd == "" && (rest == "" || rest[0] == '*') {
			v.odd = p.odd
		}
		switch {
		case rest == "":
			if v.hasPlain {
				v.repeated = v.repeated || v.plain != p.value
				continue
			}
			v.plain, v.hasPlain, v.first = p.value, true, p.first
		case rest == "*":
			if hasExt {
				v.repeated = v.repeated || ext != p.value
				continue
			}
			ext, hasExt = p.value, true
		case rest[0] == '*':
			digits := strings.TrimSuffix(rest[1:], "*")
			n, err := strconv.Atoi(digits)
			if err != nil || n < 0 || n > 9999 || strconv.Itoa(n) != digits {
				continue
			}
			if have, ok := pieces[n]; ok {
				v.repeated = v.repeated || have.value != p.value
				continue
			}
			pieces[n] = p
		}
	}
	switch {
	case hasExt:
		v.text, v.issues = decodeExtended(ext)
		v.set = true
	case len(pieces) > 0:
		if _, ok := pieces[0]; !ok {
			break // RFC 2231 §3: pieces count from 0
		}
		v.text, v.issues = joinPieces(pieces)
		v.set = true
	}
	if !v.set && v.hasPlain {
		v.text, v.set = v.plain, true
	}
	return v
}

// joinPieces puts continuations together (RFC 2231 §4.1), up to the first gap.
func joinPieces(pieces map[int]param) (string, int) {
	charset := ""
	var raw []byte
	encoded := false
	for n := 0; ; n++ {
		p, ok := pieces[n]
		if !ok {
			break
		}
		text := p.value
		if strings.HasSuffix(p.name, "*") {
			encoded = true
			if n == 0 {
				charset, text = splitExtended(text)
			}
			raw = append(raw, percentDecode(text)...)
			continue
		}
		raw = append(raw, text...)
	}
	if !encoded {
		return string(raw), 0
	}
	return decodeCharset(raw, charset)
}

func decodeExtended(text string) (string, int) {
	charset, rest := splitExtended(text)
	return decodeCharset(percentDecode(rest), charset)
}

// splitExtended takes charset'language' from the front of a value (RFC 2231 §4).
func splitExtended(text string) (charset, rest string) {
	a := strings.IndexByte(text, '\'')
	if a < 0 {
		return "", text
	}
	b := strings.IndexByte(text[a+1:], '\'')
	if b < 0 {
		return "", text
	}
	return strings.ToLower(text[:a]), text[a+1+b+1:]
}

func percentDecode(text string) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			hi, lo := unhex(text[i+1]), unhex(text[i+2])
			if hi >= 0 && lo >= 0 {
				out = append(out, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		out = append(out, text[i])
	}
	return out
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
