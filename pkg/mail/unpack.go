package mail

import (
	"bytes"
	"hash/crc32"
	"strconv"
	"strings"
)

// unpack finds files that a part carries in a format of its own, and hangs them
// below it.
func (p *parser) unpack(part *Part) {
	text := isText(part) && part.Type != "text/html"
	if (text || isTNEF(part.Content)) && p.doubtSpent(part) {
		return
	}
	switch {
	case text:
		p.unpackText(part)
	case isTNEF(part.Content):
		p.unpackTNEF(part)
	}
	p.doubtWithin(part)
}

// unpacked hangs an unpacked file below a part.
func (p *parser) unpacked(part *Part, origin, name string, content []byte) *Part {
	child := &Part{
		Path: part.Path + "#" + strconv.Itoa(len(part.Children)+1), Type: "application/octet-stream", Params: map[string]string{},
		Encoding: "binary", Disposition: "attachment", Filename: name, Content: content, Origin: origin,
	}
	p.parts++
	p.decoded += len(content)
	p.keep(partSize + len(name) + len(content))
	part.Children = append(part.Children, child)
	return child
}

// unpackText finds uuencoded and yEnc files within a text, in one pass: a file
// starts at the start of a line.
func (p *parser) unpackText(part *Part) {
	content := part.Content
	p.spend(len(content))
	lastYend := -2 // not looked for yet
	for at := 0; at < len(content); {
		i := nextPacked(content, at)
		if i < 0 {
			return
		}
		if p.parts >= p.lim.Parts {
			p.doubt(part, "part_limit")
			return
		}
		room := p.lim.Decoded - p.decoded
		if room <= 0 {
			p.doubt(part, "decoded_limit")
			return
		}
		if lastYend == -2 {
			p.spend(len(content))
			lastYend = bytes.LastIndex(content, []byte("\n=yend"))
		}
		origin, file, ok := "uuencode", packedFile{}, false
		if content[i] == 'b' {
			file, ok = readUU(content[i:], room)
		} else if i < lastYend { // without its end it would take all the text that follows
			origin = "yenc"
			file, ok = readYenc(content[i:], room)
		}
		p.spend(2 * max(file.size, 6))
		if !ok {
			at = i + 6
			continue
		}
		child := p.unpacked(part, origin, file.name, file.content)
		child.Raw, child.RawBody = content[i:i+file.size], content[i:i+file.size]
		p.doubtPacked(part, origin, file)
		part.cutText = append(part.cutText, span{i, i + file.size})
		at = i + file.size
	}
}

// doubtPacked notes where readers get different files out of one text, or none.
func (p *parser) doubtPacked(part *Part, origin string, file packedFile) {
	if !file.ended {
		p.doubt(part, "unterminated_"+origin)
	}
	if file.bad {
		p.doubt(part, "bad_"+origin)
	}
}

// nextPacked gives where the next line starts that may begin a file, -1 for none.
func nextPacked(content []byte, at int) int {
	for at < len(content) {
		i := bytes.Index(content[at:], []byte("begin "))
		if i < 0 {
			return -1
		}
		i += at
		switch {
		case i == 0 || content[i-1] == '\n':
			return i
		case i >= 2 && string(content[i-2:i]) == "=y" && (i == 2 || content[i-3] == '\n') && i-2 >= at:
			return i - 2
		}
		at = i + 6
	}
	return -1
}

// A packedFile is a file found in text.
type packedFile struct {
	name    string
	content []byte
	size    int // bytes of the text that it took
	ended   bool
	bad     bool // its content is not what it says of itself
}

// readUU reads a file of uuencode, as POSIX describes it, at the start of in.
func readUU(in []byte, room int) (packedFile, bool) {
	line, rest, _ := cutLine(in)
	mode, name, ok := strings.Cut(string(line[len("begin "):]), " ")
	if !ok || len(mode) < 1 || len(mode) > 6 || strings.Trim(mode, "01234567") != "" || len(name) > 1024 {
		return packedFile{}, false
	}
	name, _ = plainText(strings.TrimSpace(name))
	f := packedFile{name: name}
	for len(rest) > 0 {
		line, next, _ := cutLine(rest)
		trimmed := bytes.TrimRight(line, " \t")
		if string(trimmed) == "end" {
			f.size, f.ended = len(in)-len(next), true
			return f, true
		}
		if len(trimmed) == 0 || string(trimmed) == "`" {
			rest = next
			continue
		}
		var good bool
		if f.content, good = uuLine(f.content, line, room); !good {
			break
		}
		rest = next
	}
	f.size = len(in) - len(rest)
	return f, len(f.content) > 0 && len(mode) >= 3 // "begin 5 minutes" begins no file
}

// uuLine decodes one line: its first character says how many bytes it holds.
func uuLine(out, line []byte, room int) ([]byte, bool) {
	n := int(line[0]-' ') & 0x3f
	if line[0] < ' ' || line[0] > '`' {
		return out, false
	}
	need := (n + 2) / 3 * 4
	data := line[1:]
	if len(data) < need-3 || len(data) > need+4 { // blanks at the end get lost; some add a check
		return out, false
	}
	for _, c := range data[:min(len(data), need)] {
		if c < ' ' || c > '`' { // words, not code
			return out, false
		}
	}
	at := func(i int) byte {
		if i >= len(data) {
			return 0
		}
		return (data[i] - ' ') & 0x3f
	}
	for i := 0; n > 0; i += 4 {
		a, b, c, d := at(i), at(i+1), at(i+2), at(i+3)
		group := [3]byte{a<<2 | b>>4, b<<4 | c>>2, c<<6 | d}
		k := min(n, 3)
		out = appendRoom(out, room, group[:k]...)
		n -= k
	}
	return out, true
}

// readYenc reads a file of yEnc (yenc-draft 1.3) at the start of in.
func readYenc(in []byte, room int) (packedFile, bool) {
	line, rest, _ := cutLine(in)
	wanted, ok := yencNumber(line, "size=", 10)
	if _, hasLine := yencNumber(line, "line=", 10); !ok || !hasLine {
		return packedFile{}, false
	}
	var f packedFile
	_, several := yencNumber(line, "part=", 10)
	if i := bytes.Index(line, []byte("name=")); i >= 0 {
		f.name, _ = plainText(strings.TrimSpace(string(line[i+5:])))
	}
	for len(rest) > 0 {
		line, next, _ := cutLine(rest)
		if bytes.HasPrefix(line, []byte("=yend")) {
			f.size, f.ended = len(in)-len(next), true
			// A part of a file is not the file: some readers wait for the others.
			f.bad = several || uint64(len(f.content)) != wanted || !yencAgrees(line, f.content)
			return f, true
		}
		if !bytes.HasPrefix(line, []byte("=ypart ")) {
			f.content = yencLine(f.content, line, room)
		}
		rest = next
	}
	f.size = len(in)
	return f, true
}

// yencAgrees holds the size and the check value at the end of a file against it.
func yencAgrees(end, content []byte) bool {
	if size, ok := yencNumber(end, "size=", 10); !ok || size != uint64(len(content)) {
		return false
	}
	sum, ok := yencNumber(end, " crc32=", 16)
	return !ok || sum == uint64(crc32.ChecksumIEEE(content))
}

// yencNumber finds a number in a line of yEnc's own.
func yencNumber(line []byte, name string, base int) (uint64, bool) {
	i := bytes.Index(line, []byte(name))
	if i < 0 {
		return 0, false
	}
	text := line[i+len(name):]
	if end := bytes.IndexByte(text, ' '); end >= 0 {
		text = text[:end]
	}
	n, err := strconv.ParseUint(string(text[:min(len(text), 20)]), base, 64)
	return n, err == nil
}

func yencLine(out, line []byte, room int) []byte {
	for i := 0; i < len(line) && len(out) < room; i++ {
		c := line[i]
		if c == '=' {
			if i++; i >= len(line) {
				break
			}
			c = line[i] - 64
		}
		out = append(out, c-42)
	}
	return out
}

// decodeYenc decodes a body whose transfer encoding is yEnc.
func decodeYenc(in []byte, room int) ([]byte, bool) {
	i := bytes.Index(in, []byte("=ybegin "))
	if i < 0 || i > 0 && in[i-1] != '\n' {
		return in, false
	}
	f, ok := readYenc(in[i:], room)
	if !ok {
		return in, false
	}
	return f.content, f.ended && !f.bad
}

// uudecodeWhole decodes a body whose transfer encoding is uuencode.
func (p *parser) uudecodeWhole(part *Part, in []byte, room int) []byte {
	at := 0
	for {
		i := bytes.Index(in[at:], []byte("begin "))
		if i < 0 {
			break
		}
		at += i
		if at == 0 || in[at-1] == '\n' {
			if f, ok := readUU(in[at:], room); ok {
				if part.Filename == "" {
					part.Filename = f.name
				}
				p.doubtPacked(part, "uuencode", f)
				// No standard has this encoding, and who does not know it takes the body as it
				// stands: that is harmless where it is an encoded file and nothing else.
				if len(bytes.TrimSpace(in[:at]))+len(bytes.TrimSpace(in[at+f.size:])) > 0 {
					p.doubt(part, "encoding_of_no_standard")
				}
				return f.content
			}
		}
		at += 6
	}
	if len(bytes.TrimSpace(in)) > 0 {
		p.doubt(part, "bad_uuencode")
	}
	return in
}

func cutLine(in []byte) (line, rest []byte, found bool) {
	i := bytes.IndexByte(in, '\n')
	if i < 0 {
		return in, nil, false
	}
	line, rest = in[:i], in[i+1:]
	if i > 0 && line[i-1] == '\r' {
		line = line[:i-1]
	}
	return line, rest, true
}
