package pii

import (
	"sort"
	"strings"
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
	if number == 0 || !s.besideWord(i, end) {
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

// besideWord says whether a word in capitals or one that is known for a street may
// stand beside a number: most numbers have none.
func (s *scan) besideWord(i, end int) bool {
	text := s.text
	if end < len(text) && (text[end] == ' ' || text[end] == ',' || isLetter(text[end]) || text[end] == '-') {
		at := end
		for at < len(text) && at-end < 6 && (text[at] == ' ' || text[at] == ',') {
			at++
		}
		if at < len(text) && (isLetter(text[at]) || text[at] >= utf8.RuneSelf || text[at] == '-' || isDigit(text[at])) {
			return true
		}
	}
	before := i
	for before > 0 && i-before < 5 && strings.IndexByte(" .,:\t", text[before-1]) >= 0 {
		before--
	}
	return before > 0 && (isLetter(text[before-1]) || text[before-1] >= utf8.RuneSelf)
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
	if name := lower(text[words[0].start:words[0].end]); number <= 31 && startsMonth(name) && (len(name) <= 3 || months[name]) { // not 12 Main Street
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
	to, found := s.placeAfter(end, told)
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
	for n, word := range words {
		name := text[word.start:word.end]
		if capital(name) && !word.dot && !notPlaces[lower(name)] {
			count = n + 1
		} else if n == 0 || !particles[lower(name)] {
			break
		}
	}
	if count == 0 || text[i-1] == '\n' || words[0].end-words[0].start < 3 || unitWords[lower(text[words[0].start:words[0].end])] || numbered[lower(text[words[0].start:words[0].end])] || startsMonth(lower(text[words[0].start:words[0].end])) {
		return 0
	}
	start := leadingNumber(text, words[count-1].start)
	told := s.near(aboutAddress, start, end, 24, 0)
	if s.within(start, i, notNames) {
		return 0
	}
	to, found := s.placeAfter(end, told)
	line := startsLine(text, start) && end < len(text) && text[end] == '\n'
	if !told && !found.unit && !(line && found.town) && !(found.far && count > 1) {
		return 0
	}
	s.add(PostalAddress, start, to)
	return to
}

// notNames are what words are about that are no name of a street: all but a few.
var notNames = func() (set topics) {
	for about := range lastTopic {
		if about != aboutPhoneLabel && about != aboutSK {
			set.add(about)
		}
	}
	return set
}()

// within says whether words about one of some topics reach into the text between
// two offsets.
func (s *scan) within(start, end int, about topics) bool {
	i := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].end > start })
	for ; i < len(s.marks) && s.marks[i].start < end; i++ {
		if s.marks[i].topics.any(about) {
			return true
		}
	}
	return false
}
