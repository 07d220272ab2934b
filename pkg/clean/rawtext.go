package clean

import "strings"

// rawEnd gives the offset at which the text of a raw-text element ends: its end
// tag, or the end of the input.
func (z *tokenizer) rawEnd(name string) int {
	switch name {
	case "plaintext":
		return len(z.input)
	case "script":
		return scriptEnd(z.input, z.at)
	}
	for at := z.at; ; {
		open := strings.IndexByte(z.input[at:], '<')
		if open < 0 {
			return len(z.input)
		}
		at += open + 1
		if endTagOf(z.input[at:], name) {
			return at - 1
		}
	}
}

// endTagOf says whether a text goes on after a "<" with the end tag of an
// element (WHATWG HTML §13.2.5.14).
func endTagOf(rest, name string) bool {
	return rest != "" && rest[0] == '/' && tagNamed(rest[1:], name)
}

// tagNamed says whether a text begins with a tag's name, of small letters, and
// what ends it.
func tagNamed(text, name string) bool {
	if len(text) <= len(name) || tagByte[text[len(name)]]&endsName == 0 {
		return false
	}
	for i := 0; i < len(name); i++ {
		if text[i]|0x20 != name[i] {
			return false
		}
	}
	return true
}

// scriptEnd is rawEnd for scripts, which may hide their end tag in what looks
// like a comment that holds a script (WHATWG HTML §13.2.5.15 to §13.2.5.31).
func scriptEnd(input string, at int) int {
	const (
		plain = iota
		hidden
		nested
	)
	mode, dashes := plain, 0
	for at < len(input) {
		c := input[at]
		at++
		switch {
		case c == '-' && mode != plain:
			dashes++
			continue
		case c == '>' && mode != plain && dashes >= 2:
			mode = plain
		case c != '<' || at == len(input):
		case mode == plain && strings.HasPrefix(input[at:], "!--"):
			mode, dashes = hidden, 2
			at += 3
			continue
		case mode != nested && endTagOf(input[at:], "script"):
			return at - 1
		case mode == nested && endTagOf(input[at:], "script"):
			mode = hidden
			at += len("/script>")
		case mode == hidden && isASCIILetter(input[at]):
			if tagNamed(input[at:], "script") {
				mode = nested
				at += len("script>")
			}
		case mode == hidden && input[at] != '/':
			mode = plain
		}
		dashes = 0
	}
	return len(input)
}
