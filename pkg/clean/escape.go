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
		if c < utf8.RuneSelf {
			if with, special := escapes(c); special {
				out.WriteString(text[start:i])
				out.WriteString(with)
				start = i + 1
			}
			i++
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

func escapes(c byte) (string, bool) {
	switch c {
	case '&':
		return "&amp;", true
	case '<':
		return "&lt;", true
	case '>':
		return "&gt;", true
	case '"':
		return "&#34;", true
	case '\'':
		return "&#39;", true
	case '`':
		return "&#96;", true
	case '\r':
		return "\n", true
	case '\t', '\n':
		return "", false
	}
	return "", c < ' ' || c == 0x7F
}

// unseen says whether a character is a control or forces a reading direction
// (Unicode 16.0 §23.2: LRO and RLO; C1 controls; noncharacters).
func unseen(r rune) bool {
	return r >= 0x80 && r <= 0x9F || r == 0x202D || r == 0x202E || r&0xFFFE == 0xFFFE ||
		r >= 0xFDD0 && r <= 0xFDEF
}

// tidy is writeText for text that stays text.
func tidy(text string) string {
	clean := true
	for i := 0; i < len(text) && clean; i++ {
		c := text[i]
		clean = c < utf8.RuneSelf && (c >= ' ' && c != 0x7F || c == '\t' || c == '\n')
	}
	if clean {
		return text
	}
	var out strings.Builder
	out.Grow(len(text))
	for i := 0; i < len(text); {
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
			out.WriteRune(r)
		case r < ' ' || r == 0x7F || unseen(r):
		default:
			out.WriteString(text[i : i+size])
		}
		i += size
	}
	return out.String()
}

// oneLine gives text on one line, white space collapsed, without controls.
func oneLine(text string) string {
	return strings.Join(strings.Fields(tidy(text)), " ")
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
