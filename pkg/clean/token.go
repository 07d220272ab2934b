package clean

import (
	"strings"

	"golang.org/x/net/html"
)

// A tokenKind says what a token is. Comments, declarations and the like are read
// over.
type tokenKind uint8

const (
	noToken tokenKind = iota // the input is at its end
	textToken
	startTag
	endTag
)

// A tokenizer cuts a document into tokens by the rules of WHATWG HTML §13.2.5,
// without foreign content, in the reading of golang.org/x/net/html, with which
// a test and a fuzz target compare it. It copies nothing: text and attributes
// are stretches of the input until somebody asks for them, and only attributes
// that have a number are kept.
type tokenizer struct {
	input string // line ends are LF
	at    int
	raw   string // the element whose end tag alone ends the next text, "" for none

	// The token at hand.
	text       string
	textIsRaw  bool // character references stand for themselves
	textIsData bool // of a raw-text element: NUL becomes U+FFFD
	tag        *tag
	attributes attributes
}

func newTokenizer(input string) *tokenizer {
	if strings.IndexByte(input, '\r') >= 0 { // WHATWG HTML §13.2.3.5
		input = unixLines(input)
	}
	return &tokenizer{input: input}
}

// unixLines turns CR LF and CR into LF.
func unixLines(text string) string {
	var out strings.Builder
	out.Grow(len(text))
	for {
		at := strings.IndexByte(text, '\r')
		if at < 0 {
			out.WriteString(text)
			return out.String()
		}
		out.WriteString(text[:at])
		out.WriteByte('\n')
		if text = text[at+1:]; text != "" && text[0] == '\n' {
			text = text[1:]
		}
	}
}

// nextIsNotRaw has what follows a start tag read as if scripts did not run.
func (z *tokenizer) nextIsNotRaw() { z.raw = "" }

// next reads the next token.
func (z *tokenizer) next() tokenKind {
	if z.raw != "" {
		from, name := z.at, z.raw
		z.raw, z.at = "", z.rawEnd(name)
		if z.at > from {
			z.text, z.textIsData = z.input[from:z.at], true
			z.textIsRaw = name != "textarea" && name != "title"
			return textToken
		}
	}
	z.textIsRaw, z.textIsData = false, false
	for from := z.at; ; {
		open := strings.IndexByte(z.input[z.at:], '<')
		if open < 0 || z.at+open+1 == len(z.input) {
			z.at = len(z.input)
			return z.textFrom(from, z.at)
		}
		open += z.at
		c := z.input[open+1]
		if !isASCIILetter(c) && c != '/' && c != '!' && c != '?' {
			z.at = open + 1 // a bare "<" is text
			continue
		}
		if open > from {
			z.at = open
			return z.textFrom(from, open)
		}
		if c == '/' && open+2 == len(z.input) {
			z.at = len(z.input)
			return z.textFrom(open, z.at)
		}
		if kind := z.markup(open, c); kind != noToken || z.at == len(z.input) {
			return kind
		}
		from = z.at
	}
}

func (z *tokenizer) textFrom(from, to int) tokenKind {
	if from == to {
		return noToken
	}
	z.text = z.input[from:to]
	return textToken
}

// markup reads what begins with a "<" and the byte c; noToken for what is read
// over.
func (z *tokenizer) markup(open int, c byte) tokenKind {
	switch {
	case c == '!' && strings.HasPrefix(z.input[open:], "<!--"):
		z.at = commentEnd(z.input, open+4)
	case c == '!' || c == '?':
		z.at = z.behind('>', open+2)
	case c != '/':
		return z.startTag(open + 1)
	case isASCIILetter(z.input[open+2]):
		return z.endTag(open + 2)
	default: // "</>" and what is no name are comments
		z.at = z.behind('>', open+2)
	}
	return noToken
}

// behind gives the offset after the next byte c, the end where none follows.
func (z *tokenizer) behind(c byte, at int) int {
	if i := strings.IndexByte(z.input[at:], c); i >= 0 {
		return at + i + 1
	}
	return len(z.input)
}

// commentEnd gives the offset behind a comment whose words begin at from
// (WHATWG HTML §13.2.5.43 to §13.2.5.52).
func commentEnd(input string, from int) int {
	for at := from; ; {
		i := strings.IndexByte(input[at:], '>')
		if i < 0 {
			return len(input)
		}
		words := input[from : at+i]
		at += i + 1
		if words == "" || words == "-" || strings.HasSuffix(words, "--") || strings.HasSuffix(words, "--!") {
			return at
		}
	}
}

func (z *tokenizer) startTag(from int) tokenKind {
	z.attributes.reset()
	name := z.tagName(from)
	for {
		z.at = skipSpace(z.input, z.at)
		if z.at == len(z.input) {
			return noToken // a tag that is not closed is none
		}
		if z.input[z.at] == '>' {
			break
		}
		key, value := z.attribute()
		if z.at == len(z.input) {
			return noToken
		}
		if key != "" {
			z.attributes.add(key, value)
		}
	}
	z.at++
	z.tag = tagOf(name)
	if z.tag.raw {
		z.raw = z.tag.name
	}
	return startTag
}

// endTag reads an end tag. Its attributes mean nothing.
func (z *tokenizer) endTag(from int) tokenKind {
	name := z.tagName(from)
	for {
		z.at = skipSpace(z.input, z.at)
		if z.at == len(z.input) {
			return noToken
		}
		if z.input[z.at] == '>' {
			break
		}
		z.attribute()
	}
	z.at++
	z.tag = tagOf(name)
	return endTag
}

func (z *tokenizer) tagName(from int) string {
	z.at = from
	for z.at < len(z.input) && tagByte[z.input[z.at]]&endsName == 0 {
		z.at++
	}
	return z.input[from:z.at]
}

// attribute reads one attribute as it stands. It ends at the input's end where
// the value does not.
func (z *tokenizer) attribute() (key, value string) {
	input, from := z.input, z.at
	if input[z.at] == '=' { // WHATWG HTML §13.2.5.32: part of the name
		z.at++
	}
	for z.at < len(input) && tagByte[input[z.at]]&endsKey == 0 {
		z.at++
	}
	key = input[from:z.at]
	z.at = skipSpace(input, z.at)
	if z.at == len(input) {
		return key, ""
	}
	switch input[z.at] {
	case '/':
		z.at++
		return key, ""
	case '=':
		z.at = skipSpace(input, z.at+1)
	default:
		return key, ""
	}
	if z.at == len(input) {
		return key, ""
	}
	switch quote := input[z.at]; quote {
	case '>':
		return key, ""
	case '"', '\'':
		from = z.at + 1
		end := strings.IndexByte(input[from:], quote)
		if end < 0 {
			z.at = len(input)
			return key, ""
		}
		z.at = from + end + 1
		return key, input[from : from+end]
	}
	from = z.at
	for z.at < len(input) && tagByte[input[z.at]]&endsValue == 0 {
		z.at++
	}
	return key, input[from:z.at]
}

// What bytes end within a tag.
const (
	isSpace = 1 << iota
	endsName
	endsKey
	endsValue
)

var tagByte = [256]uint8{
	' ': isSpace | endsName | endsKey | endsValue, '\n': isSpace | endsName | endsKey | endsValue,
	'\t': isSpace | endsName | endsKey | endsValue, '\f': isSpace | endsName | endsKey | endsValue,
	'/': endsName | endsKey, '>': endsName | endsKey | endsValue, '=': endsKey,
}

func skipSpace(input string, at int) int {
	for at < len(input) && tagByte[input[at]]&isSpace != 0 {
		at++
	}
	return at
}

func isASCIILetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// words gives the text token at hand as it is meant.
func (z *tokenizer) words() string {
	text := z.text
	if z.textIsData && strings.IndexByte(text, 0) >= 0 {
		text = strings.ReplaceAll(text, "\x00", "\uFFFD")
	}
	if !z.textIsRaw && strings.IndexByte(text, '&') >= 0 {
		text = html.UnescapeString(text)
	}
	return text
}
