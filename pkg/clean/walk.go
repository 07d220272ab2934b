package clean

import (
	"math/bits"
	"strings"
)

// An element is one that is open in the output.
type element struct {
	name    string // the input's name that closes it; "" where only its parent does
	role    role
	closing string // end tags to write
	depth   int    // elements that it stands for
	link    *openLink
	letters color
	ground  color
	quote   bool  // inside folded history or a folded signature
	veiled  bool  // nothing inside would be seen
	small   bool  // its letters would be too small to be seen
	ink     color // the colour that its author gave its letters
	inked   bool  // they were given one
	faint   bool  // it is that of their ground
	image   bool  // a picture is behind it
	rest    bool  // a fold that holds what follows an element
}

// A walker turns tokens into clean output. It never looks ahead and keeps no
// tree: a stack of open elements, bounded in depth, is all its state.
type walker struct {
	options    Options
	result     Result
	out        strings.Builder
	stack      []element
	depth      int
	elements   int
	links      int            // open ones
	paragraphs int            // open ones
	refused    map[string]int // start tags left out for depth, whose end tags must not close others
	attributes *attributes
	urls       *lastURL
	notice     notice          // a notice of ours that is being read again
	images     map[string]bool // sources of our own
	styles     map[string]style
	seen       bool // words that are seen have been written
	recent     recent
	history    bool // all that follows is history, and the fold that it stood in was closed with the element around it
}

func newWalker(options Options) *walker {
	w := &walker{options: options}
	if len(options.Images) > 0 {
		w.images = map[string]bool{}
		for _, source := range options.Images {
			w.images[source] = true
		}
	}
	return w
}

// read hands the tokens of a document to the writer of HTML, the writer of text,
// or both; either may be nil.
func read(input string, w *walker, t *textWriter) {
	tokens := newTokenizer(input)
	var urls lastURL
	if t != nil {
		t.urls = &urls
	}
	if w != nil {
		w.urls, w.attributes = &urls, &tokens.attributes
	}
	var skip *tag // the next text is of a script or the like
	for {
		switch tokens.next() {
		case noToken:
			return
		case textToken:
			if skip != nil {
				if w != nil && skip.name == "style" {
					w.countSheet(tokens.words())
				}
				skip = nil
				continue
			}
			text := tidy(tokens.words())
			if t != nil {
				t.text(text)
			}
			if w != nil {
				w.text(text)
			}
		case startTag:
			skip = nil
			if tokens.tag.textless {
				skip = tokens.tag
			}
			if tokens.tag.name == "noscript" {
				tokens.nextIsNotRaw() // nothing runs here, so its content is what is seen
			}
			if t != nil {
				t.start(tokens.tag.name, &tokens.attributes)
			}
			if w != nil {
				w.countAttributes()
				w.start(tokens.tag)
			}
		case endTag:
			skip = nil
			if t != nil {
				t.end(tokens.tag.name)
			}
			if w != nil {
				w.end(tokens.tag)
			}
		}
	}
}

// finish ends the document.
func (w *walker) finish() {
	w.flushNotice()
	w.popTo(0)
}

// countAttributes counts what attributes that are left out would have done.
func (w *walker) countAttributes() {
	a := w.attributes
	removed := &w.result.Removed
	removed.Active += a.handlers
	for left := a.given >> attrAutofocus << attrAutofocus; left != 0; left &= left - 1 {
		attr := bits.TrailingZeros64(left)
		if attr < attrFetched {
			removed.Active++
			continue
		}
		value := a.value(attr)
		if len(value) > maxURL {
			continue
		}
		if scriptedURL(value) {
			removed.Active++
		} else if _, remote := remoteHost(value); remote {
			removed.Remote++
		}
	}
}

func (w *walker) start(t *tag) {
	if w.notice.start(w, t.name) {
		return
	}
	switch {
	case !t.allowed:
		w.removedElement(t)
		return
	case t.name == "img":
		w.image()
		return
	case t.role == void:
		w.void(t)
		return
	}
	w.impliedEnds(t.name, t.role)
	if !w.placed(t.role) {
		return
	}
	w.open(t)
}

// removedElement counts an element that is not written.
func (w *walker) removedElement(t *tag) {
	a, name := w.attributes, t.name
	removed := &w.result.Removed
	switch {
	case t.active:
		removed.Active++
	case name == "meta":
		removed.Other++
	case name == "style" || name == "link":
		removed.Other++
		if _, remote := remoteHost(a.value(attrHref)); remote && name == "link" {
			removed.Remote++
		}
	case a.has(attrSrc):
		if _, remote := remoteHost(a.value(attrSrc)); remote {
			removed.Remote++
		}
	}
	if a.has(attrHref) {
		if scriptedURL(a.value(attrHref)) {
			removed.Active++
		}
	}
	if a.has(attrStyle) {
		w.countStyle(w.style(a.value(attrStyle)))
	}
}

// placed keeps table parts inside tables: a cell without a row gets one, parts
// without a table lose their tags.
func (w *walker) placed(r role) bool {
	switch r {
	case tableBody, tableHead, tableRow:
		return w.find(func(e *element) bool { return e.role == table }, tableCell) >= 0
	case tableCell:
		if w.find(func(e *element) bool { return e.role == table }, tableCell) < 0 {
			return false
		}
		if w.find(func(e *element) bool { return e.role == tableRow }, table) < 0 {
			return w.push(element{name: "tr", role: tableRow, closing: "</tr>", depth: 1}, "<tr>", 1)
		}
	}
	return true
}

// find gives the index of the innermost open element that matches, -1 where a
// barrier comes first. The barrier element itself may match.
func (w *walker) find(match func(*element) bool, barriers ...role) int {
	for i := len(w.stack) - 1; i >= 0; i-- {
		if match(&w.stack[i]) {
			return i
		}
		for _, barrier := range barriers {
			if w.stack[i].role == barrier {
				return -1
			}
		}
	}
	return -1
}

// impliedEnds closes what an opening element ends without saying so
// (WHATWG HTML §13.2.6.4.7, §13.2.6.4.9).
func (w *walker) impliedEnds(name string, r role) {
	switch r {
	case block, item, table:
		w.endParagraph()
		if len(name) == 2 && name[0] == 'h' && len(w.stack) > 0 {
			if top := w.stack[len(w.stack)-1].name; len(top) == 2 && top[0] == 'h' {
				w.popTo(len(w.stack) - 1)
			}
		}
	case tableCell:
		w.popFound(w.find(func(e *element) bool { return e.role == tableCell || e.role == tableHead }, tableRow, table))
	case tableRow:
		w.popFound(w.find(func(e *element) bool { return e.role == tableRow || e.role == tableHead }, table))
	case tableBody, tableHead:
		if i := w.find(func(e *element) bool { return e.role == table }); i >= 0 {
			w.popTo(i + 1)
		}
	}
	switch name {
	case "li":
		w.popFound(w.find(func(e *element) bool { return e.name == "li" || e.name == "ul" || e.name == "ol" }, table, tableCell), "li")
	case "dd", "dt":
		w.popFound(w.find(func(e *element) bool { return e.name == "dd" || e.name == "dt" || e.name == "dl" }, table, tableCell), "dd", "dt")
	case "a":
		if w.links == 0 {
			return
		}
		w.popFound(w.find(func(e *element) bool { return e.name == "a" }, table, tableCell))
	}
}

func (w *walker) endParagraph() {
	if w.paragraphs == 0 {
		return
	}
	w.popFound(w.find(func(e *element) bool { return e.name == "p" }, table, tableCell, tableHead))
}

// popFound closes the element at i and all inside it, where names are given only
// if it bears one of them.
func (w *walker) popFound(i int, names ...string) {
	if i < 0 {
		return
	}
	for _, name := range names {
		if w.stack[i].name == name {
			w.popTo(i)
			return
		}
	}
	if len(names) == 0 {
		w.popTo(i)
	}
}

// popTo closes open elements until n are left.
func (w *walker) popTo(n int) {
	for len(w.stack) > n {
		last := w.stack[len(w.stack)-1]
		w.stack = w.stack[:len(w.stack)-1]
		w.depth -= last.depth
		w.out.WriteString(last.closing)
		w.history = w.history || last.rest
		if last.role != inline {
			w.recent.newLine()
		}
		if last.name == "p" {
			w.paragraphs--
		}
		if last.link != nil {
			w.links--
			w.closeLink(last.link)
		}
	}
}

// push writes start tags and opens an element, unless a limit forbids it.
// Letters and ground of one colour mean that the element has none of its own.
func (w *walker) push(e element, tags string, elements int) bool {
	if w.depth+e.depth > w.options.MaxDepth || w.elements+elements > w.options.MaxElements {
		if e.name != "" {
			if w.refused == nil {
				w.refused = map[string]int{}
			}
			w.refused[e.name]++
		}
		w.result.Truncated = true
		return false
	}
	w.depth += e.depth
	w.elements += elements
	if e.letters == e.ground {
		e.letters, e.ground = black, white
		if parent := w.top(); parent != nil {
			e.letters, e.ground = parent.letters, parent.ground
			e.veiled, e.small, e.faint, e.image, e.ink, e.inked = parent.veiled, parent.small, parent.faint, parent.image, parent.ink, parent.inked
		}
	}
	if e.link != nil {
		w.links++
	}
	if e.name == "p" {
		w.paragraphs++
	}
	w.stack = append(w.stack, e)
	w.out.WriteString(tags)
	return true
}

func (w *walker) top() *element {
	if len(w.stack) == 0 {
		return nil
	}
	return &w.stack[len(w.stack)-1]
}

func (w *walker) end(t *tag) {
	name, r := t.name, t.role
	if w.notice.end(w, name) {
		return
	}
	if !t.allowed || r == void {
		if name == "br" { // </br> is a line break to every browser
			w.attributes.reset()
			w.void(t)
		}
		return
	}
	if w.refused[name] > 0 {
		w.refused[name]--
		return
	}
	same := func(e *element) bool { return e.name == name }
	switch r {
	case table, tableBody, tableRow, tableCell, tableHead:
		w.popFound(w.find(same, table))
	case inline:
		i := w.find(same, table, tableCell, tableHead)
		if i >= 0 && name != "a" {
			for j := i + 1; j < len(w.stack); j++ {
				if w.stack[j].role != inline {
					return // it ends with the block that holds it
				}
			}
		}
		w.popFound(i)
	default:
		w.popFound(w.find(same, table, tableCell, tableHead))
	}
}

// text writes text that is tidy.
func (w *walker) text(text string) {
	if w.notice.text(w, text) {
		return
	}
	if link := w.innermostLink(); link != nil {
		link.add(text)
	}
	if w.history && strings.TrimSpace(text) != "" {
		w.openRest()
	}
	w.account(text)
	w.recent.add(text)
	writeText(&w.out, text)
}

func (w *walker) innermostLink() *openLink {
	for i := len(w.stack) - 1; i >= 0 && w.links > 0; i-- {
		if link := w.stack[i].link; link != nil {
			return link
		}
	}
	return nil
}

// countSheet counts what a style sheet would have fetched or run.
func (w *walker) countSheet(text string) {
	lower := strings.ToLower(text)
	w.result.Removed.Remote += remoteURLs(strings.ReplaceAll(lower, "@import url(", "@import (")) + strings.Count(lower, "@import")
	if strings.Contains(lower, "expression(") || strings.Contains(lower, "javascript:") ||
		strings.Contains(lower, "-moz-binding") || strings.Contains(lower, "behavior:") {
		w.result.Removed.Active++
	}
}

func (w *walker) countStyle(s style) {
	w.result.Removed.Remote += s.remote
	if s.active {
		w.result.Removed.Active++
	}
}
