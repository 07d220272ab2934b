package attachment

import (
	"bytes"
	"encoding/base64"
	"html"

	"github.com/postern-mail/postern/pkg/mail"
)

// The marks of web pages that act when a browser opens them, in lower case.
var (
	marksOfShifted = [][]byte{[]byte("+adw-script"), []byte(`charset=utf-7`), []byte(`charset="utf-7`), []byte("charset='utf-7"), []byte("encoding=\"utf-7"), []byte("encoding='utf-7")}
	marksOfBuilder = [][]byte{[]byte("mssaveoropenblob"), []byte("mssaveblob"), []byte("createobjecturl"), []byte("new blob"), []byte(`["blob"]`), []byte("showsavefilepicker")}
	marksOfDecoder = [][]byte{[]byte("atob"), []byte("fromcharcode"), []byte("unescape("), []byte("decodeuricomponent("), []byte("uint8array"), []byte("charcodeat")}
	marksOfSaving  = [][]byte{[]byte("download="), []byte(".download"), []byte("\"download\""), []byte("'download'"), []byte(".click("), []byte("location=")}
	marksOfData    = [][]byte{[]byte("data:application/"), []byte("data:text/html;base64"), []byte("data:;base64")}
)

// The addresses that run a script, and the elements of drawings that do or that hold pages.
var (
	addressesOfScript = []string{"javascript:", "vbscript:", "data:text/html"}
	elementsOfDrawing = []string{"script", "foreignobject", "iframe", "embed", "object", "handler"}
)

func hasAny(b []byte, marks [][]byte) bool {
	for _, m := range marks {
		if bytes.Contains(b, m) {
			return true
		}
	}
	return false
}

// A pageText is a web page as its marks are looked for.
type pageText struct {
	page  []byte // as it is written, in single bytes
	lower []byte // where its elements and their attributes are found
	whole []byte // with the entities put in that it declares
	text  []byte // and with what it writes by number or by name, where its addresses are found
	hides bool   // it declares entities that may be anything
}

func readPage(content []byte) pageText {
	page := withoutShifts(plainText(content))
	p := pageText{page: page, lower: mail.Lower(page)}
	p.whole, p.hides = expanded(page)
	p.text = p.lower
	if bytes.IndexByte(page, '&') >= 0 {
		p.text = unescaped(p.whole)
	}
	return p
}

// runsScript tells whether a browser that shows a page runs what stands in it.
func (p pageText) runsScript() bool {
	if p.hides || hasElement(p.lower, "script") || hasHandler(p.lower) || hasAny(p.lower, marksOfShifted) || framesData(p.whole) {
		return true
	}
	for _, address := range addressesOfScript {
		if hasAddress(p.text, address) {
			return true
		}
	}
	return false
}

// openWebpage looks through an attached web page. Smuggling is a script that
// puts a file together and has it saved, or a link that holds the file itself.
func (w *walker) openWebpage(a *Attachment, f file) error {
	p := readPage(f.content)
	a.addOfPage(p)
	return w.openBase64(a, f, p.page)
}

// addOfPage adds what a page does.
func (a *Attachment) addOfPage(p pageText) {
	script := p.runsScript() || bytes.Contains(p.lower, []byte("srcdoc"))
	if script {
		a.add(HTMLScript)
	}
	if asksPassword(p.whole) {
		a.add(HTMLCredentialForm)
	}
	if redirects(p.whole) {
		a.add(HTMLRedirect)
	}
	if smuggles(p.page, p.text, script) || hasAny(p.text, marksOfData) && bytes.Contains(p.text, []byte("base64,")) {
		a.add(HTMLSmuggling)
	}
}

// openAsNamed looks through a file that a browser shows by its name, whatever its bytes
// look like: a page is one behind words, in JSON and in a PDF.
func (w *walker) openAsNamed(a *Attachment, f file) {
	shown := shownAs(f)
	if shown == "" || shown == a.DetectedType {
		return
	}
	switch familyOf(a.DetectedType) {
	case pdf, media, archive:
		a.add(TypeMismatch)
	}
	switch {
	case shown == "text/html" && a.DetectedType != "application/xhtml+xml":
		w.run(a, f, w.openWebpage)
	case shown == "image/svg+xml":
		w.run(a, f, w.openDrawing)
	case shown == "text/xml" && familyOf(a.DetectedType) != webpage && a.DetectedType != "image/svg+xml":
		w.run(a, f, w.openXML)
	}
}

// shownAs is what a browser takes a file for by its name, or by its declaration where
// the name says nothing; "" for what it does not show as a page.
func shownAs(f file) string {
	last := extensionOf(f.name)
	switch last {
	case "svg":
		return "image/svg+xml"
	case "xml", "xsl", "xslt":
		return "text/xml"
	}
	if claimed := extensions[last]; claimed.family == webpage {
		return "text/html"
	} else if claimed != (extension{}) {
		return ""
	}
	switch f.declared {
	case "text/html", "application/xhtml+xml":
		return "text/html"
	case "image/svg+xml", "text/xml":
		return f.declared
	case "application/xml":
		return "text/xml"
	}
	return ""
}

// smuggles tells whether the script of a page puts a file together.
func smuggles(page, lower []byte, script bool) bool {
	if !script {
		return false
	}
	large, decodes := len(base64Run(page)) > 0, hasAny(lower, marksOfDecoder)
	return hasAny(lower, marksOfBuilder) && (large || decodes) ||
		decodes && large && hasAny(lower, marksOfSaving)
}

// bodySmuggles tells whether a text that is shown as HTML has a script that puts a file together.
func bodySmuggles(content []byte) bool {
	page := plainText(content)
	lower := bytes.ToLower(page)
	return bytes.Contains(lower, []byte("<script")) && smuggles(page, lower, true)
}

// hasHandler tells whether an element has an attribute that runs a script
// ("onload=").
func hasHandler(lower []byte) bool {
	for rest := lower; ; {
		i := bytes.Index(rest, []byte("on"))
		if i < 0 {
			return false
		}
		begins := i > 0 && bytes.IndexByte([]byte(" \t\r\n\f/\"'"), rest[i-1]) >= 0
		rest = rest[i+2:]
		if !begins {
			continue
		}
		n := 0
		for n < len(rest) && n < 32 && rest[n] >= 'a' && rest[n] <= 'z' {
			n++
		}
		after := bytes.TrimLeft(rest[n:], " \t\r\n\f")
		if n >= 3 && len(after) > 0 && after[0] == '=' {
			return true
		}
	}
}

// asksPassword tells whether a page has a field for a password.
func asksPassword(page []byte) bool {
	left, found := 4*len(page)+64<<10, false
	elements(page, "input", &left, func(input map[string]string) {
		found = found || input["type"] == "password"
	})
	return found
}

// Runs of base64 shorter than base64Least are words and pictures of no weight; no
// more than base64Runs of one page are decoded.
const (
	base64Least = 512
	base64Runs  = 64
)

// base64Run is the first long run of base64 letters in a page.
func base64Run(page []byte) []byte {
	begin := 0
	for i, c := range page {
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' {
			continue
		}
		if i-begin >= base64Least {
			return page[begin:i]
		}
		begin = i + 1
	}
	if len(page)-begin >= base64Least {
		return page[begin:]
	}
	return nil
}

// openBase64 decodes what looks like packed bytes in a page and looks at what
// comes out, where that is more than a picture.
func (w *walker) openBase64(a *Attachment, f file, page []byte) error {
	for range base64Runs {
		run := base64Run(page)
		if run == nil {
			return nil
		}
		page = page[cap(page)-cap(run)+len(run):]
		if len(run)%4 == 1 { // no whole number of bytes: the last letter is not of it
			run = run[:len(run)-1]
		}
		content, reason, err := w.stream(f, int64(len(run)/4*3), base64.NewDecoder(base64.RawStdEncoding, bytes.NewReader(run)))
		if reason != "" {
			return errStop
		}
		if err != nil || !isEICAR(content) && !carries(sniff(content, "")) {
			continue
		}
		a.add(HTMLSmuggling)
		if err := w.list(a, f, "", content); err != nil {
			return err
		}
	}
	return nil
}

// withoutShifts drops the escapes of ISO-2022-JP, which browsers do not show and which may
// stand in the middle of a word (Encoding, ISO-2022-JP decoder).
func withoutShifts(page []byte) []byte {
	if bytes.IndexByte(page, 0x1b) < 0 {
		return page
	}
	kept := make([]byte, 0, len(page))
	for len(page) > 0 {
		i := bytes.IndexByte(page, 0x1b)
		if i < 0 {
			return append(kept, page...)
		}
		kept, page = append(kept, page[:i]...), page[i:]
		if n := min(3, len(page)); isShift(string(page[1:n])) {
			page = page[n:]
		} else {
			kept, page = append(kept, page[0]), page[1:]
		}
	}
	return kept
}

func isShift(b string) bool {
	switch b {
	case "(B", "(J", "(I", "$@", "$B":
		return true
	}
	return false
}

// unescaped replaces the characters that a page writes by number or by name, and puts
// it in lower case. It goes piece by piece, so that a large page is not held many times.
func unescaped(page []byte) []byte {
	text := make([]byte, 0, len(page))
	for len(page) > 0 {
		end := len(page)
		if end > pieceOfText {
			if i := bytes.IndexByte(page[pieceOfText:], '&'); i >= 0 {
				end = pieceOfText + i
			}
		}
		text = append(text, mail.Lower([]byte(html.UnescapeString(string(page[:end]))))...)
		page = page[end:]
	}
	return text
}

const pieceOfText = 64 << 10

// hasElement tells whether a page, in lower case, begins an element of a name, with
// a prefix or without.
func hasElement(lower []byte, name string) bool {
	for at := 0; ; {
		i := bytes.Index(lower[at:], []byte(name))
		if i < 0 {
			return false
		}
		begin := at + i
		at = begin + len(name)
		if (at == len(lower) || !isNameByte(lower[at])) && beginsElement(lower[:begin]) {
			return true
		}
	}
}

// beginsElement tells whether "<" ends a text, or "<" with a prefix.
func beginsElement(before []byte) bool {
	if prefix, ok := bytes.CutSuffix(before, []byte{':'}); ok {
		before = bytes.TrimRightFunc(prefix, func(r rune) bool { return r >= 0x80 || isNameByte(byte(r)) && r != ':' })
	}
	return bytes.HasSuffix(before, []byte{'<'})
}

// isNameByte tells whether a byte goes on with the name of an element.
func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c == ':' || c >= 0x80
}

// hasAddress finds the beginning of an address, in which browsers pass over tabs and line
// ends (URL, basic URL parser). The first letter of it is nowhere else in it.
func hasAddress(text []byte, address string) bool {
	n := 0
	for _, c := range text {
		switch {
		case c == '\t' || c == '\r' || c == '\n':
			continue
		case c == address[n]:
			n++
		case c == address[0]:
			n = 1
		default:
			n = 0
		}
		if n == len(address) {
			return true
		}
	}
	return false
}
