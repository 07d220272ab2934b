package clean

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxShownURL   = 100 // bytes of a link that stands in full beside its text
	maxQuoteDepth = 20  // marks of quotation that are written
	maxListDepth  = 8   // levels of indentation that are written
)

// Text gives the words of an HTML document the way a person would type them:
// paragraphs apart, lists with their marks, quotations behind "> ", links with
// their target. What an author hid by styling is there like everything else, so
// that nobody reads less than another. Time is linear in the input.
func Text(input string) string {
	input = cutText(input, DefaultMaxInput)
	t := newTextWriter(input)
	read(input, nil, t)
	return t.finish()
}

// A textWriter lays out words. Breaks and spaces are remembered and written only
// when a word follows.
type textWriter struct {
	out    strings.Builder
	breaks int  // line ends due
	space  bool // a space is due
	cell   bool // a gap between cells is due
	line   bool // something stands on the line
	pre    int
	quotes int
	lists  []int // per open list: the next number, -1 for bullets
	href   string
	linked int // where the text of the open link begins in out
	inLink bool
	last   rune
	urls   *lastURL
}

func (w *textWriter) blockBreak(n int) { w.breaks = max(w.breaks, n) }

// prepare writes the breaks or the space that are due before a word.
func (w *textWriter) prepare() {
	switch {
	case w.breaks > 0 && w.out.Len() > 0:
		w.out.WriteString("\n\n"[:min(w.breaks, 2)])
		w.line = false
	case w.cell && w.line:
		w.out.WriteString("  ")
	case w.space && w.line:
		w.out.WriteByte(' ')
	}
	if !w.line {
		for range min(w.quotes, maxQuoteDepth) {
			w.out.WriteString("> ")
		}
	}
	w.breaks, w.space, w.cell, w.line = 0, false, false, true
}

func newTextWriter(input string) *textWriter {
	t := &textWriter{}
	t.out.Grow(len(input) / 4)
	return t
}

// finish ends the document and gives its text.
func (w *textWriter) finish() string {
	w.endLink()
	return strings.TrimRight(w.out.String(), " \n")
}

// text lays out text that is tidy.
func (w *textWriter) text(text string) {
	if w.pre > 0 {
		w.preformatted(text)
		return
	}
	for text != "" {
		end, size, ascii := wordEnd(text)
		word := text[:end]
		if !ascii || word == "" {
			word = w.seen(word)
		} else {
			w.last = rune(word[end-1])
		}
		if word != "" {
			w.prepare()
			w.out.WriteString(word)
		}
		if size > 0 {
			w.space = true
		}
		text = text[end+size:]
	}
}

// wordEnd gives the end of the word that begins a text, the size of the space
// behind it, and whether all of it is ASCII.
func wordEnd(text string) (end, size int, ascii bool) {
	for end < len(text) && text[end] > ' ' && text[end] < utf8.RuneSelf {
		end++
	}
	if end == len(text) {
		return end, 0, true
	}
	if text[end] < utf8.RuneSelf {
		return end, 1, true // tidy text has no other controls than white space
	}
	for i, r := range text[end:] {
		if unicode.IsSpace(r) {
			return end + i, utf8.RuneLen(r), i == 0
		}
	}
	return len(text), 0, false
}

func (w *textWriter) preformatted(text string) {
	first := true
	for line := range strings.SplitSeq(text, "\n") {
		if !first {
			w.breaks++
		}
		first = false
		if line != "" {
			w.prepare()
			w.out.WriteString(line)
		}
	}
}

// seen drops characters that take no room. Joiners stay inside words that are
// not Latin, where they shape the letters.
func (w *textWriter) seen(word string) string {
	if !strings.ContainsFunc(word, noWidth) {
		w.last, _ = utf8.DecodeLastRuneInString(word)
		return word
	}
	return strings.Map(func(r rune) rune {
		joiner := r == 0x200C || r == 0x200D
		if noWidth(r) && !(joiner && w.last > 0x2FF && !noWidth(w.last)) {
			return -1
		}
		w.last = r
		return r
	}, word)
}

func noWidth(r rune) bool {
	return r == 0xAD || r == 0x34F || r >= 0x200B && r <= 0x200D || r == 0x2060 || r == 0xFEFF
}

func (w *textWriter) start(tag string, given *attributes) {
	switch tag {
	case "br":
		w.breaks = min(w.breaks+1, 2)
	case "p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "dl", "address", "figure":
		w.blockBreak(2)
	case "pre":
		w.blockBreak(2)
		w.pre++
	case "blockquote":
		w.blockBreak(2)
		w.quotes++
	case "ul", "ol":
		w.blockBreak(2 - min(len(w.lists), 1))
		if len(w.lists) < DefaultMaxDepth {
			number := -1
			if tag == "ol" {
				number = 1
			}
			w.lists = append(w.lists, number)
		}
	case "li":
		w.item()
	case "hr":
		w.blockBreak(2)
		w.prepare()
		w.out.WriteString("---")
		w.blockBreak(2)
	case "td", "th":
		w.cell = true
	case "a":
		w.endLink()
		w.href = given.value(attrHref)
		w.inLink, w.linked = true, w.out.Len()
	case "img":
		if alt := oneLine(given.value(attrAlt)); alt != "" {
			w.text(" [" + cutText(alt, maxAttribute) + "] ")
		}
	default:
		if r, ok := allowed[tag]; ok && r != inline && r != void || tag == "form" || tag == "body" || tag == "option" {
			w.blockBreak(1)
		}
	}
}

func (w *textWriter) item() {
	w.blockBreak(1)
	mark := "- "
	if n := len(w.lists); n > 0 {
		if w.lists[n-1] >= 0 {
			mark = strconv.Itoa(w.lists[n-1]) + ". "
			w.lists[n-1]++
		}
		mark = strings.Repeat("  ", min(n-1, maxListDepth)) + mark
	}
	w.prepare()
	w.out.WriteString(mark)
}

func (w *textWriter) end(tag string) {
	switch tag {
	case "br":
		w.breaks = min(w.breaks+1, 2)
	case "p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "dl", "address", "figure":
		w.blockBreak(2)
	case "pre":
		w.blockBreak(2)
		w.pre = max(w.pre-1, 0)
	case "blockquote":
		w.blockBreak(2)
		w.quotes = max(w.quotes-1, 0)
	case "ul", "ol":
		w.lists = w.lists[:max(len(w.lists)-1, 0)]
		w.blockBreak(2 - min(len(w.lists), 1))
	case "a":
		w.endLink()
	case "td", "th":
	default:
		if r, ok := allowed[tag]; ok && r != inline && r != void {
			w.blockBreak(1)
		}
	}
}

// endLink writes where a link leads, unless its text says so.
func (w *textWriter) endLink() {
	if !w.inLink {
		return
	}
	w.inLink = false
	words := strings.TrimSpace(w.out.String()[w.linked:])
	t, refused := w.urls.read(w.href)
	if words == "" || refused != accepted {
		return
	}
	t, _ = destination(t)
	where := strings.TrimPrefix(t.url, "mailto:")
	bare := strings.TrimSuffix(where, "/")
	_, bareHost, _ := strings.Cut(bare, "://")
	if strings.Contains(words, bare) || bareHost != "" && strings.HasSuffix(words, bareHost) {
		return
	}
	if len(where) > maxShownURL {
		where = t.host + "/…"
	}
	w.space = true
	w.prepare()
	w.out.WriteByte('<')
	w.out.WriteString(where)
	w.out.WriteByte('>')
}
