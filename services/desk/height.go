package desk

import (
	"html"
	"strconv"
	"strings"
	"unicode"

	contentv1 "github.com/postern-mail/postern/proto/content/v1"
)

// The frame of a message tells nobody how high its content is: nothing runs in it, and it is
// of no origin. So its height is reckoned here, from what sanitizing wrote: which blocks
// stand above one another and which beside, how many lines their text has, how large their
// pictures are. What is reckoned too low scrolls in the frame; too high leaves it empty.

// Widths in CSS pixels that a message has: on a desk, and on a telephone.
const (
	wideFrame   = 860
	narrowFrame = 330
)

// Heights of a frame.
const (
	leastHeight = 60
	mostHeight  = 4000
	framePad    = 32 // the frame's own padding, above and below
)

// Of the font that a frame starts with: 15 pixels, lines of 1.55, letters half as wide as high.
const (
	fontSize   = 15.0
	lineHeight = 1.55
	letter     = 0.52
	wideLetter = 1.0 // of Chinese, Japanese and Korean
)

// frameHeight reckons the height of a message's frame.
func frameHeight(m *contentv1.Message, width int) int {
	r := &reckoning{rest: m.GetHtml(), pieces: maxPieces}
	room := box{width: float64(width - framePad), font: fontSize}
	height, _ := r.block(room, "")
	height += framePad
	return int(min(max(height, leastHeight), mostHeight))
}

// A box is the room that something has.
type box struct {
	width, font float64
	pre         bool // line breaks are as they stand
}

// A reckoning goes through what sanitizing wrote, which is well formed.
type reckoning struct {
	rest   string
	depth  int
	pieces int // that are looked at yet
}

const (
	maxDepth  = 50      // how deep elements are looked into
	maxPieces = 200_000 // how much of a message is looked at: rows are gone through twice
	longest   = 10_000  // of all lengths, in pixels
)

// A piece of HTML: text, or a tag.
type piece struct {
	text       string // as it stands
	tag        string // "" for text
	attributes string
	end        bool
}

func (r *reckoning) next() (piece, bool) {
	if r.pieces--; r.rest == "" || r.pieces < 0 {
		return piece{}, false
	}
	if r.rest[0] != '<' {
		at := strings.IndexByte(r.rest, '<')
		if at < 0 {
			at = len(r.rest)
		}
		text := r.rest[:at]
		r.rest = r.rest[at:]
		return piece{text: text}, true
	}
	inside, rest, _ := strings.Cut(r.rest[1:], ">")
	r.rest = rest
	inside, end := strings.CutPrefix(inside, "/")
	name, attributes, _ := strings.Cut(strings.TrimSuffix(inside, "/"), " ")
	return piece{tag: strings.ToLower(name), attributes: attributes, end: end}, true
}

// Elements that stand in a line.
var inline = words2set("a abbr acronym b bdi bdo big cite code del dfn em font i ins kbd label mark q s samp small span strike strong sub sup time tt u var wbr")

// Elements that have no end.
var single = words2set("br hr img col wbr")

func words2set(words string) map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(words) {
		set[word] = true
	}
	return set
}

// margins are what blocks have above and below, in their own font size; neighbours share.
var margins = map[string]float64{"p": 1, "h1": .67, "h2": .83, "h3": 1, "h4": 1.33, "h5": 1.67, "h6": 2.33, "ul": 1, "ol": 1, "dl": 1, "blockquote": .53, "pre": 0, "figure": 1}

// fonts are what elements make of the font.
var fonts = map[string]float64{"h1": 2, "h2": 1.5, "h3": 1.17, "h5": .83, "h6": .67, "small": .83, "big": 1.2, "sub": .83, "sup": .83}

// indents are what is taken of the width.
var indents = map[string]float64{"ul": 40, "ol": 40, "dd": 40, "blockquote": 16, "figure": 80}

// block gives the height of everything up to the end of an element, and the margin that then
// stands below it.
func (r *reckoning) block(room box, until string) (height, below float64) {
	r.depth++
	defer func() { r.depth-- }()
	line := lines{room: room}
	first := until == "" // the frame has no margin above what comes first, nor below what comes last
	flush := func() {
		if h := line.height(); h > 0 {
			height += below + h
			below, first = 0, false
		}
		line = lines{room: room}
	}
	for {
		p, ok := r.next()
		if !ok || p.end && (p.tag == until || !inline[p.tag]) {
			break
		}
		switch {
		case p.tag == "":
			line.text(p.text, room.font)
		case p.end:
		case p.tag == "br":
			line.wrap()
		case p.tag == "img":
			width, tall := picture(p.attributes, room)
			line.image(width, tall)
		case p.tag == "hr":
			flush()
			height, below, first = height+max(below, 8)+2, 8, false
		case inline[p.tag]:
			line.inside(fontOf(p, room.font)) // its text goes on in this line
		case single[p.tag]:
		case p.tag == "table":
			flush()
			inner := r.table(given(p.attributes, room))
			if inner > 0 {
				height, below, first = height+below+inner, 0, false
			}
		case p.tag == "details": // it is shut; its first line shows
			flush()
			r.skip(p.tag)
			height, below, first = height+below+room.font*lineHeight, 0, false
		default:
			flush()
			own := given(p.attributes, room)
			own.font = fontOf(p, room.font)
			own.width = max(own.width-indents[p.tag], 60)
			own.pre = own.pre || p.tag == "pre"
			margin := margins[p.tag] * own.font
			if margin == 0 {
				margin = length(p.attributes, "margin", own)
			}
			pad := length(p.attributes, "padding", own)
			inner, left := 0.0, 0.0
			if r.depth < maxDepth {
				inner, left = r.block(own, p.tag)
			} else {
				r.skip(p.tag)
			}
			inner = max(inner, length(p.attributes, "height", own))
			if inner+pad == 0 {
				continue
			}
			if pad > 0 { // the margin of the last inside stays inside
				inner, left = inner+left, 0
			}
			above := max(below, margin)
			if first {
				above = 0
			}
			height, below, first = height+above+inner+2*pad, max(margin, left), false
		}
	}
	flush()
	return height, below
}

// table gives the height of a table: its rows above one another, the cells of a row beside.
func (r *reckoning) table(room box) float64 {
	r.depth++
	defer func() { r.depth-- }()
	height := 0.0
	for {
		p, ok := r.next()
		if !ok || p.end && p.tag == "table" {
			return height
		}
		switch {
		case p.end, p.tag == "":
		case p.tag == "tr":
			height += r.row(room)
		case p.tag == "caption":
			inner, left := r.block(room, "caption")
			height += inner + left
		}
	}
}

// row gives the height of its highest cell. How wide the cells are is known once all have
// been seen, so they are gone through twice.
func (r *reckoning) row(room box) float64 {
	begin, taken, wanted := r.rest, 0.0, 0.0
	var wants []float64 // of each cell: what its text would like to have; 0: its width is given
	each := func(cell func(p piece)) {
		for {
			p, ok := r.next()
			if !ok || p.end && p.tag == "tr" {
				return
			}
			if p.end && p.tag == "table" { // a row without an end
				r.rest = "</table>" + r.rest
				return
			}
			if !p.end && (p.tag == "td" || p.tag == "th") {
				cell(p)
			}
		}
	}
	each(func(p piece) {
		want := min(float64(r.skip(p.tag)+1)*letter*room.font, room.width)
		if own := given(p.attributes, room); own.width < room.width {
			taken, want = taken+own.width, 0
		}
		wants, wanted = append(wants, want), wanted+want
	})
	if len(wants) == 0 || r.depth >= maxDepth {
		return 0
	}
	r.rest = begin
	share := max(room.width-taken, 0) / max(wanted, 1)
	height := 0.0
	each(func(p piece) {
		own := given(p.attributes, room)
		if len(wants) > 0 && wants[0] > 0 {
			own.width = wants[0] * share
		}
		wants = wants[min(1, len(wants)):]
		own.width = max(own.width, 40)
		own.font = fontOf(p, room.font)
		pad := max(length(p.attributes, "padding", own), 1)
		inner, left := r.block(own, p.tag)
		height = max(height, inner+left+2*pad, length(p.attributes, "height", own))
	})
	return height
}

// skip passes over everything up to the end of an element, and tells how long its text is.
func (r *reckoning) skip(tag string) (length int) {
	open := 1
	for open > 0 {
		p, ok := r.next()
		if !ok {
			break
		}
		length += len(p.text)
		if p.tag == tag && !single[tag] {
			if p.end {
				open--
			} else {
				open++
			}
		}
	}
	return length
}

// lines are text and pictures that stand beside one another.
type lines struct {
	room  box
	full  float64 // height of the lines that are full
	at    float64 // how far the last one reaches
	tall  float64 // how high it is
	font  float64 // of the element that text stands in; 0: the block's
	space bool    // white space waits for a word
}

func (l *lines) inside(font float64) { l.font = font }

func (l *lines) text(text string, font float64) {
	if l.font != 0 {
		font, l.font = l.font, 0
	}
	width := 0.0
	word := func() {
		if width == 0 {
			return
		}
		if l.at > 0 && l.at+width > l.room.width {
			l.wrap()
		} else if l.space && l.at > 0 {
			l.at += letter * font / 2
		}
		l.space = false
		for l.at+width > l.room.width && width > 0 { // a word longer than a line
			part := max(l.room.width-l.at, 1)
			width -= part
			l.at, l.tall = l.room.width, max(l.tall, font*lineHeight)
			l.wrap()
		}
		l.at, l.tall = l.at+width, max(l.tall, font*lineHeight)
		width = 0
	}
	for _, r := range html.UnescapeString(text) {
		switch {
		case r == '\n' && l.room.pre:
			word()
			l.tall = max(l.tall, font*lineHeight)
			l.wrap()
		case unicode.IsSpace(r) && r != 0xa0:
			word()
			l.space = true
		case r >= 0x2e80:
			width += wideLetter * font
			word()
		case unicode.Is(unicode.Mn, r), unicode.Is(unicode.Cf, r):
		default:
			width += letter * font
		}
	}
	word()
}

func (l *lines) image(width, tall float64) {
	if width == 0 || tall == 0 {
		return
	}
	if l.at > 0 && l.at+width > l.room.width {
		l.wrap()
	}
	l.at, l.tall = l.at+width, max(l.tall, tall+5)
}

// wrap ends a line; one that is empty is as high as text.
func (l *lines) wrap() {
	if l.tall == 0 {
		l.tall = l.room.font * lineHeight
	}
	l.full, l.at, l.tall = l.full+l.tall, 0, 0
}

func (l *lines) height() float64 { return l.full + l.tall }

// fontOf is the font size of an element.
func fontOf(p piece, font float64) float64 {
	if by, ok := fonts[p.tag]; ok {
		font *= by
	}
	if own := length(p.attributes, "font-size", box{width: font, font: font}); own > 0 {
		font = own
	}
	return min(max(font, 6), 60)
}

// given is the room of an element that may have a width of its own.
func given(attributes string, room box) box {
	for _, name := range []string{"width", "max-width"} {
		if width := length(attributes, name, room); width > 0 && width < room.width {
			room.width = width
		}
	}
	switch value := declared(attributes, "white-space"); value {
	case "pre", "pre-wrap", "pre-line":
		room.pre = true
	}
	return room
}

// picture is how large a picture is shown.
func picture(attributes string, room box) (width, tall float64) {
	width, tall = length(attributes, "width", room), length(attributes, "height", box{font: room.font})
	switch {
	case width == 0 && tall == 0:
		width, tall = 120, 60
	case width == 0:
		width = tall
	case tall == 0:
		tall = width * .6
	}
	if width > room.width {
		width, tall = room.width, tall*room.width/width
	}
	return width, tall
}

// length is a length in pixels that an element declares, 0 where it does not.
func length(attributes, name string, room box) float64 {
	value := declared(attributes, name)
	if value == "" {
		value = declared(attributes, name+"-top")
	}
	if value == "" {
		value = attribute(attributes, name)
	}
	value, _, _ = strings.Cut(value, " ")
	unit := strings.TrimLeft(value, "0123456789.")
	number, err := strconv.ParseFloat(strings.TrimSuffix(value, unit), 64)
	if err != nil || !(number > 0) {
		return 0
	}
	switch unit {
	case "", "px":
	case "pt":
		number *= 4. / 3
	case "em", "rem":
		number *= room.font
	case "%":
		number *= room.width / 100
	default:
		return 0
	}
	return min(number, longest)
}

// attribute gives an attribute as sanitizing writes it: in double quotes.
func attribute(attributes, name string) string {
	_, rest, ok := strings.Cut(" "+attributes, " "+name+`="`)
	if !ok {
		return ""
	}
	value, _, _ := strings.Cut(rest, `"`)
	return html.UnescapeString(value)
}

// declared gives the value of a declaration of the style attribute.
func declared(attributes, name string) string {
	for _, declaration := range strings.Split(attribute(attributes, "style"), ";") {
		if property, value, ok := strings.Cut(declaration, ":"); ok && strings.TrimSpace(property) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
