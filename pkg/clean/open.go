package clean

import "strings"

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
func (w *walker) open(name string, r role) {
	e := element{name: name, role: r, closing: "</" + name + ">", depth: 1}
	e.letters, e.ground = black, white
	if parent := w.top(); parent != nil {
		e.letters, e.ground, e.quote = parent.letters, parent.ground, parent.quote
	}
	var tag strings.Builder
	tag.WriteString("<" + name)
	if name == "a" {
		link, ok := w.openLink()
		if !ok {
			return
		}
		e.link = link
		tag.WriteString(` href="`)
		writeText(&tag, link.URL)
		tag.WriteString(`" rel="noopener noreferrer nofollow" target="_blank"`)
	}
	s := w.colours(&e)
	w.plainAttributes(&tag, name, r)
	w.ownClass(&tag, &e)
	writeStyle(&tag, s)
	tag.WriteByte('>')
	tags := tag.String()
	elements := 1
	if class, apart := w.fold(name); class != "" && !e.quote {
		e.quote = true
		if apart { // what follows the element belongs to the fold, too
			if !w.push(element{role: block, closing: "</details>", depth: 1, quote: true}, foldTags(class), 2) {
				return
			}
		} else {
			tags = foldTags(class) + tags
			e.closing += "</details>"
			e.depth, elements = 2, 3
		}
	}
	w.push(e, tags, elements)
}

// colours reads the style and colour attributes and takes back what would make
// letters vanish into their ground.
func (w *walker) colours(e *element) style {
	var s style
	if w.given[attrStyle] {
		s = parseStyle(w.attributes[attrStyle])
		w.countStyle(s)
	}
	letters, ground := e.letters, e.ground
	if c, ok := parseColor(w.value(attrColor)); ok && carries(e.name, e.role, attrColor) {
		letters = c
	}
	if c, ok := parseColor(w.value(attrBGColor)); ok && carries(e.name, e.role, attrBGColor) {
		ground = c
	}
	if s.letters != nil {
		letters = *s.letters
	}
	if s.ground != nil {
		ground = *s.ground
	}
	if !legible(letters, ground) {
		s.letters, w.given[attrColor] = nil, false
		letters = e.letters
	}
	if !legible(letters, ground) {
		s.ground, w.given[attrBGColor] = nil, false
		ground = e.ground
	}
	if !legible(letters, ground) { // the letters were the better half
		letters = e.letters
	}
	e.letters, e.ground = letters, ground
	return s
}

func (w *walker) plainAttributes(tag *strings.Builder, name string, r role) {
	for attr := range attrClass {
		if !w.given[attr] || !carries(name, r, attr) {
			continue
		}
		if value, ok := attribute(attr, w.attributes[attr]); ok {
			writeAttribute(tag, attrNames[attr], value)
		}
	}
}

func writeAttribute(tag *strings.Builder, name, value string) {
	tag.WriteString(" " + name + `="`)
	writeText(tag, value)
	tag.WriteByte('"')
}

func writeStyle(tag *strings.Builder, s style) {
	if text := s.write(); text != "" {
		writeAttribute(tag, "style", text)
	}
}

// ownClass keeps the classes that an earlier cleaning wrote.
func (w *walker) ownClass(tag *strings.Builder, e *element) {
	class := w.value(attrClass)
	switch {
	case e.name == "details" && (class == ClassQuote || class == ClassSignature):
		e.quote = true
	case e.name == "span" && class == ClassImage:
	default:
		return
	}
	writeAttribute(tag, "class", class)
}

// void writes an element that has no content.
func (w *walker) void(name string) {
	switch name {
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
	w.out.WriteString("<" + name)
	w.plainAttributes(&w.out, name, void)
	w.out.WriteByte('>')
}
