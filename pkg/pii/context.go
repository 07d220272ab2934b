package pii

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A topic is what words are about.
type topic int

const (
	aboutCard topic = iota
	aboutCVV
	aboutIBAN
	aboutBIC
	aboutAccount
	aboutPhone
	aboutPhoneLabel // words that label a number only when right beside it
	aboutOrder      // orders, invoices, parcels: numbers that are nobody's
	aboutBirth
	aboutPassword
	aboutPIN
	aboutCode
	aboutYourCode // of other kinds, too: a value is one of digits alone
	aboutSomeCode // of any kind
	aboutCheckNumber
	aboutKey
	aboutPassport
	aboutLicense
	aboutHealth
	aboutTax
	aboutVersion
	aboutIP
	aboutNational // national id of a country that the words do not name
	aboutSSN
	aboutITIN
	aboutRouting
	aboutNINO
	aboutNHS
	aboutUTR
	aboutDETax
	aboutDESocial
	aboutIDCard
	aboutATSocial
	aboutNIR
	aboutBSN
	aboutBE
	aboutPPS
	aboutPTNIF
	aboutDK
	aboutSE
	aboutNO
	aboutEE
	aboutLT
	aboutLV
	aboutPESEL
	aboutNIP
	aboutCZ
	aboutHUTax
	aboutHUTAJ
	aboutCNP
	aboutEGN
	aboutOIB
	aboutEMSO
	aboutAMKA
	aboutAFM
	aboutPIVA
	aboutLU
	aboutSIN
	aboutTFN
	aboutABN
	aboutMedicare
	aboutAadhaar
	aboutPAN
	aboutCPF
	aboutZA
	aboutTR
	aboutIL
	aboutEmail
	aboutAddress
	aboutBox
	aboutVAT
	aboutDETaxNumber
	aboutEIN
	aboutATTax
	aboutFRTax
	aboutSITax
	aboutSK
	aboutLNC
	aboutVoter
	aboutGST
	aboutCC
	aboutVerify
	lastTopic // none: how many there are
)

// topics are a set of them.
type topics [2]uint64

func (t *topics) add(about topic)     { t[about/64] |= 1 << (about % 64) }
func (t *topics) join(other topics)   { t[0], t[1] = t[0]|other[0], t[1]|other[1] }
func (t topics) has(about topic) bool { return t[about/64]&(1<<(about%64)) != 0 }
func (t topics) any(of topics) bool   { return t[0]&of[0]|t[1]&of[1] != 0 }

func topicsOf(list ...topic) (set topics) {
	for _, about := range list {
		set.add(about)
	}
	return set
}

// A mark is a word or phrase of the text that is about something.
type mark struct {
	start, end int
	topics     topics
}

type phrase struct {
	rest   []string
	topics topics
}

// lexicon maps a phrase's first word to the phrases that it opens.
var lexicon = func() map[string][]phrase {
	lexicon := map[string][]phrase{}
	for about, list := range phrases {
		for _, entry := range strings.Split(list, "|") {
			fields := strings.FieldsFunc(strings.Map(small, entry), func(r rune) bool { return unicode.IsSpace(r) || r == '\'' })
			lexicon[fields[0]] = append(lexicon[fields[0]], phrase{fields[1:], topicsOf(about)})
		}
	}
	return lexicon
}()

// sieve tells of most words of ASCII, by a few of their bytes, that they are not
// in the lexicon.
var sieve = func() (table [1 << sieveBits]bool) {
	for word := range lexicon {
		table[sieveIndex(word)] = true
	}
	return table
}()

const sieveBits = 13

// sieveIndex is the same for a word of ASCII in capitals and in small letters.
func sieveIndex(word string) uint32 {
	n := len(word)
	bytes := uint32(word[0]) | uint32(word[n/2])<<8 | uint32(word[n-1])<<16
	return (bytes | 0x202020 | uint32(n)<<24) * 0x9E3779B1 >> (32 - sieveBits)
}

// maxWord bounds the bytes of a word that is looked up.
const maxWord = 48

// words marks the words of the text that are about something.
func (s *scan) words() {
	text := s.text
	for i := 0; i < len(text); {
		start, end := i, i
		if isLetter(text[i]) {
			for end++; end < len(text) && isAlnum(text[end]); end++ {
			}
			// Letters beyond ASCII may change their bytes in lower case.
			if (end == len(text) || text[end] < utf8.RuneSelf) && !sieve[sieveIndex(text[start:end])] {
				i = end
				continue
			}
			end = wordAt(text, start)
		} else if text[i] < utf8.RuneSelf {
			i++
			continue
		} else if start, end = nextWord(text, i); start == end {
			return
		}
		i = end
		list := look(text[start:end])
		if len(list) == 0 {
			continue
		}
		var about topics
		longest := end
		for _, p := range list {
			at, ok := end, true
			for _, want := range p.rest {
				a, b := nextWord(s.text, at)
				if ok = a-at <= 3 && glue(s.text[at:a]) && lower(s.text[a:b]) == want; !ok {
					break
				}
				at = b
			}
			if ok {
				about.join(p.topics)
				longest = max(longest, at)
			}
		}
		if about != (topics{}) {
			if s.marks == nil {
				s.marks = make([]mark, 0, 16)
			}
			s.marks = append(s.marks, mark{start, longest, about})
			s.topics.join(about)
			i = longest // a phrase is not read again from its middle: "serial number is"
		}
	}
}

// look finds a word in the lexicon in lower case, without allocating for ASCII.
func look(word string) []phrase {
	if len(word) > maxWord {
		return nil
	}
	var buffer [maxWord]byte
	for i := 0; i < len(word); i++ {
		c := word[i]
		if c >= 0x80 {
			return lexicon[lower(word)]
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		buffer[i] = c
	}
	return lexicon[string(buffer[:len(word)])]
}

func glue(gap string) bool {
	return strings.Trim(gap, " \t\n.-/_'’") == ""
}

func lower(word string) string {
	if len(word) > maxWord {
		return ""
	}
	for i := 0; i < len(word); i++ {
		if c := word[i]; c >= 0x80 || c >= 'A' && c <= 'Z' {
			return strings.Map(small, word)
		}
	}
	return word
}

// small gives a letter in lower case. The two small sigmas are one, and so are
// Greek vowels with their accent, which capitals mostly go without, and without.
func small(r rune) rune {
	switch r = unicode.ToLower(r); r {
	case 'ς':
		return 'σ'
	case 'ά':
		return 'α'
	case 'έ':
		return 'ε'
	case 'ή':
		return 'η'
	case 'ί', 'ϊ', 'ΐ':
		return 'ι'
	case 'ό':
		return 'ο'
	case 'ύ':
		return 'υ'
	case 'ώ':
		return 'ω'
	}
	return r
}

// nextWord finds the next run of letters of one sort at or after i. Writings
// without spaces are cut where kanji, hiragana and katakana meet. A digit within
// or after Latin letters belongs to the word (cvv2, 2fa).
func nextWord(text string, i int) (start, end int) {
	for i < len(text) {
		c := text[i]
		if c < utf8.RuneSelf {
			if isLetter(c) {
				break
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if sort := sortOf(r); sort != noWord && sort != digitWord {
			break
		}
		i += size
	}
	return i, wordAt(text, i)
}

// wordAt gives the end of the word that begins right at i, i where none does.
func wordAt(text string, i int) int {
	var sort wordSort
	for i < len(text) {
		c := text[i]
		if c < utf8.RuneSelf {
			next := noWord
			switch {
			case isLetter(c):
				next = letterWord
			case isDigit(c) && sort == letterWord:
				next = letterWord
			}
			if next == noWord || sort != noWord && next != sort {
				break
			}
			sort = next
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		next := sortOf(r)
		if next == noWord || next == digitWord || sort != noWord && next != sort {
			break
		}
		sort = next
		i += size
	}
	return i
}

type wordSort uint8

const (
	noWord wordSort = iota
	letterWord
	digitWord
	hanWord
	hiraganaWord
	katakanaWord
)

func sortOf(r rune) wordSort {
	switch {
	case r < 0x80:
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
			return letterWord
		case r >= '0' && r <= '9':
			return digitWord
		}
		return noWord
	case r >= 0x3041 && r <= 0x309F:
		return hiraganaWord
	case r >= 0x30A0 && r <= 0x30FF:
		return katakanaWord
	case r >= 0x4E00 && r <= 0x9FFF:
		return hanWord
	case unicode.IsLetter(r) || unicode.IsMark(r):
		return letterWord
	}
	return noWord
}

// near says whether words about the topic end at most before bytes ahead of
// start, or begin at most after bytes behind end.
func (s *scan) near(about topic, start, end, before, after int) bool {
	if !s.topics.has(about) {
		return false
	}
	_, ok := s.distance(about, start, before)
	if ok || after == 0 {
		return ok
	}
	i := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].start >= end })
	for ; i < len(s.marks) && s.marks[i].start <= end+after; i++ {
		if s.marks[i].topics.has(about) {
			return true
		}
	}
	return false
}

// distance gives the bytes between the nearest words about the topic and start.
func (s *scan) distance(about topic, start, before int) (int, bool) {
	if !s.topics.has(about) {
		return 0, false
	}
	i := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].start >= start }) - 1
	for ; i >= 0 && s.marks[i].start >= start-before-maxWord; i-- {
		gap := start - s.marks[i].end
		if gap > before {
			continue
		}
		if s.marks[i].topics.has(about) {
			return max(gap, 0), true
		}
	}
	return 0, false
}

// nobodys says whether words right before start speak of an order, an invoice or
// the like, and none about the topic stands nearer.
func (s *scan) nobodys(start int, about topic) bool {
	order, ok := s.distance(aboutOrder, start, 24)
	if !ok {
		return false
	}
	own, ok := s.distance(about, start, 60)
	return !ok || own > order
}
