package clean

import (
	"strings"
)

// maxDeclarations bounds the declarations of one style attribute.
const maxDeclarations = 64

// A style is what stays of a style attribute.
type style struct {
	declarations string // as they are written, colours aside
	letters      color
	ground       color
	lettered     bool // letters is given
	grounded     bool // ground is given

	tiny   bool // a width or height of at most one pixel, or not displayed at all
	veiled veil // what would keep its text from being seen
	image  bool // a picture or gradient is behind it
	remote int  // how much it would have fetched
	active bool // would have run something in some reader
}

// parseStyle reads the declarations of a style attribute (CSS Syntax Level 3)
// and keeps those whose property and value are both known to be harmless: no
// url(), nothing that positions, hides, clips, overlaps or animates.
func parseStyle(text string) style {
	var s style
	var kept strings.Builder
	for range maxDeclarations {
		var declaration string
		declaration, text = nextDeclaration(text)
		if property, value, ok := strings.Cut(declaration, ":"); ok {
			s.declare(&kept, strings.ToLower(strings.TrimSpace(property)), strings.ToLower(strings.TrimSpace(value)))
		}
		if text == "" {
			break
		}
	}
	s.declarations = kept.String()
	return s
}

// hides says whether text in an element of this style would not be seen.
func (s *style) hides() bool {
	return s.veiled&hidden != 0 || s.veiled&(noRoom|cutOff) == noRoom|cutOff || s.veiled&(faraway|positioned) == faraway|positioned
}

// nextDeclaration cuts at the next semicolon outside quotes, parentheses and
// comments.
func nextDeclaration(text string) (declaration, rest string) {
	var quote byte
	depth := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '/' && strings.HasPrefix(text[i:], "/*"):
			end := strings.Index(text[i+2:], "*/")
			if end < 0 {
				return text, ""
			}
			i += end + 3
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == ';' && depth == 0:
			return text[:i], text[i+1:]
		}
	}
	return text, ""
}

func (s *style) declare(kept *strings.Builder, property, value string) {
	value = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "!important"))
	s.remote += remoteURLs(value)
	if property == "behavior" || property == "-moz-binding" || strings.Contains(value, "expression(") ||
		strings.Contains(value, "script:") {
		s.active = true
	}
	s.veiled |= veilOf(property, value)
	switch property {
	case "display":
		s.tiny = s.tiny || value == "none"
	case "width", "height", "max-width", "max-height":
		s.tiny = s.tiny || onePixel(value)
	case "background-image":
		s.image = s.image || value != "none"
	case "color":
		if c, ok := parseColor(value); ok {
			s.letters, s.lettered = c, true
		}
		return
	case "background-color", "background":
		if c, ok := parseColor(value); ok {
			s.ground, s.grounded = c, true
		} else if strings.Contains(value, "(") {
			s.image = true
		}
		return
	}
	check, known := properties[property]
	if !known {
		return
	}
	if value, ok := check(value); ok {
		separate(kept)
		kept.WriteString(property)
		kept.WriteString(": ")
		kept.WriteString(value)
	}
}

// remoteURLs counts what a text of CSS, in lower case, would have fetched.
func remoteURLs(text string) (count int) {
	for at := 0; ; {
		open := strings.IndexByte(text[at:], '(')
		if open < 0 {
			return count
		}
		open += at
		at = open + 1
		if name := text[:open]; !strings.HasSuffix(name, "url") && !strings.HasSuffix(name, "image-set") && !strings.HasSuffix(name, "src") && !strings.HasSuffix(name, "image") {
			continue
		}
		if address := strings.TrimLeft(cutText(text[at:], 64), " \n\t\"'"); strings.HasPrefix(address, "//") || strings.HasPrefix(address, "http:") || strings.HasPrefix(address, "https:") || strings.HasPrefix(address, `\\`) {
			count++
		}
	}
}

func separate(kept *strings.Builder) {
	if kept.Len() > 0 {
		kept.WriteString("; ")
	}
}

// write writes the attribute, nothing where nothing stayed.
func (s *style) write(out *strings.Builder) {
	if s.declarations == "" && !s.lettered && !s.grounded {
		return
	}
	out.WriteString(` style="`)
	writeText(out, s.declarations)
	gap := s.declarations != ""
	colour := func(property string, c color, given bool) {
		if !given {
			return
		}
		if gap {
			out.WriteString("; ")
		}
		out.WriteString(property)
		c.write(out)
		gap = true
	}
	colour("color: ", s.letters, s.lettered)
	colour("background-color: ", s.ground, s.grounded)
	out.WriteByte('"')
}
