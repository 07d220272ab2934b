package mail

import (
	"strconv"
	"strings"
	"time"
)

var months = map[string]time.Month{
	"jan": time.January, "feb": time.February, "mar": time.March, "apr": time.April, "may": time.May, "jun": time.June,
	"jul": time.July, "aug": time.August, "sep": time.September, "oct": time.October, "nov": time.November, "dec": time.December,
}

// RFC 5322 §4.3; the military letters say nothing (their signs were wrong in RFC 822).
var zones = map[string]int{
	"ut": 0, "gmt": 0, "utc": 0, "z": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7,
	"cet": 1, "cest": 2, "met": 1, "mest": 2, "bst": 1, "wet": 0, "west": 1, "eet": 2, "eest": 3, "msk": 3, "jst": 9, "kst": 9, "hkt": 8,
}

// ParseDate reads a date of RFC 5322 §3.3 or §4.3, also where words are out of
// order as in asctime. It gives the zero time where there is none.
func ParseDate(text string) time.Time {
	var day, year int
	var month time.Month
	hour, minute, second := -1, 0, 0
	zone := time.UTC
	hasZone := false
	words := strings.FieldsFunc(stripComments(text), func(r rune) bool { return r == ' ' || r == '\t' || r == ',' || r == '\r' || r == '\n' })
	if len(words) > 20 {
		return time.Time{}
	}
	for i := 0; i < len(words); i++ {
		w := strings.ToLower(words[i])
		switch {
		case w == "":
		case strings.Count(w, "-") == 2 && isDigit(w[0]) && month == 0: // 12-Jan-2003, 2003-01-12
			words = append(words[:i+1], append(strings.Split(w, "-"), words[i+1:]...)...)
			if len(words[i+1]) == 4 && isNumber(words[i+2]) {
				m, _ := strconv.Atoi(words[i+2])
				if m < 1 || m > 12 {
					return time.Time{}
				}
				month = time.Month(m)
				year, _ = strconv.Atoi(words[i+1])
				day, _ = strconv.Atoi(strings.SplitN(words[i+3], "t", 2)[0])
				if _, c, ok := strings.Cut(words[i+3], "t"); ok && hour < 0 {
					hour, minute, second, _ = clock(strings.TrimSuffix(c, "z"))
				}
				i += 3
			}
		case strings.Count(w, ":") >= 1 && hour < 0 && isDigit(w[0]):
			var ok bool
			if hour, minute, second, ok = clock(w); !ok {
				return time.Time{}
			}
		case len(w) >= 3 && months[w[:3]] != 0 && month == 0:
			month = months[w[:3]]
		case (w[0] == '+' || w[0] == '-') && len(w) >= 3 && isNumber(strings.ReplaceAll(w[1:], ":", "")) && hour >= 0:
			if z, ok := offset(w); ok && !hasZone {
				zone, hasZone = z, true
			}
		case isNumber(w) && day == 0 && len(w) <= 2:
			day, _ = strconv.Atoi(w)
		case isNumber(w) && year == 0 && len(w) >= 2 && len(w) <= 4:
			year, _ = strconv.Atoi(w)
			if len(w) <= 3 { // RFC 5322 §4.3
				switch {
				case len(w) == 3, year >= 50:
					year += 1900
				default:
					year += 2000
				}
			}
		default:
			if h, ok := zones[w]; ok && !hasZone {
				zone, hasZone = time.FixedZone("", h*3600), true
			}
		}
	}
	if day < 1 || day > 31 || month == 0 || year == 0 {
		return time.Time{}
	}
	hour = max(hour, 0)
	if time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Day() != day { // 31 February
		return time.Time{}
	}
	return time.Date(year, month, day, hour, minute, second, 0, zone)
}

func clock(w string) (hour, minute, second int, ok bool) {
	w, _, _ = strings.Cut(w, ".")
	pieces := strings.Split(w, ":")
	var n [3]int
	for i, piece := range pieces {
		if i > 2 || !isNumber(piece) || len(piece) > 2 {
			return 0, 0, 0, false
		}
		n[i], _ = strconv.Atoi(piece)
	}
	return n[0], n[1], n[2], n[0] < 24 && n[1] < 60 && n[2] <= 60
}

func offset(w string) (*time.Location, bool) {
	digits := strings.ReplaceAll(w[1:], ":", "")
	if len(digits) == 2 {
		digits += "00"
	}
	if len(digits) == 3 {
		digits = "0" + digits
	}
	if len(digits) != 4 {
		return nil, false
	}
	h, _ := strconv.Atoi(digits[:2])
	m, _ := strconv.Atoi(digits[2:])
	if h > 24 || m > 59 {
		return time.UTC, true
	}
	seconds := h*3600 + m*60
	if w[0] == '-' {
		seconds = -seconds
	}
	return time.FixedZone("", seconds), true
}

// stripComments removes comments (RFC 5322 §3.2.2).
func stripComments(text string) string {
	if strings.IndexByte(text, '(') < 0 {
		return text
	}
	var out strings.Builder
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && depth > 0:
			i++
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
			out.WriteByte(' ')
		case depth == 0:
			out.WriteByte(c)
		}
	}
	return out.String()
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isNumber(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}
