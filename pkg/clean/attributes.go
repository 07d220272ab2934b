package clean

import (
	"strings"

	"golang.org/x/net/html"
)

// attributes are those of one start tag that mean something here.
type attributes struct {
	given    uint64 // by number
	read     uint64 // values that are no longer as they stood
	values   [attrCount]string
	handlers int // event handlers of different names
	handled  map[string]bool
}

// manyHandlers is when the names of handlers get a new home for the next tag: a
// large one takes the longer to empty, and every tag would pay for it.
const manyHandlers = 64

func (a *attributes) reset() {
	a.given, a.read = 0, 0
	if a.handlers > manyHandlers {
		a.handled = nil
	} else if a.handlers > 0 {
		clear(a.handled)
	}
	a.handlers = 0
}

// add takes an attribute as it stands in the tag; of several of one name the
// first counts (WHATWG HTML §13.2.5.33).
func (a *attributes) add(key, value string) {
	if len(key) > 2 && key[0]|0x20 == 'o' && key[1]|0x20 == 'n' {
		a.handler(key)
		return
	}
	number, known := numberOf(key)
	if known && a.given&(1<<number) == 0 {
		a.given |= 1 << number
		a.values[number] = value
	}
}

func (a *attributes) handler(key string) {
	key = lowerASCII(key)
	if a.handled[key] {
		return
	}
	if a.handled == nil {
		a.handled = map[string]bool{}
	}
	a.handled[key] = true
	a.handlers++
}

// lowerASCII puts letters of ASCII in lower case and no others.
func lowerASCII(word string) string {
	for i := 0; i < len(word); i++ {
		if c := word[i]; c >= 'A' && c <= 'Z' {
			out := []byte(word)
			for ; i < len(out); i++ {
				if out[i] >= 'A' && out[i] <= 'Z' {
					out[i] += 'a' - 'A'
				}
			}
			return string(out)
		}
	}
	return word
}

func (a *attributes) has(attr int) bool { return a.given&(1<<attr) != 0 }

func (a *attributes) drop(attr int) { a.given &^= 1 << attr }

func (a *attributes) set(attr int, value string) {
	a.given |= 1 << attr
	a.read |= 1 << attr
	a.values[attr] = value
}

// value gives an attribute as it is meant, "" where it is absent.
func (a *attributes) value(attr int) string {
	if a.given&(1<<attr) == 0 {
		return ""
	}
	if a.read&(1<<attr) == 0 {
		a.read |= 1 << attr
		a.values[attr] = attributeValue(a.values[attr])
	}
	return a.values[attr]
}

// attributeValue resolves the character references of a value as it stands. In
// attributes only a whole name counts, and none that "=" follows without ";", so
// that "?a=1&copy=2" stays (WHATWG HTML §13.2.5.73).
func attributeValue(raw string) string {
	if strings.IndexByte(raw, 0) >= 0 {
		raw = strings.ReplaceAll(raw, "\x00", "\uFFFD")
	}
	at := strings.IndexByte(raw, '&')
	if at < 0 {
		return raw
	}
	var out strings.Builder
	out.Grow(len(raw))
	for at >= 0 {
		out.WriteString(raw[:at])
		raw = raw[at:]
		if rest, ok := strings.CutPrefix(raw, "&amp;"); ok {
			out.WriteByte('&')
			raw = rest
		} else {
			end := referenceEnd(raw)
			writeReference(&out, raw[:end], raw[end:])
			raw = raw[end:]
		}
		at = strings.IndexByte(raw, '&')
	}
	out.WriteString(raw)
	return out.String()
}

// referenceEnd gives the end of what may be the character reference that a text
// begins with.
func referenceEnd(text string) int {
	end := 1
	if end < len(text) && text[end] == '#' {
		end++
	}
	for end < len(text) && (isASCIILetter(text[end]) || text[end] >= '0' && text[end] <= '9') {
		end++
	}
	if end < len(text) && text[end] == ';' {
		end++
	}
	return end
}

func writeReference(out *strings.Builder, reference, rest string) {
	last := reference[len(reference)-1]
	named := len(reference) > 1 && reference[1] != '#'
	if len(reference) == 1 || named && last != ';' && strings.HasPrefix(rest, "=") {
		out.WriteString(reference)
		return
	}
	meant := html.UnescapeString(reference)
	if named && meant != ";" {
		// In text the beginning of a name counts, too. What is left of the name
		// then shows it: no character that has a name ends in ";" or in a letter
		// or digit of ASCII, but for "&semi;" itself and ligatures with a ";".
		left := meant[len(meant)-1]
		if left == ';' || last != ';' && (isASCIILetter(left) || left >= '0' && left <= '9') {
			meant = reference
		}
	}
	out.WriteString(meant)
}
