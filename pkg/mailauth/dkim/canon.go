package dkim

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"strings"

	"github.com/postern-mail/postern/pkg/mail"
)

// A Canon is a canonicalization algorithm (RFC 6376 §3.4).
type Canon string

const (
	Simple  Canon = "simple"
	Relaxed Canon = "relaxed"
)

// A Text is a message as signatures see it. Where the header has no CRLF at all
// the message is taken to be stored with local line ends, and LF stands for CRLF
// (RFC 6376 §5.3); otherwise a lone LF is a character like any other.
type Text struct {
	Header mail.Header
	Body   []byte
	local  bool
}

// NewText takes a message's header and the raw body after it.
func NewText(header mail.Header, body []byte) *Text {
	text := &Text{Header: header, Body: body, local: true}
	for i := range header {
		if bytes.Contains(header[i].Raw, crlf) {
			text.local = false
			break
		}
	}
	if len(header) == 0 {
		text.local = !bytes.Contains(body, crlf)
	}
	return text
}

var crlf = []byte("\r\n")

// Is reports whether a field has the given lower-case name.
func Is(field *mail.Field, name string) bool {
	return len(field.Name) >= len(name) && strings.EqualFold(trim(field.Name), name)
}

// AppendField appends the canonical form of a raw field, line end included
// (RFC 6376 §3.4.1, §3.4.2).
func (t *Text) AppendField(dst, raw []byte, canon Canon) []byte {
	raw = t.chop(raw)
	if canon == Simple {
		if !t.local {
			dst = append(dst, raw...)
		} else {
			for _, c := range raw {
				if c == '\n' {
					dst = append(dst, '\r')
				}
				dst = append(dst, c)
			}
		}
		return append(dst, '\r', '\n')
	}
	colon := bytes.IndexByte(raw, ':')
	if colon < 0 {
		colon = len(raw)
	}
	for _, c := range bytes.TrimRight(raw[:colon], " \t\r\n") {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	dst = append(dst, ':')
	start, space := len(dst), false
	for i := min(colon+1, len(raw)); i < len(raw); i++ {
		c := raw[i]
		switch {
		case c == ' ' || c == '\t':
			space = true
			continue
		case c == '\r' && i+1 < len(raw) && raw[i+1] == '\n':
			i++
			continue
		case c == '\n' && t.local:
			continue
		}
		if space && len(dst) > start {
			dst = append(dst, ' ')
		}
		space = false
		dst = append(dst, c)
	}
	return append(dst, '\r', '\n')
}

// chop removes the field's own line end.
func (t *Text) chop(raw []byte) []byte {
	if bytes.HasSuffix(raw, crlf) {
		return raw[:len(raw)-2]
	}
	if t.local {
		return bytes.TrimSuffix(raw, []byte("\n"))
	}
	return raw
}

// A Selection is the fields that an h= names: walking the header bottom-up for
// each name (RFC 6376 §5.4.2).
type Selection struct {
	Fields []int // indexes into the header, -1 for an instance that is absent
}

// Select picks the instances that names stand for. The field at skip is never
// picked: a signature does not sign itself.
func (t *Text) Select(names []string, skip int) Selection {
	picked := Selection{Fields: make([]int, 0, len(names))}
	next := make(map[string]int, len(names))
	for _, name := range names {
		from, seen := next[name]
		if !seen {
			from = len(t.Header) - 1
		}
		for from >= 0 && (from == skip || !Is(&t.Header[from], name)) {
			from--
		}
		picked.Fields = append(picked.Fields, from)
		if from >= 0 {
			from--
		}
		next[name] = from
	}
	return picked
}

// A BodyWant asks for one digest of the body.
type BodyWant struct {
	Canon Canon
	Limit int64 // first octets of the canonical body to hash, -1 for all
}

// A BodyDigest is the SHA-256 of a canonical body.
type BodyDigest struct {
	Sum    [sha256.Size]byte
	Length int64 // of the whole canonical body
}

// HashBody gives the digests that are wanted, in one pass over the body for each
// canonicalization in use.
func (t *Text) HashBody(wants []BodyWant) []BodyDigest {
	digests := make([]BodyDigest, len(wants))
	for _, canon := range []Canon{Simple, Relaxed} {
		sink := &bodySink{}
		for i, want := range wants {
			if want.Canon == canon {
				sink.add(want.Limit, i)
			}
		}
		if len(sink.hashes) == 0 {
			continue
		}
		if canon == Simple {
			t.simpleBody(sink)
		} else {
			t.relaxedBody(sink)
		}
		sink.flush()
		for _, h := range sink.hashes {
			var sum [sha256.Size]byte
			h.hash.Sum(sum[:0])
			for _, i := range h.wants {
				digests[i] = BodyDigest{Sum: sum, Length: sink.total}
			}
		}
	}
	return digests
}

// A bodySink takes a canonical body in pieces and hashes it once for each
// distinct limit.
type bodySink struct {
	hashes []*limitedHash
	total  int64
	buf    []byte
}

type limitedHash struct {
	hash  hash.Hash
	limit int64 // as asked, -1 for none
	left  int64
	wants []int
}

const sinkSize = 8 << 10

func (s *bodySink) add(limit int64, want int) {
	for _, h := range s.hashes {
		if h.limit == limit {
			h.wants = append(h.wants, want)
			return
		}
	}
	s.hashes = append(s.hashes, &limitedHash{hash: sha256.New(), limit: limit, left: limit, wants: []int{want}})
}

func (s *bodySink) write(p []byte) {
	if len(s.buf)+len(p) > sinkSize {
		s.flush()
		if len(p) > sinkSize/2 {
			s.pass(p)
			return
		}
	}
	if s.buf == nil {
		s.buf = make([]byte, 0, sinkSize)
	}
	s.buf = append(s.buf, p...)
}

func (s *bodySink) flush() {
	s.pass(s.buf)
	s.buf = s.buf[:0]
}

func (s *bodySink) pass(p []byte) {
	s.total += int64(len(p))
	for _, h := range s.hashes {
		part := p
		if h.limit >= 0 {
			if h.left < int64(len(part)) {
				part = part[:h.left]
			}
			h.left -= int64(len(part))
		}
		h.hash.Write(part)
	}
}

// line cuts the first line off a body. The line comes without its end; ended
// tells whether it had one.
func (t *Text) line(body []byte) (line, rest []byte, ended bool) {
	for from := 0; ; {
		lf := bytes.IndexByte(body[from:], '\n')
		if lf < 0 {
			return body, nil, false
		}
		lf += from
		if lf > 0 && body[lf-1] == '\r' {
			return body[:lf-1], body[lf+1:], true
		}
		if t.local {
			return body[:lf], body[lf+1:], true
		}
		from = lf + 1
	}
}

// simpleBody: empty lines at the end go, a last line end is made sure of
// (RFC 6376 §3.4.3).
func (t *Text) simpleBody(sink *bodySink) {
	body := t.Body
	if !t.local {
		for bytes.HasSuffix(body, crlf) {
			body = body[:len(body)-2]
		}
		sink.write(body)
		sink.write(crlf)
		return
	}
	empty, wrote := 0, false
	for len(body) > 0 {
		var line []byte
		line, body, _ = t.line(body)
		if len(line) == 0 {
			empty++
			continue
		}
		for ; empty > 0; empty-- {
			sink.write(crlf)
		}
		sink.write(line)
		sink.write(crlf)
		wrote = true
	}
	if !wrote {
		sink.write(crlf)
	}
}

// relaxedBody: besides, white space at line ends goes and other white space
// shrinks to one space; a body of nothing stays nothing (RFC 6376 §3.4.4).
func (t *Text) relaxedBody(sink *bodySink) {
	empty := 0
	for body := t.Body; len(body) > 0; {
		var line []byte
		line, body, _ = t.line(body)
		end := len(line)
		for end > 0 && (line[end-1] == ' ' || line[end-1] == '\t') {
			end--
		}
		line = line[:end]
		if len(line) == 0 {
			empty++
			continue
		}
		for ; empty > 0; empty-- {
			sink.write(crlf)
		}
		sink.writeSqueezed(line)
		sink.write(crlf)
	}
}

// writeSqueezed writes a line with each run of white space as one space.
func (s *bodySink) writeSqueezed(line []byte) {
	start := 0
	for i := 0; i < len(line); i++ {
		c := line[i]
		if c != ' ' && c != '\t' {
			continue
		}
		end := i + 1
		for end < len(line) && (line[end] == ' ' || line[end] == '\t') {
			end++
		}
		if c == ' ' && end == i+1 {
			continue
		}
		s.write(line[start:i])
		s.write(oneSpace)
		start, i = end, end-1
	}
	s.write(line[start:])
}

var oneSpace = []byte(" ")

// EndsBare reports whether a field of a message with CRLF line ends is ended by a
// lone LF: some readers then see one field where others see two.
func (t *Text) EndsBare(field int) bool {
	raw := t.Header[field].Raw
	if t.local {
		return false
	}
	return bytes.HasSuffix(raw, []byte("\n")) && !bytes.HasSuffix(raw, crlf)
}
