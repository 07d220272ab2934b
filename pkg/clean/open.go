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
	ClassHidden    = "postern-hidden"    // words that their author hid
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
		e.veiled, e.small, e.image, e.ink, e.inked = parent.veiled, parent.small, parent.image, parent.ink, parent.inked
		e.faint = parent.faint
	}
	if e.role == table {
		e.inked = false // most mails are in quirks mode, where tables inherit no colour (Quirks Mode Standard, the tables inherit color from body quirk)
	}
	outer := e.unseen()
	if name == "a" {
		link, ok := w.openLink()
		if !ok {
			return
		}
		e.link = link
	}
	s := w.colours(&e)
	if w.history && !e.quote && (e.role == block || e.role == table) {
		w.openRest()
		e.quote = true
	}
	if e.role != inline {
		w.recent.newLine()
	}
	before, elements := "", 1
	if class, apart := w.fold(name); class != "" && !e.quote {
		e.quote = true
		if apart { // what follows the element belongs to the fold, too
			if !w.pushRest(class) {
				return
			}
			e.letters, e.ground = w.top().letters, w.top().ground
		} else {
			before = foldTags(class)
			e.closing += "</details>"
			e.depth, elements = 2, 3
		}
	}
	own := w.ownClass(&e)
	if e.unseen() && !outer && own == "" && e.name != "details" {
		own = ClassHidden
	}
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
	} else if e.name == "details" { // what a sender folds stands open
		writeAttribute(&w.out, "open", "")
	}
	s.write(&w.out)
	w.out.WriteByte('>')
}

// pushRest opens a fold that ends with the element that it stands in.
func (w *walker) pushRest(class string) bool {
	e := element{role: block, closing: "</details>", depth: 1, quote: true, rest: true}
	return w.push(e, foldTags(class), 2)
}

// openRest goes on with history behind the element in which it began: Outlook's
// header block mostly stands in an element of its own.
func (w *walker) openRest() {
	w.history = false
	if top := w.top(); top != nil && (top.quote || top.role == table || top.role == tableBody || top.role == tableRow) {
		w.history = !top.quote
		return
	}
	w.endParagraph()
	w.pushRest(ClassQuote)
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
	e.veiled = e.veiled || s.hides() || w.attributes.has(attrHidden)
	if s.veiled&(tinyFont|shownFont) != 0 {
		e.small = s.veiled&tinyFont != 0
	}
	e.image = e.image || s.image || w.attributes.has(attrBackground)
	letters, ground := e.letters, e.ground
	grounded, lettered := s.grounded, s.lettered
	if w.attributes.has(attrColor) && carries(e.name, e.role, attrColor) {
		if c, ok := parseColor(w.attributes.value(attrColor)); ok {
			letters, lettered = c, true
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
	if lettered {
		e.ink, e.inked = letters, true
	}
	e.faint = e.inked && e.ink == ground && !e.image
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
	case class == ClassHidden:
		e.veiled = true
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
	w.recent.newLine()
	w.out.WriteString(t.opening)
	w.plainAttributes(t)
	w.out.WriteByte('>')
}
