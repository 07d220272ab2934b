package clean

import (
	"strconv"
	"strings"
)

// A check accepts a lower-case value and gives it as it is to be written.
type check func(value string) (string, bool)

var properties = map[string]check{
	"font-family":     fontFamily,
	"font-size":       fontSize,
	"font-style":      oneOf("normal", "italic", "oblique"),
	"font-weight":     oneOf("normal", "bold", "bolder", "lighter", "100", "200", "300", "400", "500", "600", "700", "800", "900"),
	"font-variant":    oneOf("normal", "small-caps"),
	"line-height":     lineHeight,
	"letter-spacing":  lengths(1, limits{px: 5, em: 0.4}),
	"text-align":      oneOf("left", "right", "center", "justify", "start", "end"),
	"text-decoration": oneOf("none", "underline", "line-through", "overline"),
	"text-transform":  oneOf("none", "uppercase", "lowercase", "capitalize"),
	"text-indent":     lengths(1, limits{px: 100, em: 6}),
	"vertical-align":  oneOf("top", "middle", "bottom", "baseline", "sub", "super", "text-top", "text-bottom"),
	"white-space":     oneOf("normal", "pre", "pre-wrap", "pre-line", "nowrap"),
	"word-break":      oneOf("normal", "break-all", "break-word", "keep-all"),
	"overflow-wrap":   oneOf("normal", "break-word", "anywhere"),
	"word-wrap":       oneOf("normal", "break-word"),
	"direction":       oneOf("ltr", "rtl"),
	"float":           oneOf("left", "right", "none"),
	"clear":           oneOf("left", "right", "both", "none"),
	"display":         oneOf("block", "inline", "inline-block", "table", "table-row", "table-cell", "list-item"),
	"table-layout":    oneOf("auto", "fixed"),
	"border-collapse": oneOf("collapse", "separate"),
	"border-spacing":  lengths(2, limits{px: 50, em: 4}),
	"border-radius":   lengths(4, limits{px: 100, em: 8, percent: 50}),
	"border":          border, "border-top": border, "border-right": border,
	"border-bottom": border, "border-left": border,
	"border-color": border, "border-style": border, "border-width": border,
	"list-style-type": oneOf("disc", "circle", "square", "decimal", "lower-alpha", "upper-alpha", "lower-roman", "upper-roman", "none"),
	"margin":          spacing, "margin-top": spacing, "margin-right": spacing,
	"margin-bottom": spacing, "margin-left": spacing,
	"padding": spacing, "padding-top": spacing, "padding-right": spacing,
	"padding-bottom": spacing, "padding-left": spacing,
	"width":     lengths(1, extent),
	"max-width": lengths(1, limits{px: 2000, em: 120, percent: 100, least: 16}),
	"min-width": lengths(1, extent),
	"height":    lengths(1, extent),
}

var (
	spacing = lengths(4, limits{px: 200, em: 12, percent: 50})
	extent  = limits{px: 2000, em: 120, percent: 100}
)

func oneOf(words ...string) check {
	return func(value string) (string, bool) {
		for _, word := range words {
			if value == word {
				return word, true
			}
		}
		return "", false
	}
}

// limits are the greatest values of a length by unit; a unit at zero is refused.
type limits struct {
	px, em, percent float64
	least           float64 // in pixels
}

// lengths accepts up to n lengths that are not negative.
func lengths(n int, limit limits) check {
	return func(value string) (string, bool) {
		if n != 2 && value == "auto" || strings.IndexByte(value, ' ') < 0 && limit.allow(value) {
			return value, true
		}
		fields := strings.Fields(value)
		if len(fields) == 0 || len(fields) > n {
			return "", false
		}
		for _, field := range fields {
			if field == "auto" && n != 2 {
				continue
			}
			if !limit.allow(field) {
				return "", false
			}
		}
		return strings.Join(fields, " "), true
	}
}

func (l limits) allow(field string) bool {
	amount, unit, ok := measure(field)
	if !ok {
		return false
	}
	switch unit {
	case "":
		return amount == 0 && l.least == 0
	case "px":
		return amount <= l.px && amount >= l.least
	case "pt":
		return amount <= l.px*0.75 && amount >= l.least*0.75
	case "em", "rem":
		return amount <= l.em && amount >= l.least/16
	case "%":
		return amount <= l.percent && amount >= l.least/20
	}
	return false
}

// measure splits a dimension into its amount and unit.
func measure(field string) (amount float64, unit string, ok bool) {
	end := 0
	for end < len(field) && (field[end] >= '0' && field[end] <= '9' || field[end] == '.') {
		end++
	}
	if end == 0 || end > 12 {
		return 0, "", false
	}
	amount, err := strconv.ParseFloat(field[:end], 64)
	return amount, field[end:], err == nil
}

func fontSize(value string) (string, bool) {
	switch value {
	case "x-small", "small", "medium", "large", "x-large", "xx-large", "smaller", "larger":
		return value, true
	}
	amount, unit, ok := measure(value)
	if !ok {
		return "", false
	}
	switch unit {
	case "px":
		ok = amount >= 8 && amount <= 72
	case "pt":
		ok = amount >= 6 && amount <= 54
	case "em", "rem":
		ok = amount >= 0.6 && amount <= 4
	case "%":
		ok = amount >= 60 && amount <= 400
	default:
		ok = false
	}
	return value, ok
}

func lineHeight(value string) (string, bool) {
	if value == "normal" {
		return value, true
	}
	amount, unit, ok := measure(value)
	if !ok {
		return "", false
	}
	switch unit {
	case "", "em", "rem":
		ok = amount >= 0.9 && amount <= 4
	case "px":
		ok = amount >= 8 && amount <= 100
	case "pt":
		ok = amount >= 6 && amount <= 75
	case "%":
		ok = amount >= 90 && amount <= 400
	default:
		ok = false
	}
	return value, ok
}

// fontFamily keeps names of plain letters; where a font comes from is up to the
// reader's machine, as no @font-face survives.
func fontFamily(value string) (string, bool) {
	var names strings.Builder
	names.Grow(len(value) + len("''"))
	count := 0
	for name := range strings.SplitSeq(value, ",") {
		name = strings.ToLower(strings.Trim(strings.TrimSpace(name), `"'`))
		if name == "" || len(name) > 40 || count == 8 {
			continue
		}
		if !onlyOf(name, func(c byte) bool {
			return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == ' ' || c == '-'
		}) {
			continue
		}
		if name = oneLine(name); name == "" || signFont(name) {
			continue
		}
		if count++; count > 1 {
			names.WriteString(", ")
		}
		if strings.IndexByte(name, ' ') >= 0 {
			names.WriteByte('\'')
			names.WriteString(name)
			names.WriteByte('\'')
		} else {
			names.WriteString(name)
		}
	}
	return names.String(), count > 0
}

// signFont says whether a font has other signs in the place of letters: what is
// read in it is not what stands there.
func signFont(name string) bool {
	for _, part := range [...]string{"dings", "dingbats", "symbol", "blank", "barcode", "redacted"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// border accepts widths, line styles and colours in any order.
func border(value string) (string, bool) {
	fields := strings.Fields(value)
	if len(fields) == 0 || len(fields) > 4 {
		return "", false
	}
	for i, field := range fields {
		switch field {
		case "none", "solid", "dashed", "dotted", "double", "groove", "ridge", "inset", "outset",
			"thin", "medium", "thick":
			continue
		}
		if (limits{px: 20, em: 2}).allow(field) {
			continue
		}
		c, ok := parseColor(field)
		if !ok {
			return "", false
		}
		fields[i] = c.String()
	}
	return strings.Join(fields, " "), true
}
