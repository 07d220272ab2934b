package attachment

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/postern-mail/postern/pkg/mail"
)

// Texts that carry files: uuencode, yEnc and BinHex in a file of their own, which unpackers
// open by a click, and what calendars and cards attach (RFC 5545 §3.8.1.1,
// RFC 2426 §3.1.4).

// packers are the extensions of files that are one packed file as text.
var packers = map[string]bool{"uu": true, "uue": true, "xxe": true, "hqx": true, "ntx": true}

// carriesFiles tells whether a text may carry files, so that it is to be opened.
func carriesFiles(f file) bool {
	extension := extensionOf(f.name)
	lower := bytes.ToLower(plainText(f.content))
	switch {
	case isCalendar(lower, extension, f.declared):
		return true
	case f.unpacked:
		return isBinHex(lower)
	}
	return packers[extension] || isBinHex(lower) || beginsPacked(lower)
}

// isBinHex knows BinHex by its first line (RFC 1741), in lower case.
func isBinHex(lower []byte) bool {
	return bytes.Contains(lower[:min(len(lower), 4096)], []byte("(this file must be converted with binhex"))
}

// beginsPacked tells whether a line of a text, in lower case, begins as a packed file does.
func beginsPacked(lower []byte) bool {
	for at := 0; ; {
		i := bytes.Index(lower[at:], []byte("begin"))
		if i < 0 {
			return false
		}
		start := at + i
		at = start + len("begin")
		if start >= 2 && string(lower[start-2:start]) == "=y" {
			start -= 2
		}
		if start > 0 && lower[start-1] != '\n' && lower[start-1] != '\r' {
			continue
		}
		rest := bytes.TrimPrefix(lower[at:min(len(lower), at+32)], []byte("-base64"))
		if mode := bytes.TrimLeft(rest, " \t"); len(mode) < len(rest) && len(mode) > 0 && (mode[0] >= '0' && mode[0] <= '9' || lower[start] == '=') {
			return true
		}
	}
}

// openTextFile looks into a text that carries files.
func (w *walker) openTextFile(a *Attachment, f file) error {
	text := plainText(f.content)
	lower := bytes.ToLower(text)
	switch {
	case isCalendar(lower, extensionOf(f.name), f.declared):
		return w.openCalendar(a, f, text)
	case isBinHex(lower):
		return UnsupportedContainer
	}
	// Read as the text of a mail, which unpacks what stands in it.
	part := mail.Parse(append([]byte("Content-Type: text/x-packed\n\n"), text...), mail.Limits{}).Root
	found := len(part.Children) > 0
	for _, code := range part.Ambiguous {
		if code != "header_after_body" { // a file has no header here
			a.add(Reason(code))
			found = true
		}
	}
	if packers[extensionOf(f.name)] && !found {
		return UnsupportedContainer
	}
	f.sealed = true
	for _, child := range part.Children {
		if _, err := w.member(a, f, child.Filename, int64(len(child.Content)), bytes.NewReader(child.Content)); err != nil {
			return err
		}
	}
	return nil
}

// isCalendar knows a calendar or a card, by its text in lower case or by what it is called.
func isCalendar(lower []byte, extension, declared string) bool {
	switch extension {
	case "ics", "vcs", "ifb", "vcf", "vcard":
		return true
	}
	switch declared {
	case "text/calendar", "text/vcard", "text/x-vcard", "text/directory", "application/ics":
		return true
	}
	head := bytes.TrimLeft(lower[:min(len(lower), 64)], " \t\r\n\xef\xbb\xbf")
	return bytes.HasPrefix(head, []byte("begin:vcalendar")) || bytes.HasPrefix(head, []byte("begin:vcard"))
}

// openCalendar lists the files that a calendar or a card carries.
func (w *walker) openCalendar(a *Attachment, f file, text []byte) error {
	f.sealed = true // clamd does not look into them
	for len(text) > 0 {
		line, rest := cutFolded(text)
		text = rest
		p, ok := readProperty(line)
		if !ok {
			continue
		}
		content, ok := p.carried()
		if !ok {
			a.add(UnsupportedContainer)
		}
		if len(content) == 0 {
			continue
		}
		if _, err := w.member(a, f, p.filename, int64(len(content)), bytes.NewReader(content)); err != nil {
			return err
		}
	}
	return nil
}

// cutFolded takes one property off a calendar, unfolded. In cards of version 2.1 what goes
// on is not always indented: there it is a line without a colon.
func cutFolded(text []byte) (line, rest []byte) {
	line, rest = cutIndented(text)
	for len(rest) > 0 {
		next, after := cutIndented(rest)
		if len(next) == 0 || bytes.IndexByte(next, ':') >= 0 {
			break
		}
		line, rest = append(line, next...), after
	}
	return line, rest
}

// cutIndented takes a line off a text, with the indented ones behind it (RFC 5545 §3.1).
func cutIndented(text []byte) (line, rest []byte) {
	line, rest = cutLine(text)
	line = line[:len(line):len(line)] // what is joined to it does not overwrite the text
	for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
		var next []byte
		next, rest = cutLine(rest)
		line = append(line, bytes.TrimLeft(next, " \t")...)
	}
	return line, rest
}

// cutLine takes one line off a text, which may end as lines do anywhere.
func cutLine(text []byte) (line, rest []byte) {
	i := bytes.IndexAny(text, "\r\n")
	if i < 0 {
		return text, nil
	}
	if bytes.HasPrefix(text[i:], []byte("\r\n")) {
		return text[:i], text[i+2:]
	}
	return text[:i], text[i+1:]
}

// A property is a line of a calendar or a card, as far as it tells of a file.
type property struct {
	name     string // in lower case, without the group it is of
	encoding string // in lower case
	kind     string // of the value, in lower case
	filename string
	value    []byte
}

// readProperty cuts a line at the first colon that is not quoted (RFC 5545 §3.1), or at the
// first of all where the quotes do not come in pairs.
func readProperty(line []byte) (p property, ok bool) {
	fields, colon := cutQuoted(line)
	if colon < 0 {
		if colon = bytes.IndexByte(line, ':'); colon < 0 {
			return p, false
		}
		fields = bytes.Split(line[:colon], []byte{';'})
	}
	p.value = bytes.TrimSpace(line[colon+1:])
	p.name = strings.ToLower(string(bytes.TrimSpace(fields[0])))
	p.name = p.name[strings.LastIndexByte(p.name, '.')+1:]
	for _, field := range fields[1:] {
		p.parameter(string(field))
	}
	return p, true
}

// cutQuoted cuts what stands before the colon at semicolons, none of them quoted.
func cutQuoted(line []byte) (fields [][]byte, colon int) {
	begin, quoted := 0, false
	for i, c := range line {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ';':
			fields = append(fields, line[begin:i])
			begin = i + 1
		case c == ':':
			return append(fields, line[begin:i]), i
		}
	}
	return nil, -1
}

func (p *property) parameter(field string) {
	name, value, _ := strings.Cut(field, "=")
	name = strings.ToLower(strings.TrimSpace(name))
	value = strings.TrimSpace(strings.ReplaceAll(value, `"`, ""))
	switch {
	case name == "base64", name == "b": // of version 2.1, where the name is left out
		p.encoding = "base64"
	case name == "quoted-printable":
		p.encoding = name
	case name == "encoding":
		p.encoding = strings.ToLower(value)
	case name == "value":
		p.kind = strings.ToLower(value)
	case strings.HasSuffix(name, "filename"):
		p.filename = value
	}
}

// fileProperties are those whose value is a file or tells where one is.
var fileProperties = map[string]bool{"attach": true, "photo": true, "logo": true, "sound": true, "key": true, "image": true}

// carried is the file that a property carries, nil for none; ok is false where there is one
// that cannot be decoded here.
func (p *property) carried() (content []byte, ok bool) {
	if len(p.value) >= 5 && strings.EqualFold(string(p.value[:5]), "data:") {
		return p.dataURI()
	}
	binary := p.kind == "binary" || fileProperties[p.name] && p.kind == "inline"
	switch {
	case len(p.value) == 0:
		return nil, true
	case p.encoding == "base64", p.encoding == "b", p.encoding == "" && binary:
		return fromBase64(p.value)
	case binary, fileProperties[p.name] && p.encoding != "" && p.encoding != "7bit" && p.encoding != "8bit":
		return nil, false
	}
	return nil, true
}

// dataURI is the file in an address that is the file itself (RFC 2397). Words behind "data:" are
// no address but where one is to be.
func (p *property) dataURI() (content []byte, ok bool) {
	head, data, found := bytes.Cut(p.value, []byte{','})
	inBase64 := found && bytes.Contains(mail.Lower(head), []byte("base64"))
	expected := fileProperties[p.name] || p.kind == "uri" || p.kind == "binary"
	switch {
	case !inBase64 && !expected:
		return nil, true
	case !found:
		return nil, false
	}
	data = fromPercent(data)
	if inBase64 {
		return fromBase64(data)
	}
	return data, true
}

// fromPercent undoes percent-encoding (RFC 3986 §2.1), where there is any.
func fromPercent(b []byte) []byte {
	if bytes.IndexByte(b, '%') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '%' && i+2 < len(b) {
			var c [1]byte
			if _, err := hex.Decode(c[:], b[i+1:i+3]); err == nil {
				out = append(out, c[0])
				i += 2
				continue
			}
		}
		out = append(out, b[i])
	}
	return out
}

// fromBase64 decodes base64, without what is none of it. ok is false where nothing of it is, or
// where it ends and goes on, which is read in more than one way.
func fromBase64(value []byte) (content []byte, ok bool) {
	letters := make([]byte, 0, len(value))
	ended := false
	for _, c := range value {
		if c == '=' {
			ended = len(letters) > 0
		}
		if base64Letter[c] == 1 {
			if ended {
				return nil, false
			}
			letters = append(letters, c)
		}
	}
	if len(letters)%4 == 1 { // no whole number of bytes
		letters = letters[:len(letters)-1]
	}
	if len(letters) == 0 {
		return nil, false
	}
	content = make([]byte, base64.RawStdEncoding.DecodedLen(len(letters)))
	n, _ := base64.RawStdEncoding.Decode(content, letters) // of letters alone
	return content[:n], true
}
