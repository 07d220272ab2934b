package attachment

import (
	"bytes"
	"encoding/xml"
	"io"
	"path"
	"regexp"
	"strings"
)

// An ooxml watches the members of an Office Open XML package (ECMA-376 part 2)
// go by and notes what acts when it is opened. It is silent for other archives.
type ooxml struct {
	container *Attachment
	active    bool
	fields    strings.Builder // field codes, which writers cut into runs
}

// fieldBytes is how much of all field codes is kept before it is looked at.
const fieldBytes = 1 << 20

func newOOXML(a *Attachment, entries []zipEntry) *ooxml {
	o := &ooxml{container: a}
	kind := ""
	for i := range entries {
		name := strings.ToLower(strings.TrimPrefix(strings.ReplaceAll(entries[i].name, `\`, "/"), "/"))
		switch {
		case name == "[content_types].xml":
			o.active = true
		case kind == "" && strings.HasPrefix(name, "word/"):
			kind = "wordprocessingml.document"
		case kind == "" && strings.HasPrefix(name, "xl/"):
			kind = "spreadsheetml.sheet"
		case kind == "" && strings.HasPrefix(name, "ppt/"):
			kind = "presentationml.presentation"
		}
	}
	if o.active && kind != "" && a.DetectedType == "application/zip" {
		a.DetectedType = "application/vnd.openxmlformats-officedocument." + kind
	}
	return o
}

// member looks at one member by its name and content.
func (o *ooxml) member(name string, content []byte, child *Attachment) {
	if !o.active {
		return
	}
	lower := strings.ToLower(strings.ReplaceAll(name, `\`, "/"))
	base := path.Base(lower)
	switch {
	case base == "vbaproject.bin":
		o.container.add(VBAMacro)
	case strings.Contains(lower, "/macrosheets/"):
		o.container.add(XLMMacro)
	case strings.Contains(lower, "/activex/"):
		o.container.add(ActiveX)
	case strings.Contains(lower, "/embeddings/") && child.DetectedType == "application/x-ole-storage",
		strings.Contains(lower, "/embeddings/") && strings.HasSuffix(base, ".bin"):
		o.container.add(OLEObject)
	case strings.HasPrefix(lower, "xl/") && strings.HasSuffix(base, ".bin"):
		o.binary(lower, content)
	default:
		o.text(lower, content)
	}
}

// text looks at a member that may be XML. What it holds is not known by its name, which
// may be any.
func (o *ooxml) text(name string, content []byte) {
	body, ok := xmlBody(content)
	relationships, types := strings.HasSuffix(name, ".rels"), name == "[content_types].xml"
	if !ok {
		if relationships || types || strings.HasSuffix(name, ".xml") && hasPrefixOf(name, []string{"word/", "xl/"}) {
			o.container.add(MalformedDocument)
		}
		return
	}
	switch {
	case types:
		o.contentTypes(body)
	case relationships:
		o.relationships(body)
	case strings.HasSuffix(name, "xl/workbook.xml") && bytes.Contains(bytes.ToLower(body), []byte(`"veryhidden"`)):
		o.container.add(VeryHiddenSheet)
	case strings.HasPrefix(name, "xl/externallinks/") && bytes.Contains(body, []byte("ddeLink")):
		o.container.add(DDE)
	}
	o.wordFields(body)
	eachFormula(body, o.formula)
}

// binary looks through the records of a part of an xlsb workbook ([MS-XLSB] §2.1.4):
// numbers of seven bits a byte say which it is and how long.
func (o *ooxml) binary(name string, b []byte) {
	number := func() (n int, ok bool) {
		for shift := 0; shift < 28; shift += 7 {
			if len(b) == 0 {
				return 0, false
			}
			c := b[0]
			b = b[1:]
			n |= int(c&0x7f) << shift
			if c&0x80 == 0 {
				break
			}
		}
		return n, true
	}
	for len(b) > 0 {
		kind, ok1 := number()
		size, ok2 := number()
		if !ok1 || !ok2 || size > len(b) {
			return
		}
		data := b[:size]
		b = b[size:]
		switch kind {
		case 39: // BrtName: by its name a workbook calls what is newer than its format, too
			if bytes.Contains(bytes.ToUpper(data), wideWebService) {
				o.container.add(ExternalObject)
			}
		case 156: // BrtBundleSh: how visible a sheet is
			if size >= 4 && u32(data) == 2 {
				o.container.add(VeryHiddenSheet)
			}
		case 360: // BrtBeginSupBook: a workbook, a conversation with a program, or an object
			if size >= 2 && u16(data) == 1 && strings.HasPrefix(name, "xl/externallinks/") {
				o.container.add(DDE)
			}
		}
	}
}

// webService knows the function that asks a server when a workbook is opened; wideWebService is the name by
// which a binary workbook calls it.
var (
	webService     = regexp.MustCompile(`(?i)\bWEBSERVICE\s*\(`)
	wideWebService = []byte("_\x00X\x00L\x00F\x00N\x00.\x00W\x00E\x00B\x00S\x00E\x00R\x00V\x00I\x00C\x00E\x00")
)

// formula looks at one formula. A bar that is not quoted stands in none but those that ask a
// program, whichever: cmd|'/c calc'!A0.
func (o *ooxml) formula(formula string) {
	bare := withoutQuoted(formula)
	if _, after, ok := strings.Cut(bare, "|"); ok && strings.Contains(after, "!") {
		o.container.add(DDE)
	}
	if webService.MatchString(bare) {
		o.container.add(ExternalObject)
	}
}

// contentTypes looks at what parts are declared to be, which no name need show.
func (o *ooxml) contentTypes(body []byte) {
	o.eachElement(body, func(start xml.StartElement) {
		// A default for an extension that no part has declares nothing; a part
		// of that kind is found by its own name.
		if start.Name.Local != "Override" {
			return
		}
		for _, attr := range start.Attr {
			kind := strings.ToLower(attr.Value)
			for _, c := range actingTypes {
				if attr.Name.Local == "ContentType" && strings.Contains(kind, c.sign) {
					o.container.add(c.reason)
				}
			}
		}
	})
}

// actingTypes are the content types of parts that act, in lower case.
var actingTypes = []struct {
	sign   string
	reason Reason
}{
	{"application/vnd.ms-office.vbaproject", VBAMacro},
	{"application/vnd.ms-excel.macrosheet", XLMMacro},
	{"application/vnd.ms-excel.intlmacrosheet", XLMMacro},
	{"application/vnd.ms-office.activex", ActiveX},
	{"application/vnd.openxmlformats-officedocument.oleobject", OLEObject},
}

// eachElement calls visit for the elements of a part. One that cannot be read to its end is
// not known.
func (o *ooxml) eachElement(body []byte, visit func(start xml.StartElement)) {
	for d := xmlDecoder(body); ; {
		token, err := d.RawToken()
		if err != nil {
			o.ended(err)
			return
		}
		if start, ok := token.(xml.StartElement); ok {
			visit(start)
		}
	}
}

// ended says of a part whether it was read to its end.
func (o *ooxml) ended(err error) {
	if err != io.EOF {
		o.container.add(MalformedDocument)
	}
}

// relationships looks for what is loaded from elsewhere on opening.
func (o *ooxml) relationships(body []byte) {
	o.eachElement(body, func(start xml.StartElement) {
		if start.Name.Local == "Relationship" {
			o.relationship(start)
		}
	})
}

func (o *ooxml) relationship(start xml.StartElement) {
	kind, external, target := "", false, ""
	for _, attr := range start.Attr {
		switch attr.Name.Local {
		case "Type":
			kind = strings.ToLower(attr.Value[strings.LastIndexByte(attr.Value, '/')+1:])
		case "TargetMode":
			external = strings.EqualFold(attr.Value, "external")
		case "Target":
			target = strings.ToLower(strings.TrimSpace(attr.Value))
		}
	}
	switch {
	case kind == "vbaproject":
		o.container.add(VBAMacro)
	case !external:
	case kind == "attachedtemplate":
		if remote(target) {
			o.container.add(ExternalTemplate)
		}
	case kind == "oleobject", kind == "frame", kind == "subdocument", kind == "package", kind != "hyperlink" && remote(target):
		o.container.add(ExternalObject)
	case strings.HasPrefix(target, "mhtml:"), strings.HasPrefix(target, "ms-msdt:"), strings.HasPrefix(target, "search-ms:"),
		strings.HasPrefix(target, "script:"), strings.HasPrefix(target, "javascript:"), strings.HasPrefix(target, "vbscript:"):
		o.container.add(ExternalObject)
	}
}

// remote tells whether a target lies on another machine.
func remote(target string) bool {
	for _, scheme := range []string{"http:", "https:", "ftp:", "smb:", "webdav:", "mhtml:", `\\`, "//", `file://`, `file:\\`} {
		if strings.HasPrefix(target, scheme) {
			// file:///C:/ is the author's own disk.
			return !strings.HasPrefix(target, "file:///") || strings.HasPrefix(target, "file:////")
		}
	}
	return false
}

// wordFields gathers the field codes of a document (ECMA-376 part 1 §17.16).
func (o *ooxml) wordFields(body []byte) {
	if !bytes.Contains(body, []byte("instrText")) && !bytes.Contains(body, []byte("fldSimple")) {
		return
	}
	inside := false
	for d := xmlDecoder(body); ; {
		token, err := d.RawToken()
		if err != nil {
			o.ended(err)
			break
		}
		switch t := token.(type) {
		case xml.StartElement:
			inside = t.Name.Local == "instrText"
			if t.Name.Local == "fldSimple" {
				for _, attr := range t.Attr {
					if attr.Name.Local == "instr" {
						o.fields.WriteString(attr.Value)
						o.fieldEnds()
					}
				}
			}
			if t.Name.Local == "fldChar" {
				o.fieldEnds()
			}
		case xml.EndElement:
			inside = false
		case xml.CharData:
			if inside {
				o.fields.Write(t)
			}
		}
	}
	o.fieldEnds()
}

// fieldEnds parts one field code from the next, and looks at those that are many.
func (o *ooxml) fieldEnds() {
	o.fields.WriteByte('\n')
	if o.fields.Len() > fieldBytes {
		o.finish()
	}
}

// fieldDDE knows the fields that ask another program (§17.16.5: DDE, DDEAUTO).
var fieldDDE = regexp.MustCompile(`(?im)^\s*(?:DDE|DDEAUTO)\b`)

// fieldSpelt knows fields that spell words by the numbers of their letters, as is done
// to hide what another field asks.
var fieldSpelt = regexp.MustCompile(`(?im)^\s*QUOTE(?:\s+[0-9]{2,3}){3}`)

// fieldRemote knows fields that load a document or a picture from elsewhere. Backslashes are
// doubled in a field code, so those of a path within the author's disk are two.
var fieldRemote = regexp.MustCompile(`(?im)^\s*(?:INCLUDETEXT|INCLUDEPICTURE|INCLUDE|IMPORT)\b[^\n]*(?:https?:|ftp:|file:(?:[/\\]{2}[^/\\\s]|[/\\]{4})|[\s"]\\\\+[^\s\\"]+\\)`)

// fieldLink knows fields that hold an object of another file.
var fieldLink = regexp.MustCompile(`(?im)^\s*LINK\b[^\n]*(?:https?:|ftp:|\\\\)`)

// finish looks at the field codes that were gathered.
func (o *ooxml) finish() {
	fields := o.fields.String()
	o.fields.Reset()
	if fieldDDE.MatchString(fields) || fieldSpelt.MatchString(fields) {
		o.container.add(DDE)
	}
	if fieldLink.MatchString(fields) || fieldRemote.MatchString(fields) {
		o.container.add(ExternalObject)
	}
}
