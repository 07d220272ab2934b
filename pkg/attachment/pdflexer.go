package attachment

import (
	"bytes"
	"strings"
)

// A pdfTokenKind is what a token is.
type pdfTokenKind int

const (
	pdfEndToken pdfTokenKind = iota // nothing follows, or what was begun does not end
	pdfOpenDictionary
	pdfCloseDictionary
	pdfOpenList
	pdfCloseList
	pdfNameToken
	pdfIntegerToken
	pdfStringToken
	pdfKeywordToken // anything else
)

// A pdfToken is one piece of PDF syntax.
type pdfToken struct {
	kind   pdfTokenKind
	text   string // of a name, decoded, as far as it matters; of a short keyword
	number int
}

// A pdfLexer reads the syntax of PDF, token by token (ISO 32000-1 §7.2, §7.3).
type pdfLexer struct {
	b      []byte
	at     int
	ended  bool // the end was met
	inText bool // within a string or a remark
	odd    bool // something was met that stands in no dictionary
	stream int  // where the first keyword of a stream is within; 0: nowhere
}

// next reads one token. Remarks and white space before it are passed over.
func (l *pdfLexer) next() pdfToken {
	l.pass()
	if l.at >= len(l.b) {
		l.ended = true
		return pdfToken{}
	}
	rest := l.b[l.at:]
	switch c := rest[0]; {
	case bytes.HasPrefix(rest, []byte("<<")):
		return l.take(2, pdfOpenDictionary)
	case bytes.HasPrefix(rest, []byte(">>")):
		return l.take(2, pdfCloseDictionary)
	case c == '[':
		return l.take(1, pdfOpenList)
	case c == ']':
		return l.take(1, pdfCloseList)
	case c == '(' || c == '<':
		end := pdfStringEnd(rest)
		if end < 0 {
			l.at, l.inText, l.ended = len(l.b), true, true
			return pdfToken{}
		}
		return l.take(end, pdfStringToken)
	case c == '/':
		name, _ := pdfName(rest[1:])
		t := l.take(1+pdfWordEnd(rest[1:]), pdfNameToken)
		t.text = name
		return t
	case !pdfRegular(c): // a bracket of another kind, or one too many
		l.odd = true
		return l.take(1, pdfKeywordToken)
	}
	word := rest[:pdfWordEnd(rest)]
	sign := 0
	if word[0] == '+' {
		sign = 1
	}
	digits := len(word) - sign - len(bytes.TrimLeft(word[sign:], "0123456789"))
	if end := sign + digits; digits > 0 && (end == len(word) || word[end] != '.') { // readers end it there, whatever follows
		t := l.take(end, pdfIntegerToken)
		t.number = pdfInt(word[sign:end])
		return t
	}
	t := l.take(len(word), pdfKeywordToken)
	if len(word) <= len("stream") {
		t.text = string(word)
	}
	switch t.text {
	case "R", "true", "false", "null":
		return t
	case "stream":
		if l.stream == 0 {
			l.stream = l.at - len(word)
		}
	}
	l.odd = l.odd || len(bytes.Trim(word, "+-.0123456789")) > 0
	return t
}

// reference reads on behind an integer, where a reference to another object stands (§7.3.10).
func (l *pdfLexer) reference(t pdfToken) (number int, ok bool) {
	before := l.at
	if generation := l.next(); t.kind == pdfIntegerToken && generation.kind == pdfIntegerToken {
		if keyword := l.next(); keyword.kind == pdfKeywordToken && keyword.text == "R" {
			return t.number, true
		}
	}
	l.at = before
	return 0, false
}

// pdfNesting is how deep values stand in one another at most.
const pdfNesting = 64

// skip passes over the rest of a value that begins with a token.
func (l *pdfLexer) skip(t pdfToken) {
	var closing []pdfTokenKind
	for ; ; t = l.next() {
		switch t.kind {
		case pdfOpenDictionary:
			closing = append(closing, pdfCloseDictionary)
		case pdfOpenList:
			closing = append(closing, pdfCloseList)
		case pdfCloseDictionary, pdfCloseList:
			if n := len(closing) - 1; n < 0 || closing[n] != t.kind {
				l.odd = true
			}
			closing = closing[:max(len(closing)-1, 0)]
		case pdfEndToken:
			return
		}
		if len(closing) > pdfNesting {
			l.odd = true
			return
		}
		if len(closing) == 0 {
			return
		}
	}
}

// each calls visit for the value that begins with a token, or for each of those in a list of them.
func (l *pdfLexer) each(t pdfToken, visit func(t pdfToken)) {
	if t.kind != pdfOpenList {
		visit(t)
		return
	}
	for {
		if t = l.next(); t.kind == pdfCloseList || t.kind == pdfEndToken {
			return
		}
		visit(t)
	}
}

func (l *pdfLexer) take(n int, kind pdfTokenKind) pdfToken {
	l.at += n
	return pdfToken{kind: kind}
}

// pass passes over white space and remarks.
func (l *pdfLexer) pass() {
	for l.at < len(l.b) {
		rest := l.b[l.at:]
		trimmed := bytes.TrimLeft(rest, pdfSpace)
		l.at += len(rest) - len(trimmed)
		if len(trimmed) == 0 || trimmed[0] != '%' {
			return
		}
		end := bytes.IndexAny(trimmed, "\r\n")
		if end < 0 {
			end, l.inText = len(trimmed), true
		}
		l.at += end
	}
}

func isPDFSpace(c byte) bool { return strings.IndexByte(pdfSpace, c) >= 0 }

// pdfWordEnd is how long a word is.
func pdfWordEnd(b []byte) int {
	for i, c := range b {
		if !pdfRegular(c) {
			return i
		}
	}
	return len(b)
}

// pdfStringEnd is where the string ends that begins b, -1 for nowhere.
func pdfStringEnd(b []byte) int {
	if b[0] == '<' {
		if i := bytes.IndexByte(b, '>'); i >= 0 {
			return i + 1
		}
		return -1
	}
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}
