package clean

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
