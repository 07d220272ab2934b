package pii

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is looked at around a house number.
const (
	maxHouse     = 5  // digits
	maxNames     = 5  // words of a street's name
	maxSegment   = 64 // bytes between two commas or line ends
	maxSegments  = 6  // behind the street
	addressReach = 48 // bytes between words about an address and what they speak of
)

// A textWord is a word beside a house number.
type textWord struct {
	start, end int
	dot        bool // a dot stands behind it
}

// postal finds postal addresses by their structure: a street, whose words for
// "street" are known in the languages of Europe and its neighbours, with the number
// of a house, and what follows of flat, postcode and town; boxes at post offices;
// Japanese and Chinese ones. A name and a number alone are taken for an address
// only where words call them one.
func (s *scan) postal() {
	text := s.text
	last := 0 // end of the address found last
	for i := 0; i < len(text); {
		if !isDigit(text[i]) {
			i++
			continue
		}
		end := i
		for end < len(text) && isDigit(text[end]) {
			end++
		}
		if end-i <= maxHouse && i >= last {
			last = max(last, s.house(i, end))
		}
		i = end
	}
	if s.topics.has(aboutBox) {
		for _, m := range s.marks {
			if m.topics.has(aboutBox) && m.start >= last {
				last = max(last, s.box(m))
			}
		}
	}
	s.eastern()
}

// house looks for an address around a number and gives its end, 0 for none.
func (s *scan) house(i, end int) int {
	text := s.text
	if i > 0 {
		if c := text[i-1]; isAlnum(c) || strings.IndexByte("_#$+=&%@/\\", c) >= 0 || strings.IndexByte(".,:-", c) >= 0 && i > 1 && isAlnum(text[i-2]) {
			return 0
		}
	}
	number := houseEnd(text, end)
	if number == 0 {
		return 0
	}
	if start, doubted, ok := s.streetBefore(i); ok {
		if to := s.addressFrom(start, number, doubted); to > 0 {
			return to
		}
	}
	if to, doubted, ok := s.streetAfter(end); ok {
		if to := s.addressFrom(i, to, doubted); to > 0 {
			return to
		}
	}
	return s.named(i, number)
}

// houseEnd reads what may belong to a house's number: "12a", "12-14", "12/3". It
// gives 0 where what follows makes a count, a time or an amount of it.
func houseEnd(text string, end int) int {
	if end < len(text) && (isLetter(text[end]) || text[end] == ' ' && end+2 < len(text) && isLetter(text[end+1]) && !isAlnum(text[end+2]) && text[end+1]|0x20 <= 'h' && text[end+2] < 0x80 && text[end+2] != '\'') {
		letter := end
		if text[letter] == ' ' {
			letter++
		}
		if letter+1 < len(text) && isAlnum(text[letter+1]) || letter+1 < len(text) && text[letter+1] >= utf8.RuneSelf {
			if text[end] != ' ' {
				return 0
			}
		} else {
			end = letter + 1
			if flat := end + 1; flat < len(text) && text[end] == ' ' && isDigit(text[flat]) { // 5 A 12
				for end = flat; end < len(text) && isDigit(text[end]) && end-flat < 3; end++ {
				}
			}
		}
	}
	for end+1 < len(text) && (text[end] == '-' || text[end] == '/') && isAlnum(text[end+1]) {
		to := end + 1
		for to < len(text) && isAlnum(text[to]) {
			to++
		}
		if to-end > 5 {
			return 0
		}
		end = to
	}
	if end < len(text) {
		switch c := text[end]; {
		case c == '%' || c == '$' || c == '@' || c == '_':
			return 0
		case (c == ',' || c == '.' || c == ':') && end+1 < len(text) && isDigit(text[end+1]):
			return 0
		case strings.HasPrefix(text[end:], "€") || strings.HasPrefix(text[end:], " €") || strings.HasPrefix(text[end:], " %"):
			return 0
		}
	}
	return end
}

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

// streetBefore finds the name of a street right before a house's number.
func (s *scan) streetBefore(i int) (start int, doubted, ok bool) {
	text := s.text
	var buffer [maxNames + 2]textWord
	words := wordsBefore(text, i, buffer[:0])
	if len(words) == 0 {
		return 0, false, false
	}
	first := text[words[0].start:words[0].end]
	name := lower(first)
	if known, doubt := streets[name].is(nameFirst); known && len(words) > 1 && capital(text[words[1].start:words[1].end]) {
		if !capital(first) && len(name) <= 3 && !words[0].dot {
			doubt = true
		}
		start = words[1].start
		for n := 2; n < len(words) && n < 4 && capital(text[words[n].start:words[n].end]) && !words[n].dot && words[n].end-words[n].start > 2 && !notPlaces[lower(text[words[n].start:words[n].end])]; n++ {
			start = words[n].start
		}
		return start, doubt, true
	}
	if ended, doubt := streetEnd(name); ended {
		return words[0].start, doubt || !capital(first), true
	}
	for n := 1; n < len(words) && n <= maxNames; n++ {
		word := text[words[n].start:words[n].end]
		if known, doubt := streets[lower(strings.TrimSuffix(word, "/"))].is(nameAfter); known && capital(text[words[n-1].start:words[n-1].end]) || known && n > 1 && particles[lower(text[words[n-1].start:words[n-1].end])] {
			return words[n].start, doubt, true
		}
		if before := text[words[n-1].start:words[n-1].end]; !capital(before) && !particles[lower(before)] {
			break
		}
	}
	return 0, false, false
}

// streetEnd says whether a name ends with a word for "street".
func streetEnd(name string) (ok, doubted bool) {
	if noStreets[name] {
		return false, false
	}
	for _, end := range streetEnds {
		if len(name) > len(end)+2 && strings.HasSuffix(name, end) {
			return true, false
		}
	}
	for _, end := range doubtfulEnds {
		if len(name) > len(end)+2 && strings.HasSuffix(name, end) {
			return true, true
		}
	}
	return false, false
}

// streetAfter finds the name of a street right behind a house's number, and gives
// the end of it.
func (s *scan) streetAfter(i int) (end int, doubted, ok bool) {
	text := s.text
	number := 0
	for at := max(0, i-maxHouse); at < i; at++ {
		if isDigit(text[at]) {
			number = number*10 + int(text[at]-'0')
		}
	}
	if i < len(text) && isLetter(text[i]) && (i+1 == len(text) || !isAlnum(text[i+1])) { // 221B
		i++
	}
	var buffer [maxNames + 3]textWord
	words := wordsAfter(text, i, buffer[:0])
	if len(words) > 1 {
		switch lower(text[words[0].start:words[0].end]) {
		case "bis", "ter", "quater":
			words = words[1:]
		}
	}
	if len(words) < 2 {
		return 0, false, false
	}
	if frenchStreets[lower(text[words[0].start:words[0].end])] {
		for _, word := range words[1:] {
			name := text[word.start:word.end]
			elided := strings.IndexAny(name, "'’") == 1
			switch {
			case capital(name) || elided:
				end = word.end
			case !particles[lower(name)]:
				return end, false, end > 0
			}
		}
		return end, false, end > 0
	}
	if startsMonth(lower(text[words[0].start:words[0].end])) && words[0].end-words[0].start <= 9 && number <= 31 {
		return 0, false, false
	}
	allCapital := true
	for n, word := range words {
		name := text[word.start:word.end]
		if n > 0 {
			if known, doubt := streets[lower(name)].is(numberLead); known && (capital(name) || !allCapital) {
				end = word.end
				if word.dot {
					end++
				}
				for _, next := range words[n+1:] { // another word for "street", or where the wind blows from
					after := text[next.start:next.end]
					if again, _ := streets[lower(after)].is(numberLead); !(again && capital(after)) && !direction(after) {
						break
					}
					end = next.end
				}
				return end, doubt || !allCapital, true
			}
		}
		if !capital(name) && !isDigit(name[0]) && !particles[lower(name)] {
			allCapital = false
		}
		if n >= 4 {
			break
		}
	}
	return 0, false, false
}

func direction(word string) bool {
	switch lower(word) {
	case "n", "s", "e", "w", "ne", "nw", "se", "sw", "north", "south", "east", "west", "northwest", "northeast", "southwest", "southeast":
		return true
	}
	return false
}

// addressFrom adds an address whose street and number are known, with what follows
// of it, and gives its end; 0 where the street was in doubt and stays so.
func (s *scan) addressFrom(start, end int, doubted bool) int {
	if start > 0 && (s.text[start-1] == '.' || s.text[start-1] == '@' || s.text[start-1] == '/') && s.inURL(start) {
		return 0
	}
	start = leadingNumber(s.text, start)
	told := s.near(aboutAddress, start, end, addressReach, 0)
	to, found := placeAfter(s.text, end, told)
	if doubted && !found.unit && !found.code && !told {
		return 0
	}
	s.add(PostalAddress, start, to)
	return to
}

// leadingNumber takes a number before the name of a street for a part of it, as of
// a building or an estate.
func leadingNumber(text string, start int) int {
	i := start
	if i == 0 || text[i-1] != ' ' {
		return start
	}
	end := i - 1
	for i = end; i > 0 && isDigit(text[i-1]) && end-i < maxHouse; i-- {
	}
	if i == end || i > 0 && (isAlnum(text[i-1]) || strings.IndexByte("-.,:/$#+", text[i-1]) >= 0) {
		return start
	}
	return i
}

// named takes a name and a number for an address where words right before call
// them one ("lives at 172 Maneeži 75, Saareküla"), where a flat follows, or where
// they are a line and a postcode with its town the next.
func (s *scan) named(i, end int) int {
	text := s.text
	var buffer [4]textWord
	words := wordsBefore(text, i, buffer[:0])
	count := 0
	for count < len(words) && capital(text[words[count].start:words[count].end]) && !words[count].dot && !notPlaces[lower(text[words[count].start:words[count].end])] {
		count++
	}
	if count == 0 || text[i-1] == '\n' || words[0].end-words[0].start < 3 || unitWords[lower(text[words[0].start:words[0].end])] || startsMonth(lower(text[words[0].start:words[0].end])) {
		return 0
	}
	start := leadingNumber(text, words[count-1].start)
	told := s.near(aboutAddress, start, end, 24, 0)
	if s.within(start, i, notNames) {
		return 0
	}
	to, found := placeAfter(text, end, told)
	line := startsLine(text, start) && end < len(text) && text[end] == '\n'
	if !told && !found.unit && !(line && found.code) {
		return 0
	}
	s.add(PostalAddress, start, to)
	return to
}

// notNames are what words are about that are no name of a street.
var notNames = topicsOf(aboutAddress, aboutOrder, aboutPhone, aboutVersion)

// within says whether words about one of some topics begin between two offsets.
func (s *scan) within(start, end int, about topics) bool {
	i := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].start >= start })
	for ; i < len(s.marks) && s.marks[i].start < end; i++ {
		if s.marks[i].topics.any(about) {
			return true
		}
	}
	return false
}

// placeAfter reads what follows a street: flat, town, postcode, country, apart by
// commas, line ends or blanks. told says that words call all this an address.
func placeAfter(text string, i int, told bool) (end int, found parts) {
	end = i
	at := i
	for n := 0; n < maxSegments; n++ {
		start, lines, comma := nextSegment(text, at)
		if start < 0 {
			break
		}
		segment := text[start:segmentEnd(text, start)]
		size, kind := classify(segment, !lines && !comma)
		switch {
		case kind == unitSegment:
			end, found.unit = start+size, true
		case kind == codeSegment:
			end, found.code = start+size, true
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

// parts tell what was found behind a street.
type parts struct {
	unit bool // a flat
	code bool // a postcode
}

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
	to, found := placeAfter(text, end, true)
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

func onlyPunctuation(token string) bool { return strings.Trim(token, "-–/&") == "" }
