package mail

import (
	"bytes"
	"strings"
)

// decode fills the content of a leaf from its body, as its transfer encoding says.
func (p *parser) decode(part *Part) {
	body := part.RawBody
	if isIdentity(part.Encoding) {
		part.Content = body
		if part.Content == nil {
			part.Content = []byte{}
		}
		p.afterDecode(part)
		return
	}
	if p.doubtSpent(part) {
		part.Content = []byte{}
		return
	}
	p.spend(2 * len(body))
	room := p.lim.Decoded - p.decoded
	switch part.Encoding {
	case "base64":
		out, found := decodeBase64(body, room)
		if part.isShown() && (found.bad || found.blank || found.afterPad) {
			p.spend(3 * len(body))
			if text := decodeBase64Text(body, room); text != nil { // others decode the words, too, or stop
				out, found.bad = text, true
			}
		}
		part.Content = out
		shown := part.isShown() && !isBinary(out)
		if found.bad || found.blank && !shown {
			p.doubt(part, "base64_bad_characters")
		}
		if found.afterPad {
			p.doubt(part, "base64_data_after_padding")
		}
		switch {
		case found.truncated && !shown: // strict readers drop the end of the file, or all of it
			p.doubt(part, "base64_truncated")
		case found.truncated:
			p.defect("base64_truncated", part.Path)
		}
	case "quoted-printable":
		out, found := decodeQuotedPrintable(body, room, !part.isShown())
		if part.isShown() && isBinary(out) {
			p.spend(2 * len(body))
			out, found = decodeQuotedPrintable(body, room, true)
		}
		part.Content = out
		switch {
		case found.odd: // readers get different files from it
			p.doubt(part, "bad_quoted_printable")
		case found.bad:
			p.defect("bad_quoted_printable", part.Path)
		}
	case "x-yencode":
		var good bool
		if part.Content, good = decodeYenc(body, room); !good && len(body) > 0 {
			p.doubt(part, "bad_yenc")
		}
		p.doubt(part, "encoding_of_no_standard")
	default:
		part.Content = p.uudecodeWhole(part, body, room)
	}
	if part.Content == nil {
		part.Content = []byte{}
	}
	p.decoded += len(part.Content)
	p.keep(cap(part.Content))
	if p.decoded >= p.lim.Decoded && len(body) > 0 {
		p.doubt(part, "decoded_limit")
	}
	p.afterDecode(part)
}

// isBinary says whether what is declared as a text is a file to who looks at it: there are
// zeros near its start, or it begins as a document does that readers open.
func isBinary(content []byte) bool {
	head := content[:min(len(content), 1024)]
	return bytes.IndexByte(head, 0) >= 0 || bytes.HasPrefix(head, []byte("%PDF")) || bytes.HasPrefix(head, []byte("MZ")) || bytes.HasPrefix(head, []byte("PK"))
}

func (p *parser) afterDecode(part *Part) {
	if isText(part) && !p.doubtSpent(part) {
		_, n := p.charsetIssues(part.Content, part.textCharset())
		p.issues += n
		if n > 0 {
			p.defect("charset_mismatch", part.Path)
		}
		if part.isShown() && bytes.IndexByte(part.Content, 0) >= 0 {
			p.spend((decodeCost + 1) * len(part.Content))
			if text, _ := decodeCharset(part.Content, part.textCharset()); strings.IndexByte(text, 0) >= 0 {
				p.doubt(part, "nul_in_text") // readers in C end there
			}
		}
	}
}

func isText(part *Part) bool {
	return len(part.Type) > 5 && part.Type[:5] == "text/"
}

// base64Found says what was odd in base64 text.
type base64Found struct {
	bad       bool // characters that are neither of the alphabet nor white space
	blank     bool // blanks, which not all decoders pass over
	afterPad  bool // data after padding
	truncated bool // bits left over or padding missing
}

const (
	b64Space = 0x80
	b64Pad   = 0x81
	b64Bad   = 0xff
)

var b64Table = func() (t [256]byte) {
	for i := range t {
		t[i] = b64Bad
	}
	for i, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		t[c] = byte(i)
	}
	for _, c := range "\r\n\t " {
		t[c] = b64Space
	}
	t['='] = b64Pad
	return t
}()

// decodeBase64 decodes up to room bytes. It goes on over what is not of the
// alphabet (RFC 2045 §6.8) and over padding, and says so.
func decodeBase64(in []byte, room int) ([]byte, base64Found) {
	var found base64Found
	out := make([]byte, 0, max(0, min(len(in)/4*3+3, room)))
	var acc uint32
	n, padded := 0, false
	for i := 0; i < len(in); i++ {
		if n == 0 { // whole groups at once
			for i+4 <= len(in) && len(out)+3 <= room {
				a, b, c, d := b64Table[in[i]], b64Table[in[i+1]], b64Table[in[i+2]], b64Table[in[i+3]]
				if (a|b|c|d)&0x80 != 0 {
					break
				}
				if padded {
					found.afterPad, padded = true, false
				}
				v := uint32(a)<<18 | uint32(b)<<12 | uint32(c)<<6 | uint32(d)
				out = append(out, byte(v>>16), byte(v>>8), byte(v))
				i += 4
			}
			if i >= len(in) {
				break
			}
		}
		v := b64Table[in[i]]
		switch v {
		case b64Space:
			found.blank = found.blank || isSpace(in[i])
			continue
		case b64Bad:
			found.bad = true
			continue
		case b64Pad:
			switch n {
			case 2:
				out = appendRoom(out, room, byte(acc>>4))
			case 3:
				out = appendRoom(out, room, byte(acc>>10), byte(acc>>2))
			case 1:
				found.truncated = true
			case 0:
				if i == 0 || b64Table[in[i-1]] != b64Pad { // padding where nothing is to be padded
					found.bad = true
				}
			}
			acc, n, padded = 0, 0, true
			continue
		}
		if padded {
			found.afterPad, padded = true, false
		}
		acc = acc<<6 | uint32(v)
		if n++; n == 4 {
			out = appendRoom(out, room, byte(acc>>16), byte(acc>>8), byte(acc))
			acc, n = 0, 0
		}
	}
	switch n {
	case 1:
		found.truncated = true
	case 2:
		out = appendRoom(out, room, byte(acc>>4))
		found.truncated = true
	case 3:
		out = appendRoom(out, room, byte(acc>>10), byte(acc>>2))
		found.truncated = true
	}
	return out, found
}

func appendRoom(out []byte, room int, b ...byte) []byte {
	if left := room - len(out); left < len(b) {
		b = b[:max(0, left)]
	}
	return append(out, b...)
}

// quotedFound says what was odd in quoted-printable text.
type quotedFound struct {
	bad bool // an equals sign that starts no escape
	odd bool // what RFC 2045 §6.7 forbids and readers treat in different ways
}

// decodeQuotedPrintable decodes up to room bytes (RFC 2045 §6.7). An equals sign
// that starts no escape stays, and is told. Of a file it also tells what is odd.
func decodeQuotedPrintable(in []byte, room int, file bool) (out []byte, found quotedFound) {
	if bytes.IndexByte(in, '\n') < 0 && bytes.IndexByte(in, '\r') >= 0 { // a mail whose lines end in CR
		in = bytes.ReplaceAll(in, []byte("\r"), []byte("\n"))
		found.odd = file
	}
	out = make([]byte, 0, max(0, min(len(in), room)))
	for len(in) > 0 && len(out) < room {
		line, eol := in, []byte(nil)
		if i := bytes.IndexByte(in, '\n'); i >= 0 {
			line, eol, in = in[:i], in[i:i+1], in[i+1:]
			if i > 0 && line[i-1] == '\r' {
				line, eol = line[:i-1], []byte("\r\n")
			}
		} else {
			in = nil
		}
		whole := len(line)
		line = bytes.TrimRight(line, " \t") // rule 3: it was added on the way
		found.odd = found.odd || file && len(line) != whole
		soft := false
		if n := len(line); n > 0 && line[n-1] == '=' {
			line, soft = line[:n-1], true
		}
		for len(line) > 0 {
			i := bytes.IndexByte(line, '=')
			if i < 0 {
				out = append(out, line...)
				found.odd = found.odd || file && !isQuotable(line)
				break
			}
			out = append(out, line[:i]...)
			found.odd = found.odd || file && !isQuotable(line[:i])
			if i+2 < len(line) {
				hi, lo := unhex(line[i+1]), unhex(line[i+2])
				if hi >= 0 && lo >= 0 {
					found.odd = found.odd || file && (line[i+1] >= 'a' || line[i+2] >= 'a') // rule 1: in capitals
					out = append(out, byte(hi<<4|lo))
					line = line[i+3:]
					continue
				}
			}
			found.bad, found.odd = true, file
			out = append(out, '=')
			line = line[i+1:]
		}
		if !soft {
			out = append(out, eol...)
		}
	}
	if len(out) > room {
		out = out[:max(0, room)]
	}
	return out, found
}

// isQuotable says whether all of these bytes may stand for themselves (RFC 2045 §6.7, rule 2).
func isQuotable(in []byte) bool {
	for _, c := range in {
		if c < ' ' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return true
}
