// Package preview draws the first pages of documents as pictures, so that they can be
// looked at without being opened: PDF by poppler, office documents by LibreOffice and
// poppler. Both are programs of the system, which run only where pkg/confine shuts them
// in: they see the system's programs, libraries and fonts, read-only, and a folder in
// memory that is gone with the process. What comes out are pixels, of which a picture is made
// here: whatever took such a program over, an agent sees a picture of ours. It does not judge a document.
package preview

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"slices"
	"time"

	"github.com/postern-mail/postern/pkg/confine"
)

// Job is what a confined process does for this package.
const Job = "preview"

// Limits of one document.
const (
	MaxPages = 3
	Edge     = 1100     // pixels of a page's longer side
	MaxBytes = 64 << 20 // of a document that is drawn
)

// Room is what drawing takes. A child draws one document, so that nothing of it is left for the next.
var Room = confine.Room{
	Memory: 2 << 30, CPU: 2 * time.Minute, Jobs: 1, Time: time.Minute, Result: MaxPages*(Edge*Edge*3+16<<10) + 64<<10, Processes: 256, Scratch: 256 << 20,
	Visible: []string{
		"/usr/bin", "/usr/lib", "/usr/lib64", "/usr/share", "/bin", "/lib", "/lib64",
		"/etc/alternatives", "/etc/fonts", "/etc/libreoffice", "/var/lib/libreoffice", "/var/cache/fontconfig",
	},
}

// A Picture is one page as it is looked at: PNG, made here of pixels.
type Picture struct {
	PNG           []byte
	Width, Height int
}

// Pages are the first pages of a document.
type Pages struct {
	Pictures []Picture
	More     bool // than are drawn
}

// Why there is no picture of a document.
var (
	ErrKind    = errors.New("preview: not a kind of document that is drawn")
	ErrProgram = errors.New("preview: the program that draws it is not installed")
	ErrFailed  = errors.New("preview: it could not be drawn")
)

// A form is how LibreOffice is told what a document is: by the ending of its name, and by which of its
// parts prints it; and what people call it.
type form struct{ ending, filter, words string }

const (
	writer  = "writer"
	calc    = "calc"
	impress = "impress"
)

// office are the kinds that LibreOffice reads, by the type of their bytes.
var office = map[string]form{
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document":   {".docx", writer, "Word document"},
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":         {".xlsx", calc, "Excel workbook"},
	"application/vnd.openxmlformats-officedocument.presentationml.presentation": {".pptx", impress, "PowerPoint presentation"},
	"application/msword":                                      {".doc", writer, "Word document"},
	"application/vnd.ms-excel":                                {".xls", calc, "Excel workbook"},
	"application/vnd.ms-powerpoint":                           {".ppt", impress, "PowerPoint presentation"},
	"application/vnd.oasis.opendocument.text":                 {".odt", writer, "OpenDocument text"},
	"application/vnd.oasis.opendocument.text-template":        {".ott", writer, "OpenDocument text template"},
	"application/vnd.oasis.opendocument.spreadsheet":          {".ods", calc, "OpenDocument spreadsheet"},
	"application/vnd.oasis.opendocument.spreadsheet-template": {".ots", calc, "OpenDocument spreadsheet template"},
	"application/vnd.oasis.opendocument.presentation":         {".odp", impress, "OpenDocument presentation"},
	"application/rtf":                                         {".rtf", writer, "rich text"},
	"text/rtf":                                                {".rtf", writer, "rich text"},
}

const pdf = "application/pdf"

// Words name a kind that can be drawn as people do; "" for any other.
func Words(kind string) string {
	if kind == pdf {
		return "PDF"
	}
	return office[kind].words
}

// Programs that draw, where Debian has them.
const (
	pdftoppm = "/usr/bin/pdftoppm"
	pdfinfo  = "/usr/bin/pdfinfo"
	soffice  = "/usr/lib/libreoffice/program/soffice.bin"
)

// Installed tells which of the programs are there: for PDF, and for office documents.
func Installed() (forPDF, forOffice bool) {
	there := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(name string) bool {
			info, err := os.Stat(name)
			return err != nil || info.Mode()&0o111 == 0
		})
	}
	forPDF = there(pdftoppm, pdfinfo)
	return forPDF, forPDF && there(soffice)
}

// An order is what a child is told.
type order struct {
	Ending string
	Filter string // of LibreOffice; "" for a PDF
	Pages  int
	Edge   int
}

// An answer is what it tells beside the pictures.
type answer struct {
	Sizes [][2]int
	More  bool
}

// A Studio draws in the processes of a pool.
type Studio struct {
	pool        *confine.Pool
	pdf, office bool
}

// NewStudio draws with what is installed.
func NewStudio(pool *confine.Pool) *Studio {
	s := &Studio{pool: pool}
	s.pdf, s.office = Installed()
	return s
}

// Draws tells whether a type of bytes is one that can be drawn at all.
func Draws(kind string) bool { return kind == pdf || office[kind].ending != "" }

// Draw draws the first pages of a document of a kind. Where the child died the error is ErrFailed too.
func (s *Studio) Draw(ctx context.Context, content []byte, kind string) (Pages, error) {
	o := order{Ending: ".pdf", Pages: MaxPages, Edge: Edge}
	if kind != pdf {
		o.Ending, o.Filter = office[kind].ending, office[kind].filter
	}
	switch {
	case o.Ending == "":
		return Pages{}, ErrKind
	case o.Filter != "" && !s.office, o.Filter == "" && !s.pdf:
		return Pages{}, ErrProgram
	case len(content) > MaxBytes:
		return Pages{}, ErrFailed
	}
	told, err := json.Marshal(o)
	if err != nil {
		return Pages{}, err
	}
	var pages Pages
	err = s.pool.Do(ctx, confine.Task{Job: Job, Parts: [][]byte{told, content}, Read: func(results [][]byte) (err error) {
		pages, err = read(results)
		return err
	}})
	if errors.Is(err, confine.ErrJob) || errors.Is(err, confine.ErrDied) {
		return Pages{}, fmt.Errorf("%w: %w", ErrFailed, err)
	}
	if err != nil {
		return Pages{}, err
	}
	return pages, nil
}

// read makes pictures of pixels. A child is believed no more than how many there are in a row: any bytes are some.
func read(results [][]byte) (Pages, error) {
	var a answer
	if len(results) < 2 || len(results[0]) > toldLimit || json.Unmarshal(results[0], &a) != nil || len(a.Sizes) != len(results)-1 || len(a.Sizes) > MaxPages {
		return Pages{}, errNoPages
	}
	pages := Pages{More: a.More}
	for i, size := range a.Sizes {
		width, height, pixels := size[0], size[1], results[i+1]
		if min(width, height) <= 0 || max(width, height) > Edge || len(pixels) != 3*width*height {
			return Pages{}, errNoPages
		}
		picture, err := paint(width, height, pixels)
		if err != nil {
			return Pages{}, err
		}
		pages.Pictures = append(pages.Pictures, Picture{PNG: picture, Width: width, Height: height})
	}
	return pages, nil
}

// toldLimit is how long the answer beside the pixels may be.
const toldLimit = 1 << 10

var errNoPages = errors.New("it answers what are no pages")

// paint encodes pixels of three bytes each, row after row.
func paint(width, height int, pixels []byte) ([]byte, error) {
	canvas := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		copy(canvas.Pix[4*i:4*i+3], pixels[3*i:])
		canvas.Pix[4*i+3] = 0xff
	}
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	err := encoder.Encode(&out, canvas)
	return out.Bytes(), err
}
