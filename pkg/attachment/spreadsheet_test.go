package attachment

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestTablesThatCallProgramsAreNamed(t *testing.T) {
	for table, acts := range map[string]bool{
		"a,b\n1,=cmd|'/C calc'!A0\n":                     true,
		"=cmd|' /C notepad'!'A1'\n":                      true,
		"name;+cmd|' /C calc'!A0\n":                      true,
		"x\t@SUM(1+1)*cmd|' /C calc'!A0\n":               true,
		"\"=2+5+cmd|' /C calc'!A0\",x\n":                 true,
		"-2+3+cmd|' /C calc'!D2\n":                       true,
		"=MSEXCEL|'\\..\\..\\System32\\cmd.exe /c x'!''": true,
		"=SUM(A1:A9),a|b\nprice!\n":                      false,
		"a|b|c\n1|2|3\nYes!|No!|\n":                      false,
		"name,note\nBob,see a|b! now\n":                  false,
		"=HYPERLINK(\"http://a.example\"),x\n":           false,
	} {
		for _, content := range [][]byte{[]byte(table), append([]byte("\xff\xfe"), wideOf(table)...)} {
			a := scanFile(t, "a.csv", content)
			if contains(a.Reasons, DDE) != acts {
				t.Errorf("%q: %v, want a call: %v", table, a.Reasons, acts)
			}
		}
	}
	want(t, scanWith(t, "list", "text/csv", []byte("=cmd|'/C calc'!A0\n"), Options{}), Suspicious, DDE)
	want(t, scanFile(t, "a.txt", []byte("=cmd|'/C calc'!A0\n")), Clean)
}

func TestAWorkbookInSYLKIsNamedWhateverItIsCalled(t *testing.T) {
	plain := []byte("ID;PWXL;N;E\nC;Y1;X1;K1\nE\n")
	want(t, scanFile(t, "a.csv", plain), Suspicious, Shortcut)
	want(t, scanFile(t, "a.slk", plain), Suspicious, Shortcut)
	want(t, scanFile(t, "a.slk", []byte("ID;P\nO;E\nNN;NAuto_open;ER101C1;KOut Flank;F\nC;X1;Y101;EEXEC(\"calc\")\nE\n")), Suspicious, XLMMacro)
	want(t, scanFile(t, "a.csv", []byte("ID;P\nC;Y1;X1;K0;Ecmd|'/c calc'!A0\nE\n")), Suspicious, DDE)
	want(t, scanFile(t, "a.csv", []byte("ID,Name\n1,Bob\n")), Clean)
}

func TestSheetsThatNoMenuShowsAreNamed(t *testing.T) {
	want(t, scanFile(t, "a.xlsx", wordPackage(t, member{name: "xl/workbook.xml", content: []byte(`<sheets><sheet name="a" state="veryHidden"/></sheets>`)})), Clean, VeryHiddenSheet)
	// BrtBundleSh (156 is 9c 01): state 2, an id, and two empty texts ([MS-XLSB] §2.4.313).
	sheet := append([]byte{0x9c, 0x01, 16, 2, 0, 0, 0, 1, 0, 0, 0}, make([]byte, 8)...)
	want(t, scanFile(t, "a.xlsb", wordPackage(t, member{name: "xl/workbook.bin", content: sheet})), Clean, VeryHiddenSheet)
	sheet[3] = 1
	if a := scanFile(t, "a.xlsb", wordPackage(t, member{name: "xl/workbook.bin", content: sheet})); len(a.Reasons) > 0 {
		t.Errorf("a hidden sheet is %v", a.Reasons)
	}
	// BoundSheet8: position, state 2, kind 1 ([MS-XLS] §2.4.28).
	macros := []byte{0x85, 0, 8, 0, 0, 0, 0, 0, 2, 1, 0, 0}
	want(t, scanFile(t, "a.xls", compoundFile([]string{"Workbook"}, [][]byte{macros})), Suspicious, XLMMacro, VeryHiddenSheet)
	// BrtBeginSupBook (360 is e8 02) of kind 1 ([MS-XLSB] §2.4.220).
	want(t, scanFile(t, "a.xlsb", wordPackage(t, member{name: "xl/externalLinks/externalLink1.bin", content: []byte{0xe8, 0x02, 2, 1, 0}})), Suspicious, DDE)
	want(t, scanFile(t, "a.xlsb", wordPackage(t, member{name: "xl/externalLinks/externalLink1.bin", content: []byte{0xe8, 0x02, 2, 0, 0}})), Clean)
	// BrtName (39): flags, a key, a sheet, and the name with its length ([MS-XLSB] §2.4.309).
	for name, verdict := range map[string]Verdict{"_xlfn.WEBSERVICE": Suspicious, "Webservices": Clean} {
		record := append([]byte{0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, byte(len(name)), 0, 0, 0}, wideOf(name)...)
		want(t, scanFile(t, "a.xlsb", wordPackage(t, member{name: "xl/workbook.bin", content: append([]byte{39, byte(len(record))}, record...)})), verdict)
	}
}

// openDocumentOf is a package whose first member, stored, says what it is (ODF 1.3
// part 2 §3.3).
func openDocumentOf(t testing.TB, members ...member) []byte {
	return zipOf(t, append([]member{{name: "mimetype", content: []byte("application/vnd.oasis.opendocument.text"), stored: true}}, members...)...)
}

func TestWhatActsInOpenDocumentsIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		member  member
		verdict Verdict
		reason  Reason
	}{
		"nothing":              {member{name: "content.xml", content: []byte(`<text:a xlink:href="http://a.example"/>`)}, Clean, ""},
		"no macros":            {member{name: "Basic/script-lc.xml", content: []byte("<library:libraries/>")}, Clean, ""},
		"macros":               {member{name: "Basic/Standard/Module1.xml", content: []byte("<script:module>Sub Main</script:module>")}, Suspicious, DocumentMacro},
		"scripts":              {member{name: "Scripts/python/a.py", content: []byte("import os")}, Suspicious, DocumentMacro},
		"a listener":           {member{name: "content.xml", content: []byte(`<script:event-listener script:language="ooo:script" xlink:href="vnd.sun.star.script:x"/>`)}, Suspicious, DocumentMacro},
		"a listener in UTF-16": {member{name: "content.xml", content: append([]byte("\xff\xfe"), wideOf(`<?xml version="1.0" encoding="UTF-16"?><script:event-listener script:language="ooo:script"/>`)...)}, Suspicious, DocumentMacro},
		"a macro, quoted once": {member{name: "content.xml", content: []byte(`<draw:a xlink:href='vnd.sun.star.script&#58;x'/>`)}, Suspicious, DocumentMacro},
		"a conversation":       {member{name: "content.xml", content: []byte(`<office:dde-source office:dde-application="cmd"/>`)}, Suspicious, DDE},
		"a template":           {member{name: "meta.xml", content: []byte(`<meta:template xlink:href="http://a.example/t.ott"/>`)}, Suspicious, ExternalTemplate},
		"a remote picture":     {member{name: "content.xml", content: []byte(`<draw:image xlink:href="http://a.example/p.png"/>`)}, Suspicious, ExternalObject},
		"a picture of its own": {member{name: "content.xml", content: []byte(`<draw:image xlink:href="Pictures/p.png"/>`)}, Clean, ""},
		"an object":            {member{name: "content.xml", content: []byte(`<draw:object-ole xlink:href="./Object 1"/>`)}, Suspicious, OLEObject},
		"a prefix of its own":  {member{name: "content.xml", content: []byte(`<s:event-listener s:language="ooo:script"/>`)}, Suspicious, DocumentMacro},
		"no prefix at all":     {member{name: "content.xml", content: []byte(`<event-listener xmlns="urn:oasis:names:tc:opendocument:xmlns:script:1.0"/>`)}, Suspicious, DocumentMacro},
		"talk, other prefix":   {member{name: "content.xml", content: []byte(`<o:dde-source o:dde-application="cmd"/>`)}, Suspicious, DDE},
		"an object, renamed":   {member{name: "content.xml", content: []byte(`<d:object-ole x:href="./Object 1"/>`)}, Suspicious, OLEObject},
		"a picture, spaced":    {member{name: "styles.xml", content: []byte("<d:image\n x:href =\n ' http://a.example/p.png'/>")}, Suspicious, ExternalObject},
		"a picture, far off":   {member{name: "content.xml", content: []byte(`<draw:image draw:name="` + strings.Repeat("x", 999) + `" xlink:href="http://a.example/p.png"/>`)}, Suspicious, ExternalObject},
		"a background":         {member{name: "styles.xml", content: []byte(`<style:background-image xlink:href="http://a.example/p.png"/>`)}, Suspicious, ExternalObject},
		"loads another":        {member{name: "meta.xml", content: []byte(`<meta:auto-reload xlink:href="http://a.example/" meta:delay="PT1S"/>`)}, Suspicious, ExternalObject},
		"an element in a name": {member{name: "content.xml", content: []byte(`<draw:image draw:name="&lt;text:a &gt;" xlink:href="http://a.example/p.png"/>`)}, Suspicious, ExternalObject},
		"a long way to it":     {member{name: "content.xml", content: []byte("<d:image x:href" + strings.Repeat(" ", 2000) + "=" + strings.Repeat("\n", 2000) + "'http://a.example/p.png'/>")}, Suspicious, ExternalObject},
		"a long prefix":        {member{name: "content.xml", content: []byte("<" + strings.Repeat("s", 500) + ":event-listener/>")}, Suspicious, DocumentMacro},
		"a DAV server":         {member{name: "content.xml", content: []byte(`<draw:image xlink:href="vnd.sun.star.webdav://a.example/p.png"/>`)}, Suspicious, ExternalObject},
		"a package elsewhere":  {member{name: "content.xml", content: []byte(`<draw:image xlink:href="vnd.sun.star.pkg://http:%2F%2Fa.example%2Fx/Pictures/a.png"/>`)}, Suspicious, ExternalObject},
		"an address in one":    {member{name: "content.xml", content: []byte(`<draw:image xlink:href="vnd.sun.star.expand:http://a.example/"/>`)}, Suspicious, ExternalObject},
		"the author's disk":    {member{name: "content.xml", content: []byte(`<draw:image xlink:href="file:///C:/a.png"/>`)}, Clean, ""},
		"an event of old":      {member{name: "content.xml", content: []byte(`<script:event script:language="StarBasic" script:macro-name="a"/>`)}, Suspicious, DocumentMacro},
		"a form's data":        {member{name: "content.xml", content: []byte(`<xforms:instance src="http://a.example/"/>`)}, Suspicious, ExternalObject},
		"a web service":        {member{name: "content.xml", content: []byte(`<table:table-cell table:formula="of:=WEBSERVICE(&quot;http://a.example/&quot;)"/>`)}, Suspicious, ExternalObject},
		"a program is asked":   {member{name: "content.xml", content: []byte(`<table:table-cell table:formula="of:=DDE(&quot;cmd&quot;;&quot;a&quot;;&quot;b&quot;)"/>`)}, Suspicious, DDE},
		"declared attributes":  {member{name: "content.xml", content: []byte(`<!DOCTYPE x [<!ATTLIST draw:image xlink:href CDATA "http://a.example/p.png">]><draw:image/>`)}, Error, MalformedDocument},
		"letters of UTF-7":     {member{name: "content.xml", content: []byte(`<?xml version="1.0" encoding="UTF-7"?><draw:image xlink+ADo-href="http://a.example/p.png"/>`)}, Error, MalformedDocument},
		"no end of a tag":      {member{name: "content.xml", content: []byte(`<office:text x="><draw:image/>`)}, Error, MalformedDocument},
		"an old declaration":   {member{name: "content.xml", content: []byte(`<?xml version="1.0"?><!DOCTYPE a PUBLIC "-//OpenOffice.org//DTD OfficeDocument 1.0//EN" "office.dtd"><!-- < --><a><![CDATA[<draw:applet>]]></a>`)}, Clean, ""},
		"a click for the next": {member{name: "content.xml", content: []byte(`<presentation:event-listener script:event-name="dom:click" presentation:action="show" xlink:href="https://a.example/"/>`)}, Clean, ""},
		"a click for a macro":  {member{name: "content.xml", content: []byte(`<p:event-listener s:language="ooo:script" p:action="show" x:href="a"/>`)}, Suspicious, DocumentMacro},
		"words on elements":    {member{name: "content.xml", content: []byte(`<text:p>Put &lt;script src="http://a.example/a.js"&gt; or &lt;applet&gt; there.</text:p><text:a office:title="a &lt;b" xlink:href="http://a.example"/>`)}, Clean, ""},
		"numbers in a sum":     {member{name: "content.xml", content: []byte(`<table:table-cell table:formula="of:=SUM([.A1];&quot;DDE(&quot;)"/>`)}, Clean, ""},
		"a link on a shape":    {member{name: "content.xml", content: []byte(`<d:a x:href="http://a.example"/><text:p>event-listener, href="http://b.example"</text:p>`)}, Clean, ""},
		"encryption":           {member{name: "META-INF/manifest.xml", content: []byte(`<manifest:encryption-data/>`)}, Encrypted, EncryptedDocument},
	} {
		a := scanFile(t, "a.odt", openDocumentOf(t, c.member))
		if a.Verdict != c.verdict || c.reason != "" && !contains(allReasons(a), c.reason) {
			t.Errorf("%s is %s %v, want %s %s", name, a.Verdict, allReasons(a), c.verdict, c.reason)
		}
	}
	want(t, scanFile(t, "a.odt", made(t, "locked.odt")), Encrypted, EncryptedDocument)
	old := zipOf(t, member{name: "mimetype", content: []byte("application/vnd.sun.xml.writer"), stored: true}, member{name: "content.xml", content: []byte(`<draw:image xlink:href="http://a.example/p.png"/>`)})
	want(t, scanFile(t, "a.sxw", old), Suspicious, ExternalObject)
}

func TestDocumentsThatAreOneFileOfXMLAreLookedThrough(t *testing.T) {
	listens := `<?xml version="1.0"?><office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"><script:event-listener xlink:href="vnd.sun.star.script:x"/></office:document>`
	form := `<?xml version="1.0"?><xdp:xdp><template xmlns="http://www.xfa.org/schema/xfa-template/2.8/"><event>%s</event></template></xdp:xdp>`
	macros := `<?xml version="1.0" encoding="UTF-16"?><?mso-application progid="Word.Document"?><w:wordDocument><w:binData w:name="editdata.mso">x</w:binData></w:wordDocument>`
	for name, c := range map[string]struct {
		content string
		verdict Verdict
		reason  Reason
	}{
		"a.fodt": {listens, Suspicious, DocumentMacro},
		"b.fodt": {"\xff\xfe" + wide(listens), Suspicious, DocumentMacro},
		"d.fodt": {strings.Replace(listens, "xmlns:office:1.0", "xmlns&#58;office:1.0", 1), Suspicious, DocumentMacro},
		"c.fodt": {strings.Replace(listens, "<script:", "<x:", 1), Suspicious, DocumentMacro},
		"a.xdp":  {fmt.Sprintf(form, "<script>app.alert(1)</script>"), Suspicious, PDFJavaScript},
		"b.xdp":  {fmt.Sprintf(form, "<text>a</text>"), Clean, ""},
		"a.xml":  {"\xff\xfe" + wide(macros), Suspicious, VBAMacro},
	} {
		a := scanFile(t, name, []byte(c.content))
		if a.Verdict != c.verdict || c.reason != "" && !contains(a.Reasons, c.reason) {
			t.Errorf("%s: %s %s %v", name, a.DetectedType, a.Verdict, a.Reasons)
		}
	}
}

func FuzzTables(f *testing.F) {
	fuzzOne(f, "a.csv", []byte("a,=cmd|'/C calc'!A0\n"), []byte("ID;P\nO;E\nC;X1;Y1;Ecmd|' /c x'!A0\n"), bytes.Repeat([]byte("=a|"), 50))
}
