package preview_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"image/png"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/confine"
	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/preview"
)

func TestMain(m *testing.M) {
	confine.Enter(map[string]confine.Job{preview.Job: preview.Decode})
	os.Exit(m.Run())
}

func studio(t testing.TB) *preview.Studio {
	t.Helper()
	if forPDF, forOffice := preview.Installed(); !forPDF || !forOffice {
		if os.Getenv("CI") == "true" {
			t.Fatal("poppler-utils and LibreOffice are not installed")
		}
		t.Skip("poppler-utils and LibreOffice are not installed")
	}
	pool, err := confine.NewPool(confine.Options{Room: preview.Room, Size: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return preview.NewStudio(pool)
}

const (
	pdf  = "application/pdf"
	docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	odp  = "application/vnd.oasis.opendocument.presentation"
	ods  = "application/vnd.oasis.opendocument.spreadsheet"
	odt  = "application/vnd.oasis.opendocument.text"
	rtf  = "text/rtf"
)

// page is a PDF of some pages, each of a size in points, on which something is drawn.
func page(count int, width, height float64, drawn string) []byte {
	var out bytes.Buffer
	var at []int
	object := func(text string) {
		at = append(at, out.Len())
		fmt.Fprintf(&out, "%d 0 obj\n%s\nendobj\n", len(at), text)
	}
	out.WriteString("%PDF-1.4\n")
	object("<< /Type /Catalog /Pages 2 0 R >>")
	var kids strings.Builder
	for i := range count {
		fmt.Fprintf(&kids, "%d 0 R ", 4+i)
	}
	object(fmt.Sprintf("<< /Type /Pages /Kids [%s] /Count %d >>", kids.String(), count))
	object(fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(drawn), drawn))
	for range count {
		object(fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %g %g] /Contents 3 0 R >>", width, height))
	}
	table := out.Len()
	fmt.Fprintf(&out, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, offset := range at {
		fmt.Fprintf(&out, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&out, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, table)
	return out.Bytes()
}

// halfRed paints the left half of a page of 200 points red.
const halfRed = "1 0 0 rg 0 0 100 200 re f"

func TestTheFirstPagesOfAPDFAreSeen(t *testing.T) {
	s := studio(t)
	for name, c := range map[string]struct {
		pages int
		want  int
		more  bool
	}{"one": {1, 1, false}, "at the limit": {preview.MaxPages, preview.MaxPages, false}, "one past it": {preview.MaxPages + 1, preview.MaxPages, true}} {
		got, err := s.Draw(t.Context(), page(c.pages, 200, 200, halfRed), pdf)
		if err != nil || len(got.Pictures) != c.want || got.More != c.more {
			t.Fatalf("%s: %d pages, more: %t, %v", name, len(got.Pictures), got.More, err)
		}
		first, err := png.Decode(bytes.NewReader(got.Pictures[0].PNG))
		if err != nil {
			t.Fatal(err)
		}
		size := first.Bounds().Size()
		if size.X != preview.Edge || size.Y != preview.Edge || got.Pictures[0].Width != size.X || got.Pictures[0].Height != size.Y {
			t.Errorf("%s: %v, said to be %d by %d", name, size, got.Pictures[0].Width, got.Pictures[0].Height)
		}
		for x, want := range map[int][3]uint32{size.X / 4: {0xffff, 0, 0}, size.X * 3 / 4: {0xffff, 0xffff, 0xffff}} {
			if r, g, b, _ := first.At(x, size.Y/2).RGBA(); [3]uint32{r, g, b} != want {
				t.Errorf("%s: at %d it is %x %x %x", name, x, r, g, b)
			}
		}
	}
}

// file is a document of parts in a zip.
func file(parts ...string) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for i := 0; i < len(parts); i += 2 {
		f, err := w.Create(parts[i])
		if err == nil {
			_, err = f.Write([]byte(parts[i+1]))
		}
		if err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// flat is an OpenDocument of a kind with a body of its own.
func flat(kind, body string) []byte {
	const names = `xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0"`
	return file("mimetype", kind,
		"META-INF/manifest.xml", `<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry manifest:full-path="/" manifest:media-type="`+kind+`"/><manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>`,
		"content.xml", `<office:document-content `+names+` office:version="1.2"><office:body>`+body+`</office:body></office:document-content>`)
}

func TestOfficeDocumentsAreSeen(t *testing.T) {
	s := studio(t)
	library := corpora.Open(t)
	for path, kind := range map[string]string{"docx.docx": docx, "xlsx.xlsx": xlsx, "xls.xls": "application/vnd.ms-excel"} {
		content, err := fs.ReadFile(library, "attachments/mimetype/"+path)
		if err != nil {
			t.Fatal(err)
		}
		if pages, err := s.Draw(t.Context(), content, kind); err != nil || len(pages.Pictures) == 0 {
			t.Errorf("%s: %d pages, %v", path, len(pages.Pictures), err)
		}
	}
	for name, c := range map[string]struct {
		content []byte
		kind    string
		pages   int
		more    bool
	}{
		"text of two pages":       {flat(odt, `<office:text><text:p>`+strings.Repeat("word ", 900)+`</text:p></office:text>`), odt, 2, false},
		"a table":                 {flat(ods, `<office:spreadsheet><table:table table:name="a"><table:table-row><table:table-cell office:value-type="string"><text:p>one</text:p></table:table-cell></table:table-row></table:table></office:spreadsheet>`), ods, 1, false},
		"two slides":              {flat(odp, `<office:presentation>`+strings.Repeat(`<draw:page><draw:frame svg:width="9cm" svg:height="2cm"><draw:text-box><text:p>one</text:p></draw:text-box></draw:frame></draw:page>`, 2)+`</office:presentation>`), odp, 2, false},
		"rich text":               {[]byte(`{\rtf1\ansi one\page two\page three}`), rtf, 3, false},
		"more pages than a limit": {[]byte(`{\rtf1\ansi ` + strings.Repeat(`x\page `, 40) + `}`), rtf, preview.MaxPages, true},
	} {
		got, err := s.Draw(t.Context(), c.content, c.kind)
		if err != nil || len(got.Pictures) != c.pages || got.More != c.more {
			t.Errorf("%s: %d pages, more: %t, %v", name, len(got.Pictures), got.More, err)
		}
	}
}

// What a document asks for from elsewhere is not fetched, and no file of the machine is drawn into it.
func TestADrawnDocumentReachesNothing(t *testing.T) {
	s := studio(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Error("the document reached out")
			conn.Close()
		}
	}()
	image := func(target string) string {
		return `<office:text><text:p><draw:frame svg:width="4cm" svg:height="4cm" text:anchor-type="as-char"><draw:image xlink:href="` + target + `" xlink:type="simple" xlink:actuate="onLoad"/></draw:frame></text:p></office:text>`
	}
	for _, target := range []string{"http://" + l.Addr().String() + "/x.png", "file:///etc/passwd", "file:///proc/self/environ"} {
		if _, err := s.Draw(t.Context(), flat(odt, image(target)), odt); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
}

func TestWhatCannotBeDrawnIsSaid(t *testing.T) {
	s := studio(t)
	bomb := page(1, 14400, 14400, strings.Repeat("1 0 0 rg 0 0 14400 14400 re f ", 20))
	for name, c := range map[string]struct {
		content []byte
		kind    string
		want    error
	}{
		"no document":           {[]byte("%PDF-1.4 nothing"), pdf, preview.ErrFailed},
		"another kind":          {[]byte("x"), "application/zip", preview.ErrKind},
		"past the bytes":        {make([]byte, preview.MaxBytes+1), pdf, preview.ErrFailed},
		"a page of five metres": {bomb, pdf, nil},
	} {
		if _, err := s.Draw(t.Context(), c.content, c.kind); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func BenchmarkDraw(b *testing.B) {
	s := studio(b)
	for name, c := range map[string]struct {
		content []byte
		kind    string
	}{"pdf": {page(1, 595, 842, halfRed), pdf}, "rtf": {[]byte(`{\rtf1\ansi one}`), rtf}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Draw(b.Context(), c.content, c.kind); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
