package mail

import (
	"bytes"
	"strings"
)

// Parse reads one message. It always gives one, whatever the bytes, and takes
// time and memory linear in their number. Limits that are zero are the default.
func Parse(raw []byte, lim Limits) *Message {
	p := &parser{lim: lim.orDefault(), seen: map[Defect]bool{}}
	return p.read(raw)
}

func (p *parser) read(raw []byte) *Message {
	s := &scanner{p: p, buf: raw, eol: lineEnd(raw)}
	p.lineEnds(raw, s.eol)
	msg, _ := s.message(0, "")
	msg.Raw = raw
	p.doubtSpent(msg.Root)
	msg.Defects = p.defects
	msg.CharsetIssues = p.issues
	return msg
}

// Walk visits every part of the message: containers before what they hold, the
// parts of embedded messages, unpacked files and what was opened included.
func (m *Message) Walk(visit func(*Part)) {
	if m.Root != nil {
		m.Root.Walk(visit)
	}
}

// Walk visits the part and everything within it.
func (p *Part) Walk(visit func(*Part)) {
	visit(p)
	for _, child := range p.Children {
		child.Walk(visit)
	}
	for _, opened := range p.Opened {
		opened.Walk(visit)
	}
	if p.Message != nil {
		p.Message.Walk(visit)
	}
}

// IsMultipart says whether a part is a container by its type.
func (p *Part) IsMultipart() bool { return strings.HasPrefix(p.Type, "multipart/") }

// A parser holds what one Parse spends and finds, over all nested buffers.
type parser struct {
	lim     Limits
	depth   int
	parts   int
	fields  int
	decoded int
	work    int
	memory  int
	issues  int
	mixed   bool // lines of the message end in CRLF and in LF
	defects []Defect
	seen    map[Defect]bool
}

func (p *parser) defect(code, path string) {
	d := Defect{Code: code, Path: path}
	if !p.seen[d] {
		p.seen[d] = true
		p.defects = append(p.defects, d)
		p.keep(defectSize)
	}
}

// doubt marks a part as one that two honest readers could read differently.
func (p *parser) doubt(part *Part, code string) {
	p.defect(code, part.Path)
	for _, have := range part.Ambiguous {
		if have == code {
			return
		}
	}
	part.Ambiguous = append(part.Ambiguous, code)
}

// lineEnd gives the byte that ends lines: CR only where no LF stands in the
// whole message.
func lineEnd(raw []byte) byte {
	if bytes.IndexByte(raw, '\n') < 0 && bytes.IndexByte(raw, '\r') >= 0 {
		return '\r'
	}
	return '\n'
}

// lineEnds notes what is odd about lines and their ends.
func (p *parser) lineEnds(raw []byte, eol byte) {
	p.spend(2 * len(raw))
	if eol == '\r' {
		p.defect("bare_cr", "")
		return
	}
	withCR, without, start := false, false, 0
	p.mixed = bytes.Contains(raw, []byte("\r\r\n"))
	for start < len(raw) {
		i := bytes.IndexByte(raw[start:], '\n')
		n := i
		if i < 0 {
			n = len(raw) - start
		} else if i > 0 && raw[start+i-1] == '\r' {
			withCR = true
			n--
		} else {
			without = true
		}
		if n > p.lim.LineLength {
			p.defect("long_line", "")
		}
		if i < 0 {
			break
		}
		start += i + 1
	}
	if withCR && without {
		p.mixed = true
		p.defect("mixed_line_ends", "")
	}
	if hasBareCR(raw) {
		p.defect("bare_cr", "")
	}
}

// message reads a message whose header starts at pos. The path is that of the
// message/rfc822 part which holds it, "" for the outermost.
func (s *scanner) message(pos int, path string) (*Message, delimiter) {
	root, end := s.entity(pos, path)
	m := &Message{Raw: s.buf[pos:max(pos, end.content)], Header: root.Header, Root: root}
	s.p.fillMessage(m, path)
	return m, end
}

// entity reads what message reads, without what its fields say of the message.
func (s *scanner) entity(pos int, path string) (*Part, delimiter) {
	h := s.readHeader(pos, true)
	root := s.p.newPart(path)
	s.p.note(root, h)
	s.p.describe(root, h.header, "text/plain")
	if !root.IsMultipart() { // RFC 9051 §6.4.5: the only part of a message is 1
		root.Path = join(path, 1)
		s.p.describeAgain(path, root)
	}
	end := s.body(root, pos, h)
	return root, end
}

// newPart begins a part.
func (p *parser) newPart(path string) *Part {
	p.parts++
	p.keep(partSize + len(path))
	return &Part{Path: path}
}

// note takes over what reading a header found.
func (p *parser) note(part *Part, h headerRead) {
	for _, code := range h.codes {
		p.defect(code, part.Path)
	}
	for _, code := range h.doubts {
		p.doubt(part, code)
	}
}
