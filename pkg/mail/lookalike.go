package mail

import (
	"bytes"
	"strings"
)

// What is no field, or no longer the header, to us and may be to other readers.

// doubtLateHeader looks for a field that decides about the body in what we take
// for the body's first lines: a reader who passes over lines that are no fields
// would obey it.
func (s *scanner) doubtLateHeader(pos int, r *headerRead) {
	for pos < len(s.buf) {
		line, next := s.line(pos)
		if len(line) == 0 || s.isDelimiter(line) {
			return
		}
		if s.startsStructural(line, next) {
			r.doubt("header_after_body")
			return
		}
		pos = next
	}
}

// doubtEarlyBody looks for fields about the content where the body of a text begins: a
// reader who passes over the blank line between would obey them.
func (s *scanner) doubtEarlyBody(part *Part, start, end int) {
	if part.Type == "text/rfc822-headers" || strings.HasPrefix(part.Type, "message/") {
		return
	}
	if !part.isShown() {
		s.doubtFieldsWithin(part, start, end)
		return
	}
	fields := 0
	for pos := start; pos < end && fields < earlyFields; {
		line, next := s.line(pos)
		switch {
		case s.startsStructural(line, next):
			s.p.doubt(part, "header_after_body")
			return
		case len(bytes.Trim(line, " \t\r")) == 0:
			if fields > 0 {
				return
			}
		case isSpace(line[0]) && fields > 0:
		default:
			if _, ok := fieldName(line); !ok || len(s.open) == 0 { // a text alone may begin with what looks like a field
				return
			}
			fields++
		}
		pos = next
	}
}

// doubtFieldsWithin looks for such fields among the first lines of a file, whatever stands
// between: who takes the header to go on to another blank line would obey them.
func (s *scanner) doubtFieldsWithin(part *Part, start, end int) {
	for pos, n := start, 0; pos < end && n < earlyFields; n++ {
		line, next := s.line(pos)
		if s.startsStructural(line, next) {
			s.p.doubt(part, "header_after_body")
			return
		}
		pos = next
	}
}

// earlyFields is how many fields at the start of a body, or lines of a file, are looked at.
const earlyFields = 20

// startsStructural is looksStructural of a line and, where its colon stands on a folded line behind
// it, of both: some readers unfold lines before they look for fields.
func (s *scanner) startsStructural(line []byte, next int) bool {
	if looksStructural(line) {
		return true
	}
	if len(line) < 7 || len(line) > 48 || next >= len(s.buf) || !isSpace(s.buf[next]) || bytes.IndexByte(line, ':') >= 0 {
		return false
	}
	whole := bytes.Clone(line)
	for n := 0; n < 3 && next < len(s.buf) && isSpace(s.buf[next]); n++ {
		var more []byte
		more, next = s.line(next)
		whole = append(whole, more[:min(len(more), 48)]...)
	}
	return looksStructural(whole)
}

// looksStructural says whether some reader may take a line for a field that decides
// about the body: one who passes over blanks, zero bytes and the like.
func looksStructural(line []byte) bool {
	i := 0
	for i < len(line) && i < 16 && (line[i] <= ' ' || line[i] >= 0x7f) {
		i++
	}
	line = line[i:]
	if len(line) < len("Content-Type:") || line[0]|0x20 != 'c' {
		return false
	}
	name := make([]byte, 0, 32)
	for _, c := range line[:min(len(line), 48)] {
		switch {
		case c == ':':
			return isStructural(string(name))
		case c <= ' ' || c >= 0x7f:
		case len(name) == cap(name):
			return false
		default:
			name = append(name, c)
		}
	}
	return false
}

// listsFields says whether a field's value is a list of names of fields, as in signatures.
func listsFields(name string) bool {
	return strings.Contains(strings.ToLower(name), "signature") || sameName(name, "ARC-Seal")
}

// isStructural says whether one of the fields decides how the body is read.
func (h Header) isStructural() bool {
	for i := range h {
		if isStructural(h[i].Name) {
			return true
		}
	}
	return false
}
