package pii

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Plain gives a text as it is searched: what takes no room is left out, spaces,
// dashes and digits of all writings are those of ASCII, and so are the full-width
// and mathematical forms of its letters; what is percent-encoded stands as itself.
// Two values that differ in nothing else are one value.
func Plain(text string) string {
	plain, _ := fold(text)
	return plain
}

// A bend is where offsets into a folded text and into its source part.
type bend struct {
	plain, source int
	width         int // bytes of the source that stand for one byte here; 0: they run alike from here on
}

// fold gives the plain form of a text and where the two part, nil where they are
// the same.
func fold(text string) (string, []bend) {
	at := firstFolded(text)
	if at == len(text) {
		return text, nil
	}
	var out strings.Builder
	out.Grow(len(text))
	out.WriteString(text[:at])
	bends := []bend{{0, 0, 0}}
	alike := true // what was written last runs alike
	for i := at; i < len(text); {
		c, size, changed := foldAt(text, i)
		switch {
		case !changed:
			if !alike {
				bends = append(bends, bend{out.Len(), i, 0})
				alike = true
			}
			for i+size < len(text) && text[i+size] < utf8.RuneSelf && text[i+size] != '%' {
				size++
			}
			out.WriteString(text[i : i+size])
		case c == 0:
			alike = false
		default:
			bends = append(bends, bend{out.Len(), i, size})
			out.WriteByte(c)
			alike = false
		}
		i += size
	}
	return out.String(), bends
}

// firstFolded gives the offset of the first character that fold changes.
func firstFolded(text string) int {
	for i := 0; i < len(text); {
		if text[i] != '%' && !mayFold[text[i]] {
			i++
			continue
		}
		_, size, changed := foldAt(text, i)
		if changed {
			return i
		}
		i += size
	}
	return len(text)
}

// foldAt reads the character at i and gives the byte of ASCII that stands for it,
// 0 where nothing does; changed is false for a character that stays.
func foldAt(text string, i int) (c byte, size int, changed bool) {
	switch {
	case text[i] == '%':
		r, size := unescape(text, i)
		if size > 0 && r < utf8.RuneSelf {
			return byte(r), size, true
		}
		if c, changed := foldRune(r); size > 0 && changed {
			return c, size, true
		}
		return 0, 1, false
	case !mayFold[text[i]]:
		return 0, 1, false
	}
	r, size := utf8.DecodeRuneInString(text[i:])
	c, changed = foldRune(r)
	return c, size, changed
}

// unescape reads a character that is percent-encoded (RFC 3986 §2.1), size 0 for
// none. Signs of control stay as they are written.
func unescape(text string, i int) (r rune, size int) {
	var raw [utf8.UTFMax]byte
	n := 0
	for n < len(raw) && !utf8.FullRune(raw[:n]) {
		c, width := escape(text, i+size)
		if width == 0 {
			return 0, 0
		}
		raw[n] = c
		n++
		size += width
	}
	r, width := utf8.DecodeRune(raw[:n])
	if width != n || r == utf8.RuneError || r < ' ' || r == 0x7F {
		return 0, 0
	}
	return r, size
}

// maxEscapes bounds how often one sign is encoded anew, as addresses within
// addresses are: %252540.
const maxEscapes = 2

// escape reads one byte that is percent-encoded, size 0 for none.
func escape(text string, i int) (c byte, size int) {
	if i >= len(text) || text[i] != '%' {
		return 0, 0
	}
	at := i + 1
	for n := 0; n < maxEscapes && at+4 <= len(text) && text[at:at+2] == "25" && isHexByte(text[at+2]) && isHexByte(text[at+3]); n++ {
		at += 2
	}
	if at+2 > len(text) || !isHexByte(text[at]) || !isHexByte(text[at+1]) {
		return 0, 0
	}
	return hexValue(text[at])<<4 | hexValue(text[at+1]), at + 2 - i
}

func hexValue(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return upper(c) - 'A' + 10
}

// escaped says whether what stands at an offset is percent-encoded in the source.
func (s *scan) escaped(i int) bool {
	at := sort.Search(len(s.bends), func(at int) bool { return s.bends[at].plain > i }) - 1
	return at >= 0 && s.bends[at].plain == i && s.bends[at].width > 0 && s.source[s.bends[at].source] == '%'
}

// mayFold holds the first bytes of characters that foldRune can change. Those of
// most letters of Latin, Greek, Cyrillic and Han are not among them.
var mayFold = [256]bool{0xC2: true, 0xCD: true, 0xD8: true, 0xD9: true, 0xDB: true, 0xDF: true, 0xE0: true, 0xE1: true,
	0xE2: true, 0xE3: true, 0xEA: true, 0xEF: true, 0xF0: true, 0xF3: true}

// foldRune gives the byte of ASCII that stands for a character, 0 where nothing
// does; changed is false for a character that stays.
func foldRune(r rune) (c byte, changed bool) {
	switch {
	case r < 0xA0:
		return 0, false
	case unseen(r):
		return 0, true
	case r == 0xA0, r == 0x1680, r >= 0x2000 && r <= 0x200A, r == 0x202F, r == 0x205F, r == 0x3000:
		return ' ', true
	case r >= 0x2010 && r <= 0x2015, r == 0x2043, r == 0x2212, r == 0xFE58, r == 0xFE63:
		return '-', true
	case r == 0xFE6B:
		return '@', true
	case r >= 0xFF01 && r <= 0xFF5E: // full-width forms
		return byte(r - 0xFF01 + '!'), true
	case r >= 0x1D400 && r <= 0x1D7FF: // mathematical letters and digits
		if form := norm.NFKC.String(string(r)); len(form) == 1 {
			return form[0], true
		}
	case r >= 0x660 && unicode.Is(unicode.Nd, r):
		return '0' + digitValue(r), true
	}
	return 0, false
}

// unseen says whether a character takes no room on the line.
func unseen(r rune) bool {
	switch {
	case r == 0xAD, r == 0x34F, r == 0x61C, r == 0x180E, r == 0xFEFF, r >= 0x200B && r <= 0x200F, r >= 0x202A && r <= 0x202E,
		r >= 0x2060 && r <= 0x206F, r >= 0xFE00 && r <= 0xFE0F, r >= 0xE0000 && r <= 0xE007F:
		return true
	}
	return false
}

// digitValue gives the value of a decimal digit. Each writing has its ten in a
// row, and every row of the table is some of these (Unicode 16.0 §4.6).
func digitValue(r rune) byte {
	for _, row := range unicode.Nd.R16 {
		if r >= rune(row.Lo) && r <= rune(row.Hi) {
			return byte((r - rune(row.Lo)) % 10)
		}
	}
	for _, row := range unicode.Nd.R32 {
		if r >= rune(row.Lo) && r <= rune(row.Hi) {
			return byte((r - rune(row.Lo)) % 10)
		}
	}
	return 0
}

// unfold gives finds in a folded text the offsets that they have in its source.
func unfold(found []Match, bends []bend) {
	if bends == nil {
		return
	}
	at := func(plain int) bend {
		i := sort.Search(len(bends), func(i int) bool { return bends[i].plain > plain }) - 1
		b := bends[i]
		if b.width == 0 {
			b.source += plain - b.plain
			b.width = 1
		}
		return b
	}
	for i, m := range found {
		last := at(m.End - 1)
		found[i].Start, found[i].End = at(m.Start).source, last.source+last.width
	}
}
