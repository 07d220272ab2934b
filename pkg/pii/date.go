package pii

// daysIn bounds the days of each month; February has its leap day.
var daysIn = [...]int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// isDate says whether a month has such a day.
func isDate(month, day int) bool {
	return month >= 1 && month <= 12 && day >= 1 && day <= daysIn[month-1]
}

func two(d []byte, i int) int { return int(d[i])*10 + int(d[i+1]) }

// plausibleDate8 says whether eight digits are a date, year first or last.
func plausibleDate8(d []byte) bool {
	if y := prefix(d, 4); y >= 1900 && y <= 2099 && isDate(two(d, 4), two(d, 6)) {
		return true
	}
	y := prefix(d[4:], 4)
	return y >= 1900 && y <= 2099 && (isDate(two(d, 2), two(d, 0)) || isDate(two(d, 0), two(d, 2)))
}

// dateShape says whether a window begins or ends with a date written in groups:
// 2024-05-17, 17.05.2024, 5/17/2024.
func dateShape(w *window) bool {
	r := w.run
	value := func(i int) (int, int) {
		g := r.groups[i]
		return prefix(r.digits[g.first:g.end], 4), g.end - g.first
	}
	for i := w.from; i+3 <= w.to; i++ {
		a, na := value(i)
		b, nb := value(i + 1)
		c, nc := value(i + 2)
		switch {
		case na == 4 && nb <= 2 && nc <= 2 && a >= 1900 && a <= 2099 && isDate(b, c):
			return true
		case na <= 2 && nb <= 2 && nc == 4 && c >= 1900 && c <= 2099 && (isDate(a, b) || isDate(b, a)):
			return true
		}
	}
	return false
}

// births finds dates that words call somebody's birth.
func (s *scan) births() {
	if !s.topics.has(aboutBirth) {
		return
	}
	for _, m := range s.marks {
		if !m.topics.has(aboutBirth) {
			continue
		}
		limit := min(m.end+48, len(s.text))
		for i := m.end; i < limit; i++ {
			if c := s.text[i]; c == '\n' && i > m.end+24 {
				break
			}
			if end := dateAt(s.text, i); end > 0 && (i == 0 || !isAlnum(s.text[i-1])) {
				s.add(DateOfBirth, i, end)
				break
			}
		}
	}
}

// dateAt gives the end of a date that begins at i: three numbers with one sign
// between, or a day and year around a month's name. Zero means none.
func dateAt(text string, i int) int {
	if !isAlnum(text[i]) && text[i] < 0x80 {
		return 0
	}
	if isDigit(text[i]) {
		if end := numericDate(text, i); end > 0 {
			return end
		}
	}
	return namedDate(text, i)
}

// readNumber reads up to four digits at i.
func readNumber(text string, i int) (value, end int) {
	for end = i; end < len(text) && end-i < 5 && isDigit(text[end]); end++ {
		value = value*10 + int(text[end]-'0')
	}
	return value, end
}

func numericDate(text string, i int) int {
	var values, sizes [3]int
	sign := byte(0)
	for part := range values {
		if part > 0 {
			if i >= len(text) {
				return 0
			}
			c := text[i]
			if c != '.' && c != '/' && c != '-' && c != ' ' || sign != 0 && c != sign {
				return 0
			}
			sign = c
			for i++; i < len(text) && text[i] == ' '; i++ {
			}
		}
		value, end := readNumber(text, i)
		if end == i || end-i > 4 {
			return 0
		}
		values[part], sizes[part], i = value, end-i, end
	}
	if i < len(text) && isAlnum(text[i]) {
		return 0
	}
	a, b, c := values[0], values[1], values[2]
	year := func(y, size int) bool { return size == 4 && y >= 1880 && y <= 2100 || size == 2 }
	switch {
	case sizes[0] == 4 && year(a, 4) && isDate(b, c):
	case year(c, sizes[2]) && sizes[0] <= 2 && sizes[1] <= 2 && (isDate(b, a) || isDate(a, b)):
	default:
		return 0
	}
	return i
}

// monthNames opens the names of months in the common languages, by their first
// three letters or as written.
var monthNames = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
	"mär", "mai", "okt", "dez", "fév", "avr", "juin", "juil", "aoû", "déc", "ene", "abr", "ago", "dic",
	"gen", "mag", "giu", "lug", "set", "ott", "mrt", "mei", "fev", "out", "sty", "lut", "kwi", "maj", "cze", "lip", "sie", "wrz", "paź", "lis", "gru",
	"янв", "фев", "мар", "апр", "мая", "май", "июн", "июл", "авг", "сен", "окт", "ноя", "дек",
	"січ", "лют", "бер", "кві", "тра", "чер", "лип", "сер", "вер", "жов", "гру", "юни", "юли",
	"ιαν", "φεβ", "μαρ", "απρ", "μαι", "ιουν", "ιουλ", "αυγ", "σεπ", "οκτ", "νοε", "δεκ",
	"oca", "şub", "nis", "haz", "tem", "ağu", "eyl", "eki", "kas", "ara", "led", "úno", "bře", "dub", "kvě", "čer", "srp", "zář", "říj", "pro",
	"már", "ápr", "máj", "jún", "júl", "szept", "ian", "iun", "iul", "noi", "tammi", "helmi", "maalis", "huhti", "touko", "kesä", "heinä", "elo", "syys", "loka", "marras", "joulu",
	"sij", "velj", "ožu", "tra", "svi", "lip", "srp", "kol", "ruj"}

// namedDate reads "17 May 1980", "17. Mai 1980", "May 17th, 1980" and Japanese
// "1980年5月17日".
func namedDate(text string, i int) int {
	start := i
	day, year, month := false, false, false
	for part := 0; part < 3; part++ {
		if i >= len(text) {
			return 0
		}
		if isDigit(text[i]) {
			value, end := readNumber(text, i)
			switch {
			case end-i == 4 && value >= 1880 && value <= 2100 && !year:
				year = true
			case end-i <= 2 && value >= 1 && value <= 31 && (!day || !month):
				month = month || day
				day = true
			default:
				return 0
			}
			i = end
			i = skipAny(text, i, "st", "nd", "rd", "th", "º", "er", "年", "月", "日", "년", "월", "일")
		} else {
			b := wordAt(text, i)
			name := lower(text[i:b])
			if b == i || !startsMonth(name) || month {
				return 0
			}
			month = true
			i = b
		}
		if day && month && year {
			if i-start < 8 {
				return 0
			}
			return i
		}
		i = skipAny(text, i, ".", ",", "-")
		for i < len(text) && text[i] == ' ' {
			i++
		}
		i = skipAny(text, i, "of ", "de ", "del ")
	}
	return 0
}

func skipAny(text string, i int, words ...string) int {
	for _, word := range words {
		if len(text)-i >= len(word) && text[i:i+len(word)] == word {
			return i + len(word)
		}
	}
	return i
}

func startsMonth(name string) bool {
	for _, month := range monthNames {
		if len(name) >= len(month) && name[:len(month)] == month {
			return true
		}
	}
	return false
}
