package attachment

import "bytes"

// Tables that are texts act too when a spreadsheet opens them: a cell that begins
// as a formula may ask another program for data, and a file that begins with "ID;"
// is a workbook in SYLK, whatever it is called, with macros if it wants.

// openTable looks through a table of comma-separated values or the like.
func (w *walker) openTable(a *Attachment, f file) error {
	if cellCalls(plainText(f.content)) {
		a.add(DDE)
	}
	return nil
}

// cellReach is how far from the bar in a formula its beginning and its item are
// looked for.
const cellReach = 512

// cellCalls tells whether a cell names a program, a topic and an item:
// =cmd|'/c calc'!A0. It looks no further than from one bar to the next.
func cellCalls(table []byte) bool {
	last := 0
	for {
		i := bytes.IndexByte(table[last:], '|')
		if i < 0 {
			return false
		}
		at := last + i
		before := bytes.TrimRight(table[max(last, at-cellReach):at], " ")
		last = at + 1
		if line := bytes.LastIndexAny(before, "\r\n"); line >= 0 {
			before = before[line+1:]
		}
		if len(before) == 0 || !isWord(before[len(before)-1]) || !formulaBegins(before) {
			continue
		}
		after := table[last:min(len(table), last+cellReach)]
		if end := bytes.IndexAny(after, "|\r\n"); end >= 0 {
			after = after[:end]
		}
		if mark := bytes.IndexByte(after, '!'); mark > 0 && mark+1 < len(after) {
			if item := bytes.TrimLeft(after[mark+1:], " "); len(item) > 0 && (isWord(item[0]) || item[0] == '$' || item[0] == '\'') {
				return true
			}
		}
	}
}

func isWord(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '.'
}

// formulaBegins tells whether a cell of a line begins as a formula does.
func formulaBegins(line []byte) bool {
	begins := true
	for _, c := range line {
		switch c {
		case ',', ';', '\t':
			begins = true
		case ' ', '"', '\'', 0xef, 0xbb, 0xbf:
		case '=', '+', '-', '@':
			if begins {
				return true
			}
		default:
			begins = false
		}
	}
	return false
}

// openSYLK looks through a workbook in Microsoft's symbolic link format.
func (w *walker) openSYLK(a *Attachment, f file) error {
	a.add(Shortcut)
	table := plainText(f.content)
	for line := range bytes.Lines(table) {
		upper := bytes.ToUpper(bytes.TrimSpace(line))
		switch {
		case bytes.HasPrefix(upper, []byte("O;")) && bytes.Contains(upper, []byte(";E")), // a sheet of macros
			bytes.HasPrefix(upper, []byte("NN;")) && bytes.Contains(upper, []byte("AUTO_")):
			a.add(XLMMacro)
		case bytes.HasPrefix(upper, []byte("C;")) && bytes.IndexByte(upper, '|') >= 0 && bytes.IndexByte(upper, '!') >= 0:
			a.add(DDE)
		}
	}
	return nil
}

// isSYLK tells whether a table begins as a workbook in that format.
func isSYLK(content []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(plainText(content[:min(len(content), 64)]), " \t\r\n\xef\xbb\xbf"), []byte("ID;"))
}

// isTable tells whether a text is opened as a table, by its name or declaration.
func isTable(extension, declared string) bool {
	switch extension {
	case "csv", "tsv", "tab", "prn", "dif", "xls", "xlsx", "xlt":
		return true
	}
	switch declared {
	case "text/csv", "text/tab-separated-values", "application/csv", "application/vnd.ms-excel":
		return true
	}
	return false
}
