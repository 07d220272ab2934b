package pii

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// placeAfter reads what follows a street: flat, town, postcode, country, apart by
// commas, line ends or blanks. told says that words call all this an address.
func (s *scan) placeAfter(i int, told bool) (end int, found parts) {
	text := s.text
	end = i
	at := i
	for n := 0; n < maxSegments; n++ {
		start, lines, comma := nextSegment(text, at)
		if start < 0 || found.code && strings.HasPrefix(text[at:], ".") || s.numbersAt(start) {
			break
		}
		segment := text[start:segmentEnd(text, start)]
		size, kind := classify(segment, !lines && !comma)
		switch {
		case kind == unitSegment:
			end, found.unit = start+size, true
		case kind == codeSegment:
			end, found.code = start+size, true
			found.town = found.town || hasLetters(segment[:size])
			found.far = found.far || hasLetters(segment[:size]) && countDigits(segment[:size]) >= 5
		case kind == nameSegment && (told && size < 40 || comma && !lines && n == 0):
			end = start + size
		case kind == nameSegment:
		default:
			return end, found
		}
		at = start + size
	}
	return end, found
}

// labels are what words are about that name the number behind them.
var labels = topicsOf(aboutOrder, aboutHealth, aboutPassport, aboutLicense, aboutIBAN, aboutAccount, aboutPhone, aboutCard, aboutTax, aboutNational)

// numbersAt says whether a word and the number that it names begin at an offset, and no town:
// "Order 4711". Short ones may be a state or a country: "ACT 2600".
func (s *scan) numbersAt(i int) bool {
	at := sort.Search(len(s.marks), func(at int) bool { return s.marks[at].start >= i })
	if at == len(s.marks) || s.marks[at].start != i || !s.marks[at].topics.any(labels) || s.marks[at].end-i <= 3 {
		return false
	}
	start := s.marks[at].end
	for start < len(s.text) && strings.IndexByte(" .:#", s.text[start]) >= 0 {
		start++
	}
	end := start
	for end < len(s.text) && isAlnum(s.text[end]) {
		end++
	}
	return countDigits(s.text[start:end]) > 0
}

// parts tell what was found behind a street.
type parts struct {
	unit bool // a flat
	code bool // a postcode
	town bool // one with a name beside it
	far  bool // and of five digits at least, as no year and hardly a count has beside a name
}

func hasLetters(text string) bool { return strings.IndexFunc(text, unicode.IsLetter) >= 0 }

// nextSegment gives the start of the next segment, -1 for none.
func nextSegment(text string, i int) (start int, lines, comma bool) {
	ends := 0
	for n := 0; i < len(text) && n < 24; n++ {
		switch c := text[i]; {
		case c == '\n':
			if ends++; ends > 2 {
				return -1, false, false
			}
			lines = true
		case c == ',' || c == ';' && !comma:
			comma = true
		case strings.HasPrefix(text[i:], "·") || strings.HasPrefix(text[i:], "•"):
			comma = true
			_, size := utf8.DecodeRuneInString(text[i:])
			i += size - 1
		case c == '>' && lines, c == ' ', c == '\t', c == '\r', c == '.' && n == 0, c == '-' && i+1 < len(text) && text[i+1] == ' ', c == '|':
		default:
			if n == 0 {
				return -1, false, false
			}
			return i, lines, comma
		}
		i++
	}
	return -1, false, false
}

func segmentEnd(text string, i int) int {
	end := i
	for end < len(text) && end-i < maxSegment && text[end] != '\n' && text[end] != ',' && text[end] != '\r' && text[end] != '|' {
		end++
	}
	for end < len(text) && end > i && !utf8.RuneStart(text[end]) {
		end--
	}
	return end
}

type segmentKind uint8

const (
	noSegment segmentKind = iota
	unitSegment
	nameSegment
	codeSegment
)

// maxTokens bounds the words of one segment.
const maxTokens = 8

// classify reads a segment word by word as far as it can be part of an address.
// sameLine tells that nothing but a blank sets it off: then only a flat or a
// postcode can begin it.
func classify(segment string, sameLine bool) (size int, kind segmentKind) {
	names, codes := 0, 0
	at := 0
	for tokens := 0; tokens < maxTokens; tokens++ {
		start, end := nextToken(segment, at)
		if start == end {
			break
		}
		token := strings.TrimRight(segment[start:end], ".?!;:)")
		word := lower(token)
		if unitWords[word] && (tokens == 0 || tokens == 1 && codes == 0 && names == 0) {
			if to := unitEnd(segment, end, tokens > 0); to > 0 {
				return to, unitSegment
			}
		}
		more := postcode(token, segment[end:])
		if tokens == 0 && more == 0 && !sameLine && storey(token) && len(segment) <= maxStorey {
			return len(strings.TrimRight(segment, " .?!;:")), unitSegment
		}
		switch {
		case more > 0:
			codes++
			end = start + len(token) + more - 1
		case token == "" || onlyPunctuation(token) || token == "nan":
		case capital(token) && !notPlaces[word] && !sameLine:
			names++
		case capital(token) && !notPlaces[word] && tokens > 0:
			names++
		case particles[word] && names > 0:
		default:
			return finish(segment[:at], names, codes, false)
		}
		at = end
		if more > 1 && end < len(segment) && strings.IndexByte(".?!;:", segment[end]) >= 0 { // SW1A 1AA.
			break
		}
		if last := segment[start:end]; strings.IndexByte("?!;:", last[len(last)-1]) >= 0 || last[len(last)-1] == '.' && len(last) > 4 {
			break
		}
	}
	return finish(segment[:at], names, codes, true)
}

// maxStorey bounds the bytes of "2. OG links", "3º izq".
const maxStorey = 14

// storey says whether a token is the number of a floor: "2.", "3º", "1er".
func storey(token string) bool {
	number := strings.TrimRight(token, "ºª°ermo")
	return len(number) >= 1 && len(number) <= 2 && onlyDigits(number)
}

// finish says what the words of a segment are together; whole tells that none of
// its words was left.
func finish(segment string, names, codes int, whole bool) (size int, kind segmentKind) {
	size = len(strings.TrimRight(segment, " .?!;:"))
	switch {
	case size == 0:
		return 0, noSegment
	case codes > 0 && (names > 0 || whole):
		return size, codeSegment
	case codes == 0 && names > 0 && names <= 4 && whole:
		return size, nameSegment
	}
	return 0, noSegment
}

// nextToken gives what stands between two blanks.
func nextToken(text string, at int) (start, end int) {
	for start = at; start < len(text) && text[start] == ' '; start++ {
	}
	for end = start; end < len(text) && text[end] != ' '; end++ {
	}
	return start, end
}

// unitEnd reads the number of a flat behind the word for it, 0 for none. It may be
// absent where one stood before the word.
func unitEnd(segment string, i int, numbered bool) int {
	start, end := nextToken(segment, i)
	number := strings.TrimRight(segment[start:end], ".,;:?!")
	digits := countDigits(number)
	if digits > 0 && len(number) <= 6 || len(number) == 1 && isLetter(number[0]) {
		return start + len(number)
	}
	if numbered {
		return i
	}
	return 0
}

// postcode says whether a token is a postcode, or begins one that the rest goes on
// with; it gives one more than the bytes of the rest that belong to it, 0 for none.
func postcode(token, rest string) int {
	if country, code, ok := strings.Cut(token, "-"); ok && len(country) <= 2 && onlyLetters(country) { // D-10115, SE-111 22
		token = code
	}
	n := len(token)
	follows := func(form string) int { // what stands behind one blank
		if len(rest) > len(form) && rest[0] == ' ' && formed(rest[1:1+len(form)], form) && (len(rest) == len(form)+1 || !isAlnum(rest[len(form)+1])) {
			return len(form) + 2
		}
		return 0
	}
	switch {
	case formed(token, "9999"):
		if with := follows("AA"); with > 0 { // 1012 JS
			return with
		}
		return 1
	case formed(token, "99999"), formed(token, "999999"), formed(token, "99-999"), formed(token, "9999-999"), formed(token, "99999-999"), formed(token, "99999-9999"), formed(token, "9999AA"):
		return 1
	case formed(token, "999"): // 111 22
		return follows("99")
	case n >= 2 && n <= 4 && isLetter(token[0]) && isDigit(token[n-1]) || n >= 3 && n <= 4 && isLetter(token[0]) && isDigit(token[n-2]):
		if with := follows("9AA"); with > 0 && isUpper(token) { // SW1A 1AA
			return with
		}
		if with := follows("9A9"); with > 0 && n == 3 && isUpper(token) { // K1A 0B1
			return with
		}
	}
	return 0
}

func isUpper(word string) bool { return word == strings.ToUpper(word) }

func onlyLetters(word string) bool {
	for i := 0; i < len(word); i++ {
		if !isLetter(word[i]) {
			return false
		}
	}
	return word != ""
}

func onlyPunctuation(token string) bool { return strings.Trim(token, "-–/&") == "" }
