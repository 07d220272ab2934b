package clean

import (
	"math"
	"strconv"
	"strings"
)

// A color is an opaque sRGB colour.
type color struct{ r, g, b uint8 }

var (
	black = color{0, 0, 0}
	white = color{255, 255, 255}
)

func (c color) hex() [7]byte {
	const digits = "0123456789abcdef"
	return [7]byte{'#', digits[c.r>>4], digits[c.r&15], digits[c.g>>4], digits[c.g&15], digits[c.b>>4], digits[c.b&15]}
}

func (c color) String() string {
	hex := c.hex()
	return string(hex[:])
}

func (c color) write(out *strings.Builder) {
	hex := c.hex()
	out.Write(hex[:])
}

// parseColor reads an opaque colour: a name, #rgb, #rrggbb, rgb() or rgba()
// (CSS Color Module Level 4 §4-§6). Everything else, and what lets a background
// shine through, is refused, so that what is written can be compared.
func parseColor(s string) (color, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if c, ok := namedColors[s]; ok {
		return color{uint8(c >> 16), uint8(c >> 8), uint8(c)}, true
	}
	if hex, ok := strings.CutPrefix(s, "#"); ok {
		return hexColor(hex)
	}
	if len(s) == 6 { // HTML attributes are often written without the sign
		if c, ok := hexColor(s); ok {
			return c, true
		}
	}
	if inside, ok := strings.CutSuffix(s, ")"); ok {
		if rest, ok := strings.CutPrefix(inside, "rgba("); ok {
			return rgbColor(rest)
		}
		if rest, ok := strings.CutPrefix(inside, "rgb("); ok {
			return rgbColor(rest)
		}
	}
	return color{}, false
}

func hexColor(hex string) (color, bool) {
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil || hex[0] == '+' {
		return color{}, false
	}
	switch len(hex) {
	case 3:
		r, g, b := uint8(n>>8)&15, uint8(n>>4)&15, uint8(n)&15
		return color{r * 17, g * 17, b * 17}, true
	case 6:
		return color{uint8(n >> 16), uint8(n >> 8), uint8(n)}, true
	}
	return color{}, false
}

func rgbColor(inside string) (color, bool) {
	if len(inside) > 64 {
		return color{}, false
	}
	fields := strings.FieldsFunc(inside, func(r rune) bool { return r == ',' || r == ' ' || r == '/' })
	if len(fields) == 4 {
		if alpha, ok := channel(fields[3], 1); !ok || alpha < 1 {
			return color{}, false
		}
		fields = fields[:3]
	}
	if len(fields) != 3 {
		return color{}, false
	}
	var c [3]uint8
	for i, field := range fields {
		value, ok := channel(field, 255)
		if !ok {
			return color{}, false
		}
		c[i] = uint8(math.Round(value))
	}
	return color{c[0], c[1], c[2]}, true
}

// channel reads a number or percentage and clamps it to 0..full.
func channel(s string, full float64) (float64, bool) {
	number, percent := strings.CutSuffix(s, "%")
	if !onlyOf(number, func(c byte) bool { return c >= '0' && c <= '9' || c == '.' }) {
		return 0, false
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, false
	}
	if percent {
		value = value / 100 * full
	}
	return min(value, full), true
}

// minContrast is the least contrast between letters and ground. Design uses
// pale greys, so it only has to catch what the eye cannot find.
const minContrast = 1.2

// legible says whether letters of one colour can be seen on another
// (WCAG 2.2, contrast ratio).
func legible(letters, ground color) bool {
	a, b := letters.luminance(), ground.luminance()
	if a < b {
		a, b = b, a
	}
	return (a+0.05)/(b+0.05) >= minContrast
}

// contrast is black or white, whichever stands out more.
func (c color) contrast() color {
	if c.luminance() > 0.18 {
		return black
	}
	return white
}

func (c color) luminance() float64 {
	return 0.2126*linear[c.r] + 0.7152*linear[c.g] + 0.0722*linear[c.b]
}

// linear maps an sRGB channel to linear light (WCAG 2.2, relative luminance).
var linear = func() (table [256]float64) {
	for i := range table {
		v := float64(i) / 255
		if v <= 0.04045 {
			table[i] = v / 12.92
		} else {
			table[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	return table
}()
