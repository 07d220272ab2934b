package mail

import (
	"slices"
	"unicode/utf8"
)

// A Form is what an encrypted piece held.
type Form string

const (
	Entity Form = "entity" // a MIME entity, header and body (RFC 3156 §4)
	Words  Form = "words"  // text, of which nothing is declared
	File   Form = "file"
)

// An Opening is what became of one encrypted piece of a message when somebody tried
// to open it.
type Opening struct {
	Part    *Part  // where it stands, a node of the message's tree
	Refused string // code of why it stays closed; nothing below is read then

	Form       Form
	Encrypted  bool   // it was; what stands within a signature was not
	Content    []byte // all that it held
	Proof      []byte // OpenPGP signatures over Content, nil for none
	Filename   string // of a file
	Charset    string // of words that are not UTF-8, "" where not known
	Start, End int    // of words: where the piece stands in the part's Content
}

// Open gives a message in which the openings hang below the parts that held them.
// The message itself stays as it is; the two share their bytes. The limits are
// those of Parse, and what is opened counts with what was there: an opening that is
// past them is noted as refused.
func (m *Message) Open(openings []Opening, lim Limits) *Message {
	o := &opener{openings: map[*Part][]*Opening{}}
	o.parser = &parser{lim: lim.orDefault(), seen: map[Defect]bool{}, defects: slices.Clone(m.Defects)}
	for _, d := range m.Defects {
		o.parser.seen[d] = true
	}
	for i := range openings {
		o.openings[openings[i].Part] = append(o.openings[openings[i].Part], &openings[i])
	}
	m.Walk(func(p *Part) {
		o.parser.parts++
		if p.Origin != "" || !isIdentity(p.Encoding) {
			o.parser.decoded += len(p.Content)
		}
	})
	opened := *m
	opened.steps = append(slices.Clip(m.steps), stepOf(m, openings)) // before it is noted what was refused
	opened.Root = o.part(m.Root, 0)
	opened.Defects = o.parser.defects
	opened.CharsetIssues += o.parser.issues
	return &opened
}

// An opener copies a tree and hangs what was opened into it.
type opener struct {
	parser   *parser
	openings map[*Part][]*Opening
}

// part copies a part that stands within depth others, and all below it.
func (o *opener) part(old *Part, depth int) *Part {
	part := *old
	copyAll := func(list []*Part) []*Part {
		list = slices.Clone(list)
		for i := range list {
			list[i] = o.part(list[i], depth+1)
		}
		return list
	}
	part.Children, part.Opened = copyAll(old.Children), copyAll(old.Opened)
	if old.Message != nil {
		inner := *old.Message
		inner.Root = o.part(inner.Root, depth+1)
		part.Message = &inner
	}
	for _, opening := range o.openings[old] {
		o.hang(&part, opening, depth+1)
	}
	return &part
}

// hang reads one opening and puts it below its part.
func (o *opener) hang(part *Part, opening *Opening, depth int) {
	p := o.parser
	switch {
	case opening.Refused != "":
	case depth > p.lim.Depth:
		opening.Refused = "depth_limit"
	case p.parts >= p.lim.Parts:
		opening.Refused = "members_limit"
	case p.decoded+len(opening.Content) > p.lim.Decoded:
		opening.Refused = "total_size_limit"
	}
	if refused := opening.Refused; refused != "" {
		if !slices.Contains(part.Unopened, refused) {
			part.Unopened = append(slices.Clone(part.Unopened), refused)
		}
		return
	}
	var opened *Part
	if opening.Form == Entity {
		p.depth = depth
		s := &scanner{p: p, buf: opening.Content, eol: lineEnd(opening.Content)}
		opened, _ = s.entity(0, part.Path)
	} else {
		opened = p.leaf(part, opening)
	}
	opened.Raw, opened.Proof, opened.Encrypted = opening.Content, opening.Proof, opening.Encrypted
	part.Opened = append(part.Opened, opened)
	if opening.Form == Words {
		part.cutText = append(slices.Clone(part.cutText), span{opening.Start, opening.End})
		slices.SortFunc(part.cutText, func(a, b span) int { return a.from - b.from })
	}
}

// leaf makes a part of content that declares nothing of itself.
func (p *parser) leaf(part *Part, opening *Opening) *Part {
	leaf := &Part{
		Path: join(part.Path, len(part.Opened)+1), Type: "text/plain", Params: map[string]string{}, Encoding: "binary",
		RawBody: opening.Content, Content: opening.Content,
	}
	switch {
	case opening.Form == File:
		leaf.Type, leaf.Disposition, leaf.Filename = "application/octet-stream", "attachment", validUTF8(opening.Filename)
	case utf8.Valid(opening.Content):
		leaf.Charset = "utf-8"
	default:
		leaf.Charset = opening.Charset
	}
	p.parts++
	p.decoded += len(opening.Content)
	if leaf.Content == nil {
		leaf.Content = []byte{}
	}
	p.afterDecode(leaf)
	p.unpack(leaf)
	return leaf
}
