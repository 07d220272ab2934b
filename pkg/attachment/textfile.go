package attachment

import (
	"bytes"
	"encoding/base64"
	"strings"

	"github.com/postern-mail/postern/pkg/mail"
)

// Texts that carry files: uuencode, yEnc and BinHex in a file of their own, which unpackers
// open by a click, and what calendars and cards attach in base64 (RFC 5545 §3.8.1.1,
// RFC 2426 §3.1.4).

// packers are the extensions of files that are one packed file as text.
var packers = map[string]bool{"uu": true, "uue": true, "xxe": true, "hqx": true, "ntx": true}

// carriesFiles tells whether a text may carry files, so that it is to be opened.
func carriesFiles(f file) bool {
	extension := extensionOf(f.name)
	lower := bytes.ToLower(plainText(f.content))
	switch {
	case isCalendar(lower, extension, f.declared):
		return bytes.Contains(lower, []byte("base64")) || bytes.Contains(lower, []byte("encoding=b"))
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
		name, value, ok := carriedFile(line)
		if !ok {
			continue
		}
		_, err := w.member(a, f, name, int64(len(value)/4*3), base64.NewDecoder(base64.RawStdEncoding, bytes.NewReader(value)))
		if err != nil {
			return err
		}
	}
	return nil
}

// cutFolded takes one property off a calendar, unfolded (RFC 5545 §3.1). In cards of version
// 2.1 what goes on is not always indented: there it is a line without a colon.
func cutFolded(text []byte) (line, rest []byte) {
	for first := true; len(text) > 0; first = false {
		next, after := text, []byte(nil)
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			next, after = text[:i], text[i+1:]
		}
		next = bytes.TrimSuffix(next, []byte{'\r'})
		if !first && (len(next) == 0 || next[0] != ' ' && next[0] != '\t' && bytes.IndexByte(next, ':') >= 0) {
			return line, text
		}
		if first {
			line = next[:len(next):len(next)] // what is joined to it does not overwrite the text
		} else {
			line = append(line, bytes.TrimLeft(next, " \t")...)
		}
		text = after
	}
	return line, nil
}

// carriedFile gives the base64 of a property that has any, without what is none of it, and the name
// that the property gives to the file.
func carriedFile(line []byte) (name string, value []byte, ok bool) {
	head, value, ok := bytes.Cut(line, []byte{':'})
	if !ok {
		return "", nil, false
	}
	lower := mail.Lower(head)
	if scheme := mail.Lower(value[:min(len(value), 256)]); bytes.HasPrefix(scheme, []byte("data:")) { // RFC 2397
		comma := bytes.IndexByte(scheme, ',')
		if comma < 0 || !bytes.Contains(scheme[:comma], []byte("base64")) {
			return "", nil, false
		}
		value = value[comma+1:]
	} else if !bytes.Contains(lower, []byte("base64")) && !bytes.Contains(lower, []byte("encoding=b")) {
		return "", nil, false
	}
	if i := bytes.Index(lower, []byte("filename=")); i >= 0 {
		named := strings.TrimPrefix(string(head[i+len("filename="):]), `"`)
		if end := strings.IndexAny(named, `";`); end >= 0 {
			named = named[:end]
		}
		name = named
	}
	letters := make([]byte, 0, len(value))
	for _, c := range value {
		if base64Letter[c] == 1 {
			letters = append(letters, c)
		}
	}
	if len(letters)%4 == 1 { // no whole number of bytes
		letters = letters[:len(letters)-1]
	}
	return name, letters, len(letters) > 0
}
