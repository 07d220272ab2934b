package attachment

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/zlib"
)

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
