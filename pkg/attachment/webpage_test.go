package attachment

import (
	"strings"
	"testing"
)

const pageScript = "<script>x()</script>"

func TestPagesAreReadByTheirNamesWhateverTheirBytesAre(t *testing.T) {
	pdfBytes := "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n"
	for name, c := range map[string]struct {
		content string
		mislead bool
	}{
		"behind blanks": {strings.Repeat(" ", 5000) + pageScript, false},
		"behind words":  {strings.Repeat("some words ", 1000) + pageScript, false},
		"in JSON":       {`{"a":"` + pageScript + `"}`, false},
		"in a card":     {"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:" + pageScript + "\r\nEND:VCARD\r\n", false},
		"in RTF":        {`{\rtf1 ` + pageScript + `}`, false},
		"in a table":    {"a,b\n1,2\n" + pageScript + ",3\n", false},
		"in bytes":      {"\x01\x02\x03\x04\x80\x81" + pageScript, false},
		"as mail":       {"Received: from a\r\n\r\n" + pageScript, false},
		"behind a PDF":  {pdfBytes + pageScript, true},
		"before a PDF":  {pageScript + "\n" + pdfBytes, false},
		"in sound":      {"RIFF\x24\x00\x00\x00WAVEfmt " + strings.Repeat("\x00", 40) + "<img src=x onerror=x()>", true},
		"in Ogg":        {"OggS\x00\x02" + strings.Repeat("\x00", 60) + pageScript, true},
		"XML, a prefix": {`<?xml version="1.0"?><h:html xmlns:h="http://www.w3.org/1999/xhtml"><h:script>x()</h:script></h:html>`, false},
		"a web archive": {"bplist00\xd1\x01\x02_\x10\x0fWebMainResource" + pageScript, false},
		"behind gzip":   {"\x1f\x8b\x08" + pageScript, true},
		"in UTF-16":     {"\xff\xfe" + wide(`{"a":"`+pageScript+`"}`), false},
	} {
		for _, file := range []string{"a.html", "a.HTM", "a.xhtml", "a.xht", "a.shtml", "a.webarchive"} {
			a := scanFile(t, file, []byte(c.content))
			if !contains(a.Reasons, HTMLScript) || c.mislead && !contains(a.Reasons, TypeMismatch) {
				t.Errorf("%s, %s: %s %s %v", name, file, a.DetectedType, a.Verdict, a.Reasons)
			}
		}
	}
	inJSON := []byte(`{"a":"` + pageScript + `"}`)
	want(t, scanFile(t, "a.zip", zipOf(t, member{name: "x.html", content: inJSON})), Suspicious, HTMLScript)
	want(t, scanWith(t, "page", "text/html", inJSON, Options{}), Suspicious, HTMLScript)
	want(t, scanWith(t, "a.json", "text/html", inJSON, Options{}), Clean) // which no browser runs
	want(t, scanFile(t, "a.json", inJSON), Clean)
	want(t, scanFile(t, "a.html", []byte("words and no more\n")), Clean)
	want(t, scanFile(t, "a.html", []byte(`{"a": 1}`)), Clean)
}

func TestDrawingsAndXMLThatActAreNamed(t *testing.T) {
	svg := `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">`
	entity := func(declared, used string) string {
		return `<?xml version="1.0"?><!DOCTYPE svg [` + declared + `]>` + svg + used + `</svg>`
	}
	for name, c := range map[string]struct {
		file, content string
		reason        Reason
	}{
		"behind a comment":      {"a.svg", `<?xml version="1.0"?><!-- ` + strings.Repeat("x", 5000) + ` -->` + svg + pageScript + `</svg>`, SVGScript},
		"a prefix":              {"a.svg", `<?xml version="1.0"?><s:svg xmlns:s="http://www.w3.org/2000/svg"><s:script>x()</s:script></s:svg>`, SVGScript},
		"a page in it":          {"a.svg", svg + `<s:foreignObject xmlns:s="http://www.w3.org/2000/svg"/></svg>`, SVGScript},
		"a transform":           {"a.svg", svg + `<t:template xmlns:t="http://www.w3.org/1999/XSL/Transform"/></svg>`, SVGScript},
		"half an address":       {"a.svg", entity(`<!ENTITY j "javas">`, `<a xlink:href="&j;cript:x()"/>`), SVGScript},
		"an address":            {"a.svg", entity(`<!ENTITY j "&#106;avascript:x()">`, `<a xlink:href="&j;"/>`), SVGScript},
		"an element by entity":  {"a.svg", entity(`<!ENTITY s "&#60;script>x()&#60;/script>">`, `&s;`), SVGScript},
		"an entity of entities": {"a.svg", entity(`<!ENTITY a "b"><!ENTITY s '&#38;a;'>`, `&s;`), SVGScript},
		"the end of a value":    {"a.svg", entity(`<!ENTITY q '"'>`, `<a title="&q;"/>`), SVGScript},
		"the end of an element": {"a.svg", entity(`<!ENTITY q "'>">`, `<a title='&q;'/>`), SVGScript},
		"an entity elsewhere":   {"a.svg", entity(`<!ENTITY s SYSTEM "https://example.org/">`, `&s;`), SVGScript},
		"declared by entity":    {"a.svg", entity(`<!ENTITY % s "x">%s;`, ``), SVGScript},
		"more than there is":    {"a.svg", entity(`<!ENTITY s "`+strings.Repeat("x", 40000)+`">`, strings.Repeat("&s;", 40)), SVGScript},
		"split by escapes":      {"a.svg", `<?xml version="1.0" encoding="iso-2022-jp"?>` + svg + "<scr\x1b(Jipt>x()</scr\x1b(Bipt></svg>", SVGScript},
		"Illustrator":           {"a.svg", entity(`<!ENTITY ns_ai "http://ns.adobe.com/AdobeIllustrator/10.0/"><!ENTITY st0 "fill:none;width:100%;"><!ENTITY nbsp "&#160;">`, `<g style="&st0;" xmlns:i="&ns_ai;"/>&nbsp;`), ""},
		"XML, a page":           {"a.xml", `<?xml version="1.0"?><x xmlns:h="http://www.w3.org/1999/xhtml"><h:script>x()</h:script></x>`, HTMLScript},
		"XML, a drawing":        {"a.xml", `<?xml version="1.0"?><x xmlns:s="http://www.w3.org/2000/&#115;vg"><s:script>x()</s:script></x>`, HTMLScript},
		"XML, a transform":      {"a.xml", `<?xml version="1.0"?><x><t:stylesheet xmlns:t="http://www.w3.org/1999/XSL/Transform"><html><script>x()</script></html></t:stylesheet></x>`, HTMLScript},
		"XSL with JScript":      {"a.xsl", `<t:stylesheet xmlns:t="http://www.w3.org/1999/XSL/Transform" xmlns:ms="urn:schemas-microsoft-com:xslt"><ms:script language="JScript">x()</ms:script></t:stylesheet>`, HTMLScript},
		"XSL":                   {"a.xsl", `<t:stylesheet xmlns:t="http://www.w3.org/1999/XSL/Transform"><t:template match="/"><p>x</p></t:template></t:stylesheet>`, ""},
		"XML with words":        {"a.xml", `<?xml version="1.0"?><job><script>make all</script><p onstart="x"/></job>`, ""},
		"XML of scripts":        {"a.xml", `<?xml version="1.0"?><x xmlns:script="urn:x" xmlns:h="http://www.w3.org/1999/xhtml"><script:library script:name="x"/></x>`, ""},
	} {
		a := scanFile(t, c.file, []byte(c.content))
		if c.reason == "" && a.Verdict != Clean || c.reason != "" && !contains(a.Reasons, c.reason) {
			t.Errorf("%s: %s %s %v", name, a.DetectedType, a.Verdict, a.Reasons)
		}
	}
}

func TestScriptsAreFoundHoweverPagesWriteThem(t *testing.T) {
	for element, acts := range map[string]bool{
		"<img src=x\x0conerror=x()>":                                       true,
		"<img src=x onerror" + strings.Repeat(" ", 40) + "=x()>":           true,
		"<p onwebkitpresentationmodechanged=x()>":                          true,
		"<iframe src=\"java\tscript:x()\"></iframe>":                       true,
		"<iframe src=\"java\r\nscript:x()\"></iframe>":                     true,
		`<iframe src="java&Tab;script:x()"></iframe>`:                      true,
		`<a href="javascript&colon;x()">x</a>`:                             true,
		`<a href="` + strings.Repeat("&amp;", 30000) + `&#106;avascript:`:  true,
		`<a href="&#` + strings.Repeat("0", 70000) + `106;avascript:x()">`: true,
		`<a href="vbscript:x()">x</a>`:                                     true,
		`<iframe src="data:text/html,%3Cscript%3Ex()%3C/script%3E">`:       true,
		`<embed src="data:image/svg+xml,%3Csvg">`:                          true,
		`<object data=" da&Tab;ta:application/xhtml+xml,x">`:               true,
		"<meta charset=iso-2022-jp><scr\x1b(Jipt>x()</scr\x1b(Jipt>":       true,
		"\x1b$B\x1b(B<scr\x1b(Jipt>x()</script>":                           true,
		"<img src=x o\x1b(Bnerror=x()>":                                    true,
		"<meta charset=utf-7>+ADw-script+AD4-x()+ADw-/script+AD4-":         true,
		`<meta charset="UTF-7">+ADwAcw-cript+AD4-`:                         true,
		"<meta charset=iso-2022-jp>\x1b$B$3$s$K$A$O\x1b(B":                 false,
		`<p>The element &lt;script&gt; runs &#39;x&#39;.</p>`:              false,
		`<p>Java scripts: none, a script: none</p>`:                        false,
		`<p style="background:url(data:image/svg+xml,%3Csvg%3E)">x</p>`:    false,
		`<embed src="data:image/png;base64,iVBORw0KGgo=">`:                 false,
		`<scripture>x</scripture>`:                                         false,
		`<iframe src="about:blank"></iframe>`:                              false,
	} {
		a := scanFile(t, "a.html", []byte("<html><body>"+element+"</body></html>"))
		if contains(a.Reasons, HTMLScript) != acts || !acts && a.Verdict != Clean {
			t.Errorf("%.80q: %s %v", element, a.Verdict, a.Reasons)
		}
	}
}

func TestPasswordsAreAskedForHoweverTheFieldIsWritten(t *testing.T) {
	for element, asks := range map[string]bool{
		`<input title="a>b" type="pass&#119;ord">`:                 true,
		`<h:input type='PASSWORD'/>`:                               true,
		`<input ` + strings.Repeat("a=b ", 500) + `type=password>`: true,
		`<input type=text name=password>`:                          false,
		`<p>&lt;input type=&#112;assword&gt;</p>`:                  false,
	} {
		a := scanFile(t, "a.html", []byte("<html><body>"+element+"</body></html>"))
		if contains(a.Reasons, HTMLCredentialForm) != asks {
			t.Errorf("%.80q: %v", element, a.Reasons)
		}
	}
}

// In time that did not grow with the page each would take hours.
func TestHostilePagesAreReadToTheirEnd(t *testing.T) {
	for _, piece := range []string{"<!ENTITY", "<!ENTITY a 'b'>&a;", "<!ENTITY a 'b>", "&a", "&#", "\x1b(", "\x1b(B", ":script", "<a:script:", " onload ", "<iframe ", "<input >", "<object data=x ", "java\t"} {
		page := []byte(strings.Repeat(piece, 1<<20/len(piece)))
		for _, file := range []string{"a.html", "a.svg", "a.xml"} {
			if a := scanFile(t, file, page); a.Size != int64(len(page)) {
				t.Errorf("%s of %q: %d bytes", file, piece, a.Size)
			}
		}
	}
}
