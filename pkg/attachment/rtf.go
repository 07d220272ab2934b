package attachment

import (
	"bytes"
	"regexp"
)

// The control words of RTF 1.9 that matter.
var (
	rtfObject   = regexp.MustCompile(`\\obj(?:emb|link|autlink|ocx|update|data|html|attph|sub|pub|icemb)\b`)
	rtfTemplate = regexp.MustCompile(`\\template[\s{]*(?:\\[a-z]+-?\d*[\s{]*)*([^}\\][^}]{0,512})`)
	rtfDDE      = regexp.MustCompile(`\\fldinst[^}]{0,64}?\b(?i:DDE|DDEAUTO)\b`)
	rtfRemote   = regexp.MustCompile(`\\fldinst[^}]{0,64}?\b(?i:INCLUDETEXT|INCLUDEPICTURE|IMPORT|LINK)\b[^}]{0,64}?(?i:https?:|ftp:|\\\\\\\\)`)
)

// openRTF looks through a Rich Text document for objects, fields and templates
// that act, and takes out its objects.
func (w *walker) openRTF(a *Attachment, f file) error {
	if rtfObject.Match(f.content) {
		a.add(OLEObject)
	}
	if m := rtfTemplate.FindSubmatch(f.content); m != nil && remote(string(bytes.ToLower(bytes.TrimSpace(m[1])))) {
		a.add(ExternalTemplate)
	}
	// Groups and line ends may stand between the keyword and its text.
	flat := bytes.Clone(f.content)
	for i, c := range flat {
		if c == '{' || c == '\r' || c == '\n' {
			flat[i] = ' '
		}
	}
	if rtfDDE.Match(flat) {
		a.add(DDE)
	}
	if rtfRemote.Match(flat) {
		a.add(ExternalObject)
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
