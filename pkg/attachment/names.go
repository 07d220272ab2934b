package attachment

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Extension is the last extension of a name, lower case and without the dot, by which a file
// is judged. Who hands a file out must give it a name of the same.
func Extension(name string) string { return extensionOf(name) }

// extensionOf reads it as Windows would: it ignores trailing dots and spaces.
func extensionOf(name string) string {
	base := strings.Map(func(r rune) rune {
		if Vanishes(r) {
			return -1
		}
		return r
	}, baseName(name))
	base = strings.TrimRight(withoutStream(base), neverLast)
	dot := strings.LastIndexByte(base, '.')
	if dot < 0 {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(base[dot+1:]))
}

// neverLast are the marks that no file's name ends with once it is saved: Windows drops the first
// three, and mail programs the others.
const neverLast = ". \u00a0\t<>\"'?*|"

// withoutStream drops what NTFS takes for the name of a stream: "a.exe::$DATA" is
// a.exe. What stands before the colon without an extension is a word: "Re: a.csv".
func withoutStream(base string) string {
	if i := strings.IndexByte(base, ':'); i > 1 && strings.IndexByte(base[:i], '.') >= 0 {
		return base[:i]
	}
	return base
}

// baseName is what follows the last slash of either kind.
func baseName(name string) string {
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		return name[i+1:]
	}
	return name
}

// nameReasons says what is wrong with the name of a part or member.
func nameReasons(name string) []Reason {
	var found []Reason
	if name == "" {
		return nil
	}
	if strings.ContainsFunc(name, turnsDirection) {
		found = append(found, RightToLeftOverride)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f || isInvisible(r) }) {
		found = append(found, ControlCharacterName)
	}
	base := strings.Map(func(r rune) rune {
		if turnsDirection(r) || isInvisible(r) || r < ' ' {
			return -1
		}
		return r
	}, baseName(name))
	extension := extensionOf(base)
	claimed := extensions[extension]
	if claimed.reason != "" {
		found = append(found, claimed.reason)
	} else if _, stream, ok := strings.Cut(base, ":"); ok { // programs that put another mark for the colon keep what follows
		if r := extensions[extensionOf(stream)].reason; r != "" {
			found = append(found, r)
		}
	}
	switch before := familyBefore(base); {
	case claimed.reason != "" && (before.harmless() || before == archive), claimed.family == webpage && before.harmless():
		found = append(found, DoubleExtension)
	}
	if padded(base) {
		found = append(found, PaddedName)
	}
	if strings.ContainsFunc(base, isLikeDot) || mixesScripts(base) {
		found = append(found, MixedScriptName)
	}
	return found
}

// familyBefore is what the extension before the last one claims, of those that
// people trust: pdf of "invoice.pdf.exe".
func familyBefore(base string) family {
	base = strings.TrimRight(base, ". \u00a0")
	dot := strings.LastIndexByte(base, '.')
	if dot <= 0 {
		return unknown
	}
	before := extensions[extensionOf(base[:dot])]
	if before.reason != "" {
		return unknown
	}
	return before.family
}

// padded tells whether spaces push the end of a name out of sight.
func padded(base string) bool {
	dot := strings.LastIndexByte(strings.TrimRight(base, ". "), '.')
	if dot < 0 {
		return false
	}
	run := 0
	for _, r := range base[:dot+1] {
		if unicode.IsSpace(r) || r == '\u2800' || r == '\u3164' || r == '_' && run > 0 {
			run++
			if run >= 8 {
				return true
			}
			continue
		}
		run = 0
	}
	return false
}

// turnsDirection names the characters that reorder what follows (UAX #9):
// overrides and isolates of either direction. Plain direction marks are
// part of honest Hebrew and Arabic names.
func turnsDirection(r rune) bool {
	return r == 0x202d || r == 0x202e || r >= 0x2066 && r <= 0x2068
}

// isInvisible names characters without a glyph that have no place in a name.
func isInvisible(r rune) bool {
	return r == 0x00ad || r == 0x200b || r == 0x2060 || r == 0xfeff || r >= 0xe0000 && r <= 0xe007f
}

// Vanishes tells characters that are left out of a name before it is used, or that nobody sees in it.
func Vanishes(r rune) bool {
	return isInvisible(r) || r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2060 && r <= 0x206f || r == 0x61c
}

// lookalikes are the Cyrillic and Greek letters that read as Latin ones.
const lookalikes = "ѵϲϳаеорсухіјѕһԁԛԝАВЕКМНОРСТХІЈЅοινΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"

// mixesScripts tells whether one word has Latin letters and letters of another
// alphabet that only look Latin.
func mixesScripts(base string) bool {
	for _, word := range strings.FieldsFunc(base, func(r rune) bool { return !unicode.IsLetter(r) }) {
		latin, alike, other := false, false, false
		for _, r := range word {
			switch {
			case unicode.Is(unicode.Latin, r):
				latin = true
			case strings.ContainsRune(lookalikes, r):
				alike = true
			default:
				other = true
			}
		}
		if latin && alike && !other {
			return true
		}
	}
	return false
}

// isLikeDot names the characters that look like the dot before an extension and
// are none, where no script has them between its letters.
func isLikeDot(r rune) bool {
	return r == 0x2024 || r == 0xfe52 || r == 0xa4f8 || r == 0x1d16d
}

// memberReasons says what is wrong with a path inside a container.
func memberReasons(name string) []Reason {
	found := nameReasons(name)
	if escapes(name) {
		found = append(found, PathTraversal)
	}
	return found
}

// escapes tells whether unpacking to name would leave the target folder.
func escapes(name string) bool {
	slashed := strings.ReplaceAll(name, `\`, "/")
	if strings.HasPrefix(slashed, "/") {
		return true
	}
	if len(slashed) >= 2 && slashed[1] == ':' && slashed[0] < utf8.RuneSelf && unicode.IsLetter(rune(slashed[0])) {
		return true
	}
	depth := 0
	for _, step := range strings.Split(slashed, "/") {
		switch step {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}
