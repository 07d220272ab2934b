package clean

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// A Place says where in a document a text stands.
type Place int

const (
	Running Place = iota // what is read, across all inline elements
	Label                // the value of alt or title
	Address              // where a link leads
)

// A Replacement puts With in the place of the bytes from Start to End.
type Replacement struct {
	Start, End int
	With       string
}

// Replace changes texts of a document that HTML has cleaned. It calls find once
// with the whole running text, in which blocks are apart by line ends and
// cells by two spaces, and once with each label and each link's address; the
// replacements, without overlap, are written in the place of what
// they cover, even where that begins in one element and ends in another. A link
// whose address has a replacement loses its address. The result is as safe as
// the document was.
func Replace(document string, find func(text string, place Place) []Replacement) string {
	document, pieces, running := readPieces(document)
	replacements := find(running, Running)
	slices.SortFunc(replacements, func(a, b Replacement) int { return cmp.Compare(a.Start, b.Start) })
	w := rewriter{document: document}
	next := 0
	for _, p := range pieces {
		if p.tag {
			w.tag(p, find)
			continue
		}
		if next == len(replacements) || replacements[next].Start >= p.end {
			continue // the text stays as it is
		}
		out := w.until(p.from)
		at := p.start
		for next < len(replacements) && replacements[next].Start < p.end {
			r := replacements[next]
			if r.Start >= at {
				writeText(out, running[at:r.Start])
				writeText(out, r.With)
			}
			at = max(at, min(r.End, p.end))
			if r.End > p.end {
				break // it goes on in a later piece, where nothing more is written for it
			}
			next++
		}
		writeText(out, running[at:p.end])
		w.at = p.to
	}
	return w.finish()
}

// A rewriter writes a document anew where something changes and copies the rest.
type rewriter struct {
	document string
	at       int // what stands before is written
	out      strings.Builder
}

// until copies what stays as it is up to an offset.
func (w *rewriter) until(offset int) *strings.Builder {
	if w.out.Len() == 0 {
		w.out.Grow(len(w.document) + len(w.document)/16)
	}
	w.out.WriteString(w.document[w.at:offset])
	w.at = offset
	return &w.out
}

func (w *rewriter) finish() string {
	if w.at == 0 {
		return w.document
	}
	return w.until(len(w.document)).String()
}

// A piece is a stretch of the document that may change: a text with its place in
// the running text, or a tag with a label or an address.
type piece struct {
	tag        bool
	from, to   int // in the document
	start, end int // in the running text
}

// readPieces takes a cleaned document apart. There a "<" always opens a tag and
// a ">" always closes one, since HTML escapes them everywhere else. The document
// comes back without a torn tag at its end, which a cleaned one has not.
func readPieces(document string) (whole string, pieces []piece, text string) {
	pieces = make([]piece, 0, strings.Count(document, "<")+1)
	var running strings.Builder
	running.Grow(len(document) / 4)
	for at := 0; at < len(document); {
		end := len(document)
		if open := strings.IndexByte(document[at:], '<'); open > 0 {
			end = at + open
		} else if open == 0 {
			if end = strings.IndexByte(document[at:], '>') + at + 1; end == at {
				document = document[:at]
				break
			}
			raw := document[at:end]
			if changeable(raw) {
				pieces = append(pieces, piece{tag: true, from: at, to: end})
			}
			if gap := apart(tagName(raw)); gap != "" && !strings.HasSuffix(running.String(), gap) {
				running.WriteString(gap)
			}
			at = end
			continue
		}
		start := running.Len()
		writePlain(&running, document[at:end])
		pieces = append(pieces, piece{from: at, to: end, start: start, end: running.Len()})
		at = end
	}
	return document, pieces, running.String()
}

// writePlain writes text that is escaped as what it means.
func writePlain(out *strings.Builder, text string) {
	for {
		at := strings.IndexByte(text, '&')
		if at < 0 {
			break
		}
		out.WriteString(text[:at])
		text = text[at:]
		size := 0
		for _, escape := range escapeList {
			if strings.HasPrefix(text, escape.written) {
				out.WriteByte(escape.meant)
				size = len(escape.written)
				break
			}
		}
		if size == 0 { // HTML writes no others
			text = html.UnescapeString(text)
			break
		}
		text = text[size:]
	}
	out.WriteString(text)
}

func plainText(text string) string {
	if strings.IndexByte(text, '&') < 0 {
		return text
	}
	var out strings.Builder
	out.Grow(len(text))
	writePlain(&out, text)
	return out.String()
}

func tagName(raw string) (name string, closing bool) {
	name = strings.Trim(raw, "<>")
	name, closing = strings.CutPrefix(name, "/")
	name, _, _ = strings.Cut(name, " ")
	return name, closing
}

// apart is what stands in the running text for a tag.
func apart(name string, closing bool) string {
	r, ok := allowed[name]
	switch {
	case !ok || r == inline || name == "wbr":
		return ""
	case r == tableCell:
		if closing {
			return ""
		}
		return "  "
	case name == "img":
		return " "
	}
	return "\n"
}

const (
	hrefLabel  = `<a href="`
	titleLabel = ` title="`
	altLabel   = ` alt="`
)

// changeable says whether a tag has a label or an address.
func changeable(tag string) bool {
	return strings.HasPrefix(tag, hrefLabel) || len(tag) > len(altLabel) && (strings.Contains(tag, titleLabel) || strings.Contains(tag, altLabel))
}

// tag writes a tag with its labels replaced. A quote always ends a value, since
// HTML escapes them within.
func (w *rewriter) tag(p piece, find func(string, Place) []Replacement) {
	raw := w.document[p.from:p.to]
	was := raw
	if rest, ok := strings.CutPrefix(raw, hrefLabel); ok {
		if address, rest, ok := strings.Cut(rest, `"`); ok && len(find(plainText(address), Address)) > 0 {
			raw = "<a" + rest
		}
	}
	for _, label := range [...]string{titleLabel, altLabel} {
		before, rest, ok := strings.Cut(raw, label)
		if !ok {
			continue
		}
		value, after, _ := strings.Cut(rest, `"`)
		text := plainText(value)
		found := find(text, Label)
		if len(found) == 0 {
			continue
		}
		var changed strings.Builder
		writeText(&changed, replaced(text, found))
		raw = before + label + changed.String() + `"` + after
	}
	if raw != was {
		w.until(p.from).WriteString(raw)
		w.at = p.to
	}
}

func replaced(text string, replacements []Replacement) string {
	var out strings.Builder
	at := 0
	for _, r := range replacements {
		if r.Start < at {
			continue
		}
		out.WriteString(text[at:r.Start] + r.With)
		at = r.End
	}
	return out.String() + text[at:]
}
