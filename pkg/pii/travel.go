package pii

import "strings"

// travel finds the lines for machines of passports, identity cards and visas: two
// of 44 or 36 characters, or three of 30, filled up with "<" (ICAO Doc 9303, parts
// 4 to 7).
func (s *scan) travel() {
	text := s.text
	for at := 0; ; {
		next := strings.Index(text[at:], "<<")
		if next < 0 {
			return
		}
		start, end := at+next, at+next
		for start > at && isMachine(text[start-1]) {
			start--
		}
		for end < len(text) && isMachine(text[end]) {
			end++
		}
		size := end - start
		at = end
		if size != 44 && size != 36 && size != 30 {
			continue
		}
		from := start
		if line, ok := lineBefore(text, start, size); ok {
			from = line
		}
		for range 2 {
			if line, ok := lineAfter(text, end, size); ok {
				end = line
			}
		}
		if whole := text[from:end]; countDigits(whole) >= 12 || strings.HasPrefix(whole, "P<") {
			s.add(Passport, from, end)
			at = end
		}
	}
}

func isMachine(c byte) bool { return c == '<' || c >= 'A' && c <= 'Z' || isDigit(c) }

// lineBefore finds a line for machines right above one that begins at i.
func lineBefore(text string, i, size int) (start int, ok bool) {
	for n := 0; i > 0 && n < 4 && strings.IndexByte("\r\n >", text[i-1]) >= 0; n++ {
		i--
	}
	return i - size, i >= size && machineLine(text[i-size:i]) && (i == size || !isMachine(text[i-size-1]))
}

// lineAfter finds one right below a line that ends at i, and gives its end.
func lineAfter(text string, i, size int) (end int, ok bool) {
	for n := 0; i < len(text) && n < 4 && strings.IndexByte("\r\n >", text[i]) >= 0; n++ {
		i++
	}
	return i + size, i+size <= len(text) && machineLine(text[i:i+size]) && (i+size == len(text) || !isMachine(text[i+size]))
}

func machineLine(line string) bool {
	for i := 0; i < len(line); i++ {
		if !isMachine(line[i]) {
			return false
		}
	}
	return true
}
