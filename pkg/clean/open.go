package clean

import (
	"math/bits"
	"strings"
)

// Classes of what we write ourselves. The desk's style sheet knows them; a
// sender's class never passes.
const (
	ClassHost      = "postern-host"      // the host that a link leads to
	ClassMismatch  = "postern-mismatch"  // the same, where the link's text names another
	ClassImage     = "postern-image"     // words in the place of an image
	ClassQuote     = "postern-quote"     // folded history
	ClassSignature = "postern-signature" // a folded signature
)

// open writes an element's start tag with the attributes that it may carry.
func (w *walker) open(t *tag) {
	name := t.name
	e := element{name: name, role: t.role, closing: t.closing, depth: 1}
	e.letters, e.ground = black, white
	if parent := w.top(); parent != nil {
		e.letters, e.ground, e.quote = parent.letters, parent.ground, parent.quote
	}
	if name == "a" {
		link, ok := w.openLink()
		if !ok {
			return
		}
		e.link = link
	}
	s := w.colours(&e)
	before, elements := "", 1
	if class, apart := w.fold(name); class != "" && !e.quote {
		e.quote = true
		if apart { // what follows the element belongs to the fold, too
			if !w.push(element{role: block, closing: "</details>", depth: 1, quote: true}, foldTags(class), 2) {
				return
			}
		} else {
			before = foldTags(class)
			e.closing += "</details>"
			e.depth, elements = 2, 3
		}
	}
	own := w.ownClass(&e)
	if !w.push(e, before, elements) {
		return
	}
	w.out.WriteString(t.opening)
	if e.link != nil {
		w.out.WriteString(` href="`)
		writeText(&w.out, e.link.URL)
		w.out.WriteString(`" rel="noopener noreferrer nofollow" target="_blank"`)
	}
	w.plainAttributes(t)
	if own != "" {
		writeAttribute(&w.out, "class", own)
	}
	s.write(&w.out)
	w.out.WriteByte('>')
}

// colours reads the style and colour attributes. Letters that could not be seen
// on their ground lose their colour; a ground on which those around it could not
// be seen gets letters that can.
func (w *walker) colours(e *element) style {
	var s style
	if w.attributes.has(attrStyle) {
		s = w.style(w.attributes.value(attrStyle))
		w.countStyle(s)
	}
	letters, ground := e.letters, e.ground
	grounded := s.grounded
	if w.attributes.has(attrColor) && carries(e.name, e.role, attrColor) {
		if c, ok := parseColor(w.attributes.value(attrColor)); ok {
			letters = c
		}
	}
	if w.attributes.has(attrBGColor) && carries(e.name, e.role, attrBGColor) {
		if c, ok := parseColor(w.attributes.value(attrBGColor)); ok {
			ground, grounded = c, true
		}
	}
	if s.lettered {
		letters = s.letters
	}
	if s.grounded {
		ground = s.ground
	}
	if !legible(letters, ground) {
		w.attributes.drop(attrColor)
		s.lettered, letters = false, e.letters
		if grounded && !legible(letters, ground) {
			letters = ground.contrast()
			s.letters, s.lettered = letters, true
		}
	}
	e.letters, e.ground = letters, ground
	return s
}

// style reads a style attribute, or remembers what it read before: newsletters
// repeat themselves.
func (w *walker) style(text string) style {
	if s, ok := w.styles[text]; ok {
		return s
	}
	s := parseStyle(text)
	if len(w.styles) < 256 && len(text) <= 512 {
		if w.styles == nil {
			w.styles = map[string]style{}
		}
		w.styles[text] = s
	}
	return s
}

func (w *walker) plainAttributes(t *tag) {
	for left := w.attributes.given & (1<<attrClass - 1); left != 0; left &= left - 1 {
		attr := bits.TrailingZeros64(left)
		if !carries(t.name, t.role, attr) {
			continue
		}
		if value, ok := attribute(attr, w.attributes.value(attr)); ok {
			writeAttribute(&w.out, attrNames[attr], value)
		}
	}
}

func writeAttribute(tag *strings.Builder, name, value string) {
	tag.WriteByte(' ')
	tag.WriteString(name)
	tag.WriteString(`="`)
	writeText(tag, value)
	tag.WriteByte('"')
}

// ownClass gives the class that an earlier cleaning wrote.
func (w *walker) ownClass(e *element) string {
	class := w.attributes.value(attrClass)
	switch {
	case e.name == "details" && (class == ClassQuote || class == ClassSignature):
		e.quote = true
	case e.name == "span" && class == ClassImage:
	default:
		return ""
	}
	return class
}

// void writes an element that has no content.
func (w *walker) void(t *tag) {
	switch t.name {
	case "hr":
		w.endParagraph()
	case "col":
		if w.find(func(e *element) bool { return e.role == table }, tableCell) < 0 {
			return
		}
	}
	if w.elements >= w.options.MaxElements {
		w.result.Truncated = true
		return
	}
	w.elements++
	w.out.WriteString(t.opening)
	w.plainAttributes(t)
	w.out.WriteByte('>')
}
