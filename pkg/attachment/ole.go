package attachment

import (
	"bytes"
	"io"
	"strings"

	"github.com/klauspost/compress/flate"
)

// openOLE looks through a compound file: a document of Office 97 to 2003, a
// saved Outlook message, an installer, or an encrypted newer document.
func (w *walker) openOLE(a *Attachment, f file) error {
	c, err := readCFB(f.content)
	if err != nil {
		return err
	}
	oleNames(a, c)
	if c.named("__properties_version1.0") >= 0 {
		return w.openOutlook(a, f, c)
	}
	broken := c.broken
	for i := range c.entries {
		e := &c.entries[i]
		if e.kind != cfbStream || e.size == 0 {
			continue
		}
		content, reason, err := w.stream(f, e.size, c.open(i))
		if reason != "" {
			return errStop
		}
		broken = broken || err != nil
		if err := w.oleStream(a, f, c, i, content); err != nil {
			return err
		}
	}
	if broken {
		return MalformedDocument
	}
	if contains(a.Reasons, EncryptedDocument) {
		switch a.DetectedType {
		case "application/msword":
			return w.openWord(a, f, c)
		case "application/vnd.ms-powerpoint":
			return w.openPresentation(a, f, c)
		}
	}
	if info, packed := c.named("EncryptionInfo"), c.named("EncryptedPackage"); info >= 0 && packed >= 0 {
		return w.openPackage(a, f, c, info, packed)
	}
	return nil
}

// stream reads one stream of a document as a member is read, without listing
// it.
func (w *walker) stream(f file, size int64, r io.Reader) ([]byte, Reason, error) {
	if reason := w.budget.member(); reason != "" {
		return nil, reason, nil
	}
	return w.read(f.depth+1, size, r)
}

// list looks at bytes that were found inside a document and lists them.
func (w *walker) list(a *Attachment, f file, name string, content []byte) error {
	a.Children = append(a.Children, w.look(file{
		path: childPath(f.path, len(a.Children)+1), name: name, content: content, depth: f.depth + 1,
	}))
	if last := &a.Children[len(a.Children)-1]; f.sealed {
		w.ask(last, content)
		last.judge()
	}
	if w.budget.stopped() != "" {
		return errStop
	}
	return nil
}

// oleNames judges by the names of streams and storages, and says what kind of
// document this is.
func oleNames(a *Attachment, c *cfb) {
	for i := range c.entries {
		if c.entries[i].kind == 0 {
			continue
		}
		switch strings.ToLower(c.entries[i].name) {
		case "encryptedpackage", "\x09drmcontent", "encryptedsummary":
			a.add(EncryptedDocument)
		case "_vba_project", "_vba_project_cur":
			a.add(VBAMacro)
		case "\x01ole10native", "\x01ole10itemname", "equation native", "\x03objinfo":
			a.add(OLEObject)
		case "\x03ocxname", "\x03ocxdata":
			a.add(ActiveX)
		case "worddocument":
			refine(a, "application/msword")
		case "workbook", "book":
			refine(a, "application/vnd.ms-excel")
		case "powerpoint document":
			refine(a, "application/vnd.ms-powerpoint")
		case "__properties_version1.0":
			refine(a, "application/vnd.ms-outlook")
		}
	}
}

func refine(a *Attachment, mediaType string) {
	if a.DetectedType == "application/x-ole-storage" {
		a.DetectedType = mediaType
	}
}

// oleStream judges one stream by its content and lists what it carries.
func (w *walker) oleStream(a *Attachment, f file, c *cfb, i int, content []byte) error {
	name := strings.ToLower(c.entries[i].name)
	switch name {
	case "worddocument":
		wordBinary(a, content)
		return nil
	case "workbook", "book":
		w.openWorkbook(a, content)
		return nil
	case "current user":
		// [MS-PPT] §2.3.2: this token says that the document is encrypted.
		if len(content) >= 16 && u32(content[12:]) == 0xf3d1c4df {
			a.add(EncryptedDocument)
		}
		return nil
	case "powerpoint document":
		return w.powerPointBinary(a, f, content)
	case "\x01ole10native":
		label, payload := ole10Native(content)
		return w.list(a, f, label, payload)
	}
	label := printable(c.entries[i].name)
	if isEICAR(content) || carries(sniff(content, "")) {
		return w.list(a, f, label, content)
	}
	return nil
}

// carries tells whether bytes of a type are worth listing when they are found
// inside a document.
func carries(mediaType string) bool {
	if unopened[mediaType] {
		return true
	}
	switch familyOf(mediaType) {
	case archive, program, script, shortcut, diskImage, pdf, office, message, webpage:
		return true
	}
	return false
}

// printable drops the control characters that names of special streams begin
// with.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return -1
		}
		return r
	}, name)
}

// ole10Native takes the file out of an object of the Packager: sizes and names
// before it, all of them short strings that end with a zero.
func ole10Native(b []byte) (name string, payload []byte) {
	rest, ok := skip(b, 6)
	if !ok {
		return "", b
	}
	label, rest, ok1 := cString(rest)
	file, rest, ok2 := cString(rest)
	rest, ok3 := skip(rest, 4)
	if !ok1 || !ok2 || !ok3 || len(rest) < 4 {
		return "", b
	}
	pathLength := u32(rest)
	if uint64(pathLength)+8 > uint64(len(rest)) {
		return "", b
	}
	rest = rest[4+pathLength:]
	size := u32(rest)
	rest = rest[4:]
	if file == "" {
		file = label
	}
	return baseName(file), rest[:min(uint64(size), uint64(len(rest)))]
}

func skip(b []byte, n int) ([]byte, bool) {
	if len(b) < n {
		return nil, false
	}
	return b[n:], true
}

func cString(b []byte) (string, []byte, bool) {
	end := bytes.IndexByte(b, 0)
	if end < 0 || end > 1024 {
		return "", b, false
	}
	return string(b[:end]), b[end+1:], true
}

// wordBinary looks at the main stream of a Word document ([MS-DOC] §2.5.1).
func wordBinary(a *Attachment, b []byte) {
	if len(b) >= 12 && (u16(b) == 0xa5ec || u16(b) == 0xa5dc) && u16(b[10:])&0x0100 != 0 {
		a.add(EncryptedDocument)
	}
	// A field begins with 0x13 (§2.8.25); its text is of one or two bytes a letter.
	if beginsDDE(b) || beginsDDE(bytes.ReplaceAll(b, []byte{0}, nil)) {
		a.add(DDE)
	}
}

// beginsDDE tells whether a field begins with DDE or DDEAUTO.
func beginsDDE(b []byte) bool {
	for {
		i := bytes.IndexByte(b, 0x13)
		if i < 0 {
			return false
		}
		b = b[i+1:]
		code := bytes.TrimLeft(b[:min(len(b), 24)], " \t\r\n\"\\")
		if isDDE(code) {
			return true
		}
	}
}

// isDDE tells whether a field code is DDE or DDEAUTO.
func isDDE(code []byte) bool {
	n := 0
	for n < len(code) && (code[n]|0x20 >= 'a' && code[n]|0x20 <= 'z' || code[n] >= '0' && code[n] <= '9') {
		n++
	}
	return bytes.EqualFold(code[:n], []byte("dde")) || bytes.EqualFold(code[:n], []byte("ddeauto"))
}

// excelBinary walks the records of a workbook ([MS-XLS] §2.1.4).
func excelBinary(a *Attachment, b []byte) {
	for len(b) >= 4 {
		kind, length := u16(b), int(u16(b[2:]))
		if length > len(b)-4 {
			return
		}
		data := b[4 : 4+length]
		b = b[4+length:]
		switch kind {
		case 0x002f: // FilePass: what follows is encrypted
			a.add(EncryptedDocument)
		case 0x0085: // BoundSheet8: position, visibility, type
			if length >= 6 && data[5] == 1 {
				a.add(XLMMacro)
			}
			if length >= 6 && data[4]&3 == 2 {
				a.add(VeryHiddenSheet)
			}
		case 0x0809, 0x0409, 0x0209, 0x0009: // BOF: version, kind of what begins
			if length >= 4 && u16(data[2:]) == 0x0040 {
				a.add(XLMMacro)
			}
		case 0x01ae: // SupBook: a path with 0x03 in it names a program and a topic
			if length > 4 && u16(data) == 0 && bytes.IndexByte(data[4:], 3) > 0 {
				a.add(DDE)
			}
		}
	}
}

// powerPointBinary walks the records of a presentation ([MS-PPT] §2.3.1) for
// the compound files that it stores: objects, controls and the macro project.
func (w *walker) powerPointBinary(a *Attachment, f file, content []byte) error {
	// The caller's buffer is reused by what is unpacked from it.
	b := bytes.Clone(content)
	for len(b) >= 8 {
		version, kind, length := u16(b), u16(b[2:]), u32(b[4:])
		b = b[8:]
		if version&0x0f == 0x0f {
			continue // a container: its records follow
		}
		if uint64(length) > uint64(len(b)) {
			return nil
		}
		data := b[:length]
		b = b[length:]
		if kind != 0x1011 || len(data) < 8 { // ExOleObjStg
			continue
		}
		if version>>4 == 1 {
			// Packed, behind its true size and a zlib header; writers leave out
			// the check sum, so the size says where it ends.
			size := int64(u32(data))
			unpacked, reason, err := w.stream(f, size, io.LimitReader(flate.NewReader(bytes.NewReader(data[6:])), size))
			if reason != "" {
				return errStop
			}
			if err != nil {
				return MalformedDocument
			}
			data = unpacked
		}
		if err := w.list(a, f, "object", data); err != nil {
			return err
		}
	}
	return nil
}
