package mail

import (
	"bytes"
	"slices"
	"strings"
)

// body reads what follows the header of a part, up to the boundary that ends it.
func (s *scanner) body(part *Part, start int, h headerRead) delimiter {
	var end delimiter
	switch {
	case h.stopped:
		end = s.find(h.body)
		part.RawBody = s.buf[h.body:h.body]
		part.Raw = s.buf[start:h.body]
		s.p.decode(part)
		return end
	case part.IsMultipart() && s.p.enter(part):
		end = s.multipart(part, h.body)
		s.p.depth--
	case isMessage(part.Type) && s.p.enter(part):
		s.p.doubtWithoutBlankLine(part, h)
		end = s.embedded(part, h.body)
		s.p.depth--
	default:
		end = s.find(h.body)
		part.RawBody = s.buf[h.body:end.content]
		s.doubtEarlyBody(part, h.body, end.content)
		s.p.doubtWithoutBlankLine(part, h)
		s.p.doubtMessageLike(part)
		s.p.doubtContainerLike(part)
		s.p.decode(part)
		s.p.unpack(part)
	}
	part.Raw = s.buf[start:max(h.body, end.content)]
	return end
}

// doubtWithoutBlankLine marks a file whose bytes begin elsewhere to readers who pass
// over a line that is no field, or go on behind a line of blanks.
func (p *parser) doubtWithoutBlankLine(part *Part, h headerRead) {
	if part.isShown() {
		return
	}
	if slices.Contains(h.codes, "missing_blank_line") {
		p.doubt(part, "missing_blank_line")
	}
	if slices.Contains(h.codes, "blank_line_with_spaces") {
		p.doubt(part, "blank_line_with_spaces")
	}
	if p.mixed && endsDiffer(h.raw) { // who wants CRLF finds the end of the header elsewhere
		p.doubt(part, "mixed_line_ends")
	}
}

// endsDiffer says whether the lines of a header end in several ways.
func endsDiffer(header []byte) bool {
	kind := -1
	for i, c := range header {
		if c != '\n' {
			continue
		}
		n := 0
		for i-n > 0 && header[i-n-1] == '\r' && n < 2 {
			n++
		}
		if kind >= 0 && kind != n {
			return true
		}
		kind = n
	}
	return false
}

// doubtMessageLike marks what is of a type message/* and no message by its standard, but
// holds one to readers who go by the first half of the type.
func (p *parser) doubtMessageLike(part *Part) {
	if !strings.HasPrefix(part.Type, "message/") || isMessage(part.Type) {
		return
	}
	if !isIdentity(part.Encoding) && !strings.HasPrefix(part.Type, "message/global-") { // RFC 6533 §6.3 allows it there
		p.doubt(part, "encoded_message")
	}
	switch part.Type {
	case "message/external-body":
		p.defect("external_body", part.Path)
		if p.holdsMoreThanItNames(part) {
			p.doubt(part, "message_like")
		}
		return
	case "message/partial":
		p.defect("partial_message", part.Path)
	}
	p.spend(len(part.RawBody))
	for at := 0; at < len(part.RawBody); {
		line, rest, _ := cutLine(part.RawBody[at:])
		if looksStructural(line) {
			p.doubt(part, "message_like")
			return
		}
		at = len(part.RawBody) - len(rest)
	}
}

// holdsMoreThanItNames says whether a part that names a file which lies elsewhere holds
// content itself to who takes it for a message. By RFC 2046 §5.2.3 it is a header, of which
// type and identifier are the file's, and nothing behind it, but words to a server of mail.
func (p *parser) holdsMoreThanItNames(part *Part) bool {
	s := &scanner{p: p, buf: part.RawBody, eol: lineEnd(part.RawBody)}
	h := s.readHeader(0, false)
	if len(h.doubts) > 0 || len(h.header) == 0 && len(bytes.TrimSpace(part.RawBody)) > 0 {
		return true
	}
	for _, f := range h.header {
		said := parseStructured(f.Value, p.lim.Params).value
		switch {
		case sameName(f.Name, "Content-Transfer-Encoding") && said != "7bit" && said != "8bit" && said != "binary",
			sameName(f.Name, "Content-Type") && (strings.HasPrefix(said, "multipart/") || strings.HasPrefix(said, "message/")):
			return true
		}
	}
	words := bytes.TrimSpace(part.RawBody[h.body:])
	switch {
	case len(words) == 0:
		return false
	case !strings.EqualFold(part.Params["access-type"], "mail-server"), len(words) > serverWords:
		return true
	}
	return p.holdsContent(words)
}

// serverWords is how many bytes of a request to a server of mail are taken for one.
const serverWords = 1024

// doubtContainerLike marks what is no container by its type, but names a boundary and has it
// in its body: some readers go by the boundary.
func (p *parser) doubtContainerLike(part *Part) {
	text := part.Params["boundary"]
	if text == "" || len(text) > p.lim.Boundary {
		return
	}
	p.spend(len(part.RawBody))
	if bytes.Contains(part.RawBody, []byte("--"+text)) {
		p.doubt(part, "boundary_without_container")
	}
}

// isShown says whether a part is a text that readers show, not a file.
func (p *Part) isShown() bool {
	switch p.Type {
	case "text/plain", "text/html", "text/enriched":
		return p.Filename == "" && p.Disposition != "attachment"
	}
	return false
}

// enter goes one level down, or says that the limit forbids it: the part then
// stays closed.
func (p *parser) enter(part *Part) bool {
	if p.doubtSpent(part) {
		return false
	}
	if p.depth >= p.lim.Depth {
		p.doubt(part, "depth_limit")
		return false
	}
	p.depth++
	return true
}

// isMessage says whether a type holds a whole message (RFC 2046 §5.2.1, RFC 6532 §3.7).
func isMessage(mediaType string) bool {
	return mediaType == "message/rfc822" || mediaType == "message/global" || mediaType == "message/news"
}

// embedded reads a message within a message.
func (s *scanner) embedded(part *Part, start int) delimiter {
	if isIdentity(part.Encoding) {
		m, end := s.message(start, part.Path)
		part.Message = m
		part.RawBody = s.buf[start:max(start, end.content)]
		part.Content = part.RawBody
		return end
	}
	end := s.find(start)
	part.RawBody = s.buf[start:end.content]
	if part.Type != "message/global" { // RFC 6532 §3.7 allows what RFC 2046 §5.2.1 forbids
		s.p.doubt(part, "encoded_message")
	}
	s.p.decode(part)
	inner := &scanner{p: s.p, buf: part.Content, eol: lineEnd(part.Content)}
	part.Message, _ = inner.message(0, part.Path)
	return end
}

// multipart reads the children of a container (RFC 2046 §5.1).
func (s *scanner) multipart(part *Part, start int) delimiter {
	if !isIdentity(part.Encoding) { // RFC 2045 §6.4 forbids it
		s.p.doubt(part, "encoded_multipart")
	}
	text := []byte(part.Params["boundary"])
	if len(text) == 0 {
		text = s.guessBoundary(start)
		if len(s.open) > 0 || s.hasContent(start) {
			s.p.doubt(part, "missing_boundary")
		}
	}
	if len(text) > s.p.lim.Boundary {
		s.p.doubt(part, "boundary_limit")
		text = nil
	}
	var end delimiter
	if len(text) == 0 {
		end = s.find(start)
	} else {
		end = s.children(part, text, start)
	}
	part.RawBody = s.buf[start:max(start, end.content)]
	if len(part.Children) == 0 && len(bytes.TrimSpace(part.RawBody)) > 0 {
		s.p.withoutBoundary(part, text)
	}
	return end
}

// withoutBoundary keeps readable what a container without children holds.
func (p *parser) withoutBoundary(part *Part, text []byte) {
	p.doubt(part, "no_parts_found")
	if !isIdentity(part.Encoding) && len(text) > 0 {
		whole := &Part{Path: part.Path, Encoding: part.Encoding, RawBody: part.RawBody}
		p.decode(whole)
		inner := &scanner{p: p, buf: whole.Content, eol: lineEnd(whole.Content)}
		inner.children(part, text, 0)
		if len(part.Children) > 0 {
			return
		}
	}
	child := &Part{Path: join(part.Path, 1), Type: "text/plain", Params: map[string]string{}, Encoding: part.Encoding, RawBody: part.RawBody, Raw: part.RawBody}
	p.parts++
	p.keep(partSize)
	p.doubt(child, "no_parts_found")
	p.decode(child)
	part.Children = []*Part{child}
	part.Preamble = nil
}

func (s *scanner) children(part *Part, text []byte, start int) delimiter {
	for _, b := range s.open {
		if bytes.Equal(b.text, text) {
			s.p.doubt(part, "same_boundary")
		}
	}
	level := len(s.open)
	s.open = append(s.open, boundary{text: text, part: part})
	defer func() { s.open = s.open[:level] }()

	defaultType := "text/plain"
	if part.Type == "multipart/digest" { // RFC 2046 §5.1.5
		defaultType = "message/rfc822"
	}
	end := s.find(start)
	part.Preamble = s.buf[start:max(start, end.content)]
	closed, epilogue := false, end.next
	for end.level == level {
		if end.close {
			closed, epilogue = true, end.next
			end = s.find(end.next)
			continue
		}
		path := join(part.Path, len(part.Children)+1)
		if s.p.parts >= s.p.lim.Parts || s.p.spent() != "" {
			end = s.closeRest(part, &Part{Path: path}, end, level)
			break
		}
		child := s.p.newPart(path)
		end = s.child(child, end.next, defaultType)
		part.Children = append(part.Children, child)
		if closed { // some readers stopped at the close delimiter
			s.p.doubt(child, "part_after_close")
			s.p.doubt(part, "part_after_close")
			epilogue = len(s.buf)
		}
	}
	if closed {
		if epilogue < end.content {
			part.Epilogue = s.buf[epilogue:end.content]
		}
	} else if len(part.Children) > 0 {
		s.p.defect("unterminated_multipart", part.Path)
		s.leave(boundary{text: text, part: part})
	}
	if s.p.holdsContent(part.Preamble) || s.p.holdsContent(part.Epilogue) {
		s.p.doubt(part, "content_outside_parts")
	}
	return end
}

// holdsContent says whether what readers of MIME pass over holds a file or a
// part for those who do not.
func (p *parser) holdsContent(outside []byte) bool {
	p.spend(4 * len(outside))
	if looksPacked(outside, nil) {
		return true
	}
	for at := 0; at < len(outside); {
		line, rest, _ := cutLine(outside[at:])
		if bytes.HasPrefix(line, []byte("=ybegin ")) {
			return true
		}
		if bytes.HasPrefix(line, []byte("begin ")) {
			if _, ok := readUU(outside[at:], 1); ok {
				return true
			}
		}
		if looksStructural(line) {
			return true
		}
		at = len(outside) - len(rest)
	}
	return false
}

func (s *scanner) child(child *Part, start int, defaultType string) delimiter {
	h := s.readHeader(start, false)
	s.p.note(child, h)
	s.p.describe(child, h.header, defaultType)
	return s.body(child, start, h)
}

// closeRest keeps what is left of a container as one closed part: the limit of
// parts was reached, or the budget is spent: then it is not even looked at.
func (s *scanner) closeRest(part, child *Part, from delimiter, level int) delimiter {
	end := from
	spent := s.p.spent() != ""
	if spent {
		end = delimiter{level: -1, content: len(s.buf), line: len(s.buf), next: len(s.buf)}
	}
	for end.level >= level {
		end = s.find(end.next)
	}
	child.Type, child.Encoding = "application/octet-stream", "binary"
	child.Params = map[string]string{}
	child.RawBody = s.buf[from.next:max(from.next, end.content)]
	child.Raw, child.Content = child.RawBody, child.RawBody
	part.Children = append(part.Children, child)
	if spent {
		s.p.doubtSpent(child)
		s.p.doubtSpent(part)
		return end
	}
	s.p.doubt(child, "part_limit")
	s.p.doubt(part, "part_limit")
	return end
}

// guessBoundary takes the first line that starts with two hyphens and is
// followed by a part's header, where the container names no boundary.
func (s *scanner) guessBoundary(start int) []byte {
	for pos, tries := start, 0; pos < len(s.buf) && tries < 200; tries++ {
		line, next := s.line(pos)
		if s.isDelimiter(line) {
			return nil
		}
		text := bytes.TrimRight(line, " \t")
		if bytes.HasPrefix(text, twoHyphens) && len(text) > 2 && len(text) <= 72 && next < len(s.buf) {
			after, _ := s.line(next)
			if len(after) > 8 && bytes.EqualFold(after[:8], []byte("content-")) {
				return text[2:]
			}
		}
		pos = next
	}
	return nil
}

// hasContent says whether more than blank lines stand before the next boundary,
// looking no further than it must.
func (s *scanner) hasContent(start int) bool {
	for pos := start; pos < len(s.buf); {
		line, next := s.line(pos)
		if s.isDelimiter(line) {
			return false
		}
		if len(bytes.TrimSpace(line)) > 0 {
			return true
		}
		pos = next
	}
	return false
}

func isIdentity(encoding string) bool {
	switch encoding {
	case "7bit", "8bit", "binary":
		return true
	}
	return !strings.HasPrefix(encoding, "x-uu") && encoding != "base64" && encoding != "quoted-printable" && encoding != "uuencode" && encoding != "x-yencode"
}
