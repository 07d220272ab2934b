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

func readPieces(document string) ([]piece, string) {
	var pieces []piece
	var running strings.Builder
	running.Grow(len(document))
	tokens := html.NewTokenizer(strings.NewReader(document))
	for {
		switch kind := tokens.Next(); kind {
		case html.ErrorToken:
			return pieces, running.String()
		case html.TextToken:
			text := string(tokens.Text())
			pieces = append(pieces, piece{raw: text, start: running.Len()})
			running.WriteString(text)
		case html.StartTagToken, html.SelfClosingTagToken, html.EndTagToken:
			raw := string(tokens.Raw())
			pieces = append(pieces, piece{tag: true, raw: raw})
			name, _ := tokens.TagName()
			if gap := apart(string(name), kind); gap != "" && !strings.HasSuffix(running.String(), gap) {
				running.WriteString(gap)
			}
		}
	}
}

// apart is what stands in the running text for a tag.
func apart(name string, kind html.TokenType) string {
	r, ok := allowed[name]
	switch {
	case !ok || r == inline || name == "wbr":
		return ""
	case r == tableCell:
		if kind == html.EndTagToken {
			return ""
		}
		return "  "
	case name == "img":
		return " "
	}
	return "\n"
}

// writeTag writes a tag with its labels replaced.
func writeTag(out *strings.Builder, raw string, find func(string, Place) []Replacement) {
	if !strings.Contains(raw, ` alt="`) && !strings.Contains(raw, ` title="`) && !strings.HasPrefix(raw, `<a href="`) {
		out.WriteString(raw)
		return
	}
	tokens := html.NewTokenizer(strings.NewReader(raw))
	tokens.Next()
	name, more := tokens.TagName()
	out.WriteString("<" + string(name))
	for more {
		var key, value []byte
		key, value, more = tokens.TagAttr()
		text := string(value)
		switch string(key) {
		case "alt", "title":
			text = replaced(text, find(text, Label))
		case "href":
			if len(find(text, Address)) > 0 {
				continue
			}
		}
		writeAttribute(out, string(key), text)
	}
	out.WriteByte('>')
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
