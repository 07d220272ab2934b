package attachment

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/klauspost/compress/zlib"

	"github.com/postern-mail/postern/pkg/mail"
)

// program is enough of a Windows program to be known as one.
var programBytes = append([]byte("MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff"), make([]byte, 120)...)

const packageTypes = `<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"></Types>`

// wordPackage is a document with further members.
func wordPackage(t testing.TB, members ...member) []byte {
	return zipOf(t, append([]member{
		{name: "[Content_Types].xml", content: []byte(packageTypes)},
		{name: "word/document.xml", content: []byte(`<?xml version="1.0"?><w:document xmlns:w="x"><w:body/></w:document>`)},
	}, members...)...)
}

func relationship(kind, target, mode string) []byte {
	return fmt.Appendf(nil, `<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`+
		`<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/%s" Target="%s" TargetMode="%s"/></Relationships>`, kind, target, mode)
}

func TestWhatActsInOfficePackagesIsNamed(t *testing.T) {
	want(t, scanFile(t, "a.docx", wordPackage(t)), Clean)
	for name, c := range map[string]struct {
		member member
		reason Reason
	}{
		"macros":             {member{name: "word/vbaProject.bin", content: []byte("x")}, VBAMacro},
		"macros, capitals":   {member{name: "word/VBAPROJECT.BIN", content: []byte("x")}, VBAMacro},
		"macros, renamed":    {member{name: "word/_rels/document.xml.rels", content: relationship("vbaProject", "a.dat", "Internal")}, VBAMacro},
		"Excel 4":            {member{name: "xl/macrosheets/sheet1.xml", content: []byte("<x/>")}, XLMMacro},
		"ActiveX":            {member{name: "word/activeX/activeX1.bin", content: []byte("x")}, ActiveX},
		"an object":          {member{name: "word/embeddings/oleObject1.bin", content: []byte("x")}, OLEObject},
		"a remote template":  {member{name: "word/_rels/settings.xml.rels", content: relationship("attachedTemplate", "https://example.org/a.dotm", "External")}, ExternalTemplate},
		"a template by UNC":  {member{name: "word/_rels/settings.xml.rels", content: relationship("attachedTemplate", `\\example.org\a.dotm`, "External")}, ExternalTemplate},
		"a template, entity": {member{name: "word/_rels/settings.xml.rels", content: relationship("attachedTemplate", "&#104;ttp://example.org/a", "External")}, ExternalTemplate},
		"a remote object":    {member{name: "word/_rels/document.xml.rels", content: relationship("oleObject", "mhtml:https://example.org/a.html", "External")}, ExternalObject},
		"a diagnosis link":   {member{name: "word/_rels/document.xml.rels", content: relationship("hyperlink", "ms-msdt:/id", "External")}, ExternalObject},
		"DDE in runs":        {member{name: "word/footer1.xml", content: []byte(`<w:ftr xmlns:w="x"><w:instrText>DD</w:instrText><w:instrText>EAUTO c:\\x</w:instrText></w:ftr>`)}, DDE},
		"DDE, simple":        {member{name: "word/footer1.xml", content: []byte(`<w:ftr xmlns:w="x"><w:fldSimple w:instr=" dde excel"/></w:ftr>`)}, DDE},
		"DDE in a sheet":     {member{name: "xl/worksheets/sheet1.xml", content: []byte(`<sheetData><c><f>cmd|' /C calc'!A0</f></c></sheetData>`)}, DDE},
		"any program":        {member{name: "xl/worksheets/sheet1.xml", content: []byte(`<x:c><x:f t="a>b">1+cscript&#124;&apos; /x&apos;!A0</x:f></x:c>`)}, DDE},
		"a program, broken":  {member{name: "xl/worksheets/sheet1.xml", content: []byte(`<c><f>cscript<!-- -->|<![CDATA[' /x'!]]>A0</f></c>`)}, DDE},
		"DDE in a name":      {member{name: "xl/workbook.xml", content: []byte(`<definedName name="a">wscript|'x'!A0</definedName>`)}, DDE},
		"DDE elsewhere":      {member{name: "foo/d.dat", content: []byte(`<w:p xmlns:w="x"><w:fldSimple w:instr=" DDEAUTO cmd.exe calc "/></w:p>`)}, DDE},
		"DDE in Latin-1":     {member{name: "word/footer1.xml", content: []byte("<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><w:p>\xe9<w:fldSimple w:instr=\"DDEAUTO a b\"/></w:p>")}, DDE},
		"DDE in XML 1.1":     {member{name: "word/footer1.xml", content: []byte(`<?xml version="1.1"?><w:p><w:fldSimple w:instr="DDEAUTO a b"/></w:p>`)}, DDE},
		"DDE in UTF-16":      {member{name: "word/footer1.xml", content: append([]byte("\xff\xfe"), wideOf(`<?xml version="1.0" encoding="UTF-16"?><w:p>㱁<w:fldSimple w:instr="DDEAUTO a b"/></w:p>`)...)}, DDE},
		"DDE behind many":    {member{name: "word/footer1.xml", content: []byte(`<w:p>` + strings.Repeat(`<w:fldSimple w:instr="`+strings.Repeat("PAGE ", 2000)+`"/>`, 120) + `<w:fldSimple w:instr="DDEAUTO a b"/></w:p>`)}, DDE},
		"a picture by HTTP":  {member{name: "word/footer1.xml", content: []byte(`<w:fldSimple w:instr=" INCLUDEPICTURE &quot;http://a.example/x.png&quot; \d "/>`)}, ExternalObject},
		"a text by UNC":      {member{name: "word/footer1.xml", content: []byte(`<w:fldSimple w:instr=" INCLUDETEXT \\\\192.0.2.1\\x\\a.docx "/>`)}, ExternalObject},
		"a text by file":     {member{name: "word/footer1.xml", content: []byte(`<w:fldSimple w:instr=" INCLUDETEXT &quot;file://a.example/a.docx&quot; "/>`)}, ExternalObject},
		"a link by HTTP":     {member{name: "word/footer1.xml", content: []byte(`<w:fldSimple w:instr=" LINK Excel.Sheet.12 http://a.example/a.xlsx "/>`)}, ExternalObject},
		"a web service":      {member{name: "xl/worksheets/sheet1.xml", content: []byte(`<c><f>_xlfn.WEBSERVICE("http://a.example/"&amp;A1)</f></c>`)}, ExternalObject},
		"a template, 1.1":    {member{name: "word/_rels/settings.xml.rels", content: bytes.Replace(relationship("attachedTemplate", "https://example.org/a.dotm", "External"), []byte(`"1.0"`), []byte(`"1.1"`), 1)}, ExternalTemplate},
		"DDE by link":        {member{name: "xl/externalLinks/externalLink1.xml", content: []byte(`<externalLink><ddeLink ddeService="cmd"/></externalLink>`)}, DDE},
	} {
		a := scanFile(t, "a.docx", wordPackage(t, c.member))
		want(t, a, Suspicious, c.reason)
		if t.Failed() {
			t.Fatalf("that was %s", name)
		}
	}
}

func TestRelationshipsAreReadInEveryEncodingAndOfEveryKind(t *testing.T) {
	template := string(relationship("attachedTemplate", "https://a.example/t.dotm", "External"))
	want(t, scanFile(t, "a.docx", wordPackage(t, member{name: "word/_rels/settings.xml.rels", content: append([]byte("\xff\xfe"), wideOf(template)...)})), Suspicious, ExternalTemplate)
	for _, target := range []string{"https://a.example/p.png", `\\a.example\p.png`, "file://a.example/p.png"} {
		want(t, scanFile(t, "a.docx", wordPackage(t, member{name: "word/_rels/document.xml.rels", content: relationship("image", target, "External")})), Suspicious, ExternalObject)
	}
	want(t, scanFile(t, "a.docx", wordPackage(t, member{name: "word/_rels/document.xml.rels", content: relationship("hyperlink", "https://a.example/", "External")})), Clean)
}

func TestFieldsThatSpellWordsByNumbersAreNamed(t *testing.T) {
	spelt := []byte(`<w:p xmlns:w="x"><w:fldChar/><w:instrText> QUOTE 68 68 69 65 85 84 79 </w:instrText><w:fldChar/></w:p>`)
	want(t, scanFile(t, "a.docx", wordPackage(t, member{name: "word/header1.xml", content: spelt})), Suspicious, DDE)
	quote := []byte(`<w:p xmlns:w="x"><w:fldChar/><w:instrText> QUOTE "12 of 40" </w:instrText><w:fldChar/></w:p>`)
	want(t, scanFile(t, "a.docx", wordPackage(t, member{name: "word/header1.xml", content: quote})), Clean)
}

func TestPagesAndDrawingsAreReadHoweverTheyAreWritten(t *testing.T) {
	drawing := `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>x()</script></svg>`
	narrow := bytes.ReplaceAll([]byte(wide(drawing)), []byte("\xff\xfe"), nil)
	for name, content := range map[string][]byte{
		"plain":               []byte(drawing),
		"UTF-16":              append([]byte("\xff\xfe"), wideOf(drawing)...),
		"UTF-16 without mark": narrow,
		"by numbers":          []byte(`<svg xmlns="http://www.w3.org/2000/svg"><a href="java&#115;cript:x()"/></svg>`),
		"by hexadecimal ones": []byte(`<svg xmlns="http://www.w3.org/2000/svg"><a href="java&#x73;cript:x()"/></svg>`),
	} {
		if a := scanFile(t, "a.svg", content); !contains(a.Reasons, SVGScript) {
			t.Errorf("%s: %s %v", name, a.DetectedType, a.Reasons)
		}
	}
	want(t, scanFile(t, "a.html", []byte(`<html><a href="&#106;avascript:x()">x</a>`)), Suspicious, HTMLScript)
}

func TestWhatIsOrdinaryInOfficePackagesIsClean(t *testing.T) {
	for name, m := range map[string]member{
		"a link":           {name: "word/_rels/document.xml.rels", content: relationship("hyperlink", "https://example.org/", "External")},
		"a local template": {name: "word/_rels/settings.xml.rels", content: relationship("attachedTemplate", "file:///C:/Users/a/Normal.dotm", "External")},
		"a page field":     {name: "word/footer1.xml", content: []byte(`<w:ftr xmlns:w="x"><w:instrText> PAGE </w:instrText></w:ftr>`)},
		"a bar in a text":  {name: "xl/worksheets/sheet2.xml", content: []byte(`<c><f>IF(A1="x|y!z",'Q1|Q2'!A1,CONCATENATE(A1,"|",B1))</f><v>a|b!c</v></c><c><f/></c>`)},
		"a local picture":  {name: "word/footer2.xml", content: []byte(`<w:fldSimple w:instr=" INCLUDEPICTURE &quot;C:\\Users\\a\\p.png&quot; \* MERGEFORMAT "/>`)},
		"a word on it":     {name: "word/footer3.xml", content: []byte(`<w:t>WEBSERVICE(1) DDEAUTO a|b!c instrText</w:t>`)},
		"another alphabet": {name: "word/footer4.xml", content: append([]byte("\xff\xfe"), wideOf(`<?xml version="1.0" encoding="UTF-16"?><w:t>㱁 instrText 㸀</w:t>`)...)},
		"a formula":        {name: "xl/worksheets/sheet1.xml", content: []byte(`<sheetData><c><f>SUM(A1:A2)</f></c></sheetData>`)},
	} {
		if a := scanFile(t, "a.docx", wordPackage(t, m)); a.Verdict != Clean {
			t.Errorf("%s is %s %v", name, a.Verdict, allReasons(a))
		}
	}
}

func TestPartsOfOfficePackagesThatCannotBeReadAreErrors(t *testing.T) {
	for name, content := range map[string]string{
		"word/document2.xml":    `<?xml version="1.0" encoding="UTF-7"?><w:p>+ADw-w:fldSimple w:instr=+ACI-DDEAUTO a+ACI-/+AD4-</w:p>`,
		"word/a.xml":            "\x4c\xa6\x7a\x97\x6e",
		"word/b.xml":            `<w:p><w:fldSimple w:instr="PAGE"/><w:p \x01="`,
		"word/_rels/a.xml.rels": `<Relationships><Relationship `,
	} {
		want(t, scanFile(t, "a.docx", wordPackage(t, member{name: name, content: []byte(content)})), Error, MalformedDocument)
	}
}

// compoundFile writes a compound file ([MS-CFB]) of version 3 whose streams are
// all large enough for sectors of their own.
func compoundFile(names []string, streams [][]byte) []byte {
	const sector = 512
	le := binary.LittleEndian
	var body []byte
	var fat []uint32
	starts := make([]uint32, len(streams))
	for i, s := range streams {
		if len(s) < 4096 {
			s = append(bytes.Clone(s), make([]byte, 4096-len(s))...)
			streams[i] = s
		}
		starts[i] = uint32(len(fat))
		n := (len(s) + sector - 1) / sector
		for j := range n {
			next := uint32(len(fat) + 1)
			if j == n-1 {
				next = 0xfffffffe
			}
			fat = append(fat, next)
		}
		body = append(body, s...)
		body = append(body, make([]byte, n*sector-len(s))...)
	}
	directory := make([]byte, 0, sector)
	entry := func(name string, kind byte, child, right, start uint32, size int) {
		d := make([]byte, 128)
		for i, u := range utf16.Encode([]rune(name)) {
			le.PutUint16(d[2*i:], u)
		}
		le.PutUint16(d[64:], uint16(2*len(utf16.Encode([]rune(name)))+2))
		d[66], d[67] = kind, 1
		le.PutUint32(d[68:], 0xffffffff)
		le.PutUint32(d[72:], right)
		le.PutUint32(d[76:], child)
		le.PutUint32(d[116:], start)
		le.PutUint32(d[120:], uint32(size))
		directory = append(directory, d...)
	}
	entry("Root Entry", 5, 1, 0xffffffff, 0xfffffffe, 0)
	for i, name := range names {
		right := uint32(i + 2)
		if i == len(names)-1 {
			right = 0xffffffff
		}
		entry(name, 2, 0xffffffff, right, starts[i], len(streams[i]))
	}
	for len(directory)%sector != 0 {
		directory = append(directory, make([]byte, 128)...)
	}
	directoryAt := uint32(len(fat))
	for i := range len(directory) / sector {
		next := directoryAt + uint32(i) + 1
		if i == len(directory)/sector-1 {
			next = 0xfffffffe
		}
		fat = append(fat, next)
	}
	fatAt := uint32(len(fat))
	fatSectors := (len(fat) + 128) / 128
	for range fatSectors {
		fat = append(fat, 0xfffffffd)
	}
	for len(fat)%128 != 0 {
		fat = append(fat, 0xffffffff)
	}
	head := make([]byte, sector)
	copy(head, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
	le.PutUint16(head[24:], 0x3e)
	le.PutUint16(head[26:], 3)
	le.PutUint16(head[28:], 0xfffe)
	le.PutUint16(head[30:], 9)
	le.PutUint16(head[32:], 6)
	le.PutUint32(head[44:], uint32(fatSectors))
	le.PutUint32(head[48:], directoryAt)
	le.PutUint32(head[56:], 4096)
	le.PutUint32(head[60:], 0xfffffffe)
	le.PutUint32(head[68:], 0xfffffffe)
	for i := range 109 {
		at := uint32(0xffffffff)
		if i < fatSectors {
			at = fatAt + uint32(i)
		}
		le.PutUint32(head[76+4*i:], at)
	}
	out := append(head, body...)
	out = append(out, directory...)
	for _, n := range fat {
		out = le.AppendUint32(out, n)
	}
	return out
}

func TestWhatActsInCompoundFilesIsNamed(t *testing.T) {
	fib := make([]byte, 64)
	binary.LittleEndian.PutUint16(fib, 0xa5ec)
	sealed := bytes.Clone(fib)
	binary.LittleEndian.PutUint16(sealed[10:], 0x0100)
	native := append([]byte{0, 0, 0, 0, 2, 0}, "label\x00C:\\a\\evil.exe\x00\x00\x00\x03\x00\x04\x00\x00\x00C:\\\x00"...)
	native = binary.LittleEndian.AppendUint32(native, uint32(len(programBytes)))
	native = append(native, programBytes...)
	for name, c := range map[string]struct {
		stream  string
		content []byte
		verdict Verdict
		reason  Reason
	}{
		"plain Word":         {"WordDocument", fib, Clean, ""},
		"encrypted Word":     {"WordDocument", sealed, Encrypted, EncryptedDocument},
		"DDE in Word":        {"WordDocument", append(bytes.Clone(fib), "\x13 DDEAUTO c:\\x \x14"...), Suspicious, DDE},
		"the word DDE":       {"WordDocument", append(bytes.Clone(fib), "a sentence on DDE."...), Clean, ""},
		"macros":             {"_VBA_PROJECT", nil, Suspicious, VBAMacro},
		"plain Excel":        {"Workbook", []byte{0x09, 0x08, 4, 0, 0, 6, 5, 0}, Clean, ""},
		"encrypted Excel":    {"Workbook", []byte{0x09, 0x08, 4, 0, 0, 6, 5, 0, 0x2f, 0, 0, 0}, Encrypted, EncryptedDocument},
		"Excel 4 sheet":      {"Workbook", []byte{0x85, 0, 8, 0, 0, 0, 0, 0, 0, 1, 0, 0}, Suspicious, XLMMacro},
		"DDE in Excel":       {"Workbook", []byte{0xae, 1, 10, 0, 0, 0, 5, 0, 0, 'c', 'm', 'd', 3, 'x'}, Suspicious, DDE},
		"encrypted package":  {"EncryptedPackage", nil, Encrypted, EncryptedDocument},
		"the equation":       {"Equation Native", nil, Suspicious, OLEObject},
		"a packed program":   {"\x01Ole10Native", native, Suspicious, Executable},
		"a program, raw":     {"CONTENTS", programBytes, Suspicious, Executable},
		"the test file, raw": {"Stream", testString, Infected, EICARTestFile},
		"a saved attachment": {"__substg1.0_37010102", testString, Infected, EICARTestFile},
	} {
		a := scanFile(t, "a.doc", compoundFile([]string{c.stream}, [][]byte{c.content}))
		if a.Verdict != c.verdict || c.reason != "" && !contains(allReasons(a), c.reason) {
			t.Errorf("%s is %s %v, want %s %s", name, a.Verdict, allReasons(a), c.verdict, c.reason)
		}
		if name == "a packed program" && (len(a.Children) != 1 || a.Children[0].Name != "evil.exe" || a.Children[0].Size != int64(len(programBytes))) {
			t.Errorf("the packed program is listed as %+v", a.Children)
		}
	}
}

func TestAnEntryThatNoTreeReachesIsSeen(t *testing.T) {
	b := compoundFile([]string{"WordDocument", "_VBA_PROJECT"}, [][]byte{nil, nil})
	// Cut the second entry off: the first one's right sibling becomes none.
	at := bytes.Index(b, []byte("W\x00o\x00r\x00d\x00D\x00"))
	binary.LittleEndian.PutUint32(b[at+72:], 0xffffffff)
	want(t, scanFile(t, "a.doc", b), Suspicious, VBAMacro)
}

func TestACompoundFileWhoseChainRunsInACircleIsAnError(t *testing.T) {
	loop := compoundFile([]string{"WordDocument"}, [][]byte{make([]byte, 4096)})
	directory := binary.LittleEndian.Uint32(loop[48:])
	binary.LittleEndian.PutUint32(loop[len(loop)-512+4*int(directory):], directory)
	want(t, scanFile(t, "a.doc", loop), Error, MalformedDocument)
}

func pdfOf(objects ...string) []byte {
	return []byte("%PDF-1.7\n" + strings.Join(objects, "\n") + "\ntrailer\n<< /Root 1 0 R >>\nstartxref\n0\n%%EOF\n")
}

func deflatedStream(t testing.TB, content []byte) string {
	t.Helper()
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	w.Write(content)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// stored begins a zlib stream with one block that is stored (RFC 1951 §3.2.4).
func stored(s string) string {
	return "\x78\x01\x00" + string([]byte{byte(len(s)), 0, ^byte(len(s)), 0xff}) + s
}

// byRows writes rows as PNG's filter "up" has them (RFC 2083 §6.4).
func byRows(s string, columns int) []byte {
	var out []byte
	above := make([]byte, columns)
	for s += strings.Repeat(" ", columns); len(s) >= columns; s = s[columns:] {
		out = append(out, 2)
		for i := range columns {
			out = append(out, s[i]-above[i])
		}
		copy(above, s)
	}
	return out
}

func TestStreamsOfPDFsAreUnpackedAsTheStandardSays(t *testing.T) {
	// ISO 32000-1 §7.4.4.2, the example of LZW.
	w := newWalker(t.Context(), Options{})
	w.budget.part(1 << 20)
	for name, c := range map[string]struct{ filter, packed, plain string }{
		"LZW":  {"LZWDecode", "\x80\x0b\x60\x50\x22\x0c\x0c\x85\x01", "-----A---B"},
		"runs": {"RL", "\x04abcde\xfdx\x80zz", "abcdexxxx"},
		"hex":  {"AHx", "48 65 6C 6c 6F>", "Hello"},
		"85":   {"A85", "87cURDZ~>", "Hello"},
	} {
		got, err := w.pdfStream(file{}, pdfStream{filters: []string{c.filter}, data: bytes.NewReader([]byte(c.packed))}, nil)
		if string(got) != c.plain {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// packedScript is a stream of objects with a script, whose dictionary ends in some way.
func packedScript(t *testing.T, end string) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	if _, err := z.Write(bytes.Repeat([]byte("7 0 << /S /JavaScript /JS (app.alert(1)) >> "), 20)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return "99 0 obj << /Type /ObjStm /N 1 /First 4 " + end + "\nstream\n" + b.String() + "\nendstream endobj\n"
}

// packedObjects is a stream of objects (ISO 32000-1 §7.5.7): numbers and what they are. One whose number ends
// with "@" is told of first.
func packedObjects(t *testing.T, numbersAndObjects ...string) string {
	t.Helper()
	header, objects := "", ""
	for i := 0; i < len(numbersAndObjects); i += 2 {
		number, first := strings.CutSuffix(numbersAndObjects[i], "@")
		entry := fmt.Sprintf("%s %d ", number, len(objects))
		if first {
			header = entry + header
		} else {
			header += entry
		}
		objects += numbersAndObjects[i+1] + "\n"
	}
	return fmt.Sprintf("99 0 obj << /Type /ObjStm /N %d /First %d /Filter /FlateDecode >> stream\n%s\nendstream endobj\n",
		len(numbersAndObjects)/2, len(header), deflatedStream(t, []byte(header+objects)))
}

func TestWhatActsInPDFsIsNamed(t *testing.T) {
	hidden := deflatedStream(t, bytes.Repeat([]byte("5 0 << /S /JavaScript /JS (app.alert(1)) >>"), 20))
	if strings.Contains(hidden, "JavaScript") {
		t.Fatal("what is to be hidden is in plain sight")
	}
	for name, c := range map[string]struct {
		object  string
		verdict Verdict
		reason  Reason
	}{
		"nothing":               {"1 0 obj << /Type /Catalog >> endobj", Clean, ""},
		"JavaScript":            {"1 0 obj << /S /JavaScript /JS (x) >> endobj", Suspicious, PDFJavaScript},
		"JavaScript by code":    {"1 0 obj << /S /J#61v#61Script >> endobj", Suspicious, PDFJavaScript},
		"JS by reference":       {"1 0 obj << /#4aS 5 0 R >> endobj", Suspicious, PDFJavaScript},
		"a name with JS":        {"1 0 obj << /JSON 1 >> endobj", Clean, ""},
		"launch":                {"1 0 obj << /S /Launch /F (cmd.exe) >> endobj", Suspicious, PDFLaunch},
		"launch by code":        {"1 0 obj << /S /#4c#61#75#6e#63#68 >> endobj", Suspicious, PDFLaunch},
		"a file out of reach":   {"1 0 obj << /Names << /EmbeddedFiles 5 0 R >> >> endobj", Suspicious, PDFEmbeddedFile},
		"encryption":            {"trailer << /Encrypt 5 0 R >>", Encrypted, EncryptedDocument},
		"the metadata's switch": {"<< /EncryptMetadata true >>", Clean, ""},
		"JavaScript, packed":    {"1 0 obj << /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode >>\nstream\n" + hidden + "\nendstream endobj", Suspicious, PDFJavaScript},
		"packed by code":        {"1 0 obj << /Type /Obj#53tm /Filter [/Fl] >>\r\nstream\r\n" + hidden + "\r\nendstream endobj", Suspicious, PDFJavaScript},
		"packed twice": {"1 0 obj << /Type /ObjStm /Filter [/ASCIIHexDecode /FlateDecode] >> stream\n" + hex.EncodeToString([]byte(hidden)) + ">\nendstream endobj",
			Suspicious, PDFJavaScript},
		"packed strangely":  {"1 0 obj << /Type /ObjStm /Filter /JPXDecode >> stream\nxxxxxxxxxx\nendstream endobj", Unsupported, UnsupportedMethod},
		"an embedded text":  {"1 0 obj << /Type /EmbeddedFile /Filter /FlateDecode >> stream\n" + deflatedStream(t, []byte("<?xml version='1.0'?><Invoice/>")) + "\nendstream endobj", Clean, ""},
		"an embedded virus": {"1 0 obj << /Type /EmbeddedFile /Filter /FlateDecode >> stream\n" + deflatedStream(t, testString) + "\nendstream endobj", Infected, EICARTestFile},
		"an embedded tool":  {"1 0 obj << /Type /EmbeddedFile >> stream\n" + string(programBytes) + "\nendstream endobj", Suspicious, Executable},
		"packed by rows": {"1 0 obj << /Type /ObjStm /Filter /FlateDecode /DecodeParms << /Predictor 12 /Columns 9 >> >> stream\n" +
			deflatedStream(t, byRows("<< /S /JavaScript /JS (x) >>", 9)) + "\nendstream endobj", Suspicious, PDFJavaScript},
		"packed elsewhere": {"1 0 obj << /Type /ObjStm /Filter 9 0 R >> stream\n" + hidden + "\nendstream endobj", Unsupported, UnsupportedMethod},
		"an end within": {"1 0 obj << /Type /ObjStm /Filter /FlateDecode >> stream\n" + stored("endstream") + hidden[2:] + "\nendstream endobj",
			Suspicious, PDFJavaScript},
		"a word within":         {"1 0 obj << /Type /ObjStm /X (stream) /Filter /FlateDecode >> stream\n" + hidden + "\nendstream endobj", Suspicious, PDFJavaScript},
		"a remark between":      {"1 0 obj << /Type /ObjStm /Filter /FlateDecode >> % remark\nstream\n" + hidden + "\nendstream endobj", Suspicious, PDFJavaScript},
		"a type elsewhere":      {"1 0 obj << /Type 7 0 R /N 1 /First 4 /Filter /FlateDecode >> stream\n" + hidden + "\nendstream endobj", Suspicious, PDFJavaScript},
		"a long dictionary":     {"1 0 obj << /Type /ObjStm /X (" + strings.Repeat("x", 5000) + ") /Filter /FlateDecode >> stream\n" + hidden + "\nendstream endobj", Suspicious, PDFJavaScript},
		"packed as runs":        {"1 0 obj << /Type /ObjStm /Filter /RunLengthDecode >> stream\n\x02/JS\xff \x02(x)\x80\nendstream endobj", Suspicious, PDFJavaScript},
		"an attachment":         {"1 0 obj << /Type /Filespec /EF << /F 5 0 R >> >> endobj", Suspicious, PDFEmbeddedFile},
		"one of two files":      {"1 0 obj << /EF << /F 5 0 R >> >> endobj 2 0 obj << /EF << /F 6 0 R >> >> endobj 5 0 obj << /Type /EmbeddedFile >> stream\nx\nendstream endobj", Suspicious, PDFEmbeddedFile},
		"a form that is sent":   {"1 0 obj << /S /SubmitForm /F (http://example.com) >> endobj", Suspicious, PDFRemoteAction},
		"an object in a name":   {packedScript(t, "/Filter /FlateDecode /obj 1 >>"), Suspicious, PDFJavaScript},
		"an object in a text":   {packedScript(t, "/Filter /FlateDecode /X (endobj 5 0 obj << /A ) >>"), Unsupported, UnsupportedMethod},
		"an object in a remark": {packedScript(t, "/Filter /FlateDecode >> %obj"), Suspicious, PDFJavaScript},
		"another in a remark":   {packedScript(t, "/Filter /FlateDecode >> % endobj 5 0 obj << /Length 5 >>"), Unsupported, UnsupportedMethod},
		"many objects in it":    {packedScript(t, "/Filter /FlateDecode /X ("+strings.Repeat("obj ", 50)+") >>"), Suspicious, PDFJavaScript},
		"and one that ends":     {packedScript(t, "/Filter /FlateDecode /X ("+strings.Repeat("obj ", 50)+"endobj 5 0 obj << /A ) >>"), Unsupported, UnsupportedMethod},
		"a long way to it":      {packedScript(t, "/X ("+strings.Repeat("x", 70<<10)+") /Filter /FlateDecode >> % c\n% d"), Suspicious, PDFJavaScript},
		"its filter elsewhere":  {packedScript(t, "/Filter %c\n20 0 R >>"), Unsupported, UnsupportedMethod},
		"one filter elsewhere":  {packedScript(t, "/Filter [20 0 R] >>"), Unsupported, UnsupportedMethod},
		"two filters":           {packedScript(t, "/Filter /AHx /Filter /FlateDecode >>"), Unsupported, UnsupportedMethod},
		"its rows elsewhere":    {packedScript(t, "/Filter /FlateDecode /DecodeParms [4 0 R] >>"), Unsupported, UnsupportedMethod},
		"columns elsewhere":     {packedScript(t, "/Filter /FlateDecode /DecodeParms << /Predictor 12 /Columns 4 0 R >> >>"), Unsupported, UnsupportedMethod},
		"no rows, by a remark":  {packedScript(t, "/Filter /FlateDecode /DecodeParms [null << /Predictor %c\n1 /Columns 8 >>] >>"), Suspicious, PDFJavaScript},
		"an end in a remark":    {"99 0 obj << /Type /ObjStm /N 1 /First 15 /Length 8 0 R >> stream\n7 0 %endstream\n<< /S /JavaScript /JS (x) >>\nendstream endobj", Suspicious, PDFJavaScript},
		"words on a stream":     {"5 0 obj << /Title (100% of streams, endobj) >> endobj\n6 0 obj << /Type /Metadata >> stream\n<x>100% of\nstreams, obj</x>\nendstream endobj", Clean, ""},
		"one page elsewhere":    {"1 0 obj << /OpenAction 5" + strings.Repeat(" ", 70<<10) + "0R >> endobj", Suspicious, PDFRemoteAction},
		"two kinds":             {"1 0 obj << /OpenAction << /S /URI /URI (http://a.example) /S /GoTo >> >> endobj", Suspicious, PDFRemoteAction},
		"one by way of another": {"1 0 obj << /AA +5 +0R >> endobj 6 0 obj << /S /URI /URI (http://a.example) >> endobj 99 0 obj << /Type /ObjStm /N 1 /First 8 0 R >> stream\n5 0 << /O 6 0 R >>\nendstream endobj", Suspicious, PDFRemoteAction},
		"one without its end":   {"1 0 obj << /OpenAction 7 0 R >> endobj 99 0 obj << /Type /ObjStm /N 1 /First 4 /Length 41 >> stream\n7 0 << /S /URI /URI (http://a.example) \nendstream endobj", Suspicious, PDFRemoteAction},
		"a list with a name":    {"1 0 obj << /OpenAction << /Next [/X 7 0 R] >> >> endobj 7 0 obj << /S /URI /URI (http://a.example) >> endobj", Suspicious, PDFRemoteAction},
		"a film from elsewhere": {"1 0 obj << /S /Rendition /R << /C << /D << /FS /URL /F (http://a.example) >> >> >> >> endobj", Suspicious, PDFRemoteAction},
		"a file of objects":     {packedScript(t, "/Subtype /EmbeddedFile /Filter /FlateDecode >>"), Suspicious, PDFJavaScript},
		"another key for it":    {packedScript(t, "/F /FlateDecode >>"), Unsupported, UnsupportedMethod},
		"signs at references":   {"1 0 obj << /S /JavaScri#7zt x /JS +6 0 R >> endobj", Suspicious, PDFJavaScript},
		"rows of two kinds":     {packedScript(t, "/Filter [/FlateDecode] /DecodeParms << /Predictor 12 /Columns 4 >> >>"), Unsupported, UnsupportedMethod},
		"rows of TIFF":          {packedScript(t, "/Filter /FlateDecode /DecodeParms << /Predictor 2 /Columns 9000 >> >>"), Unsupported, UnsupportedMethod},
		"rows between filters":  {packedScript(t, "/Filter [/FlateDecode /RunLengthDecode] /DecodeParms [<< /Predictor 12 >> null] >>"), Unsupported, UnsupportedMethod},
		"a bracket for a value": {packedScript(t, "/A << /B ) /Filter /FlateDecode /E >> >>"), Unsupported, UnsupportedMethod},
		"an image's keyword":    {packedScript(t, "/Filter /FlateDecode /X ID( >> \n%)\n>>"), Unsupported, UnsupportedMethod},
		"digits that are none":  {"99 0 obj << /Type /ObjStm /N 1 /First 4 /Filter /AHx >> stream\n" + hex.EncodeToString([]byte("7 0 << ")) + "zz" + hex.EncodeToString([]byte("/S /JavaScript /JS (x) >>")) + ">\nendstream endobj", Error, MalformedDocument},
		"no header":             {"99 0 obj << /Type /ObjStm /N 1 /First 4 >> stream\nabcdefghijk\nendstream endobj", Error, MalformedDocument},
		"a form with a script":  {"1 0 obj << /XFA 5 0 R >> endobj 5 0 obj << /Filter /FlateDecode >> stream\n" + deflatedStream(t, []byte("<event><script contentType='application/x-javascript'>x</script>")) + "\nendstream endobj", Suspicious, PDFJavaScript},
		"a form without":        {"1 0 obj << /XFA 5 0 R >> endobj 5 0 obj << /Filter /FlateDecode >> stream\n" + deflatedStream(t, []byte("<field/>")) + "\nendstream endobj", Clean, ""},
		"a form, a string":      {"1 0 obj << /AcroForm << /XFA(<x><\\163cript>x</script></x>) >> >> endobj", Suspicious, PDFJavaScript},
		"a form, wide":          {"1 0 obj << /XFA 5 0 R >> endobj 5 0 obj << /Filter /FlateDecode >> stream\n" + deflatedStream(t, wideOf("<event><script>x</script></event>")) + "\nendstream endobj", Suspicious, PDFJavaScript},
		"a string, no script":   {"1 0 obj << /AcroForm << /XFA (<field/>) >> >> endobj", Clean, ""},
		"an address":            {"1 0 obj << /OpenAction << /S /URI /URI (http://a.example) >> >> endobj", Suspicious, PDFRemoteAction},
		"an address elsewhere":  {"1 0 obj << /OpenAction 5 0 R >> endobj\n5 0 obj\n<< /B << >> /URI (http://a.example) /S/U#52I >> endobj", Suspicious, PDFRemoteAction},
		"behind many objects":   {"1 0 obj << /OpenAction 5 0 R >> endobj" + strings.Repeat(" 15 0 obj << >> endobj", 99) + " 5 0 obj << /S /URI /URI (http://a.example) >> endobj", Suspicious, PDFRemoteAction},
		"a page first":          {"1 0 obj << /OpenAction 5 0 R >> endobj\n5 0 obj [3 0 R /Fit] endobj 15 0 obj << /S /URI /URI (http://a.example) >> endobj", Clean, ""},
		"a link":                {"1 0 obj << /OpenAction [3 0 R /Fit] /A << /S /URI /URI (http://a.example) >> >> endobj", Clean, ""},
		"an address, packed":    {"1 0 obj << /OpenAction 7 0 R >> endobj\n" + packedObjects(t, "3", "<< /Type /Page >>", "7", "<< /T (>>) /S /URI /URI (http://a.example) >>"), Suspicious, PDFRemoteAction},
		"all of it, packed":     {packedObjects(t, "7", "<</S/URI/URI(http://a.example)>>", "12", "<</Type/Catalog/OpenAction 07  0 R>>"), Suspicious, PDFRemoteAction},
		"out of order":          {packedObjects(t, "12", "<</Type/Catalog/OpenAction 7 0 R>>", "7@", "<</S/URI/URI(http://a.example)>>"), Suspicious, PDFRemoteAction},
		"a page first, packed":  {packedObjects(t, "7", "<</S/GoTo/D[3 0 R/Fit]>>", "3", "<</A<</S/URI/URI(http://a.example)>>>>", "12", "<</OpenAction 7 0 R>>"), Clean, ""},
		"when it is seen":       {"3 0 obj << /Type /Page /AA << /O << /S /URI /URI (http://a.example) >> >> >> endobj", Suspicious, PDFRemoteAction},
		"when it is closed":     {"3 0 obj << /Type /Page /AA 4 0 R >> endobj 4 0 obj << /C 5 0 R >> endobj 5 0 obj << /S /URI /URI (http://a.example) >> endobj", Suspicious, PDFRemoteAction},
		"when it is clicked":    {"3 0 obj << /AA << /U << /S /URI /URI (http://a.example) >> /D 5 0 R >> >> endobj 5 0 obj << /S /URI /URI (http://a.example) >> endobj", Clean, ""},
		"one after another":     {"1 0 obj << /OpenAction << /S /GoTo /D [3 0 R /Fit] /Next [4 0 R 5 0 R] >> >> endobj " + packedObjects(t, "5", "<< /Next << /S/URI/URI(http://a.example) >> >>"), Suspicious, PDFRemoteAction},
		"itself, again":         {"1 0 obj << /OpenAction 5 0 R >> endobj 5 0 obj << /S /Named /N /Print /Next 5 0 R >> endobj", Clean, ""},
		"a long address":        {"1 0 obj << /OpenAction << /URI (http://a.example/?" + strings.Repeat("x", 5000) + ") /S /URI >> >> endobj", Suspicious, PDFRemoteAction},
		"one without an end":    {"1 0 obj << /OpenAction << /X (" + strings.Repeat("x", 70<<10), Suspicious, PDFRemoteAction},
		"far apart":             {"1 0 obj << /OpenAction" + strings.Repeat(" ", 2000) + "5" + strings.Repeat("\x00", 70) + "00 % R\r R >> endobj 005" + strings.Repeat(" ", 70) + "\n0 obj % c\n << /S /URI /URI (http://a.example) >> endobj", Suspicious, PDFRemoteAction},
		"a remark in it":        {"1 0 obj << /OpenAction % 7 0 R\n 5 0 R >> endobj 5 % c\n 0 obj << /S /URI /URI (http://a.example) >> endobj", Suspicious, PDFRemoteAction},
		"a list elsewhere":      {"1 0 obj << /OpenAction << /Next 6 0 R >> >> endobj 6 0 obj [<< /S /Named /N /NextPage >> 7 0 R] endobj 7 0 obj << /S 8 0 R /URI (http://a.example) >> endobj 8 0 obj /URI endobj", Suspicious, PDFRemoteAction},
		"when it is pointed at": {"3 0 obj << /AA << /E << /S /URI /URI (http://a.example) >> >> >> endobj", Suspicious, PDFRemoteAction},
		"a first of another":    {"99 0 obj << /Type /ObjStm /N 2 /First 10 /X << /First 30 >> >> stream\n7 0 12 38 << /S /URI /URI (http://a.example) >>\n<</OpenAction 7 0 R>>\nendstream endobj", Suspicious, PDFRemoteAction},
		"a first elsewhere":     {"7 0 obj << >> endobj 99 0 obj << /Type /ObjStm /N 2 /First 8 0 R >> stream\n7 0 12 38 << /S /URI /URI (http://a.example) >>\n<</OpenAction 7 0 R>>\nendstream endobj", Suspicious, PDFRemoteAction},
		"an odd header":         {"99 0 obj << /Type /ObjStm /N 2 /First %c\n26 >> stream\n% 5\n00000000000007\x000 12 41 % c\n<< /S /URI /URI (http://a.example) >>\n<</OpenAction 7 0 R>>\nendstream endobj", Suspicious, PDFRemoteAction},
		"pages first, of many":  {"1 0 obj << /OpenAction 7 0 R >> endobj 4 0 obj << /A << /S /URI /URI (http://a.example) >> >> endobj 7 0 obj [4 0 R /Fit] endobj 5 0 obj <<>> stream\n" + strings.Repeat("<li>words</li>", 500) + "<li>on streams</li>\nendstream endobj" + strings.Repeat(" 8 0 obj << /AA << /O 7 0 R >> >> endobj", 99), Clean, ""},
		"hidden in another":     {"1 0 obj << /Length 9999 >> stream\n2 0 obj << /S /JavaScript >> endobj\nendstream endobj", Suspicious, PDFJavaScript},
	} {
		a := scanFile(t, "a.pdf", pdfOf(c.object))
		if a.Verdict != c.verdict || c.reason != "" && !contains(allReasons(a), c.reason) {
			t.Errorf("%s is %s %v, want %s %s", name, a.Verdict, allReasons(a), c.verdict, c.reason)
		}
	}
}

// Some readers open what is called a PDF whatever it begins with.
func TestAPDFWithoutItsHeaderIsLookedThrough(t *testing.T) {
	script := []byte("1 0 obj << /S /JavaScript /JS (x) >> endobj trailer << /Root 1 0 R >>")
	for _, begins := range []string{"", "a,b\n", "%!PS-Adobe-3.0\n", "Subject: a\n\n", "<?xml version=\"1.0\"?><a/>\n"} {
		want(t, scanFile(t, "a.pdf", append([]byte(begins), script...)), Suspicious, PDFJavaScript)
	}
	want(t, scanFile(t, "a.txt", script), Clean)
}

func TestWhatActsInRichTextIsNamed(t *testing.T) {
	object := make([]byte, 0, 256)
	le := binary.LittleEndian
	object = le.AppendUint32(object, 0x501)
	object = le.AppendUint32(object, 2)
	object = append(le.AppendUint32(object, 8), "Package\x00"...)
	object = le.AppendUint32(le.AppendUint32(object, 0), 0)
	inner := append([]byte{2, 0}, "label\x00C:\\evil.exe\x00\x00\x00\x03\x00\x04\x00\x00\x00C:\\\x00"...)
	inner = append(le.AppendUint32(inner, uint32(len(programBytes))), programBytes...)
	object = append(le.AppendUint32(object, uint32(len(inner))), inner...)
	digits := hex.EncodeToString(object)
	for name, c := range map[string]struct {
		body    string
		verdict Verdict
		reason  Reason
	}{
		"words":             {`\pard Hello\par`, Clean, ""},
		"words on objects":  {`\pard the object of DDE\par`, Clean, ""},
		"a packed program":  {`{\object\objemb{\*\objdata ` + digits[:20] + "\r\n" + digits[20:] + `}}`, Suspicious, Executable},
		"digits, broken up": {`{\object\objemb{\*\objdata ` + digits[:21] + `{\junk 1}` + "\t" + digits[21:] + `}}`, Suspicious, OLEObject},
		"an update":         {`{\object\objupdate}`, Suspicious, OLEObject},
		"a template":        {`{\*\template https://example.org/a.dotm}`, Suspicious, ExternalTemplate},
		"a local template":  {`{\*\template C:\\Normal.dotm}`, Clean, ""},
		"DDE":               {`{\field{\*\fldinst{ DDEAUTO c:\\\\x }}}`, Suspicious, DDE},
	} {
		a := scanFile(t, "a.rtf", []byte(`{\rtf1\ansi `+c.body+`}`))
		if a.Verdict != c.verdict || c.reason != "" && !contains(allReasons(a), c.reason) {
			t.Errorf("%s is %s %v, want %s %s", name, a.Verdict, allReasons(a), c.verdict, c.reason)
		}
	}
}

func TestWhatActsInAttachedPagesIsNamed(t *testing.T) {
	packed := base64.StdEncoding.EncodeToString(zipOf(t, member{name: "a.exe", content: bytes.Repeat([]byte{1, 2, 3, 5, 8, 13, 21}, 60), stored: true}))
	for name, c := range map[string]struct {
		page    string
		verdict Verdict
		reason  Reason
	}{
		"words":             {"<html><body>Hello on Monday, only = you.</body></html>", Clean, ""},
		"a script":          {"<html><script>x()</script></html>", Suspicious, HTMLScript},
		"a handler":         {"<html><img src=x onerror=x()></html>", Suspicious, HTMLScript},
		"a handler, slash":  {"<html><svg/onload = x()></html>", Suspicious, HTMLScript},
		"a password":        {"<html><form action=https://example.org><input name=p type = 'Password'></form></html>", Suspicious, HTMLCredentialForm},
		"smuggling":         {"<html><script>var b=new Blob([atob('" + packed + "')]);a.href=URL.createObjectURL(b);a.click()</script></html>", Suspicious, HTMLSmuggling},
		"smuggling, a link": {"<html><a download=a.zip href='data:application/zip;base64," + packed + "'>x</a></html>", Suspicious, HTMLSmuggling},
		"smuggling, wide":   {"\xff\xfe" + wide("<html><script>new Blob(atob('x'))</script></html>"), Suspicious, HTMLSmuggling},
	} {
		a := scanFile(t, "a.html", []byte(c.page))
		if a.Verdict != c.verdict || c.reason != "" && !contains(allReasons(a), c.reason) {
			t.Errorf("%s is %s %s %v, want %s %s", name, a.DetectedType, a.Verdict, allReasons(a), c.verdict, c.reason)
		}
		if strings.HasPrefix(name, "smuggling, a") && (len(a.Children) != 1 || a.Children[0].DetectedType != "application/zip") {
			t.Errorf("what is smuggled is listed as %+v", a.Children)
		}
	}
	want(t, scanFile(t, "a.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><circle r="1"/></svg>`)), Clean)
	want(t, scanFile(t, "a.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="x()"></svg>`)), Suspicious, SVGScript)
}

func TestABodyThatPutsAFileTogetherIsNamed(t *testing.T) {
	for body, verdict := range map[string]Verdict{
		"<html><script>var b=new Blob([atob('TVqQ')]);navigator.msSaveBlob(b,'x.exe')</script></html>": Suspicious,
		"<html><script>x()</script></html>":            Clean, // which nothing shows
		"<html><p>new Blob([atob('TVqQ')])</p></html>": Clean,
	} {
		msg := mail.Parse([]byte("From: a@example.org\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n"+body), mail.Limits{})
		report := Scan(t.Context(), msg, Options{})
		if report.Scan.Verdict != verdict || contains(report.Scan.Reasons, HTMLSmuggling) != (verdict == Suspicious) || len(report.Attachments) != 0 {
			t.Errorf("%s: %+v", body, report.Scan)
		}
	}
}

func wide(s string) string {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return string(out)
}

func TestMacrosInXMLDocumentsAreNamed(t *testing.T) {
	head := `<?xml version="1.0"?><?mso-application progid="Word.Document"?>`
	want(t, scanFile(t, "a.xml", []byte(head+`<w:wordDocument w:macrosPresent="yes"><w:binData w:name="editdata.mso">x</w:binData></w:wordDocument>`)), Suspicious, VBAMacro)
	want(t, scanFile(t, "a.xml", []byte(head+`<w:wordDocument/>`)), Clean)
}

func TestEncryptedMessagesAreEncryptedAndSignedOnesAreRead(t *testing.T) {
	want(t, scanWith(t, "a.asc", "application/octet-stream", []byte("-----BEGIN PGP MESSAGE-----\r\n\r\nwcBM\r\n"), Options{}), Encrypted, EncryptedMessage)
	want(t, scanWith(t, "a.asc", "application/pgp-signature", []byte("-----BEGIN PGP SIGNATURE-----\r\n\r\nwcBM\r\n"), Options{}), Clean)
	want(t, scanWith(t, "a.gpg", "application/octet-stream", []byte{0xc1, 0xc0, 0x4c, 3, 1, 2, 3}, Options{}), Encrypted, EncryptedMessage)
	// ContentInfo with envelopedData (RFC 5652 §6.1), no more than its beginning.
	enveloped := append([]byte{0x30, 0x0f, 0x06, 9}, "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x02\x30\x00"...)
	want(t, scanWith(t, "smime.p7m", "application/pkcs7-mime", enveloped, Options{}), Encrypted, EncryptedMessage)
	entity := "Content-Type: application/octet-stream; name=eicar.com\r\nContent-Disposition: attachment; filename=eicar.com\r\n\r\n" + string(testString)
	want(t, scanWith(t, "smime.p7m", "application/pkcs7-mime", signedMessage(entity), Options{}), Infected, EICARTestFile)
}

func TestWhatIsDeclaredAsSMIMEAndIsNoneIsNotClean(t *testing.T) {
	for kind, c := range map[string]struct {
		verdict Verdict
		reason  Reason
	}{
		"enveloped-data":     {Encrypted, DamagedMessage},
		"authEnveloped-data": {Encrypted, DamagedMessage},
		"signed-data":        {Error, MalformedDocument},
		"":                   {Error, MalformedDocument},
	} {
		for _, content := range []string{"\x30\x82\x10\x00garbage", "garbage", strings.Repeat("\xa7\x01\x99", 70)} {
			msg := mailOf("smime.p7m", "application/pkcs7-mime", []byte(content))
			part := msg.Root.Children[1]
			part.Params = map[string]string{"smime-type": kind}
			want(t, Scan(t.Context(), msg, Options{}).Attachments[0], c.verdict, c.reason)
		}
	}
}

// der is one element with a length of two bytes (X.690 §8.1.3).
func der(tag byte, content ...[]byte) []byte {
	value := bytes.Join(content, nil)
	return append([]byte{tag, 0x82, byte(len(value) >> 8), byte(len(value))}, value...)
}

// signedMessage is SignedData with its content and no signers (RFC 5652 §5.1).
func signedMessage(entity string) []byte {
	data := []byte("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01")
	signed := der(0x30, []byte{2, 1, 1}, der(0x31), der(0x30, data, der(0xa0, der(0x04, []byte(entity)))), der(0x31))
	return der(0x30, []byte("\x06\x09"+oidSigned), der(0xa0, signed))
}
