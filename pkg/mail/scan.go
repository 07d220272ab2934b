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
	left []boundary // of multiparts that ended because one around them went on
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
		s.doubtLeft(line)
		at = next
	}
	return end
}

// leave notes the boundary of a container that has no end of its own: readers who look for the
// innermost boundary alone are in it still.
func (s *scanner) leave(b boundary) {
	if len(s.left) >= boundariesLeft {
		s.p.doubt(b.part, "unterminated_multipart")
		return
	}
	s.left = append(s.left, b)
}

// boundariesLeft is how many boundaries of containers without end are remembered.
const boundariesLeft = 16

// doubtLeft marks the container whose boundary comes again after it was left.
func (s *scanner) doubtLeft(line []byte) {
	for _, b := range s.left {
		s.p.spend(min(len(line), len(b.text)))
		if bytes.HasPrefix(line[2:], b.text) {
			s.p.doubt(b.part, "boundary_after_its_container")
		}
	}
}

// doubtDelimiterWithin marks the container where a boundary stands within a line: after a lone
// CR, where some readers begin a line, after blanks or zero bytes, which some pass over, or after
// anything, for there are readers who search the line. It looks at no more than a boundary's length.
func (s *scanner) doubtDelimiterWithin(i int) {
	last := i // hyphens before it may be of the boundary or not
	for last+2 < len(s.buf) && s.buf[last+2] == '-' {
		last++
	}
	if !s.isBoundaryAt(i+2) && (last == i || !s.isBoundaryAt(last+2)) {
		return
	}
	part := s.open[len(s.open)-1].part
	at := i
	for at > 0 && i-at < 8 && (s.buf[at-1] <= ' ' && s.buf[at-1] != s.eol || s.buf[at-1] >= 0x7f) {
		at--
	}
	switch {
	case s.buf[i-1] == '\r':
		s.p.doubt(part, "bare_cr_boundary")
	case at < i && (at == 0 || s.buf[at-1] == s.eol):
		s.p.doubt(part, "blank_before_boundary")
	default:
		s.p.doubt(part, "boundary_within_line")
	}
}

// isBoundaryAt says whether an open boundary stands at pos and ends there.
func (s *scanner) isBoundaryAt(pos int) bool {
	for _, b := range s.open {
		s.p.spend(min(len(b.text), len(s.buf)-pos))
		if rest, ok := bytes.CutPrefix(s.buf[pos:], b.text); ok && (len(rest) == 0 || rest[0] <= ' ' || rest[0] >= 0x7f || bytes.HasPrefix(rest, twoHyphens)) {
			return true
		}
	}
	return false
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
