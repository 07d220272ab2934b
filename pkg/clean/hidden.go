package clean

import (
	"strconv"
	"strings"
	"unicode"
)

// A veil is what keeps text from being seen, or a part of that.
type veil uint8

const (
	hidden     veil = 1 << iota // by itself, with all that is inside
	tinyFont                    // letters too small to be seen, unless others are set inside
	shownFont                   // letters that are large enough
	noRoom                      // no width or height
	cutOff                      // what has no room is not shown
	faraway                     // beyond the edge of the page
	positioned                  // placed by numbers
)

// Bounds of what the eye can find.
const (
	leastFont    = 3 // pixels
	leastOpacity = 0.1
	farIndent    = 100 // pixels
	farMargin    = 500 // pixels: design moves things by less
)

var clipSigns = strings.NewReplacer(" ", "", ",", "", "px", "", "auto", "")

// veilOf says what a declaration, which is in lower case, does to be seen.
func veilOf(property, value string) veil {
	switch property {
	case "display":
		if value == "none" {
			return hidden
		}
	case "visibility":
		if value == "hidden" || value == "collapse" {
			return hidden
		}
	case "opacity":
		if amount, unit, ok := measure(value); ok && (unit == "" && amount <= leastOpacity || unit == "%" && amount <= 100*leastOpacity) {
			return hidden
		}
	case "font-size":
		if amount, ok := pixels(value); ok && amount < leastFont {
			return tinyFont
		}
		return shownFont
	case "font":
		for field := range strings.FieldsSeq(value) {
			size, _, _ := strings.Cut(field, "/")
			if amount, ok := pixels(size); ok && (amount == 0 || strings.TrimLeft(size, "0123456789.") != "") {
				if amount < leastFont {
					return tinyFont
				}
				return shownFont
			}
		}
	case "max-height", "max-width":
		if amount, ok := pixels(value); ok && amount <= 1 {
			return noRoom
		}
	case "height", "width", "line-height":
		if amount, ok := pixels(value); ok && amount <= 1 && (amount == 0 || property != "line-height") {
			return noRoom
		}
	case "overflow", "overflow-x", "overflow-y":
		if strings.HasPrefix(value, "hidden") || strings.HasPrefix(value, "clip") {
			return cutOff
		}
	case "position":
		if value == "absolute" || value == "fixed" {
			return positioned
		}
	case "left", "top", "right", "bottom":
		if far(value, farIndent) {
			return faraway
		}
	case "margin-left", "margin-top":
		if far(value, farMargin) {
			return hidden
		}
	case "text-indent":
		if far(value, farIndent) {
			return hidden
		}
	case "clip":
		if compact := clipSigns.Replace(value); compact == "rect(0000)" || compact == "rect(1111)" {
			return hidden
		}
	case "clip-path":
		if strings.HasPrefix(value, "inset(50%") || strings.HasPrefix(value, "inset(100%") || strings.HasPrefix(value, "circle(0") {
			return hidden
		}
	case "transform":
		if strings.Contains(value, "scale(0)") || strings.Contains(value, "scale(0,") || strings.Contains(value, "scalex(0)") || strings.Contains(value, "scaley(0)") {
			return hidden
		}
	case "filter":
		if strings.Contains(value, "opacity(0") && !strings.Contains(value, "opacity(0.") || strings.Contains(value, "alpha(opacity=0)") {
			return hidden
		}
	case "color", "-webkit-text-fill-color":
		if value == "transparent" || clear100(value) {
			return hidden
		}
	}
	return 0
}

// clear100 says whether a colour has nothing but transparency.
func clear100(value string) bool {
	inside, ok := strings.CutSuffix(value, ")")
	if !ok || !strings.HasPrefix(inside, "rgba(") && !strings.HasPrefix(inside, "hsla(") && !strings.HasPrefix(inside, "rgb(") {
		return false
	}
	at := strings.LastIndexAny(inside, ",/")
	if at < 0 || strings.Count(inside, ",") < 3 && inside[at] == ',' {
		return false
	}
	alpha := strings.TrimSuffix(strings.TrimSpace(inside[at+1:]), "%")
	amount, err := strconv.ParseFloat(alpha, 64)
	return err == nil && len(alpha) <= 12 && amount == 0
}

// pixels gives about how many pixels a length of any unit is.
func pixels(value string) (float64, bool) {
	amount, unit, ok := measure(value)
	if !ok {
		return 0, false
	}
	switch unit {
	case "", "px":
		return amount, true
	case "pt":
		return amount / 0.75, true
	case "em", "rem", "ex", "ch":
		return amount * 16, true
	case "%":
		return amount / 100 * 16, true
	case "mm":
		return amount * 3.78, true
	case "cm":
		return amount * 37.8, true
	case "in":
		return amount * 96, true
	case "pc":
		return amount * 16, true
	case "vw", "vh", "vmin", "vmax":
		return amount * 8, true
	}
	return 0, false
}

// onePixel says whether a length is of at most one pixel.
func onePixel(value string) bool {
	amount, unit, ok := measure(value)
	if !ok {
		return false
	}
	if unit == "%" {
		return amount == 0
	}
	amount, ok = pixels(value)
	return ok && amount <= 1.5
}

// far says whether a length leads beyond the edge.
func far(value string, least float64) bool {
	less, ok := strings.CutPrefix(value, "-")
	if !ok {
		return false
	}
	if strings.HasSuffix(less, "%") {
		amount, _, ok := measure(less)
		return ok && amount >= 100
	}
	amount, ok := pixels(less)
	return ok && amount >= least
}

// preheader bounds the bytes of hidden words at the beginning of a mail that its
// author means for the list of mails, as newsletters do.
const preheader = 600

// countLetters counts the letters and digits of a text.
func countLetters(text string) (n int) {
	for _, r := range text {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			n++
		}
	}
	return n
}

// unseen says whether text in an element would not be seen.
func (e *element) unseen() bool { return e.veiled || e.small || e.faint }

// account notes a text that would not have been seen, or was.
func (w *walker) account(text string) {
	top := w.top()
	if top == nil || !top.unseen() {
		w.seen = w.seen || countLetters(text) > 0
		return
	}
	size := countLetters(text)
	if w.result.Hidden.Letters += size; !w.seen && w.result.Hidden.Letters <= preheader {
		return
	}
	w.result.Hidden.Grave = w.result.Hidden.Grave || size > 0
}
