package mail

import (
	"bytes"
	"strconv"
)

// A scanner reads one contiguous buffer: the message, or what a part of it
// decoded to. Every byte is looked at a bounded number of times.
type scanner struct {
	p    *parser
	buf  []byte
	eol  byte
	open []boundary // of the multiparts that are being read, outermost first
}

type boundary struct {
	text []byte
	part *Part
}

// A delimiter is where a body ended.
type delimiter struct {
	level   int  // index into open, -1 for the end of the buffer
	close   bool // RFC 2046 §5.1.1: with two hyphens at the end
	content int  // end of the body before it: its line end belongs to the delimiter
	line    int  // where the delimiter line starts
	next    int  // where the line after it starts
}

// line gives the line at pos without its end, and where the next one starts.
func (s *scanner) line(pos int) (line []byte, next int) {
	i := bytes.IndexByte(s.buf[pos:], s.eol)
	if i < 0 {
		line, next = s.buf[pos:], len(s.buf)
	} else {
		line, next = s.buf[pos:pos+i], pos+i+1
	}
	s.p.spend(next - pos)
	if s.eol == '\n' {
		for len(line) > 0 && line[len(line)-1] == '\r' {
			line = line[:len(line)-1]
		}
	}
	return line, next
}

// isDelimiter says whether a line is one of the open boundaries.
func (s *scanner) isDelimiter(line []byte) bool {
	if len(s.open) == 0 || len(line) < 2 || line[0] != '-' || line[1] != '-' {
		return false
	}
	level, _ := s.match(line)
	return level >= 0
}

// match finds the open boundary that a line starting with two hyphens is, the
// innermost first.
func (s *scanner) match(line []byte) (level int, closing bool) {
	rest := line[2:]
	level = -1
	loose := -1
	for i := len(s.open) - 1; i >= 0; i-- {
		b := s.open[i]
		s.p.spend(min(len(rest), len(b.text)) + 1)
		if !bytes.HasPrefix(rest, b.text) {
			continue
		}
		tail := bytes.TrimRight(rest[len(b.text):], " \t")
		switch {
		case level >= 0:
			// A second reading of the same line: RFC 2046 §5.1.1 compares only the beginning.
			if isEudora(tail) {
				s.p.defect("prefix_boundary", b.part.Path)
			} else {
				s.p.doubt(b.part, "prefix_boundary")
			}
		case len(tail) == 0:
			level, closing = i, false
		case len(tail) == 2 && tail[0] == '-' && tail[1] == '-':
			level, closing = i, true
		default:
			s.p.doubt(b.part, "boundary_with_trailing_text")
			if loose < 0 && bytes.HasPrefix(tail, twoHyphens) {
				loose = i
			}
		}
	}
	if level < 0 && loose >= 0 { // "--boundary--</html>" ends the container for most readers
		return loose, true
	}
	return level, closing
}

// isEudora knows what Eudora adds to the boundary of a container for the one
// within it. Both readings give the same parts, one of them flat.
func isEudora(tail []byte) bool {
	switch string(bytes.TrimSuffix(tail, twoHyphens)) {
	case ".ALT", ".REL", ".ATT":
		return true
	}
	return false
}

var twoHyphens = []byte("--")

// find gives the next delimiter line at or after from, which starts a line.
func (s *scanner) find(from int) delimiter {
	end := delimiter{level: -1, content: len(s.buf), line: len(s.buf), next: len(s.buf)}
	if len(s.open) == 0 {
		return end
	}
	for at := from; at < len(s.buf); {
		i := bytes.Index(s.buf[at:], twoHyphens)
		if i < 0 {
			s.p.spend(len(s.buf) - at)
			return end
		}
		s.p.spend(i + 2)
		i += at
		if i > from && s.buf[i-1] != s.eol {
			s.doubtDelimiterWithin(i)
			for at = i; at < len(s.buf) && s.buf[at] == '-'; at++ {
			}
			s.p.spend(at - i)
			continue
		}
		line, next := s.line(i)
		if level, closing := s.match(line); level >= 0 {
			if s.p.mixed && i > 1 && s.buf[i-2] != '\r' { // some readers want CRLF before it, as in the rest of the message
				s.p.doubt(s.open[level].part, "bare_lf_boundary")
			}
			return delimiter{level: level, close: closing, content: max(from, s.beforeEOL(i)), line: i, next: next}
		}
		at = next
	}
	return end
}

// doubtDelimiterWithin marks the container where a boundary stands after a lone CR, where
// some readers begin a line, or after blanks or zero bytes, which some pass over. It looks
// at no more than a boundary's length.
func (s *scanner) doubtDelimiterWithin(i int) {
	afterCR := s.buf[i-1] == '\r'
	if !afterCR {
		at := i
		for at > 0 && i-at < 8 && (s.buf[at-1] <= ' ' && s.buf[at-1] != s.eol || s.buf[at-1] >= 0x7f) {
			at--
		}
		if at == i || at > 0 && s.buf[at-1] != s.eol {
			return
		}
	}
	for _, b := range s.open {
		s.p.spend(len(b.text))
		if !bytes.HasPrefix(s.buf[i+2:], b.text) {
			continue
		}
		part := s.open[len(s.open)-1].part
		if afterCR {
			s.p.doubt(part, "bare_cr_boundary")
		} else {
			s.p.doubt(part, "blank_before_boundary")
		}
		return
	}
}

// beforeEOL steps back over the line end before pos.
func (s *scanner) beforeEOL(pos int) int {
	if pos > 0 && s.buf[pos-1] == s.eol {
		pos--
		if s.eol == '\n' && pos > 0 && s.buf[pos-1] == '\r' {
			pos--
		}
	}
	return pos
}

// join makes the path of the n-th part below a path.
func join(path string, n int) string {
	if path == "" {
		return strconv.Itoa(n)
	}
	return path + "." + strconv.Itoa(n)
}
