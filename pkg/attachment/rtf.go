package attachment

import (
	"bytes"
	"iter"
)

// rtfObjects are the control words of objects, without their common beginning
// \obj (RTF 1.9). Not among them is \objattph, the place of an attachment in a
// text that Outlook wrote.
var rtfObjects = map[string]bool{"emb": true, "link": true, "autlink": true, "ocx": true, "update": true, "data": true, "html": true,
	"sub": true, "pub": true, "icemb": true}

// openRTF looks through a Rich Text document for objects, fields and templates
// that act, and takes out its objects.
func (w *walker) openRTF(a *Attachment, f file) error {
	for rest := range afterEach(f.content, `\obj`) {
		if rtfObjects[rtfWord(rest)] {
			a.add(OLEObject)
			break
		}
	}
	for rest := range afterEach(f.content, `\template`) {
		if target := rtfText(rest); remote(string(bytes.ToLower(target))) {
			a.add(ExternalTemplate)
		}
	}
	for rest := range afterEach(f.content, `\fldinst`) {
		code := rtfText(rest)
		if isDDE(code) {
			a.add(DDE)
		}
		if fieldRemote.Match(code) {
			a.add(ExternalObject)
		}
	}
	for rest := f.content; ; {
		i := bytes.Index(rest, []byte(`\objdata`))
		if i < 0 {
			return nil
		}
		rest = rest[i+len(`\objdata`):]
		data, read := rtfHex(rest)
		rest = rest[read:]
		content, reason, err := w.stream(f, 0, bytes.NewReader(data))
		if reason != "" || err != nil {
			return errStop
		}
		name, payload := ole1Object(content)
		if err := w.list(a, f, name, payload); err != nil {
			return err
		}
	}
}

// afterEach gives what follows each place where a control word stands.
func afterEach(b []byte, word string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for {
			i := bytes.Index(b, []byte(word))
			if i < 0 {
				return
			}
			b = b[i+len(word):]
			if !yield(b) {
				return
			}
		}
	}
}

// rtfWord is the rest of a control word: its letters.
func rtfWord(b []byte) string {
	n := 0
	for n < len(b) && n < 16 && b[n] >= 'a' && b[n] <= 'z' {
		n++
	}
	return string(b[:n])
}

// rtfTextBytes is how far behind a control word its text is looked for.
const rtfTextBytes = 512

// rtfText is the plain text that follows a control word: braces, further control
// words and line ends are passed over, up to the next control word behind it.
func rtfText(b []byte) []byte {
	b = b[:min(len(b), rtfTextBytes)]
	var text []byte
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '{' || c == '\r' || c == '\n':
		case c == '}':
			if len(text) > 0 {
				return bytes.TrimSpace(text)
			}
		case c == '\\' && i+1 < len(b) && (b[i+1] == '\\' || b[i+1] == '{' || b[i+1] == '}'):
			i++
			text = append(text, b[i])
		case c == '\\':
			for i+1 < len(b) && (b[i+1] >= 'a' && b[i+1] <= 'z' || b[i+1] >= '0' && b[i+1] <= '9' || b[i+1] == '-' || b[i+1] == '*') {
				i++
			}
			if i+1 < len(b) && b[i+1] == ' ' {
				i++
			}
		case len(text) > 0 || c > ' ':
			text = append(text, c)
		}
	}
	return bytes.TrimSpace(text)
}

// rtfHex decodes the digits of an object up to the end of its group, passing
// over white space, nested groups' braces and control words, and says how far
// it read.
func rtfHex(b []byte) (out []byte, read int) {
	depth, half, have := 0, byte(0), false
	i := 0
	for ; i < len(b); i++ {
		c := b[i]
		switch {
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth < 0 {
				return out, i
			}
		case c == '\\':
			for i+1 < len(b) && (b[i+1]|0x20 >= 'a' && b[i+1]|0x20 <= 'z' || b[i+1] >= '0' && b[i+1] <= '9' || b[i+1] == '-' || b[i+1] == '*' || b[i+1] == '\'') {
				i++
			}
		default:
			v, ok := hexValue(c)
			if !ok {
				continue
			}
			if have {
				out = append(out, half<<4|v)
			}
			half, have = v, !have
		}
	}
	return out, i
}

func hexValue(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// ole1Object takes the data out of an embedded object ([MS-OLEDS] §2.2.5); what
// is none is given as it is.
func ole1Object(b []byte) (name string, payload []byte) {
	rest, ok := skip(b, 8) // version, format
	class := ""
	for field := 0; ok && field < 3; field++ { // class, topic, item
		if len(rest) < 4 || uint64(u32(rest)) > uint64(len(rest)-4) {
			return "", b
		}
		if field == 0 {
			class = string(bytes.TrimRight(rest[4:4+u32(rest)], "\x00"))
		}
		rest = rest[4+u32(rest):]
	}
	if !ok || len(rest) < 4 {
		return "", b
	}
	data := rest[4:]
	data = data[:min(uint64(u32(rest)), uint64(len(data)))]
	if class == "Package" {
		return ole10Native(append(make([]byte, 4), data...))
	}
	return "", data
}
