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
		"DDE, a long prefix": {member{name: "xl/worksheets/sheet1.xml", content: []byte("<" + strings.Repeat("p", 500) + ":f>cmd|' /C calc'!A0</f>")}, DDE},
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
