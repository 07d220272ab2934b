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
	document, running, tags := readDocument(document)
	replacements := find(running, Running)
	slices.SortFunc(replacements, func(a, b Replacement) int { return cmp.Compare(a.Start, b.Start) })
	edits := textEdits(document, running, replacements)
	for _, t := range tags {
		raw := document[t.from:t.to]
		if with := editedTag(raw, find); with != raw {
			edits = append(edits, edit{t, with})
		}
	}
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(a.from, b.from) })
	return edited(document, edits)
}

// A piece is a stretch of the document: a tag, or the text between two.
type piece struct{ from, to int }

// An edit puts other words, written as HTML, in the place of a piece.
type edit struct {
	piece
	with string
}

func edited(document string, edits []edit) string {
	if len(edits) == 0 {
		return document
	}
	size := len(document)
	for _, e := range edits {
		size += len(e.with) - (e.to - e.from)
	}
	var out strings.Builder
	out.Grow(size)
	at := 0
	for _, e := range edits {
		out.WriteString(document[at:e.from])
		out.WriteString(e.with)
		at = e.to
	}
	out.WriteString(document[at:])
	return out.String()
}

// nextPiece gives the piece that begins at an offset of a cleaned document. There
// a "<" always opens a tag and a ">" always closes one, since HTML escapes them
// everywhere else. A torn tag, which a cleaned document has not, gives nothing.
func nextPiece(document string, at int) (p piece, tag, ok bool) {
	open := strings.IndexByte(document[at:], '<')
	switch {
	case open == 0:
		end := strings.IndexByte(document[at:], '>')
		return piece{at, at + end + 1}, true, end > 0
	case open > 0:
		return piece{at, at + open}, false, true
	}
	return piece{at, len(document)}, false, at < len(document)
}

// readDocument gives the running text of a document and the tags that may change.
// The document comes back without what follows a torn tag.
func readDocument(document string) (whole, text string, tags []piece) {
	var running strings.Builder
	running.Grow(len(document) / 2)
	for at := 0; ; {
		p, tag, ok := nextPiece(document, at)
		if !ok {
			return document[:at], running.String(), tags
		}
		raw := document[p.from:p.to]
		at = p.to
		if !tag {
			writePlain(&running, raw)
			continue
		}
		running.WriteString(gapFor(raw, running.String()))
		if changeable(raw) {
			tags = append(tags, p)
		}
	}
}

// gapFor is what a tag adds to the running text before it.
func gapFor(tag, running string) string {
	gap := apart(tagName(tag))
	if strings.HasSuffix(running, gap) {
		return ""
	}
	return gap
}

// textEdits finds the texts that replacements, in order, fall into.
func textEdits(document, running string, replacements []Replacement) (edits []edit) {
	start, next := 0, 0 // in the running text, and in the replacements
	for at := 0; next < len(replacements); {
		p, tag, ok := nextPiece(document, at)
		if !ok {
			break
		}
		raw := document[p.from:p.to]
		at = p.to
		if tag {
			start += len(gapFor(raw, running[:start]))
			continue
		}
		end := start + len(plainText(raw))
		if replacements[next].Start < end {
			var with string
			with, next = replacedText(running, start, end, replacements, next)
			edits = append(edits, edit{p, with})
		}
		start = end
	}
	return edits
}

// replacedText writes the running text from at to end with the replacements that
// reach into it, from the next one on, and tells which is next then.
func replacedText(running string, at, end int, replacements []Replacement, next int) (string, int) {
	var out strings.Builder
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
	return out.String(), next
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

// editedTag gives a tag with its labels replaced. A quote always ends a value,
// since HTML escapes them within.
func editedTag(raw string, find func(string, Place) []Replacement) string {
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
	return raw
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
