package mail

import (
	"bytes"
	"slices"
	"strings"
)

// Get gives the first field of that name, unfolded and trimmed, "" where there
// is none. Encoded words stay as they stand. Names match in any case.
func (h Header) Get(name string) string {
	for i := range h {
		if sameName(h[i].Name, name) {
			return h[i].Text()
		}
	}
	return ""
}

// All gives every field of that name as Get does, in order.
func (h Header) All(name string) []string {
	var out []string
	for i := range h {
		if sameName(h[i].Name, name) {
			out = append(out, h[i].Text())
		}
	}
	return out
}

// Fields gives every field of that name as it stands, in order.
func (h Header) Fields(name string) []Field {
	var out []Field
	for i := range h {
		if sameName(h[i].Name, name) {
			out = append(out, h[i])
		}
	}
	return out
}

// Has says whether a field of that name stands in the header.
func (h Header) Has(name string) bool {
	for i := range h {
		if sameName(h[i].Name, name) {
			return true
		}
	}
	return false
}

// sameName compares names in any case; most differ in length already.
func sameName(a, b string) bool {
	return len(a) == len(b) && (a == b || strings.EqualFold(a, b))
}

// Text gives the value unfolded (RFC 5322 §2.2.3) and trimmed.
func (f Field) Text() string {
	return strings.Trim(unfold(f.Value), " \t")
}

// Decoded gives the value as unstructured text: unfolded, its encoded words
// decoded, valid UTF-8.
func (f Field) Decoded() string {
	text, _ := decodeText(f.Text())
	return text
}

// unfold removes the line ends of a folded value and keeps its white space.
func unfold(v []byte) string {
	if bytes.IndexByte(v, '\n') < 0 && bytes.IndexByte(v, '\r') < 0 {
		return string(v)
	}
	out := make([]byte, 0, len(v))
	for _, c := range v {
		if c != '\r' && c != '\n' {
			out = append(out, c)
		}
	}
	return string(out)
}

// headerRead is one header, read from a scanner.
type headerRead struct {
	header  Header
	raw     []byte
	body    int      // where the body starts
	codes   []string // defects
	doubts  []string // ambiguities
	stopped bool     // a boundary ended it, there is no body
	marked  bool     // a byte order mark stood before it
}

func (r *headerRead) defect(code string) {
	if !slices.Contains(r.codes, code) {
		r.codes = append(r.codes, code)
	}
}

func (r *headerRead) doubt(code string) {
	r.defect(code)
	if !slices.Contains(r.doubts, code) {
		r.doubts = append(r.doubts, code)
	}
}

// readHeader reads the fields from start on. At the top of a message it also
// takes leave of what mailboxes leave there: From_ lines, a byte order mark.
func (s *scanner) readHeader(start int, top bool) headerRead {
	var r headerRead
	pos := start
	if top {
		pos = s.skipLeading(start, &r)
	}
	full := false         // a limit was hit: look for the end of the header only
	separated := false    // a From_ line stood within the header
	from, value := -1, -1 // where the field at hand and its value start, -1 for none
	for pos < len(s.buf) {
		line, next := s.line(pos)
		if s.isDelimiter(line) {
			r.stopped, r.body, r.raw = true, pos, s.buf[start:pos]
			switch {
			case r.header.isStructural(): // who looks for the blank line first takes it for a line of the header
				r.doubt("header_without_body")
			case pos > start:
				r.defect("header_without_body")
			}
			break
		}
		if len(line) == 0 {
			r.raw, r.body = s.buf[start:next], next
			break
		}
		if isSpace(line[0]) {
			if len(bytes.Trim(line, " \t")) == 0 {
				// RFC 5322 §4.2 lets a folded line be blank; many readers end the header here.
				// Nobody is to be the author by a line that some readers do not see.
				author := from >= 0 && sameName(r.header[len(r.header)-1].Name, "From")
				goesOn := s.headerGoesOn(next, !author)
				if !goesOn && from >= 0 && isStructural(r.header[len(r.header)-1].Name) {
					if more := s.foldedFurther(next); more != nil { // RFC 5322 §4.2 has it one field still
						r.doubt("blank_line_with_spaces")
						goesOn = isUnfinished(s.buf[value:pos], more)
					}
				}
				if !goesOn {
					r.defect("blank_line_with_spaces")
					r.raw, r.body = s.buf[start:next], next
					s.doubtLateHeader(next, &r)
					break
				}
				r.doubt("blank_line_with_spaces")
			}
			switch {
			case from >= 0:
				f := &r.header[len(r.header)-1]
				f.Raw, f.Value = s.buf[from:next], s.buf[value:pos+len(line)]
				if looksStructural(line) && !listsFields(f.Name) {
					r.doubt("folded_field")
				}
			case len(r.header) == 0 && looksStructural(line):
				r.doubt("header_starts_with_space")
			case len(r.header) == 0:
				r.defect("header_starts_with_space")
			}
			pos = next
			continue
		}
		if from >= 0 && isLostParameter(line) && isStructural(r.header[len(r.header)-1].Name) {
			r.doubt("unfolded_parameter") // a folded line whose white space was lost
			f := &r.header[len(r.header)-1]
			f.Raw, f.Value = s.buf[from:next], s.buf[value:pos+len(line)]
			pos = next
			continue
		}
		from = -1 // the folding of a line that is no field belongs to no field
		if isMboxFrom(line) {
			r.defect("mbox_from_line")
			separated = !top || len(r.header) > 0
			pos = next
			continue
		}
		name, ok := fieldName(line)
		switch {
		case ok && !full:
			if next-start > s.p.lim.HeaderBytes || len(r.header) >= s.p.lim.HeaderFields || s.p.fields >= s.p.lim.TotalFields || s.p.spent() != "" {
				full = true
				r.doubt("header_limit")
				break
			}
			s.p.fields++
			s.p.keep(2 * fieldSize) // a list grows by doubling
			from, value = pos, pos+len(name)+1
			r.header = append(r.header, s.field(name, line, pos, next, &r))
			if separated && isStructural(r.header[len(r.header)-1].Name) { // some readers ended the header there
				r.doubt("mbox_from_line")
			}
		case !ok && s.headerGoesOn(next, true):
			r.doubt("header_line_without_colon")
		case !ok:
			if len(r.header) == 0 {
				r.defect("no_header")
			} else {
				r.defect("missing_blank_line")
			}
			r.raw, r.body = s.buf[start:pos], pos
			s.doubtLateHeader(pos, &r)
		}
		if r.raw != nil {
			break
		}
		pos = next
	}
	if r.raw == nil {
		r.raw, r.body = s.buf[start:pos], pos
	}
	s.p.spend(3 * len(r.raw))
	if bytes.IndexByte(r.raw, 0) >= 0 {
		r.doubt("nul_in_header")
	}
	if s.eol == '\n' && hasBareCR(r.raw) {
		r.doubt("bare_cr_in_header")
	}
	for i := range r.header {
		if isStructural(r.header[i].Name) && hasControl(r.header[i].Value) {
			r.doubt("control_in_header")
		}
	}
	return r
}

func (s *scanner) field(name, line []byte, pos, next int, r *headerRead) Field {
	trimmed := bytes.TrimRight(name, " \t")
	f := Field{Name: internName(trimmed), Raw: s.buf[pos:next], Value: line[len(name)+1:]}
	if len(trimmed) != len(name) && isStructural(f.Name) {
		r.doubt("space_before_colon") // RFC 5322 §4.5 only; readers differ
	}
	if !isPlainName(trimmed) && // "Content-Type(x)", "#Content-Type"
		(isStructural(strings.Map(onlyPlain, f.Name)) || isStructural(strings.Map(onlyPlain, stripComments(f.Name)))) {
		r.doubt("odd_field_name")
	}
	if holdsEncodingName(f.Name) && !isIdentityWord(f.Text()) { // readers who look for the name anywhere in a line
		r.doubt("odd_field_name")
	}
	if r.marked && len(r.header) == 0 && isStructural(f.Name) { // to some readers the name begins with the mark
		r.doubt("byte_order_mark")
	}
	return f
}

// skipLeading steps over a byte order mark, blank lines and From_ lines before
// the first field of a message.
func (s *scanner) skipLeading(pos int, r *headerRead) int {
	if bytes.HasPrefix(s.buf[pos:], []byte("\xef\xbb\xbf")) {
		r.defect("byte_order_mark")
		r.marked = true
		pos += 3
	}
	at := pos
	for at < len(s.buf) {
		line, next := s.line(at)
		if len(bytes.Trim(line, " \t")) != 0 {
			break
		}
		at = next
	}
	if at > pos && at < len(s.buf) {
		line, _ := s.line(at)
		if name, ok := fieldName(line); (ok && isKnownField(name)) || isMboxFrom(line) {
			r.doubt("leading_blank_line")
			pos = at
		}
	}
	return pos
}

// headerGoesOn says whether the line at pos looks like a field that mail
// carries: what stands before it, though no field, is then within the header.
// Folded lines between, where they are allowed, belong to what stands before.
func (s *scanner) headerGoesOn(pos int, folded bool) bool {
	for range foldedLines {
		if pos >= len(s.buf) {
			return false
		}
		line, next := s.line(pos)
		if len(line) == 0 || s.isDelimiter(line) {
			return false
		}
		if !isSpace(line[0]) {
			name, ok := fieldName(line)
			return ok && isKnownField(name)
		}
		if !folded {
			return false
		}
		pos = next
	}
	return false
}

// foldedFurther gives the line that goes on with a field behind lines of blanks, nil where none does.
func (s *scanner) foldedFurther(pos int) []byte {
	for n := 0; n < foldedLines && pos < len(s.buf); n++ {
		line, next := s.line(pos)
		if len(line) == 0 || !isSpace(line[0]) {
			return nil
		}
		if more := bytes.Trim(line, " \t"); len(more) > 0 {
			return more
		}
		pos = next
	}
	return nil
}

// isUnfinished says whether a value waits for what follows, and not a body for its first words.
func isUnfinished(value, more []byte) bool {
	value = bytes.TrimSpace(value)
	return len(value) == 0 || value[len(value)-1] == ';' || more[0] == ';' || isLostParameter(more)
}

// foldedLines is how many folded lines are stepped over to see whether a header goes on.
const foldedLines = 10
