package attachment

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"html"
	"io"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// plainText is a text as UTF-8, whether it came so or as UTF-16, which is told by its mark or, as
// XML does, by its first letter (XML 1.0 appendix F).
func plainText(content []byte) []byte {
	var order binary.ByteOrder = binary.LittleEndian
	switch string(content[:min(len(content), 2)]) {
	case "\xff\xfe", "<\x00":
	case "\xfe\xff", "\x00<":
		order = binary.BigEndian
	default:
		return bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	}
	text := make([]byte, 0, len(content)/2)
	for ; len(content) >= 2; content = content[2:] {
		r := rune(order.Uint16(content))
		if utf16.IsSurrogate(r) && len(content) >= 4 {
			r = utf16.DecodeRune(r, rune(order.Uint16(content[2:])))
			content = content[2:]
		}
		if r != 0 && r != '\ufeff' { // zeros are of UTF-32
			text = utf8.AppendRune(text, r)
		}
	}
	return text
}

// xmlEncoding finds the encoding in the declaration of an XML text.
var xmlEncoding = regexp.MustCompile(`(?i)encoding\s*=\s*["']\s*([^"'\s]*)`)

// plainEncodings begin the names of encodings in which marks are letters of ASCII, or that
// are told without their name.
var plainEncodings = []string{"utf-8", "utf8", "utf-16", "ucs-2", "iso-10646-ucs-2", "us-ascii", "ascii", "iso-8859-", "latin", "windows-12", "cp125"}

// xmlBody is an XML text behind its declaration, which parsers of other versions of XML stop at.
// ok is false where it is none, or is in an encoding that is not read here.
func xmlBody(content []byte) (body []byte, ok bool) {
	body = bytes.TrimLeft(plainText(content), " \t\r\n")
	if len(body) > 0 && body[0] != '<' {
		return nil, false
	}
	ok = true
	if bytes.HasPrefix(body, []byte("<?xml")) && len(body) > 5 && bytes.IndexByte([]byte(" \t\r\n"), body[5]) >= 0 {
		declaration, rest, closed := bytes.Cut(body, []byte("?>"))
		if !closed {
			return nil, false
		}
		if named := xmlEncoding.FindSubmatch(declaration); named != nil {
			ok = hasPrefixOf(strings.ToLower(string(named[1])), plainEncodings)
		}
		body = rest
	}
	if !utf8.Valid(body) { // letters of other encodings, none of which is a mark
		body = bytes.ToValidUTF8(body, []byte("?"))
	}
	return body, ok
}

func hasPrefixOf(s string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

// xmlDecoder reads what xmlBody gives.
func xmlDecoder(body []byte) *xml.Decoder {
	d := xml.NewDecoder(bytes.NewReader(body))
	d.Strict = false
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	return d
}

// formulaElements hold formulas: of cells, of rules and checks, of names (ECMA-376 part 1 §18).
var formulaElements = map[string]bool{"f": true, "formula": true, "formula1": true, "formula2": true, "definedName": true}

// eachFormula calls visit for every formula of a part.
func eachFormula(body []byte, visit func(formula string)) {
	for {
		i := bytes.IndexByte(body, '<')
		if i < 0 {
			return
		}
		body = body[i+1:]
		if !formulaElements[string(localName(body))] {
			continue
		}
		end := tagEnd(body)
		if end < 0 {
			return
		}
		empty := end > 0 && body[end-1] == '/'
		body = body[end+1:]
		if !empty {
			var formula string
			formula, body = elementText(body)
			visit(formula)
		}
	}
}

// localName is the name of the element whose tag begins before b, without its prefix.
func localName(b []byte) []byte {
	n := bytes.IndexAny(b, xmlSpace+"/><") // the last of which no name holds: nothing is read twice
	if n < 0 {
		return nil
	}
	return b[bytes.LastIndexByte(b[:n], ':')+1 : n]
}

const xmlSpace = " \t\r\n"

// An xmlTag is one that begins an element.
type xmlTag struct {
	name string // without its prefix
	text []byte // up to its end
}

// eachTag calls visit for the tags that begin elements. It gives false where not all are seen: one does not end, or
// the document declares what it is made of, by which elements have attributes that are not written there
// (XML 1.0 §3.3.2).
func eachTag(body []byte, visit func(tag xmlTag)) (whole bool) {
	for {
		i := bytes.IndexByte(body, '<')
		if i < 0 {
			return true
		}
		body = body[i+1:]
		closing := ""
		switch {
		case bytes.HasPrefix(body, []byte("!--")):
			body, closing = body[3:], "-->"
		case bytes.HasPrefix(body, []byte("![CDATA[")):
			closing = "]]>"
		case bytes.HasPrefix(body, []byte("?")):
			closing = "?>"
		}
		if closing != "" {
			var closed bool
			if _, body, closed = bytes.Cut(body, []byte(closing)); !closed {
				return false
			}
			continue
		}
		end := tagEnd(body)
		if end < 0 || end > 0 && body[0] == '!' && bytes.IndexByte(body[:end], '[') >= 0 {
			return false
		}
		if end > 0 && body[0] != '/' && body[0] != '!' {
			visit(xmlTag{string(localName(body)), body[:end]})
		}
		body = body[end+1:]
	}
}

// attributes calls visit for each attribute, by its name without prefix.
func (t xmlTag) attributes(visit func(name, value string)) {
	for rest := t.text; ; {
		name, after, found := bytes.Cut(rest, []byte("="))
		after = bytes.TrimLeft(after, xmlSpace)
		if !found || len(after) == 0 || after[0] != '"' && after[0] != '\'' {
			return
		}
		value, more, closed := bytes.Cut(after[1:], after[:1])
		if !closed {
			return
		}
		name = bytes.TrimRight(name, xmlSpace)
		name = name[bytes.LastIndexAny(name, xmlSpace+":")+1:]
		visit(string(name), html.UnescapeString(string(value)))
		rest = more
	}
}

// has tells whether there is an attribute of a name.
func (t xmlTag) has(name string) (is bool) {
	t.attributes(func(other, _ string) { is = is || other == name })
	return is
}

// tagEnd is where a tag ends, -1 for nowhere.
func tagEnd(b []byte) int {
	quote := byte(0)
	for i, c := range b {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"', c == '\'':
			quote = c
		case c == '>':
			return i
		}
	}
	return -1
}

// elementText is the text up to the next tag. Remarks may stand in it, and parts that are
// not to be unescaped.
func elementText(b []byte) (text string, rest []byte) {
	var out strings.Builder
	for {
		i := bytes.IndexByte(b, '<')
		if i < 0 {
			i = len(b)
		}
		out.WriteString(html.UnescapeString(string(b[:i])))
		b = b[i:]
		var skipped []byte
		switch {
		case bytes.HasPrefix(b, []byte("<!--")):
			_, b, _ = bytes.Cut(b, []byte("-->"))
		case bytes.HasPrefix(b, []byte("<?")):
			_, b, _ = bytes.Cut(b, []byte("?>"))
		case bytes.HasPrefix(b, []byte("<![CDATA[")):
			skipped, b, _ = bytes.Cut(b[len("<![CDATA["):], []byte("]]>"))
			out.Write(skipped)
		default:
			return out.String(), b
		}
	}
}

// withoutQuoted drops the texts and the quoted names of a formula, where the quotes come in pairs.
func withoutQuoted(formula string) string {
	var out strings.Builder
	quote := byte(0)
	for i := range len(formula) {
		switch c := formula[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"', c == '\'':
			quote = c
		default:
			out.WriteByte(c)
		}
	}
	if quote != 0 {
		return formula
	}
	return out.String()
}
