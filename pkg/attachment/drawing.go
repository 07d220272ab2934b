package attachment

import (
	"bytes"
	"html"
	"strings"
)

// openDrawing looks through an SVG drawing.
func (w *walker) openDrawing(a *Attachment, f file) error {
	p := readPage(f.content)
	acts := p.runsScript() || hasAny(p.text, marksOfTransform)
	for _, name := range elementsOfDrawing {
		acts = acts || hasElement(p.lower, name)
	}
	if acts {
		a.add(SVGScript)
	}
	if redirects(p.whole) { // by an element of XHTML
		a.add(HTMLRedirect)
	}
	return w.openBase64(a, f, p.page)
}

// expanded puts in what the entities stand for that an XML file declares itself. It tells
// whether one of them may be anything: an element, another entity, the end of a value, what
// is read from elsewhere, or more than is put in.
func expanded(page []byte) (text []byte, hides bool) {
	entities, hides := entitiesOf(page)
	if len(entities) == 0 {
		return page, hides
	}
	most := 2*len(page) + 64<<10
	text = make([]byte, 0, len(page))
	for rest := page; ; {
		i := bytes.IndexByte(rest, '&')
		if i < 0 {
			return append(text, rest...), hides
		}
		text, rest = append(text, rest[:i+1]...), rest[i+1:]
		name, _, ok := bytes.Cut(rest[:min(len(rest), entityNameMost+1)], []byte{';'})
		value, declared := entities[string(name)]
		if !ok || !declared {
			continue
		}
		text, rest = append(text[:len(text)-1], value...), rest[len(name)+1:]
		if len(text) > most {
			return text, true
		}
	}
}

// entityNameMost is the longest name of an entity that is looked up.
const entityNameMost = 64

// entitiesOf lists the entities that an XML file declares (XML 1.0 §4.2).
func entitiesOf(page []byte) (values map[string]string, hides bool) {
	values = map[string]string{}
	for {
		_, rest, found := bytes.Cut(page, []byte("<!ENTITY"))
		if !found {
			return values, hides
		}
		rest = bytes.TrimLeft(rest, " \t\r\n")
		end := bytes.IndexAny(rest, " \t\r\n")
		if end < 0 {
			return values, hides
		}
		name := rest[:end]
		page = bytes.TrimLeft(rest[end:], " \t\r\n")
		if len(page) == 0 || page[0] != '"' && page[0] != '\'' || len(name) > entityNameMost {
			hides = true // of the declarations themselves, or elsewhere
			continue
		}
		value, after, _ := bytes.Cut(page[1:], page[:1])
		page = after
		hides = hides || strings.ContainsAny(html.UnescapeString(string(value)), `<>&"`)
		values[string(name)] = string(value)
	}
}

// The name spaces in which elements of an XML file act in a browser, in lower case.
var (
	marksOfTransform = [][]byte{[]byte("http://www.w3.org/1999/xsl/transform"), []byte("http://www.w3.org/tr/wd-xsl")}
	marksOfXMLPages  = append([][]byte{[]byte("http://www.w3.org/1999/xhtml"), []byte("http://www.w3.org/2000/svg")}, marksOfTransform...)
)

// The marks of Office documents that are one XML file, with their macros inside
// (WordprocessingML 2003, SpreadsheetML 2003, Flat OPC), in lower case.
var (
	marksOfOffice = [][]byte{[]byte("<?mso-application"), []byte("schemas.microsoft.com/office/word/2003"), []byte("schemas.microsoft.com/office/2006/xmlpackage"), []byte("urn:schemas-microsoft-com:office:spreadsheet")}
	marksOfMacros = [][]byte{[]byte(`macrospresent="yes"`), []byte("editdata.mso"), []byte("vbaproject.bin"), []byte("application/vnd.ms-office.vbaproject")}
	marksOfObject = [][]byte{[]byte(`ocxpresent="yes"`), []byte(`embeddedobjpresent="yes"`), []byte("oledata.mso"), []byte("/embeddings/oleobject")}
)

// openXML looks through an XML file that may be an Office document, or a page.
func (w *walker) openXML(a *Attachment, f file) error {
	p := readPage(plainText(f.content))
	shown := hasAny(p.text, marksOfXMLPages)
	if shown {
		a.addOfPage(p)
	}
	if bytes.Contains(p.lower, []byte("http://www.xfa.org/schema/")) && scriptInForm(p.page) {
		a.add(PDFJavaScript)
	}
	flat := openDocument{container: a, active: hasAny(p.lower, marksOfFlat) || hasAny(p.text, marksOfFlat)}
	if flat.active {
		flat.text(p.page)
		flat.finish()
	}
	if !flat.active && !hasAny(p.lower, marksOfOffice) {
		if shown {
			return w.openBase64(a, f, p.page)
		}
		return nil
	}
	if hasAny(p.lower, marksOfMacros) {
		a.add(VBAMacro)
	}
	if hasAny(p.lower, marksOfObject) {
		a.add(OLEObject)
	}
	return w.openBase64(a, f, p.page)
}
