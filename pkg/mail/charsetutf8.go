package mail

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
)

var byteOrderMark = []byte("\xef\xbb\xbf")

// isWestern says whether the upper half of a charset begins with signs and has its letters
// behind them: a letter before a sign is rare in such texts, and what UTF-8 is made of.
func isWestern(enc encoding.Encoding) bool {
	return enc == charmap.Windows1252 || enc == charmap.ISO8859_1 || enc == charmap.ISO8859_15
}

// isUTF8AsLatin says whether what declares a charset of Western Europe is UTF-8: all of it
// has to be valid, with a letter that such a text has as one byte or never by chance, or two
// of an alphabet that Western Europe does not write. A single pair is not enough for these:
// "CAF\xc9\x85" is a word and three dots.
func isUTF8AsLatin(in []byte) bool {
	if !utf8.Valid(in) {
		return false
	}
	alphabet := 0
	for _, r := range string(in) {
		switch {
		case r >= 0xa0 && r <= 0xff, r >= 0x800:
			return true
		case r >= 0x100 && r <= 0x17f, r >= 0x218 && r <= 0x21b, r >= 0x370 && r <= 0x6ff:
			alphabet++
		}
	}
	return alphabet >= 2
}

// repairUTF8 keeps what is valid and counts the places that are not. Text that is mostly
// not UTF-8 is guessed, and so is one of which every third byte beyond ASCII is not, where
// it then is a text of an East Asian charset: by chance pairs of these are letters in UTF-8.
func repairUTF8(in []byte) (string, int) {
	bad, good, badBytes, goodBytes, size := 0, 0, 0, 0, 0
	inRun := false
	for rest := in; len(rest) > 0; rest = rest[size:] {
		var r rune
		r, size = utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			if !inRun {
				bad++
			}
			badBytes++
			inRun = true
			continue
		case r >= 0x80:
			good++
			goodBytes += size
		}
		inRun = false
	}
	if bad > 0 && good < bad {
		return guess(in), max(bad, 1)
	}
	if badBytes*2 > goodBytes {
		if enc := likeliest(in); isEastAsian(enc) {
			if text, n := decodeWith(enc, in); n < bad && n*mislabelled <= countForeign(text) {
				return text, bad
			}
		}
	}
	return strings.ToValidUTF8(string(in), "\uFFFD"), bad
}
