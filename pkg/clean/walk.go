package clean

import (
	"io"
	"strings"

	"golang.org/x/net/html"
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
	quote   bool // inside folded history or a folded signature
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
	attributes [attrCount]string
	given      [attrCount]bool
	skipText   bool            // the next text belongs to a script or the like
	styleText  bool            // the next text is a style sheet
	notice     notice          // a notice of ours that is being read again
	images     map[string]bool // sources of our own
	styles     map[string]style
}

func newWalker(options Options) *walker {
	w := &walker{options: options, refused: map[string]int{}, images: map[string]bool{}, styles: map[string]style{}}
	for _, source := range options.Images {
		w.images[source] = true
	}
	return w
}

func (w *walker) walk(input string) {
	w.out.Grow(len(input) + len(input)/4)
	tokens := html.NewTokenizer(strings.NewReader(input))
	for {
		kind := tokens.Next()
		if kind == html.ErrorToken {
			break
		}
		switch kind {
		case html.TextToken:
			w.text(string(tokens.Text()))
			continue
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := tokens.TagName()
			w.skipText, w.styleText = false, false
			w.readAttributes(tokens, more)
			w.start(string(name), tokens)
		case html.EndTagToken:
			name, _ := tokens.TagName()
			w.skipText, w.styleText = false, false
			w.end(string(name))
		}
	}
	if err := tokens.Err(); err != io.EOF {
		w.result.Truncated = true
	}
	w.flushNotice()
	w.popTo(0)
}

func (w *walker) readAttributes(tokens *html.Tokenizer, more bool) {
	w.given = [attrCount]bool{}
	for more {
		var key, value []byte
		key, value, more = tokens.TagAttr()
		if len(key) > 2 && key[0] == 'o' && key[1] == 'n' {
			w.result.Removed.Active++
			continue
		}
		number, known := attrNumber[string(key)]
		if !known {
			w.unknownAttribute(string(key), value)
			continue
		}
		if !w.given[number] { // the first of several counts (WHATWG HTML §13.2.5.33)
			w.given[number] = true
			w.attributes[number] = string(value)
		}
	}
}

// unknownAttribute counts what an attribute that is left out would have done.
func (w *walker) unknownAttribute(key string, raw []byte) {
	value := ""
	if len(raw) <= maxURL {
		value = string(raw)
	}
	switch key {
	case "background", "srcset", "poster", "dynsrc", "lowsrc", "longdesc", "data", "xlink:href",
		"action", "formaction", "cite", "codebase", "classid", "archive", "manifest", "profile", "ping":
		if _, refused := readURL(value); refused == scripted {
			w.result.Removed.Active++
		} else if _, remote := remoteHost(value); remote {
			w.result.Removed.Remote++
		}
	case "srcdoc", "autofocus":
		w.result.Removed.Active++
	}
}

func (w *walker) start(name string, tokens *html.Tokenizer) {
	if w.notice.start(w, name) {
		return
	}
	if textless[name] {
		w.skipText = true
		w.styleText = name == "style"
	}
	if name == "noscript" {
		tokens.NextIsNotRawText() // nothing runs here, so its content is what is seen
	}
	r, ok := allowed[name]
	if !ok {
		w.removedElement(name)
		return
	}
	switch {
	case name == "img":
		w.image()
		return
	case r == void:
		w.void(name)
		return
	}
	w.impliedEnds(name, r)
	if !w.placed(r) {
		return
	}
	w.open(name, r)
}

// removedElement counts an element that is not written.
func (w *walker) removedElement(name string) {
	removed := &w.result.Removed
	switch {
	case active[name]:
		removed.Active++
	case name == "meta":
		removed.Other++
	case name == "style" || name == "link":
		removed.Other++
		if _, remote := remoteHost(w.value(attrHref)); remote && name == "link" {
			removed.Remote++
		}
	case w.given[attrSrc]:
		if _, remote := remoteHost(w.value(attrSrc)); remote {
			removed.Remote++
		}
	}
	if w.given[attrHref] {
		if _, refused := readURL(w.value(attrHref)); refused == scripted {
			removed.Active++
		}
	}
	w.given[attrHref] = w.given[attrHref] && name != "link"
	if w.given[attrStyle] {
		w.countStyle(w.style(w.attributes[attrStyle]))
	}
}

func (w *walker) value(attr int) string {
	if !w.given[attr] {
		return ""
	}
	return w.attributes[attr]
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

func (w *walker) end(name string) {
	if w.notice.end(w, name) {
		return
	}
	r, ok := allowed[name]
	if !ok || r == void {
		if name == "br" { // </br> is a line break to every browser
			w.given = [attrCount]bool{}
			w.void("br")
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

func (w *walker) text(text string) {
	if w.skipText {
		if w.styleText {
			w.countSheet(text)
		}
		w.skipText, w.styleText = false, false
		return
	}
	if w.notice.text(w, text) {
		return
	}
	text = tidy(text)
	if link := w.innermostLink(); link != nil {
		link.add(text)
	}
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
	w.result.Removed.Remote += strings.Count(lower, "url(http") + strings.Count(lower, "url('http") +
		strings.Count(lower, `url("http`) + strings.Count(lower, "@import")
	if strings.Contains(lower, "expression(") || strings.Contains(lower, "javascript:") ||
		strings.Contains(lower, "-moz-binding") || strings.Contains(lower, "behavior:") {
		w.result.Removed.Active++
	}
}

func (w *walker) countStyle(s style) {
	if s.remote {
		w.result.Removed.Remote++
	}
	if s.active {
		w.result.Removed.Active++
	}
}
