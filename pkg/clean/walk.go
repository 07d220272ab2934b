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
