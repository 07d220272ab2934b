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
	pieces, running := readPieces(document)
	replacements := find(running, Running)
	slices.SortFunc(replacements, func(a, b Replacement) int { return cmp.Compare(a.Start, b.Start) })
	var out strings.Builder
	out.Grow(len(document))
	next := 0
	for _, p := range pieces {
		if p.tag {
			writeTag(&out, p.raw, find)
			continue
		}
		at := p.start
		end := p.start + len(p.raw)
		for next < len(replacements) && replacements[next].Start < end {
			r := replacements[next]
			if r.Start >= at {
				writeText(&out, running[at:r.Start])
				writeText(&out, r.With)
			}
			at = max(at, min(r.End, end))
			if r.End > end {
				break // it goes on in a later piece, where nothing more is written for it
			}
			next++
		}
		writeText(&out, running[at:end])
	}
	return out.String()
}

// A piece is one token: a tag as it stands, or a text with its place in the
// running text.
type piece struct {
	tag   bool
	raw   string
	start int
}

// readPieces takes a cleaned document apart. There a "<" always opens a tag and
// a ">" always closes one, since HTML escapes them everywhere else.
func readPieces(document string) ([]piece, string) {
	pieces := make([]piece, 0, 2*strings.Count(document, "<")+1)
	var running strings.Builder
	running.Grow(len(document))
	for document != "" {
		open := strings.IndexByte(document, '<')
		if open < 0 {
			open = len(document)
		}
		if open > 0 {
			text := html.UnescapeString(document[:open])
			pieces = append(pieces, piece{raw: text, start: running.Len()})
			running.WriteString(text)
			document = document[open:]
			continue
		}
		end := strings.IndexByte(document, '>') + 1
		if end == 0 {
			break // not a cleaned document: the torn tag is left out
		}
		raw := document[:end]
		pieces = append(pieces, piece{tag: true, raw: raw})
		name, closing := tagName(raw)
		if gap := apart(name, closing); gap != "" && !strings.HasSuffix(running.String(), gap) {
			running.WriteString(gap)
		}
		document = document[end:]
	}
	return pieces, running.String()
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

// writeTag writes a tag with its labels replaced. A quote always ends a value,
// since HTML escapes them within.
func writeTag(out *strings.Builder, raw string, find func(string, Place) []Replacement) {
	if rest, ok := strings.CutPrefix(raw, `<a href="`); ok {
		if address, rest, ok := strings.Cut(rest, `"`); ok && len(find(html.UnescapeString(address), Address)) > 0 {
			raw = "<a" + rest
		}
	}
	for _, label := range [...]string{` title="`, ` alt="`} {
		before, rest, ok := strings.Cut(raw, label)
		if !ok {
			continue
		}
		value, after, _ := strings.Cut(rest, `"`)
		text := html.UnescapeString(value)
		found := find(text, Label)
		if len(found) == 0 {
			continue
		}
		var changed strings.Builder
		writeText(&changed, replaced(text, found))
		raw = before + label + changed.String() + `"` + after
	}
	out.WriteString(raw)
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
