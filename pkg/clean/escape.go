package clean

import (
	"strings"
	"unicode/utf8"
)

// writeText writes text with everything escaped that means something in HTML.
// Control characters and bidirectional overrides, which can make a text read
// otherwise than it is, are left out; bytes that are no UTF-8 become U+FFFD.
func writeText(out *strings.Builder, text string) {
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if !special[c] {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			out.WriteString(text[start:i])
			out.WriteString(escapes[c])
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if bad := r == utf8.RuneError && size == 1; bad || unseen(r) {
			out.WriteString(text[start:i])
			if bad {
				out.WriteString("\uFFFD")
			}
			start = i + size
		}
		i += size
	}
	out.WriteString(text[start:])
}

// escapeList holds what is written for characters that mean something in HTML.
var escapeList = []struct {
	meant   byte
	written string
}{{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&#34;"}, {'\'', "&#39;"}, {'`', "&#96;"}}

// escapes holds what is written for a byte that is not written as it is: nothing
// for controls.
var escapes = func() (table [utf8.RuneSelf]string) {
	for _, escape := range escapeList {
		table[escape.meant] = escape.written
	}
	table['\r'] = "\n"
	return table
}()

// special holds the bytes that writeText cannot copy unseen.
var special = func() (table [256]bool) {
	for c := range table {
		table[c] = c < ' ' && c != '\t' && c != '\n' || c >= 0x7F
	}
	for _, escape := range escapeList {
		table[escape.meant] = true
	}
	return table
}()

// unseen says whether a character is a control or forces a reading direction
// (Unicode 16.0 §23.2: LRO and RLO; C1 controls; noncharacters).
func unseen(r rune) bool {
	return r >= 0x80 && r <= 0x9F || r == 0x202D || r == 0x202E || r&0xFFFE == 0xFFFE ||
		r >= 0xFDD0 && r <= 0xFDEF
}

// tidy is writeText for text that stays text.
func tidy(text string) string {
	start := untidy(text)
	if start == len(text) {
		return text
	}
	var out strings.Builder
	out.Grow(len(text) + len("\uFFFD"))
	out.WriteString(text[:start])
	for i := start; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			out.WriteRune(utf8.RuneError)
		case r == '\r':
			if i+1 >= len(text) || text[i+1] != '\n' {
				out.WriteByte('\n')
			}
		case r == '\f' || r == '\v':
			out.WriteByte('\n')
		case r == '\t' || r == '\n':
			out.WriteByte(text[i])
		case r < ' ' || r == 0x7F || unseen(r):
		default:
			from := i
			for i += size; i < len(text) && text[i] >= ' ' && text[i] < 0x7F; i++ {
			}
			out.WriteString(text[from:i])
			continue
		}
		i += size
	}
	return out.String()
}

// untidy gives the offset of the first character that tidy changes.
func untidy(text string) int {
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c < 0x7F && (c >= ' ' || c == '\t' || c == '\n'):
			i++
			continue
		case c < utf8.RuneSelf:
			return i
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 || unseen(r) {
			return i
		}
		i += size
	}
	return len(text)
}

// oneLine gives text on one line, white space collapsed, without controls.
func oneLine(text string) string {
	if isOneLine(text) {
		return text
	}
	return strings.Join(strings.Fields(tidy(text)), " ")
}

// isOneLine says whether oneLine would leave a text as it is. Only text of ASCII
// is looked at.
func isOneLine(text string) bool {
	space := true
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c < ' ' || c >= 0x7F || c == ' ' && space {
			return false
		}
		space = c == ' '
	}
	return text == "" || !space
}

// cutText cuts text to at most n bytes without splitting a character.
func cutText(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// Line gives text on one line, without controls and forced reading directions,
// white space collapsed.
func Line(text string) string { return oneLine(text) }

// Cut cuts text to at most n bytes without splitting a character.
func Cut(text string, n int) string { return cutText(text, n) }

// FromText gives plain text as HTML that HTML would leave as it is.
func FromText(text string) string {
	var out strings.Builder
	out.WriteString(`<div style="white-space: pre-wrap">`)
	writeText(&out, tidy(text))
	out.WriteString("</div>")
	return out.String()
}
