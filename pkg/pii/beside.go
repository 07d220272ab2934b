package pii

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// wordsBefore reads the words that end right before an offset, the nearest first,
// on one line. Words for "number" right there are left out.
func wordsBefore(text string, i int, words []textWord) []textWord {
	from := i
	for len(words) < cap(words) {
		j, dot, comma := i, false, false
		for j > 0 && i-j < 4 && (text[j-1] == ' ' || text[j-1] == '.' || text[j-1] == ',' || text[j-1] == '\t' || text[j-1] == ':' && i == from) {
			dot = dot || text[j-1] == '.'
			comma = comma || text[j-1] == ','
			j--
		}
		if comma && len(words) > 0 {
			break
		}
		start := wordStart(text, j)
		if start == j || j == i && len(words) > 0 {
			break
		}
		word := lower(text[start:j])
		if len(words) == 0 && numberWords[word] && i == from {
			i, from = start, 0
			continue
		}
		if len(words) == 0 && from > 0 && strings.IndexByte(text[j:i], ':') >= 0 {
			break
		}
		words = append(words, textWord{start, j, dot})
		i = start
	}
	return words
}

// wordStart walks back over letters and what may stand within a name.
func wordStart(text string, i int) int {
	from := i
	if i > 1 && text[i-1] == '/' && text[i-2]|0x20 == 'c' { // C/ Mayor
		i--
	}
	for i > 0 && from-i < maxWord {
		r, size := utf8.DecodeLastRuneInString(text[:i])
		if !unicode.IsLetter(r) && !unicode.IsMark(r) && !((r == '\'' || r == '’' || r == '-' || r == '/' || r == '°' || r == 'º') && i < from) && r != 'º' && r != '°' {
			break
		}
		i -= size
	}
	for i < from && (text[i] == '-' || text[i] == '\'' || text[i] == '/') {
		i++
	}
	return i
}

// wordsAfter reads the words that begin right behind an offset, on one line and
// without a comma between.
func wordsAfter(text string, i int, words []textWord) []textWord {
	for len(words) < cap(words) {
		start := i
		for start < len(text) && start-i < 3 && (text[start] == ' ' || text[start] == '\t' || len(words) <= 1 && text[start] == ',') {
			start++
		}
		end := start
		for end < len(text) && end-start < maxWord {
			r, size := utf8.DecodeRuneInString(text[end:])
			if !unicode.IsLetter(r) && !unicode.IsMark(r) && !(end > start && (r == '\'' || r == '’' || r == '-')) && !(isDigit(text[end]) && ordinal(text, start)) {
				break
			}
			end += size
		}
		if end == start || start == i {
			break
		}
		word := textWord{start: start, end: end}
		i = end
		if i < len(text) && text[i] == '.' {
			word.dot = true
			i++
		}
		words = append(words, word)
		if word.dot && end-start > 6 { // the end of a sentence
			break
		}
	}
	return words
}

// ordinal says whether a word such as "5th" begins at i.
func ordinal(text string, i int) bool {
	end := i
	for end < len(text) && isDigit(text[end]) && end-i < 4 {
		end++
	}
	if end == i || end+2 > len(text) {
		return false
	}
	switch lower(text[end : end+2]) {
	case "st", "nd", "rd", "th":
		return end+2 == len(text) || !isAlnum(text[end+2])
	}
	return false
}

// capital says whether a word begins with a capital letter.
func capital(word string) bool {
	r, _ := utf8.DecodeRuneInString(word)
	return unicode.IsUpper(r) || unicode.IsTitle(r)
}
