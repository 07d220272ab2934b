package mail

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Files within a text that is shown: some readers look for them line by line, whatever
// stands before, and take out what is words to others.

// doubtWithin marks a text that holds a file to such readers and not to us. Few texts have a
// line that is a beginning of one, and only they are looked at closely.
func (p *parser) doubtWithin(part *Part) {
	if !isText(part) || p.doubtSpent(part) {
		return
	}
	p.spend(len(part.Content))
	fields, packed := beginnings(part.Content)
	if !isIdentity(part.Encoding) {
		p.spend(len(part.RawBody))
		fields, _ = beginnings(part.RawBody)
	}
	if fields && (part.isShown() || part.Type == "text/rfc822-headers") && part.Encoding != "base64" {
		p.spend(2 * len(part.RawBody))
		if holdsPart(part.RawBody) {
			p.doubt(part, "part_within_text")
		}
	}
	if packed {
		p.spend(2 * len(part.Content))
		if looksPacked(part.Content, part.cutText) {
			p.doubt(part, "packed_file_in_text")
		}
	}
}

// beginnings says whether a line of a text may be a field about the content, and whether one may
// begin a packed file.
func beginnings(text []byte) (fields, packed bool) {
	cr := bytes.IndexByte(text, '\r')
	lone := cr >= 0 && hasBareCR(text[cr:])
	for at := 0; at < len(text) && !(fields && packed); {
		line, next := text[at:], len(text)
		if lone {
			line, next = anyLine(text, at)
		} else if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line, next = line[:i], at+i+1
		}
		at = next
		if len(line) < 6 {
			continue
		}
		switch c := line[0]; {
		case c|0x20 == 'b':
			packed = packed || beginsFile(line)
		case c == '=':
			packed = packed || bytes.HasPrefix(line, []byte("=ybegin"))
		case c|0x20 == 'c', c <= ' ', c >= 0x7f:
			fields = fields || looksStructural(line)
		}
	}
	return fields, packed
}

// A partHead is what fields within a text say of what follows them.
type partHead struct {
	fields, encoded, noText, named bool
	text                           []byte // as much of it as may name a file
}

// headText is how much of the fields of a part is searched for a name.
const headText = 4096

// holdsPart says whether fields stand in a text as they stand before a part that is a file, a
// blank line behind them, and then something.
func holdsPart(text []byte) bool {
	var head partHead
	for len(text) > 0 {
		line, next := anyLine(text, 0)
		text = text[next:]
		words := bytes.TrimFunc(line, isNoMark)
		switch {
		case len(words) == 0:
			if (head.named || len(searchNames(head.text)) > 0) && len(bytes.TrimSpace(text)) > 0 || head.encoded && head.noText && startsBase64(text) {
				return true
			}
			head = partHead{}
		case isSpace(line[0]) && head.fields, looksStructural(line):
			head.fields = true
			head.read(words) // lines that are no fields may stand between
		}
	}
	return false
}

// read takes over what one line says.
func (h *partHead) read(line []byte) {
	name, value, ok := strings.Cut(strings.ToLower(string(line[:min(len(line), 1024)])), ":")
	if !ok {
		value = name
	}
	value = strings.TrimSpace(value)
	switch {
	case strings.HasSuffix(name, "encoding"):
		h.encoded = h.encoded || strings.Contains(value, "base64") || strings.Contains(value, "uu")
	case strings.HasSuffix(name, "type"):
		h.noText = h.noText || !strings.HasPrefix(value, "text/") && !strings.HasPrefix(value, "multipart/")
	case strings.HasSuffix(name, "disposition"):
		h.named = h.named || strings.HasPrefix(value, "attachment")
	}
	h.text = append(h.text, line[:min(len(line), headText-len(h.text))]...)
}

// isNoMark says whether a letter is a blank, or none at all, to one reader or another.
func isNoMark(r rune) bool { return r <= ' ' || r >= 0x7f && r <= 0xa0 || r == utf8.RuneError }

// startsBase64 says whether a text begins with base64 of more than a few bytes.
func startsBase64(text []byte) bool {
	letters := 0
	for _, c := range text[:min(len(text), 256)] {
		switch b64Table[c] {
		case b64Space:
		case b64Bad:
			return letters >= 8
		default:
			letters++
		}
	}
	return letters >= 8
}

// looksPacked says whether lines of a text may begin and end a file of uuencode, xxencode or yEnc
// to readers who are less strict than we are. The spans are files that were taken out.
func looksPacked(text []byte, out []span) bool {
	lastEnd, lastYend := 0, 0 // looked for once, from the end
	for at := 0; at < len(text); {
		line, next := anyLine(text, at)
		for len(out) > 0 && at >= out[0].to {
			out = out[1:]
		}
		taken := len(out) > 0 && at >= out[0].from
		switch {
		case taken || len(line) < 6:
		case beginsFile(line):
			if lastEnd == 0 {
				lastEnd = lastLineOf(text, "end", "====")
			}
			if lastEnd > at || goesOnAsFile(text, next) {
				return true
			}
		case bytes.HasPrefix(line, []byte("=ybegin")):
			if lastYend == 0 {
				lastYend = bytes.LastIndex(text, []byte("\n=yend"))
			}
			if lastYend > at {
				return true
			}
		}
		at = next
	}
	return false
}

// anyLine gives the line at a place, which a lone CR ends too, and where the next begins.
func anyLine(text []byte, at int) (line []byte, next int) {
	line = text[at:]
	i := bytes.IndexAny(line, "\r\n") // at once: to look for one of them alone may be to look to the end, for every line
	switch {
	case i < 0:
		return line, len(text)
	case bytes.HasPrefix(line[i:], []byte("\r\n")):
		return line[:i], at + i + 2
	}
	return line[:i], at + i + 1
}

// lastLineOf gives where the last line ends that is one of these words in any letters, -1 for none.
func lastLineOf(text []byte, words ...string) int {
	for end := len(text); end > 0; {
		start := bytes.LastIndexAny(text[:end], "\r\n") + 1
		line := bytes.TrimSpace(bytes.TrimLeft(text[start:end], ".")) // SMTP doubles the first full stop
		for _, word := range words {
			if len(line) == len(word) && strings.EqualFold(string(line), word) {
				return end
			}
		}
		end = start - 1
	}
	return -1
}

// beginsFile says whether a line is "begin", in any letters, a mode and perhaps a name.
func beginsFile(line []byte) bool {
	if line[0]|0x20 != 'b' || !bytes.EqualFold(line[:5], []byte("begin")) {
		return false
	}
	rest := line[5:]
	if len(rest) > 7 && bytes.EqualFold(rest[:7], []byte("-base64")) {
		rest = rest[7:]
	}
	words := bytes.Fields(rest[:min(len(rest), 64)])
	return len(words) > 0 && isSpace(rest[0]) && len(words[0]) <= 7 && len(bytes.Trim(words[0], "01234567")) == 0
}

// goesOnAsFile says whether a whole line of uuencode follows soon.
func goesOnAsFile(text []byte, at int) bool {
	for n := 0; n < 20 && at < len(text); n++ {
		line, next := anyLine(text[:min(len(text), at+128)], at)
		line = bytes.TrimLeft(line, ".")
		if len(line) >= 61 && len(line) <= 63 && line[0]|0x20 == 'm' && bytes.IndexByte(bytes.TrimSpace(line), ' ') < 0 {
			return true
		}
		at = next
	}
	return false
}
