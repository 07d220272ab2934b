package pii

import (
	"slices"

	"github.com/nyaruka/phonenumbers"
)

// maxPhones bounds how often the numbering plans are asked for one text: the
// library's patterns cost microseconds, and mails with more numbers than this
// are lists. Numbers beyond it are taken by their words alone.
const maxPhones = 2000

// phone finds telephone numbers: international ones that a numbering plan holds
// valid; national ones where words say so or their form leaves little doubt.
func (s *scan) phone(w *window) {
	n := len(w.digits)
	if n < 7 || n > 15 || w.groups() > 7 || openBracket(w) || w.lines && !s.broken(w) {
		return
	}
	start := w.start
	lead := byte(0)
	if w.from == 0 {
		lead, start = w.run.lead, w.start
		if lead == '+' || lead == '(' {
			start = w.run.leadAt
		} else if lead != 0 {
			return
		}
	} else if g := w.run.groups[w.from]; g.gap == '(' {
		start-- // the bracket is right before the digit
	}
	if s.inURL(start) && !(lead == '+' && s.near(aboutPhone, start, w.end, 2, 0)) { // ?tel=+49…
		return
	}
	text := s.text[start:w.end]
	end := w.end
	if w.last && w.run.extension > 0 {
		end = w.run.extension
	}
	told := s.near(aboutPhone, start, w.end, 40, 8) || s.near(aboutPhoneLabel, start, w.end, 4, 2) || s.labelled(start)
	if lead == '+' || n >= 9 && w.digits[0] == 0 && w.digits[1] == 0 && w.apart {
		if w.from == 0 && (told && n >= 8 || s.plan(text, w.digits, lead == '+')) {
			s.add(Phone, start, end)
		}
		return
	}
	if !w.apart || dateShape(w) || lead == 0 && w.from > 0 && w.run.lead == '+' {
		return
	}
	if s.nobodys(start, aboutPhone) || amount(w) {
		return
	}
	switch {
	case told:
		if n <= 12 && s.possible(w) {
			s.add(Phone, start, end)
		}
	case northAmerican(w, lead == '(' || start < w.start):
		if s.valid(w.digits, "US") {
			s.add(Phone, start, end)
		}
	case ownForm(w, lead == '(' || start < w.start) != "":
		if region := ownForm(w, lead == '(' || start < w.start); slices.Contains(s.regions, region) || region == "RU" || region == "CN" {
			if s.valid(w.digits, region) {
				s.add(Phone, start, end)
			}
		}
	case w.digits[0] == 0 && w.groups() >= 2 && w.sign != '.' && n >= 9 && n <= 12 && len(w.digits) > 0:
		for _, region := range s.regions {
			if region != "US" && s.valid(w.digits, region) {
				s.add(Phone, start, end)
				return
			}
		}
	}
}

// broken says whether a line end within a window breaks an international number in
// two: what stands before it is none by itself.
func (s *scan) broken(w *window) bool {
	if w.from != 0 || w.run.lead != '+' {
		return false
	}
	for i := w.from + 1; i < w.to; i++ {
		if w.run.groups[i].gap == '\n' {
			before := w.run.digits[w.run.groups[w.from].first:w.run.groups[i].first]
			return len(before) >= 2 && !s.given(before) && s.given(w.digits)
		}
	}
	return false
}

// northAmerican says whether the digits are written the way that only telephone
// numbers of the North American plan are: (415) 555-0132, 415-555-0132.
func northAmerican(w *window, bracket bool) bool {
	switch w.shape() {
	case "3-3-4":
		return bracket || w.sign == '-' || w.sign == '.'
	case "1-3-3-4":
		return w.digits[0] == 1 && (w.sign == '-' || w.sign == '.' || w.sign == '?')
	}
	return false
}

// ownForm gives the country whose numbers alone are written so: 06.12.34.56.78,
// 8 (495) 123-45-67, (11) 91234-5678, 138-0013-8000.
func ownForm(w *window, bracket bool) string {
	opened := w.from+1 < w.to && w.run.groups[w.from+1].gap == '('
	switch shape := w.shape(); {
	case shape == "2-2-2-2-2" && w.sign == '.' && w.digits[0] == 0:
		return "FR"
	case shape == "1-3-3-2-2" && w.digits[0] == 8 && (opened || w.sign == '-'):
		return "RU"
	case (shape == "2-5-4" || shape == "2-4-4") && bracket && w.digits[0] != 0:
		return "BR"
	case shape == "3-4-4" && w.sign == '-' && w.digits[0] == 1:
		return "CN"
	}
	return ""
}

// KnownRegion says whether a country has a numbering plan that Options.Regions can name.
func KnownRegion(region string) bool { return phonenumbers.GetCountryCodeForRegion(region) != 0 }

// valid asks the numbering plan of a region.
func (s *scan) valid(digits []byte, region string) bool {
	if s.phones++; s.phones > maxPhones {
		return false
	}
	parsed, err := phonenumbers.Parse(written(digits), region)
	return err == nil && phonenumbers.IsValidNumber(parsed)
}

// plan asks whether a number with its country code may exist. A plus sign says
// enough to take numbers that are not given out; two zeros do not.
func (s *scan) plan(text string, digits []byte, plus bool) bool {
	if s.phones++; s.phones > maxPhones {
		return plus
	}
	if !plus {
		digits = digits[2:]
	} else if bracketZero(text) {
		digits = withoutTrunkZero(text, digits)
	}
	parsed, err := phonenumbers.Parse("+"+written(digits), "")
	if err != nil {
		return false
	}
	if plus {
		return phonenumbers.IsPossibleNumber(parsed)
	}
	return phonenumbers.IsValidNumber(parsed)
}

// given says whether a number with its country code is one that is given out.
func (s *scan) given(digits []byte) bool {
	if s.phones++; s.phones > maxPhones {
		return false
	}
	parsed, err := phonenumbers.Parse("+"+written(digits), "")
	return err == nil && phonenumbers.IsValidNumber(parsed)
}

func written(digits []byte) string {
	out := make([]byte, len(digits))
	for i, d := range digits {
		out[i] = '0' + d
	}
	return string(out)
}

// bracketZero says whether a trunk zero stands in brackets: +49 (0)30 ….
func bracketZero(text string) bool {
	for i := 0; i+2 < len(text); i++ {
		if text[i] == '(' && text[i+1] == '0' && text[i+2] == ')' {
			return true
		}
	}
	return false
}

// withoutTrunkZero leaves out the digit that stands in "(0)".
func withoutTrunkZero(text string, digits []byte) []byte {
	kept := make([]byte, 0, len(digits))
	n := 0
	for i := 0; i < len(text) && n < len(digits); i++ {
		if _, size := digitAt(text, i); size > 0 {
			if !(i > 0 && text[i-1] == '(' && i+1 < len(text) && text[i+1] == ')' && digits[n] == 0) {
				kept = append(kept, digits[n])
			}
			n++
		}
	}
	return kept
}

// labelled says whether a letter such as "T:" stands right before a number.
func (s *scan) labelled(start int) bool {
	i := start
	for i > 0 && start-i < 3 && s.text[i-1] == ' ' {
		i--
	}
	if i < 2 || s.text[i-1] != ':' && s.text[i-1] != '.' {
		return false
	}
	switch upper(s.text[i-2]) {
	case 'T', 'F', 'M', 'P', 'H':
		return i == 2 || !isAlnum(s.text[i-3]) && s.text[i-3] < 0x80
	}
	return false
}

// openBracket says whether a bracket opens within the window before its last
// group and nothing closes it: "321-726-2209 (24 hours)".
func openBracket(w *window) bool {
	for i := w.from + 1; i < w.to; i++ {
		if w.run.groups[i].gap == '(' && (i+1 >= len(w.run.groups) || i+1 == w.to) {
			return true
		}
	}
	return false
}

// yearSpan says whether a window is two years: 1995-2001.
func yearSpan(w *window) bool {
	year := func(d []byte) bool { y := prefix(d, 4); return y >= 1900 && y <= 2099 }
	return w.shape() == "4-4" && year(w.digits) && year(w.digits[4:])
}

// possible says whether a number that words call a telephone number may be one.
func (s *scan) possible(w *window) bool {
	return !allSame(w.digits) && !yearSpan(w) && !(w.groups() == 1 && len(w.digits) == 8 && plausibleDate8(w.digits))
}

// amount says whether the window reads as money or a count.
func amount(w *window) bool {
	if w.sign != '.' || w.groups() < 2 {
		return false
	}
	for i := w.from + 1; i < w.to; i++ {
		if w.run.groups[i].end-w.run.groups[i].first != 3 {
			return false
		}
	}
	return w.run.groups[w.from].end-w.run.groups[w.from].first <= 3
}

// inURL says whether the offset lies in a URL or a path.
func (s *scan) inURL(at int) bool {
	for i := at - 1; i >= 0 && at-i < 200; i-- {
		switch c := s.text[i]; {
		case (c <= ' ' || c == '<' || c == '"' || c == '(') && !s.escaped(i):
			return false
		case c == ':' && i+2 < len(s.text) && s.text[i+1] == '/' && s.text[i+2] == '/':
			return true
		case c == '?' && i+1 < at, c == '&' && at-i > 1 && i > 0 && s.text[i-1] > ' ':
			return true
		}
	}
	return false
}
