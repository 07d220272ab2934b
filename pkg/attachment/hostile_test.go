package attachment

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// nastyShapes are files of about a size that repeat what is costly to read.
func nastyShapes(t testing.TB, size int) map[string][]byte {
	fill := func(head, s string) []byte {
		return append([]byte(head), bytes.Repeat([]byte(s), size/len(s)+1)...)
	}
	shapes := map[string][]byte{
		"zip locals":         fill("", "PK\x03\x04\x14\x00\x00\x00\x00\x00abcdabcd\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00a"),
		"zip ends":           fill("PK\x03\x04", "PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00\x2e\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		"gzip streams":       fill("", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		"xz blocks":          fill("\xfd7zXZ\x00\x00\x00abcd", "\x02\x00\x21\x01\x28\x00\x00\x00abcd\x00\x00\x00\x00"),
		"zstd frames":        fill("", "\x28\xb5\x2f\xfd\x00\x58\x01\x00\x00\x50\x2a\x4d\x18\x00\x00\x00\x00"),
		"rar marks":          fill("", "Rar!\x1a\x07\x00"),
		"7z marks":           fill("", "7z\xbc\xaf\x27\x1c\x00\x04"),
		"tar heads":          fill("", string(tarHead("a", 0))),
		"PDF object streams": fill("%PDF-1.4\n", "<</ObjStm/Fl>>stream\n"),
		"PDF file streams":   fill("%PDF-1.4\n", "<</EmbeddedFile>>stream\n"),
		"PDF locks":          fill("%PDF-1.4\n", "/Encrypt 5 0 R /Encrypt<</Filter/Standard/V 5/R 6>>"),
		"PDF keywords":       fill("%PDF-1.4\n", "stream\n"),
		"PDF all streams":    fill("%PDF-1.4\n/XFA 1 0 R ", "1 0 obj<</Fl>>stream\nx"),
		"cabinets":           fill("", "MSCF\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x24\x00\x00\x00\x00\x00\x00\x00\x03\x01\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00"),
		"ARJ headers":        fill("", "\x60\xea\x1e\x00\x1e"+strings.Repeat("\x00", 36)),
		"LHA headers":        fill("", "\x16\x00-lh0-"+strings.Repeat("\x00", 13)+"\x00\x00\x00\x00"),
		"OneNote files":      fill("\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3", string(oneNoteFile)+strings.Repeat("\x00", 20)),
		"bars":               fill("", "=a|!"),
		"bars of a table":    fill("", "=a|b,"),
		"appended 7z":        fill("\x89PNG\r\n\x1a\n", "7z\xbc\xaf\x27\x1c"),
		"appended RAR":       fill("\x89PNG\r\n\x1a\n", "Rar!\x1a\x07\x00"+strings.Repeat("\x00\x00\x74\x00\x00\x07\x00", 4)),
		"OpenDocument links": openDocumentOf(t, member{name: "content.xml", content: fill("<a>", `<xlink:href="`)}),
		"saved message":      savedMessage(storedStream{"__substg1.0_10090102", fill("\x00\x00\x00\x00\x00\x00\x00\x00LZFu\x00\x00\x00\x00", "\xff\x00\x0f")}),
		"PDF names":          fill("%PDF-1.4\n", "/JS "),
		"PDF spaces":         fill("%PDF-1.4\n", "                                                     stream"),
		"PDF causes":         fill("%PDF-1.4\n", "/AA<</O 1"),
		"PDF nested actions": fill("%PDF-1.4\n", "/AA<</O[<<"),
		"PDF strings":        fill("%PDF-1.4\n", "/AA<<("),
		"PDF objects":        fill("%PDF-1.4\n/AA 5 0 R ", "5 0 obj[5 0 R]\n"),
		"PDF chain":          pdfChain(size),
		"PDF dictionaries":   append(fill("%PDF-1.4\n", "1 0 obj<<"), ">>stream\n"...),
		"PDF closed streams": fill("%PDF-1.4\n", ">>stream "),
		"PDF remarks":        fill("%PDF-1.4\n", ">>% % stream"),
		"PDF packed numbers": fill(fmt.Sprintf("%%PDF-1.4\n1 0 obj<</ObjStm/N 1/First %d>>stream\n", size), "1 "),
		"PDF packed on one":  fill("%PDF-1.4\n1 0 obj<</ObjStm/N 1/First "+fmt.Sprint(size/2)+">>stream\n"+strings.Repeat("1 0 ", size/8)+"<<", "/O 1 0 R "),
		"RTF objects":        fill(`{\rtf1`, `{\*\objdata 41`),
		"RTF closed objects": fill(`{\rtf1`, `{\*\objdata 41}`),
		"RTF words":          fill(`{\rtf1`, `\objx`),
		"RTF fields":         fill(`{\rtf1`, `\fldinst `),
		"RTF templates":      fill(`{\rtf1`, `\template `),
		"HTML inputs":        fill("<html>", "<input "),
		"HTML handlers":      fill("<html>", " onabcdefghijk "),
		"HTML base64":        fill("<html>", strings.Repeat("QUJD", 200)+" "),
		"HTML letters":       fill("<html>", "a"),
		"HTML UTF-16":        fill("\xff\xfe<\x00h\x00t\x00m\x00l\x00>\x00", "a\x00"),
		"SVG handlers":       fill(`<svg xmlns="http://www.w3.org/2000/svg">`, " on"),
		"XML letters":        fill(`<?xml version="1.0"?><?mso-application?>`, "a"),
		"mail fields":        fill("", "MIME-Version: 1.0\n"),
		"zeros":              fill("", "\x00"),
		"Word fields":        compoundFile([]string{"WordDocument"}, [][]byte{bytes.Repeat([]byte("\x13 \x13\\"), size/4)}),
		"Excel records":      compoundFile([]string{"Workbook"}, [][]byte{bytes.Repeat([]byte{0x85, 0, 0, 0}, size/4)}),
		"PowerPoint objects": compoundFile([]string{"PowerPoint Document"}, [][]byte{bytes.Repeat([]byte{0x10, 0, 0x11, 0x10, 8, 0, 0, 0, 1, 1, 1, 1, 0x78, 0x9c, 0, 0}, size/16)}),
		"field runs":         wordPackage(t, member{name: "word/footer1.xml", content: fill(`<w:ftr xmlns:w="x">`, `<w:instrText>  LINK </w:instrText>`)}),
		"formulas":           wordPackage(t, member{name: "xl/worksheets/sheet1.xml", content: fill("<x>", "<f >|")}),
		"relationships":      wordPackage(t, member{name: "word/_rels/a.rels", content: fill("", "<Relationship/>")}),
		"content types":      wordPackage(t, member{name: "[content_types].xml", content: fill("", "<override ")}),
	}
	return shapes
}

// pdfChain is a PDF whose opening leads from object to object.
func pdfChain(size int) []byte {
	b := []byte("%PDF-1.4\n1 0 obj<</OpenAction 2 0 R>>endobj\n")
	for n := 2; len(b) < size; n++ {
		b = fmt.Appendf(b, "%d 0 obj<</Next %d 0 R>>endobj\n", n, n+1)
	}
	return b
}

// tarHead is one header block (POSIX.1-1988 ustar).
func tarHead(name string, size int) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x000000000\x000000000\x00"+fmt.Sprintf("%011o", size)+"\x0000000000000\x00        0")
	copy(h[257:], "ustar\x0000")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

func TestNastyShapesEndWithinTheLimits(t *testing.T) {
	for name, content := range nastyShapes(t, 1<<19) {
		w := newWalker(t.Context(), Options{})
		w.budget.part(int64(len(content)))
		file := file{path: "1", name: "x", content: content}
		if strings.HasPrefix(name, "bars") {
			file.name = "x.csv"
		}
		a := w.look(file)
		most := max(DefaultLimits.RatioFloor, DefaultLimits.Ratio*int64(len(content)))
		if w.budget.total > most+256<<10 || w.budget.members > DefaultLimits.Members {
			t.Errorf("%s: %d bytes and %d members were unpacked", name, w.budget.total, w.budget.members)
		}
		wellFormed(t, a, "1")
	}
}

func BenchmarkNastyShapesBySize(b *testing.B) {
	for name := range nastyShapes(b, 1024) {
		for _, size := range []int{256 << 10, 512 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%dKB", strings.ReplaceAll(name, " ", "_"), size>>10), func(b *testing.B) {
				content := nastyShapes(b, size)[name]
				b.SetBytes(int64(len(content)))
				for b.Loop() {
					scanFile(b, "x", content)
				}
			})
		}
	}
}

// wellFormed checks what holds of every entry, whatever the file.
func wellFormed(t testing.TB, a Attachment, path string) {
	t.Helper()
	if !a.Verdict.known() || a.Reasons == nil || a.Children == nil || a.Size < 0 || a.Path != path && !strings.HasPrefix(a.Path, path) {
		t.Errorf("entry %s below %s, %s, %v", a.Path, path, a.Verdict, a.Reasons)
	}
	worst := Clean
	for _, r := range a.Reasons {
		worst = Gravest(worst, r.Verdict())
	}
	for _, c := range a.Children {
		wellFormed(t, c, a.Path+"/")
		worst = Gravest(worst, c.Verdict)
	}
	if a.Verdict != worst {
		t.Errorf("%s is %s, but the gravest in it is %s", a.Path, a.Verdict, worst)
	}
	if a.Verdict == Clean && len(a.SHA256) != 64 {
		t.Errorf("%s is clean without having been read", a.Path)
	}
}

// mutate changes a file a little: bits, lengths, pieces of another.
func mutate(r *rand.Rand, b, other []byte) []byte {
	out := bytes.Clone(b)
	if len(out) == 0 {
		return out
	}
	switch r.IntN(4) {
	case 0:
		for range 1 + r.IntN(8) {
			out[r.IntN(len(out))] ^= 1 << r.IntN(8)
		}
	case 1:
		return out[:r.IntN(len(out))]
	case 2:
		if len(other) > 0 {
			at := r.IntN(len(out))
			out = append(out[:at:at], other[r.IntN(len(other)):]...)
		}
	case 3:
		if len(out) >= 4 {
			binary.LittleEndian.PutUint32(out[r.IntN(len(out)-3):], []uint32{0, 1, 0x7fffffff, 0x80000000, 0xffffffff}[r.IntN(5)])
		}
	}
	return out
}

func TestMutatedCorporaSurvive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var previous []byte
	eachFile(t, func(name string, content []byte) {
		rounds := 6
		if testing.Short() {
			rounds = 2
		}
		for range rounds {
			a := scanFile(t, baseName(name), mutate(r, content, previous))
			wellFormed(t, a, "2")
		}
		previous = content
	})
}

func TestNothingOfTheCorporaIsCleanUnread(t *testing.T) {
	eachFile(t, func(name string, content []byte) {
		wellFormed(t, scanFile(t, baseName(name), content), "2")
	})
}

func TestAHeaderOf7zThatClaimsTooMuchIsNotBelieved(t *testing.T) {
	// A header of one property: files, of which it claims four thousand million.
	for name, header := range map[string][]byte{
		"files":   {1, 5, 0xf0, 0xff, 0xff, 0xff, 0xff, 0},
		"streams": {1, 4, 6, 0, 0xf0, 0xff, 0xff, 0xff, 0xff, 10, 1},
		"folders": {1, 4, 7, 11, 0xf0, 0xff, 0xff, 0xff, 0xff, 0},
	} {
		a := scanFile(t, "a.7z", sevenOf(header))
		if a.Verdict != Error && a.Verdict != Limit {
			t.Errorf("%s: %s %v", name, a.Verdict, allReasons(a))
		}
	}
	// LZMA2 with a dictionary of 4 GB.
	want(t, scanFile(t, "a.7z", sevenOf([]byte{1, 4, 6, 0, 1, 9, 5, 0, 7, 11, 1, 0, 1, 0x21, 0x21, 1, 40, 12, 5, 0, 0,
		5, 1, 17, 5, 0, 'a', 0, 0, 0, 0, 0})), Limit, DictionaryLimit)
}

// sevenOf puts a signature header before a header (7zFormat.txt) and five bytes.
func sevenOf(header []byte) []byte {
	le := binary.LittleEndian
	start := make([]byte, 20)
	le.PutUint64(start, 5)
	le.PutUint64(start[8:], uint64(len(header)))
	le.PutUint32(start[16:], crc(header))
	out := append([]byte("7z\xbc\xaf\x27\x1c\x00\x04"), 0, 0, 0, 0)
	le.PutUint32(out[8:], crc(start))
	return append(append(append(out, start...), "12345"...), header...)
}

func fuzzOne(f *testing.F, name string, seeds ...[]byte) {
	for _, s := range seeds {
		f.Add(s)
	}
	small := Limits{MemberBytes: 1 << 20, TotalBytes: 4 << 20, RatioFloor: 1 << 20, Members: 200, Dictionary: 16 << 20}
	f.Fuzz(func(t *testing.T, content []byte) {
		a := scanWith(t, name, "application/octet-stream", content, Options{Limits: small})
		wellFormed(t, a, "2")
		if bytes.HasPrefix(content, testString) && a.Verdict != Infected {
			t.Error("the test file is not infected")
		}
	})
}

func FuzzZip(f *testing.F) {
	fuzzOne(f, "a.zip", zipOf(f, member{name: "a.txt", content: []byte("x")}), handZip(storedRecord("eicar.com", testString)), nest(f, 3, "a", nil), wordPackage(f))
}

func FuzzStreams(f *testing.F) {
	fuzzOne(f, "a.xz", []byte("\xfd7zXZ\x00\x00\x00abcd\x02\x00\x21\x01\x10\x00\x00\x00abcd\x00\x00\x00\x00"), []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		[]byte("BZh91AY&SY"), []byte("\x28\xb5\x2f\xfd\x00\x58\x01\x00\x00"), []byte("\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00"), tarHead("a", 3))
}

func FuzzSevenZip(f *testing.F) {
	fuzzOne(f, "a.7z", sevenOf([]byte{1, 5, 1, 17, 5, 0, 'a', 0, 0, 0, 0}), sevenOf([]byte{23, 6, 0, 1, 9, 5, 0, 7, 11, 1, 0, 1, 0, 12, 5, 0, 0}))
}

func FuzzRAR(f *testing.F) {
	fuzzOne(f, "a.rar", []byte("Rar!\x1a\x07\x00\xcf\x90\x73\x00\x00\x0d\x00\x00\x00\x00\x00\x00\x00"), []byte("Rar!\x1a\x07\x01\x00\x33\x92\xb5\xe5\x0a\x01\x05\x06\x00\x05\x01\x01\x80\x80\x00"))
}

func FuzzCompoundFile(f *testing.F) {
	fuzzOne(f, "a.doc", compoundFile([]string{"WordDocument", "Workbook", "PowerPoint Document", "\x01Ole10Native"}, [][]byte{{0xec, 0xa5}, {0x85, 0, 8, 0}, {0x10, 0, 0x11, 0x10}, {1, 2, 3}}))
}

func FuzzDocuments(f *testing.F) {
	fuzzOne(f, "a", pdfOf("1 0 obj << /Type /ObjStm /Filter [/AHx /A85 /Fl] >> stream\n789c>\nendstream"), []byte(`{\rtf1{\object\objemb{\*\objdata 0105}}{\*\template http://x}{\field{\*\fldinst DDE}}}`),
		[]byte("<html><script>new Blob(atob('x'))</script>"), []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="x()">`), signedMessage("Content-Type: text/plain\r\n\r\nx"), []byte("-----BEGIN PGP MESSAGE-----"))
}

func FuzzPDFActions(f *testing.F) {
	fuzzOne(f, "a.pdf", pdfOf("1 0 obj << /OpenAction << /S /GoTo /D [3 0 R /Fit] /Next [4 0 R 5 0 R] >> >> endobj 5 0 obj << /S /URI /URI (http://a.example) >> endobj"),
		pdfOf("3 0 obj << /AA << /O 7 % c\n 0 R >> >> endobj 99 0 obj << /Type /ObjStm /N 1 /First 4 >> stream\n7 0 << /S/#55RI /URI <68> >>\nendstream endobj"))
}

// What a strict decoder of XML reads to its end, the quick one reads as well.
func FuzzXMLTags(f *testing.F) {
	for _, seed := range []string{
		`<?xml version="1.0"?><!DOCTYPE a><a:b x:href = 'http://a' y="&lt;b>"><!-- < --><c/><![CDATA[<d>]]></a:b>`,
		`<a b="c" d='"e"'/>`, `<a>&lt;b&gt;<?c <d> ?></a>`, "<a\n\tb\n=\n''></a>",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var want, got []string
		for d := xml.NewDecoder(bytes.NewReader(content)); ; {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				return
			}
			switch token := token.(type) {
			case xml.Directive:
				if bytes.ContainsAny(token, "[<>\"'") {
					return
				}
			case xml.StartElement:
				want = append(want, token.Name.Local)
				for _, attribute := range token.Attr {
					want = append(want, attribute.Name.Local+"="+attribute.Value)
				}
			}
		}
		for _, name := range want {
			if name, _, _ = strings.Cut(name, "="); strings.Contains(name, ":") {
				return // of which a document with name spaces has none
			}
		}
		if bytes.ContainsAny(content, "\r") || bytes.Contains(content, []byte("&#")) { // of which decoders make something else
			return
		}
		whole := eachTag(content, func(tag xmlTag) {
			got = append(got, tag.name)
			tag.attributes(func(name, value string) { got = append(got, name+"="+value) })
		})
		if !whole || !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"a.pdf.exe", "../a", `C:\a`, "a\u202egpj.exe", "p\u0430ypal.txt", "a.pdf          .exe", "", ".", "a..."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for _, r := range memberReasons(name) {
			if _, ok := Reasons[r]; !ok {
				t.Errorf("unknown reason %q", r)
			}
		}
	})
}
