package mail

import (
	"bytes"
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
}

func (r *headerRead) defect(code string) { r.codes = append(r.codes, code) }
func (r *headerRead) doubt(code string) {
	r.codes = append(r.codes, code)
	r.doubts = append(r.doubts, code)
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
	from, value := -1, -1 // where the field at hand and its value start, -1 for none
	for pos < len(s.buf) {
		line, next := s.line(pos)
		if s.isDelimiter(line) {
			r.stopped, r.body, r.raw = true, pos, s.buf[start:pos]
			if pos > start {
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
				if !s.headerGoesOn(next) {
					r.defect("blank_line_with_spaces")
					r.raw, r.body = s.buf[start:next], next
					s.doubtLateHeader(next, &r)
					break
				}
				r.doubt("blank_line_with_spaces")
			}
			if from >= 0 {
				f := &r.header[len(r.header)-1]
				f.Raw, f.Value = s.buf[from:next], s.buf[value:pos+len(line)]
			} else if len(r.header) == 0 {
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
			pos = next
			continue
		}
		name, ok := fieldName(line)
		switch {
		case ok && !full:
			if next-start > s.p.lim.HeaderBytes || len(r.header) >= s.p.lim.HeaderFields || s.p.fields >= s.p.lim.TotalFields {
				full = true
				r.doubt("header_limit")
				break
			}
			s.p.fields++
			from, value = pos, pos+len(name)+1
			r.header = append(r.header, s.field(name, line, pos, next, &r))
		case !ok && s.headerGoesOn(next):
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
	if bytes.IndexByte(r.raw, 0) >= 0 {
		r.doubt("nul_in_header")
	}
	if s.eol == '\n' && hasBareCR(r.raw) {
		r.doubt("bare_cr_in_header")
	}
	return r
}

func (s *scanner) field(name, line []byte, pos, next int, r *headerRead) Field {
	trimmed := bytes.TrimRight(name, " \t")
	f := Field{Name: internName(trimmed), Raw: s.buf[pos:next], Value: line[len(name)+1:]}
	if len(trimmed) != len(name) && isStructural(f.Name) {
		r.doubt("space_before_colon") // RFC 5322 §4.5 only; readers differ
	}
	return f
}

// skipLeading steps over a byte order mark, blank lines and From_ lines before
// the first field of a message.
func (s *scanner) skipLeading(pos int, r *headerRead) int {
	if bytes.HasPrefix(s.buf[pos:], []byte("\xef\xbb\xbf")) {
		r.defect("byte_order_mark")
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
func (s *scanner) headerGoesOn(pos int) bool {
	if pos >= len(s.buf) {
		return false
	}
	line, _ := s.line(pos)
	if len(line) == 0 || s.isDelimiter(line) {
		return false
	}
	name, ok := fieldName(line)
	return ok && (isKnownField(name))
}

// doubtLateHeader looks for a field that decides about the body in what we take
// for the body's first lines: a reader who passes over lines that are no fields
// would obey it.
func (s *scanner) doubtLateHeader(pos int, r *headerRead) {
	for pos < len(s.buf) {
		line, next := s.line(pos)
		if len(line) == 0 || s.isDelimiter(line) {
			return
		}
		if name, ok := fieldName(line); ok && isStructural(string(bytes.TrimRight(name, " \t"))) {
			r.doubt("header_after_body")
			return
		}
		pos = next
	}
}

// fieldName gives what stands before the colon, trailing white space included
// (RFC 5322 §4.5), where that is printable and not too long to be a name.
func fieldName(line []byte) ([]byte, bool) {
	i := bytes.IndexByte(line[:min(len(line), 128)], ':')
	if i <= 0 {
		return nil, false
	}
	name := line[:i]
	for _, c := range bytes.TrimRight(name, " \t") {
		if c <= ' ' || c >= 0x7f {
			return nil, false
		}
	}
	return name, true
}

// isLostParameter says whether a line looks like a parameter, not like a field.
func isLostParameter(line []byte) bool {
	name, _, ok := bytes.Cut(line[:min(len(line), 40)], []byte("="))
	if !ok {
		return false
	}
	switch strings.ToLower(strings.TrimRight(string(name), "*0123456789")) {
	case "boundary", "name", "filename", "charset", "type", "report-type", "protocol", "micalg", "format":
		return true
	}
	return false
}

// isMboxFrom says whether a line is the separator of an mbox file. A From field with white space
// before its colon (RFC 5322 §4.5) is none.
func isMboxFrom(line []byte) bool {
	rest, ok := bytes.CutPrefix(bytes.TrimPrefix(line, []byte(">")), []byte("From "))
	return ok && !bytes.HasPrefix(bytes.TrimLeft(rest, " \t"), []byte(":"))
}

var commonNames = func() map[string]string {
	m := map[string]string{}
	for _, n := range strings.Fields(`From To Cc Bcc Subject Date Message-ID Message-Id Sender Reply-To Received
		Return-Path Delivered-To MIME-Version Mime-Version Content-Type Content-type Content-Transfer-Encoding
		Content-Disposition Content-ID Content-Id Content-Description Content-Language Content-Location
		In-Reply-To References DKIM-Signature Authentication-Results Received-SPF ARC-Seal
		ARC-Message-Signature ARC-Authentication-Results List-Id List-ID List-Unsubscribe List-Post List-Help
		List-Subscribe List-Archive List-Owner List-Unsubscribe-Post Precedence Auto-Submitted X-Mailer
		X-Priority Importance Errors-To User-Agent Thread-Topic Thread-Index Feedback-ID X-Spam-Status
		X-Original-To X-Received Disposition-Notification-To Original-Recipient Resent-From Resent-To
		Resent-Date Resent-Message-ID Lines Status X-Status X-UID Envelope-To Delivery-Date Organization
		Keywords Comments Priority Encoding Autocrypt Return-Receipt-To X-Loop`) {
		m[n] = n
	}
	return m
}()

var knownNames = func() map[string]bool {
	m := map[string]bool{}
	for n := range commonNames {
		m[strings.ToLower(n)] = true
	}
	return m
}()

// internName gives the name as a string, without a copy for the common ones.
func internName(b []byte) string {
	if n, ok := commonNames[string(b)]; ok {
		return n
	}
	return string(b)
}

// isKnownField says whether a name is one that mail carries: what follows a
// line that is no field is header only where this is so.
func isKnownField(name []byte) bool {
	name = bytes.TrimRight(name, " \t")
	if len(name) > 2 && bytes.EqualFold(name[:2], []byte("x-")) {
		return true
	}
	if len(name) > 8 && bytes.EqualFold(name[:8], []byte("content-")) {
		return true
	}
	return knownNames[strings.ToLower(string(name))]
}

// isStructural says whether a field decides how the body is read.
func isStructural(name string) bool {
	return sameName(name, "Content-Type") || sameName(name, "Content-Transfer-Encoding") ||
		sameName(name, "Content-Disposition") || sameName(name, "MIME-Version")
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// hasBareCR says whether a carriage return stands within a line. Several of
// them before a line feed are one line end.
func hasBareCR(b []byte) bool {
	for {
		i := bytes.IndexByte(b, '\r')
		if i < 0 {
			return false
		}
		for i < len(b) && b[i] == '\r' {
			i++
		}
		if i < len(b) && b[i] != '\n' {
			return true
		}
		b = b[i:]
	}
}
