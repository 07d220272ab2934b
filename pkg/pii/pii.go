// Package pii finds personal data in text and masks it: payment cards, bank
// accounts, national and tax numbers, telephone numbers, addresses of people on
// the network, secrets. A find rests on validation (check digits, registries of
// lengths and ranges, numbering plans); words around it only break ties or stand
// in where a number has no check of its own. It does not know names of people
// and does not judge whose data it is. Every Find reads the text a fixed number
// of times: time is linear.
package pii

import (
	"cmp"
	"slices"
)

// A Kind names a sort of personal data.
type Kind string

// A Match is one find. Start and End are byte offsets into the text.
type Match struct {
	Kind  Kind
	Start int
	End   int
}

// A Finder holds what finding depends on. The zero Finder is ready for use.
type Finder struct {
	// Regions are the countries (ISO 3166-1 alpha-2) whose national telephone
	// numbers are recognised by their own form; international ones always are.
	// Empty means DefaultRegions.
	Regions []string
}

// DefaultRegions are the countries whose telephone numbers a Finder knows where
// it is not told.
var DefaultRegions = []string{"US", "GB", "DE", "FR", "IT", "ES", "NL", "BE", "CH", "AT", "PL", "AU", "IN", "BR", "JP"}

// Find gives the personal data in a text, in the order in which it stands,
// without overlap. The text may be any bytes.
func Find(text string) []Match { return Finder{}.Find(text) }

// Find gives the personal data in a text, in the order in which it stands,
// without overlap.
func (f Finder) Find(text string) []Match {
	if len(f.Regions) == 0 {
		f.Regions = DefaultRegions
	}
	plain, bends := fold(text)
	s := &scan{text: plain, source: text, bends: bends, regions: f.Regions}
	s.words()
	s.keys()
	s.userinfo()
	s.emails()
	s.addresses()
	s.tokens()
	s.secrets()
	s.numbers()
	s.births()
	s.travel()
	s.postal()
	found := s.settle()
	unfold(found, bends)
	return found
}

// A scan is one search of one text.
type scan struct {
	text    string
	source  string // of which text is the plain form
	bends   []bend // where the two part
	regions []string
	marks   []mark
	topics  topics // of all marks
	found   []Match
	phones  int   // candidates that may still be asked of the numbering plans
	hosts   []int // the signs "@" behind which the host of a URL stands
	word    span  // the last value that was read
}

func (s *scan) add(kind Kind, start, end int) {
	s.found = append(s.found, Match{kind, start, end})
}

// settle keeps, of finds that overlap, the longest, and of equally long ones the
// most specific.
func (s *scan) settle() []Match {
	if len(s.found) < 2 {
		return s.found
	}
	byWorth := s.found
	slices.SortStableFunc(byWorth, func(a, b Match) int {
		return cmp.Or(a.Start-b.Start, b.End-a.End, rank(a.Kind)-rank(b.Kind))
	})
	var settled []Match
	for _, m := range byWorth {
		for len(settled) > 0 && settled[len(settled)-1].End > m.Start {
			last := settled[len(settled)-1]
			if !better(m, last) {
				m.Kind = ""
				break
			}
			settled = settled[:len(settled)-1]
		}
		if m.Kind != "" {
			settled = append(settled, m)
		}
	}
	return settled
}

func better(a, b Match) bool {
	if la, lb := a.End-a.Start, b.End-b.Start; la != lb {
		return la > lb
	}
	return rank(a.Kind) < rank(b.Kind)
}
