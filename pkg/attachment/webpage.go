package attachment

import (
	"bytes"
	"encoding/base64"
	"html"
)

// The marks of web pages that act when a browser opens them, in lower case.
var (
	marksOfScript  = [][]byte{[]byte("<script"), []byte("javascript:"), []byte("srcdoc")}
	marksOfBuilder = [][]byte{[]byte("mssaveoropenblob"), []byte("mssaveblob"), []byte("createobjecturl"), []byte("new blob"), []byte(`["blob"]`), []byte("showsavefilepicker")}
	marksOfDecoder = [][]byte{[]byte("atob"), []byte("fromcharcode"), []byte("unescape("), []byte("decodeuricomponent("), []byte("uint8array"), []byte("charcodeat")}
	marksOfSaving  = [][]byte{[]byte("download="), []byte(".download"), []byte("\"download\""), []byte("'download'"), []byte(".click("), []byte("location=")}
	marksOfData    = [][]byte{[]byte("data:application/"), []byte("data:text/html;base64"), []byte("data:;base64")}
	marksInDrawing = [][]byte{[]byte("<script"), []byte("javascript:"), []byte("<foreignobject"), []byte("<iframe"), []byte("<embed"), []byte("<object"), []byte("<handler")}
)

func hasAny(b []byte, marks [][]byte) bool {
	for _, m := range marks {
		if bytes.Contains(b, m) {
			return true
		}
	}
	return false
}

// openWebpage looks through an attached web page. Smuggling is a script that
// puts a file together and has it saved, or a link that holds the file itself.
func (w *walker) openWebpage(a *Attachment, f file) error {
	page := plainText(f.content)
	lower := unescaped(bytes.ToLower(page))
	script := hasAny(lower, marksOfScript) || hasHandler(lower)
	if script {
		a.add(HTMLScript)
	}
	if asksPassword(lower) {
		a.add(HTMLCredentialForm)
	}
	if redirects(page) {
		a.add(HTMLRedirect)
	}
	if smuggles(page, lower, script) || hasAny(lower, marksOfData) && bytes.Contains(lower, []byte("base64,")) {
		a.add(HTMLSmuggling)
	}
	return w.openBase64(a, f, page)
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
		begins := i > 0 && bytes.IndexByte([]byte(" \t\r\n/\"'"), rest[i-1]) >= 0
		rest = rest[i+2:]
		if !begins {
			continue
		}
		n := 0
		for n < len(rest) && n < 24 && rest[n] >= 'a' && rest[n] <= 'z' {
			n++
		}
		after := bytes.TrimLeft(rest[n:min(n+16, len(rest))], " \t\r\n")
		if n >= 3 && len(after) > 0 && after[0] == '=' {
			return true
		}
	}
}

// asksPassword tells whether a form has a field for a password.
func asksPassword(lower []byte) bool {
	for rest := lower; ; {
		i := bytes.Index(rest, []byte("<input"))
		if i < 0 {
			return false
		}
		rest = rest[i+len("<input"):]
		element := rest[:min(len(rest), 1024)]
		if end := bytes.IndexAny(element, "<>"); end >= 0 {
			element = element[:end]
		}
		if bytes.Contains(bytes.Map(dropSpaceAndQuotes, element), []byte("type=password")) {
			return true
		}
	}
}

func dropSpaceAndQuotes(r rune) rune {
	switch r {
	case ' ', '\t', '\r', '\n', '"', '\'':
		return -1
	}
	return r
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

// openDrawing looks through an SVG drawing.
func (w *walker) openDrawing(a *Attachment, f file) error {
	drawing := plainText(f.content)
	lower := unescaped(bytes.ToLower(drawing))
	if hasAny(lower, marksInDrawing) || hasHandler(lower) {
		a.add(SVGScript)
	}
	if redirects(drawing) { // by an element of XHTML
		a.add(HTMLRedirect)
	}
	return w.openBase64(a, f, drawing)
}

// plainText narrows UTF-16 to single bytes, so that marks match it too. Without a
// mark at its beginning it is told by its first letter, as XML is (XML 1.0 appendix F).
func plainText(content []byte) []byte {
	if len(content) < 2 {
		return content
	}
	switch string(content[:2]) {
	case "\xff\xfe", "\xfe\xff":
		return bytes.ReplaceAll(content[2:], []byte{0}, nil)
	case "<\x00", "\x00<":
		return bytes.ReplaceAll(content, []byte{0}, nil)
	}
	return content
}

// unescaped replaces characters that a page writes as numbers, where it writes any.
func unescaped(lower []byte) []byte {
	if !bytes.Contains(lower, []byte("&#")) {
		return lower
	}
	return bytes.ToLower([]byte(html.UnescapeString(string(lower))))
}

// The marks of Office documents that are one XML file, with their macros inside
// (WordprocessingML 2003, SpreadsheetML 2003, Flat OPC), in lower case.
var (
	marksOfOffice = [][]byte{[]byte("<?mso-application"), []byte("schemas.microsoft.com/office/word/2003"), []byte("schemas.microsoft.com/office/2006/xmlpackage"), []byte("urn:schemas-microsoft-com:office:spreadsheet")}
	marksOfMacros = [][]byte{[]byte(`macrospresent="yes"`), []byte("editdata.mso"), []byte("vbaproject.bin"), []byte("application/vnd.ms-office.vbaproject")}
	marksOfObject = [][]byte{[]byte(`ocxpresent="yes"`), []byte(`embeddedobjpresent="yes"`), []byte("oledata.mso"), []byte("/embeddings/oleobject")}
)

// openXML looks through an XML file that may be an Office document.
func (w *walker) openXML(a *Attachment, f file) error {
	document := plainText(f.content)
	lower := bytes.ToLower(document)
	if !hasAny(lower, marksOfOffice) {
		return nil
	}
	if hasAny(lower, marksOfMacros) {
		a.add(VBAMacro)
	}
	if hasAny(lower, marksOfObject) {
		a.add(OLEObject)
	}
	return w.openBase64(a, f, document)
}
