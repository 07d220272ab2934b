package pii

import (
	"strings"
	"unicode/utf8"
)

// box reads a box at a post office behind the words that name it.
func (s *scan) box(m mark) int {
	text := s.text
	i := m.end
	for i < len(text) && i-m.end < 8 && strings.IndexByte(" .:#nroNº°", text[i]) >= 0 {
		i++
	}
	end := i
	for end < len(text) && (isDigit(text[end]) || text[end] == ' ' && end+1 < len(text) && isDigit(text[end+1])) && end-i < 12 {
		end++
	}
	if end == i || end < len(text) && isAlnum(text[end]) {
		return 0
	}
	start := leadingNumber(text, m.start)
	word := wordStart(text, max(0, start-1))
	if before := lower(strings.Trim(text[word:start], " ,")); before == "psc" || before == "unit" || before == "cmr" {
		start = word
	} else if outer := leadingWord(text, start); outer < start {
		start = outer
	}
	to, found := s.placeAfter(end, true)
	if start == m.start && !found.code && len(lower(text[m.start:m.end])) <= len("box") { // "Box 5", "BP 12"
		return 0
	}
	s.add(PostalAddress, start, to)
	return to
}

// leadingWord takes "PSC 0413, " and "Unit 4719 " before a box for a part of it.
func leadingWord(text string, start int) int {
	i := start
	for i > 0 && start-i < 3 && (text[i-1] == ' ' || text[i-1] == ',') {
		i--
	}
	digits := i
	for i > 0 && isDigit(text[i-1]) && digits-i < 6 {
		i--
	}
	if i == digits || i < 2 || text[i-1] != ' ' {
		return start
	}
	word := wordStart(text, i-1)
	switch lower(text[word : i-1]) {
	case "psc", "unit", "cmr":
		return word
	}
	return start
}

// eastern finds Japanese addresses behind their sign for postcodes and Chinese ones
// that end with the number of a house.
func (s *scan) eastern() {
	text := s.text
	for at := 0; ; {
		next := strings.Index(text[at:], "〒")
		if next < 0 {
			break
		}
		start := at + next
		end := start + len("〒")
		for end < len(text) && text[end] == ' ' {
			end++
		}
		if at = end; len(text)-end >= 8 && formed(text[end:end+8], "999-9999") || len(text)-end >= 7 && formed(text[end:end+7], "9999999") {
			for end < len(text) && (isDigit(text[end]) || text[end] == '-') {
				end++
			}
			s.add(PostalAddress, start, hanEnd(text, end))
			at = end
		}
	}
	for at := 0; ; {
		next := strings.Index(text[at:], "号")
		if next < 0 {
			return
		}
		end := at + next
		at = end + len("号")
		digits := end
		for digits > 0 && isDigit(text[digits-1]) && end-digits < maxHouse {
			digits--
		}
		r, _ := utf8.DecodeLastRuneInString(text[:digits])
		if digits == end || !strings.ContainsRune("路街道巷弄", r) {
			continue
		}
		start := digits
		for start > 0 && digits-start < 90 {
			r, size := utf8.DecodeLastRuneInString(text[:start])
			if sortOf(r) != hanWord {
				break
			}
			start -= size
		}
		s.add(PostalAddress, start, hanEnd(text, at))
	}
}

// hanEnd walks over what may follow in an address of the East: signs of Han and
// kana, digits, dashes, blanks.
func hanEnd(text string, i int) int {
	end := i
	for j := i; j < len(text) && j-i < 120; {
		r, size := utf8.DecodeRuneInString(text[j:])
		sort := sortOf(r)
		if sort != hanWord && sort != katakanaWord && sort != digitWord && r != '-' && r != ' ' && r != 'の' {
			break
		}
		j += size
		if r != ' ' {
			end = j
		}
	}
	return end
}
