package attachment

import (
	"bytes"

	"github.com/postern-mail/postern/pkg/mail"
)

// An Account says where every byte of a mail went. Its first five numbers add
// up to Size, whatever the mail; what is in Gap belongs to nothing that was
// examined, and more than blank lines there are a finding.
type Account struct {
	Size      int64 `json:"size"`      // bytes of the mail as it came
	Fields    int64 `json:"fields"`    // headers of the mail and of its parts
	Structure int64 `json:"structure"` // delimiters, and blank lines around them
	Outside   int64 `json:"outside"`   // what stands before the first part of a multipart and after its last
	Bodies    int64 `json:"bodies"`    // of parts, still encoded
	Gap       int64 `json:"gap"`       // negative where bytes were counted twice

	Leaves   int   `json:"leaves"`   // parts that hold content, as the mail has them
	Decoded  int64 `json:"decoded"`  // bytes of their contents
	Examined int64 `json:"examined"` // of these, bytes that were looked at or refused with a reason

	// Parts are the leaves that were examined, in order, body texts among them;
	// no more than partsListed of them.
	Parts []AccountPart `json:"parts"`
}

// An AccountPart is one part in an Account.
type AccountPart struct {
	Path    string  `json:"path"`
	Size    int64   `json:"size"` // decoded bytes
	Verdict Verdict `json:"verdict"`
}

// partsListed bounds the list in an account; its sums are of all parts.
const partsListed = 256

// A bookkeeper makes the account of one mail from the tree of its parts, apart
// from the walk that examines them, so that the two can be compared.
type bookkeeper struct {
	account Account
	gaps    map[*mail.Part]bool // parts in which bytes belong to nothing
	walked  int                 // leaves that the walk came to
}

// books opens the account of a mail.
func books(msg *mail.Message) *bookkeeper {
	b := &bookkeeper{account: Account{Size: int64(len(msg.Raw)), Parts: []AccountPart{}}}
	if msg.Root != nil {
		b.part(msg.Root, msg.Raw != nil)
		if msg.Raw != nil && !within(msg.Raw, msg.Root.Raw, 0, len(msg.Raw)) {
			b.gap(msg.Root)
		}
	}
	a := &b.account
	if msg.Raw != nil {
		a.Gap = a.Size - a.Fields - a.Structure - a.Outside - a.Bodies
		if a.Gap < 0 {
			b.gap(msg.Root)
		}
	}
	return b
}

func (b *bookkeeper) gap(p *mail.Part) {
	if b.gaps == nil {
		b.gaps = map[*mail.Part]bool{}
	}
	b.gaps[p] = true
}

// part accounts for one part and all within it. On the wire are parts whose bytes
// are bytes of the mail; what was decoded or decrypted has its own.
func (b *bookkeeper) part(p *mail.Part, wire bool) {
	if wire {
		b.account.Fields += int64(len(p.Raw) - len(p.RawBody))
		if len(p.RawBody) > len(p.Raw) || len(p.RawBody) == 0 && moreThanFields(p) || !within(p.Raw, p.RawBody, len(p.Raw)-len(p.RawBody), len(p.Raw)) {
			b.gap(p)
		}
	}
	if holdsParts(p) {
		inside := wire && b.cut(p)
		if wire && !inside {
			b.account.Bodies += int64(len(p.RawBody))
			if len(p.Children) > 0 {
				b.gap(p) // its parts were cut from something else
			}
		}
		for _, child := range p.Children {
			b.part(child, inside)
		}
		return
	}
	content := contentOf(p)
	b.account.Leaves++
	b.account.Decoded += int64(len(content))
	if decodedShort(p) {
		b.gap(p)
	}
	inside := wire && p.Message != nil && p.Message.Root != nil && within(p.RawBody, p.Message.Root.Raw, 0, len(p.RawBody))
	if wire && !inside {
		b.account.Bodies += int64(len(p.RawBody))
	}
	if p.Message != nil && p.Message.Root != nil {
		b.part(p.Message.Root, inside)
	}
	if p.Message == nil {
		for _, child := range p.Children {
			b.part(child, false)
		}
	}
	for _, opened := range p.Opened {
		b.part(opened, false)
	}
}

// moreThanFields tells whether a part that seems to have no body has more than
// fields and the blank line that ends them.
func moreThanFields(p *mail.Part) bool {
	rest := len(p.Raw)
	for _, f := range p.Header {
		rest -= len(f.Raw)
	}
	// A line that mailboxes put before a message is no field (RFC 4155).
	if first, _, _ := bytes.Cut(p.Raw, []byte{'\n'}); bytes.HasPrefix(first, []byte("From ")) || bytes.HasPrefix(first, []byte(">From ")) {
		rest -= len(first)
	}
	return rest > 2 && !blank(p.Raw[len(p.Raw)-rest:])
}

// holdsParts tells whether a part is a container whose bytes are those of its
// children.
func holdsParts(p *mail.Part) bool {
	return p.Message == nil && p.IsMultipart() && (len(p.Children) > 0 || blank(p.RawBody))
}

func contentOf(p *mail.Part) []byte {
	if p.Content == nil {
		return p.RawBody
	}
	return p.Content
}

// cut accounts for what a multipart has besides its children; false where the
// children are not cut from its body.
func (b *bookkeeper) cut(p *mail.Part) bool {
	at := 0
	if len(p.Preamble) > 0 {
		if !within(p.RawBody, p.Preamble, 0, len(p.Preamble)) {
			return false
		}
		at = len(p.Preamble)
		b.account.Outside += int64(at)
	}
	outside := b.account.Outside
	structure := int64(0)
	torn := false
	for _, child := range p.Children {
		from, ok := offset(p.RawBody, child.Raw)
		if !ok || from < at {
			b.account.Outside = outside - int64(len(p.Preamble))
			return false
		}
		if onlyDelimiters(p.RawBody[at:from], p.Params["boundary"]) {
			structure += int64(from - at)
		} else {
			torn = true
		}
		at = from + len(child.Raw)
	}
	to := len(p.RawBody) - len(p.Epilogue)
	if to < at || len(p.Epilogue) > 0 && !within(p.RawBody, p.Epilogue, to, len(p.RawBody)) {
		torn = true
	} else if b.account.Outside += int64(len(p.Epilogue)); onlyDelimiters(p.RawBody[at:to], p.Params["boundary"]) {
		structure += int64(to - at)
	} else {
		torn = true
	}
	if torn {
		b.gap(p)
	}
	b.account.Structure += structure
	return true
}

// afterDelimiter is how much may follow a closing delimiter on its line.
const afterDelimiter = 40

// onlyDelimiters tells whether nothing but delimiter lines (RFC 2046 §5.1.1) and
// blank ones stand between two parts. Where the mail names no boundary, it is
// whatever one line begins with.
func onlyDelimiters(between []byte, boundary string) bool {
	for _, line := range bytes.FieldsFunc(between, func(r rune) bool { return r == '\r' || r == '\n' }) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0:
		case !bytes.HasPrefix(line, []byte("--"+boundary)):
			return false
		case boundary != "":
			rest := bytes.TrimSpace(line[2+len(boundary):])
			// Sloppy writers let a word follow the last delimiter on its line.
			if len(rest) > 0 && (!bytes.HasPrefix(rest, []byte("--")) || len(rest) > afterDelimiter) {
				return false
			}
		}
	}
	return true
}

// offset is where inner stands in the bytes of outer, of which it must be a slice.
func offset(outer, inner []byte) (int, bool) {
	at := cap(outer) - cap(inner)
	if at < 0 || at+len(inner) > len(outer) {
		return 0, false
	}
	if len(inner) == 0 {
		return at, true
	}
	return at, &outer[at] == &inner[0]
}

// within tells whether inner is what outer has between two places.
func within(outer, inner []byte, from, to int) bool {
	if to-from != len(inner) {
		return false
	}
	if len(inner) == 0 {
		return true
	}
	at, ok := offset(outer, inner)
	return ok && at == from
}

// decodedShort tells whether decoding left out more than the transfer encoding
// can explain: four letters of base64 are three bytes (RFC 2045 §6.8), a byte of
// quoted-printable takes three letters at most (§6.7).
func decodedShort(p *mail.Part) bool {
	if p.RawBody == nil || p.Origin != "" {
		return false
	}
	n := len(p.Content)
	switch p.Encoding {
	case "base64":
		// Each padding ends a group of which up to two letters make no byte.
		pads := bytes.Count(p.RawBody, []byte{'='})
		letters := len(p.RawBody) - pads - bytes.Count(p.RawBody, []byte{'\n'}) - bytes.Count(p.RawBody, []byte{'\r'})
		if n < letters/4*3-3*pads-3 { // or there are other bytes than letters
			letters = 0
			for _, c := range p.RawBody {
				letters += int(base64Letter[c])
			}
		}
		return n < letters/4*3-3*pads-3
	case "quoted-printable":
		// A byte that is written as two digits is three, a soft line end two or
		// three; white space before a line end is dropped, and counted only where
		// more than these is missing.
		loss := 2*bytes.Count(p.RawBody, []byte{'='}) + bytes.Count(p.RawBody, []byte{'\n'})
		if n < len(p.RawBody)-loss {
			for _, c := range p.RawBody {
				if c == ' ' || c == '\t' || c == '\r' {
					loss++
				}
			}
		}
		return n < len(p.RawBody)-loss
	case "", "7bit", "8bit", "binary":
		return p.Content != nil && n != len(p.RawBody)
	}
	return false
}

// base64Letter counts the letters of base64.
var base64Letter = func() (is [256]byte) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		is[c] = 1
	}
	return is
}()

// examined takes down what the walk said of one leaf.
func (b *bookkeeper) examined(a *Attachment) {
	b.walked++
	b.account.Examined += a.Size
	if len(b.account.Parts) < partsListed {
		b.account.Parts = append(b.account.Parts, AccountPart{a.Path, a.Size, a.Verdict})
	}
}

// judged takes down what became of the verdict on a leaf.
func (b *bookkeeper) judged(a *Attachment) {
	for i := range b.account.Parts {
		if b.account.Parts[i].Path == a.Path {
			b.account.Parts[i].Verdict = a.Verdict
		}
	}
}

// refused takes down a message that the walk was not allowed into.
func (b *bookkeeper) refused(msg *mail.Message) {
	if msg == nil || msg.Root == nil {
		return
	}
	inside := books(&mail.Message{Root: msg.Root})
	b.walked += inside.account.Leaves
	b.account.Examined += inside.account.Decoded
}

// unexamined tells whether the walk left out, or came twice to, what the mail has.
func (b *bookkeeper) unexamined() bool {
	return b.walked != b.account.Leaves || b.account.Examined != b.account.Decoded
}
