package clean

import (
	"strconv"
	"strings"
)

// attribute checks the value of a plain attribute and gives it as it is to be
// written; false leaves the attribute out.
func attribute(attr int, value string) (string, bool) {
	switch attr {
	case attrTitle, attrAlt:
		value = cutText(oneLine(value), maxAttribute)
		return value, value != "" || attr == attrAlt
	}
	value = strings.ToLower(strings.TrimSpace(value))
	switch attr {
	case attrDir:
		return value, value == "ltr" || value == "rtl" || value == "auto"
	case attrLang:
		return value, isLanguage(value)
	case attrAlign:
		return value, value == "left" || value == "right" || value == "center" || value == "justify"
	case attrVAlign:
		return value, value == "top" || value == "middle" || value == "bottom" || value == "baseline"
	case attrBGColor, attrColor:
		c, ok := parseColor(value)
		return c.String(), ok
	case attrFace:
		return fontFamily(value)
	case attrSize:
		if len(value) == 2 && (value[0] == '+' || value[0] == '-') {
			return value, value[1] >= '1' && value[1] <= '3'
		}
		return bounded(value, 1, 7)
	case attrWidth, attrHeight:
		if number, ok := strings.CutSuffix(value, "%"); ok {
			number, ok = bounded(number, 0, 100)
			return number + "%", ok
		}
		return bounded(strings.TrimSuffix(value, "px"), 0, 2000)
	case attrBorder:
		return bounded(value, 0, 20)
	case attrCellPadding, attrCellSpacing:
		return bounded(value, 0, 100)
	case attrColSpan, attrRowSpan, attrSpan:
		return bounded(value, 1, 100)
	case attrStart, attrValue:
		return bounded(value, 0, 1_000_000)
	case attrType:
		switch value {
		case "1", "a", "i", "disc", "circle", "square":
			return value, true
		}
	}
	return "", false
}

// maxAttribute bounds the bytes of alt and title.
const maxAttribute = 512

// isLanguage tells whether a value names a language (RFC 5646), in lower case. No language needs more digits
// than one region (419) or one spelling (1996): more of them may be anything.
func isLanguage(value string) bool {
	digits := 0
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c >= '0' && c <= '9' && i > 0:
			digits++
		case (c < 'a' || c > 'z') && (c != '-' || i == 0):
			return false
		}
	}
	return value != "" && len(value) <= 35 && digits <= 4
}

func onlyOf(s string, ok func(byte) bool) bool {
	for i := 0; i < len(s); i++ {
		if !ok(s[i]) {
			return false
		}
	}
	return s != ""
}

// bounded reads a whole number within limits and writes it without ornament.
func bounded(s string, low, high int) (string, bool) {
	if len(s) > 9 {
		return "", false
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return "", false
	}
	return strconv.Itoa(n), true
}
