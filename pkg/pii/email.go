package pii

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"
)

// emails finds e-mail addresses (RFC 5321 §4.1.2, dot-strings, RFC 6531 for
// letters beyond ASCII), also where "@" or a dot is written in words: "name (at)
// host dot com".
func (s *scan) emails() {
	signs := [...]sign{{of: "@", at: -1}, {of: "(", at: -1}, {of: "[", at: -1}, {of: "{", at: -1}, {of: " at ", at: -1}, {of: " AT ", at: -1}, {of: " At ", at: -1}, {of: "_at_", at: -1}}
	for i := 0; ; i++ {
		next := len(s.text)
		for n := range signs {
			next = min(next, signs[n].from(s.text, i))
		}
		if i = next; i == len(s.text) {
			return
		}
		if _, host := slices.BinarySearch(s.hosts, i); host {
			continue
		}
		if end := s.email(i); end > i {
			i = end - 1
		}
	}
}

// email finds the address whose sign stands at i and gives its end, 0 for none.
func (s *scan) email(i int) int {
	text := s.text
	if text[i] == '@' {
		if from, to := localStart(text, i), domainEnd(text, i+1); from < i && to > i+1 {
			if topLevel(text[i+1 : to]) {
				s.add(Email, from, to)
				return to
			}
		}
		// "name @ host.com", "name@host dot com"
		to, domain, spelled := spelledDomain(text, skipBlanks(text, i+1))
		from := spelledLocal(text, skipBlanksBack(text, i))
		apart := i > 0 && text[i-1] == ' ' || i+1 < len(text) && text[i+1] == ' '
		if from < i && topLevel(domain) && (spelled || apart && s.near(aboutEmail, from, to, 40, 24)) {
			s.add(Email, from, to)
			return to
		}
		return 0
	}
	end, bare := atWord(text, i)
	if end == 0 {
		return 0
	}
	at := skipBlanksBack(text, i)
	from := spelledLocal(text, at)
	to, domain, spelled := spelledDomain(text, skipBlanks(text, end))
	if from == at || !topLevel(domain) || strings.IndexFunc(text[from:at], isASCIILetterRune) < 0 {
		return 0
	}
	// "look at example.com" and "we met at amazon dot com" are no addresses.
	if bare && !s.near(aboutEmail, from, to, 40, 0) && !(spelled && (strings.ContainsAny(text[from:at], "._- ") || startsLine(text, from))) {
		return 0
	}
	s.add(Email, from, to)
	return to
}

// startsLine says whether nothing but marks stands before an offset on its line.
func startsLine(text string, i int) bool {
	for i > 0 && strings.IndexByte(" \t>*-:<", text[i-1]) >= 0 {
		i--
	}
	return i == 0 || text[i-1] == '\n'
}

func isASCIILetterRune(r rune) bool { return r < 0x80 && isLetter(byte(r)) }

// A sign is what may stand for "@", and where it was found last.
type sign struct {
	of string
	at int
}

// from gives the offset of the sign at or after i, the end where there is none.
func (f *sign) from(text string, i int) int {
	if f.at < i {
		f.at = len(text)
		if next := strings.Index(text[min(i, len(text)):], f.of); next >= 0 {
			f.at = i + next
		}
	}
	return f.at
}

// atWords are how "@" is written in words between brackets.
var atWords = map[string]bool{"at": true, "@": true, "ät": true, "a": true, "arroba": true, "arobase": true, "chiocciola": true, "et": true, "æt": true, "malpa": true, "małpa": true, "собака": true}

// dotWords are how a dot is written in words, between brackets or bare.
var dotWords = map[string]bool{"dot": true, "punkt": true, "point": true, "punto": true, "ponto": true, "kropka": true, "точка": true, "prik": true, "piste": true}

// atWord reads "(at)", "[at]", "{at}", " at " or "_at_" and gives its end, 0 for none.
func atWord(text string, i int) (end int, bare bool) {
	if inside, end := bracketed(text, i); end > 0 {
		if atWords[lower(inside)] && (inside != "a" || text[i] != '(') {
			return end, false
		}
		return 0, false
	}
	if text[i] == ' ' || text[i] == '_' {
		return i + len(" at "), true
	}
	return 0, false
}

// maxSpelled bounds the bytes of a sign that is written in words.
const maxSpelled = 24

// bracketed reads a word between brackets and gives it and the end behind them, 0
// for none.
func bracketed(text string, i int) (inside string, end int) {
	closing := byte(0)
	switch text[i] {
	case '(':
		closing = ')'
	case '[':
		closing = ']'
	case '{':
		closing = '}'
	default:
		return "", 0
	}
	for end = i + 1; end < len(text) && end-i <= maxSpelled; end++ {
		if text[end] == closing {
			return strings.TrimSpace(text[i+1 : end]), end + 1
		}
	}
	return "", 0
}

// dotAt reads a dot at i, as such or in words, with the blanks around it, and gives
// the offset behind; spelled tells that it was in words.
func dotAt(text string, i int) (end int, spelled bool) {
	if i < len(text) && text[i] == '.' && i+1 < len(text) && text[i+1] != ' ' {
		return i + 1, false
	}
	at := skipBlanks(text, i)
	if at == len(text) {
		return 0, false
	}
	if inside, end := bracketed(text, at); end > 0 {
		if inside == "." || inside == "," || dotWords[lower(inside)] {
			return skipBlanks(text, end), true
		}
		return 0, false
	}
	end = wordAt(text, at)
	if at > i && end > at && end < len(text) && text[end] == ' ' && dotWords[lower(text[at:end])] {
		return skipBlanks(text, end), true
	}
	if text[at] == '.' && at > i && at+1 < len(text) && text[at+1] == ' ' { // "host . com"
		return skipBlanks(text, at+1), true
	}
	return 0, false
}

// maxLabels bounds the labels of a name that is written in words.
const maxLabels = 8

// spelledDomain reads a domain whose dots may be in words; domain is the name meant.
func spelledDomain(text string, i int) (end int, domain string, spelled bool) {
	for range maxLabels {
		label := i
		for label < len(text) && label-i < 64 && (isAlnum(text[label]) || text[label] == '-' || text[label] >= utf8.RuneSelf && sortOfNext(text[label:]) == letterWord) {
			label++
			for label < len(text) && !utf8.RuneStart(text[label]) {
				label++
			}
		}
		if label == i {
			break
		}
		domain, end = domain+text[i:label], label
		next, inWords := dotAt(text, label)
		if next == 0 || next == len(text) {
			break
		}
		after := next
		for after < len(text) && (isAlnum(text[after]) || text[after] == '-') {
			after++
		}
		if inWords && topLevel(domain) && !topLevel("x."+text[next:after]) { // "host.com . Thanks"
			break
		}
		domain, i, spelled = domain+".", next, spelled || inWords
	}
	return end, strings.TrimSuffix(domain, "."), spelled
}

// spelledLocal walks back over a local part whose dots may be in words.
func spelledLocal(text string, at int) int {
	from := localStart(text, at)
	for range maxLabels {
		if from == at && at > 0 {
			return from
		}
		i := skipBlanksBack(text, from)
		if i == from && (i == 0 || text[i-1] != ')' && text[i-1] != ']' && text[i-1] != '}') {
			return from
		}
		word := i
		if i > 0 && (text[i-1] == ')' || text[i-1] == ']' || text[i-1] == '}') {
			open := strings.LastIndexAny(text[max(0, i-maxSpelled):i], "([{")
			if open < 0 {
				return from
			}
			word = max(0, i-maxSpelled) + open
		} else {
			for word > 0 && i-word < maxSpelled && text[word-1] != ' ' && text[word-1] != '\n' {
				word--
			}
		}
		before := word
		if end, spelled := dotAt(text, skipBlanksBack(text, word)); !spelled || end < from {
			return from
		}
		before = skipBlanksBack(text, before)
		next := localStart(text, before)
		if next == before {
			return from
		}
		from = next
	}
	return from
}

// skipBlanks skips at most two blanks.
func skipBlanks(text string, i int) int {
	for n := 0; n < 2 && i < len(text) && (text[i] == ' ' || text[i] == '\t'); n++ {
		i++
	}
	return i
}

func skipBlanksBack(text string, i int) int {
	for n := 0; n < 2 && i > 0 && (text[i-1] == ' ' || text[i-1] == '\t'); n++ {
		i--
	}
	return i
}

// localStart walks back over a local part. Letters of writings without spaces
// belong to it only where they are not joined to Latin ones: "私はa@b.example".
func localStart(text string, at int) int {
	i := at
	for i > 0 && at-i < 64 {
		c := text[i-1]
		if c < 0x80 {
			if !isAlnum(c) && strings.IndexByte("!#$%&'*+/=?^_`{|}~.-", c) < 0 {
				break
			}
			i--
			continue
		}
		r, size := utf8.DecodeLastRuneInString(text[:i])
		sort := sortOf(r)
		if sort == noWord || sort != letterWord && i < at && text[i] < 0x80 {
			break
		}
		i -= size
	}
	for i < at && strings.IndexByte("'*/=.-&?{|`_~!", text[i]) >= 0 { // more likely what stands before an address
		i++
	}
	// A path or query before an address is not part of it.
	for j := at - 1; j >= i; j-- {
		if text[j] == '/' || text[j] == '=' || text[j] == '?' || text[j] == '&' {
			return j + 1
		}
	}
	if at > i && text[at-1] == '.' {
		return at
	}
	return i
}

// domainEnd walks over a domain name, with the same care where writings meet.
func domainEnd(text string, i int) int {
	start := i
	for i < len(text) && i-start < 253 {
		c := text[i]
		if c < 0x80 {
			if !isAlnum(c) && c != '-' && c != '.' || c == '.' && (i == start || text[i-1] == '.') {
				break
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		sort := sortOf(r)
		if sort == noWord || sort != letterWord && i > start && isAlnum(text[i-1]) {
			break
		}
		i += size
	}
	for i > start && (text[i-1] == '.' || text[i-1] == '-') {
		i--
	}
	return i
}

// privateDomains are top-level names that companies use among themselves, and
// those of RFC 2606.
var privateDomains = map[string]bool{"local": true, "lan": true, "internal": true, "intern": true, "corp": true,
	"home": true, "intranet": true, "test": true, "example": true, "invalid": true, "localdomain": true}

func topLevel(domain string) bool {
	dot := strings.LastIndexByte(domain, '.')
	if dot < 0 || dot == len(domain)-1 {
		return false
	}
	last := lower(domain[dot+1:])
	if privateDomains[last] {
		return true
	}
	for i := 0; i < len(last); i++ {
		if last[i] >= 0x80 {
			return true
		}
	}
	_, listed := publicsuffix.PublicSuffix(last)
	return listed
}
