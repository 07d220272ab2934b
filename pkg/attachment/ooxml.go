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

// fieldBytes bounds how much of all field codes is kept.
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
	if !strings.HasSuffix(base, ".bin") {
		content = plainText(content) // ECMA-376 part 2 §8.1.4: UTF-16 is as good
	}
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
	case strings.HasSuffix(lower, "xl/workbook.xml"):
		if bytes.Contains(bytes.ToLower(content), []byte(`"veryhidden"`)) {
			o.container.add(VeryHiddenSheet)
		}
	case strings.HasPrefix(lower, "xl/") && strings.HasSuffix(base, ".bin"):
		o.binary(lower, content)
	case lower == "[content_types].xml":
		o.contentTypes(content)
	case strings.HasSuffix(base, ".rels"):
		o.relationships(content)
	case strings.HasPrefix(lower, "xl/externallinks/") && bytes.Contains(content, []byte("ddeLink")):
		o.container.add(DDE)
	case strings.HasPrefix(lower, "word/") && strings.HasSuffix(base, ".xml"):
		o.wordFields(content)
	case strings.HasPrefix(lower, "xl/worksheets/") && formulaCalls(content):
		o.container.add(DDE)
	}
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

// shells are the programs that formulas are known to call.
var shells = [][]byte{[]byte("cmd"), []byte("powershell"), []byte("mshta"), []byte("msexcel"), []byte("winword"), []byte("regsvr32"), []byte("rundll32"), []byte("certutil")}

// formulaCalls tells whether a formula calls another program: cmd|'/c calc'!A0.
func formulaCalls(sheet []byte) bool {
	for from := 0; ; {
		i := bytes.IndexByte(sheet[from:], '|')
		if i < 0 {
			return false
		}
		at := from + i
		before := bytes.ToLower(bytes.TrimRight(sheet[max(from, at-128):at], " \t\r\n"))
		from = at + 1
		formula := bytes.LastIndex(before, []byte("<f"))
		if formula < 0 {
			continue
		}
		program := bytes.TrimSuffix(before[formula:], []byte(".exe"))
		for _, shell := range shells {
			if bytes.HasSuffix(program, shell) {
				return true
			}
		}
	}
}

// contentTypes looks at what parts are declared to be, which no name need show.
func (o *ooxml) contentTypes(content []byte) {
	lower := bytes.ToLower(content)
	for _, c := range []struct {
		sign   string
		reason Reason
	}{
		{"application/vnd.ms-office.vbaproject", VBAMacro},
		{"application/vnd.ms-excel.macrosheet", XLMMacro},
		{"application/vnd.ms-excel.intlmacrosheet", XLMMacro},
		{"application/vnd.ms-office.activex", ActiveX},
		{"application/vnd.openxmlformats-officedocument.oleobject", OLEObject},
	} {
		// A default for an extension that no part has declares nothing; a part
		// of that kind is found by its own name.
		for _, part := range bytes.Split(lower, []byte("<")) {
			if bytes.HasPrefix(part, []byte("override")) && bytes.Contains(part, []byte(c.sign)) {
				o.container.add(c.reason)
			}
		}
	}
}

// relationships looks for what is loaded from elsewhere on opening.
func (o *ooxml) relationships(content []byte) {
	d := xml.NewDecoder(bytes.NewReader(content))
	d.Strict = false
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for {
		token, err := d.RawToken()
		if err != nil {
			return
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "Relationship" {
			continue
		}
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
func (o *ooxml) wordFields(content []byte) {
	if !bytes.Contains(content, []byte("instrText")) && !bytes.Contains(content, []byte("fldSimple")) {
		return
	}
	d := xml.NewDecoder(bytes.NewReader(content))
	d.Strict = false
	inside := false
	for o.fields.Len() < fieldBytes {
		token, err := d.RawToken()
		if err != nil {
			break
		}
		switch t := token.(type) {
		case xml.StartElement:
			inside = t.Name.Local == "instrText"
			if t.Name.Local == "fldSimple" {
				for _, attr := range t.Attr {
					if attr.Name.Local == "instr" {
						o.fields.WriteString(attr.Value + "\n")
					}
				}
			}
			if t.Name.Local == "fldChar" {
				o.fields.WriteString("\n")
			}
		case xml.EndElement:
			inside = false
		case xml.CharData:
			if inside {
				o.fields.Write(t)
			}
		}
	}
	o.fields.WriteByte('\n')
}

// fieldDDE knows the fields that ask another program (§17.16.5: DDE, DDEAUTO).
var fieldDDE = regexp.MustCompile(`(?im)^\s*(?:DDE|DDEAUTO)\b`)

// fieldSpelt knows fields that spell words by the numbers of their letters, as is done
// to hide what another field asks.
var fieldSpelt = regexp.MustCompile(`(?im)^\s*QUOTE(?:\s+[0-9]{2,3}){3}`)

// fieldRemote knows fields that load a document from elsewhere.
var fieldRemote = regexp.MustCompile(`(?im)^\s*(?:INCLUDETEXT|INCLUDEPICTURE|IMPORT|LINK)\b[^\n]*(?:https?:|ftp:|\\\\)`)

func (o *ooxml) finish() {
	fields := o.fields.String()
	if fieldDDE.MatchString(fields) || fieldSpelt.MatchString(fields) {
		o.container.add(DDE)
	}
	if strings.Contains(strings.ToUpper(fields), "LINK") && fieldRemote.MatchString(fields) {
		o.container.add(ExternalObject)
	}
}
