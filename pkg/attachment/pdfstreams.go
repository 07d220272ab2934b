package attachment

import (
	"bytes"
	"encoding/ascii85"
	"encoding/hex"
	"io"

	"github.com/klauspost/compress/flate"
	"golang.org/x/image/tiff/lzw"
)

// A pdfStream is one stream object.
type pdfStream struct {
	objects, file bool // what its dictionary says it holds
	picture       bool
	width, height int
	bits          int // of a sample of a picture
	filters       []string
	hidden        bool // filters or their parameters stand elsewhere
	odd           bool // it is written as no writer does it, and readers may read it in several ways
	length        int  // as the dictionary says, -1 where it does not
	first         int  // where the first object in it begins, 0 where that is not said here
	predictor     int
	columns       int // bytes of a row, and of a pixel in it
	pixel         int

	object, generation int
	data               *bytes.Reader // from its first byte on; it may not know where it ends
}

// pdfStreams finds the streams of a file that matter.
type pdfStreams struct {
	b       []byte
	all     bool             // every stream matters
	at      int              // behind the last keyword
	begun   map[int]pdfBegun // those ahead, by their keywords
	read    int              // how far objects are known
	within  int              // how far the dictionaries of objects before that reach
	work    int              // bytes of all dictionaries read
	covered int              // bytes of all streams given out
}

// overlap tells whether the streams given out hold more bytes than the file,
// more than sloppy writing explains, or there are more of them than any writer
// makes.
func (p *pdfStreams) overlap() bool {
	return p.covered > 2*len(p.b)+1<<16 || p.work > 4*len(p.b)+1<<20
}

// next is the next stream that matters.
func (p *pdfStreams) next() (s pdfStream, ok bool) {
	for {
		i := bytes.Index(p.b[p.at:], []byte("stream"))
		if i < 0 || p.overlap() {
			return s, false
		}
		keyword := p.at + i
		p.at = keyword + len("stream")
		if bytes.HasSuffix(p.b[:keyword], []byte("end")) {
			continue
		}
		if s, ok = p.describe(keyword); !ok {
			continue
		}
		if s.objects || s.file || s.picture || p.all {
			s.data = bytes.NewReader(p.data(s))
			return s, true
		}
	}
}

// data is what follows the keyword. Packed streams end by themselves, and whoever
// wrote "endstream" into one, or lies about its length, is not believed; others
// end where their length says, or else at the word.
func (p *pdfStreams) data(s pdfStream) []byte {
	begin := p.at
	for begin < len(p.b) && p.b[begin] == ' ' { // which some write
		begin++
	}
	if begin < len(p.b) && p.b[begin] == '\r' {
		begin++
	}
	if begin < len(p.b) && p.b[begin] == '\n' {
		begin++
	}
	rest := p.b[begin:]
	if len(s.filters) > 0 && s.filters[0] != "DCTDecode" && s.filters[0] != "DCT" {
		return rest
	}
	if s.objects && s.length < 0 { // the word may stand in a remark
		return rest
	}
	if s.length >= 0 && s.length <= len(rest) && bytes.HasPrefix(bytes.TrimLeft(rest[s.length:], pdfSpace), []byte("endstream")) {
		return rest[:s.length]
	}
	if i := bytes.Index(rest, []byte("endstream")); i >= 0 {
		return rest[:i]
	}
	return rest
}

// pdfStream decodes a stream (§7.4). Damage at its end is passed over, as readers
// do.
func (w *walker) pdfStream(f file, s pdfStream, lock *pdfLock) ([]byte, error) {
	r, err := pdfReader(s, lock)
	if err != nil {
		return nil, err
	}
	content, reason, err := w.stream(f, 0, r)
	if reason != "" {
		return nil, errStop
	}
	if err != nil && s.objects {
		return nil, MalformedDocument // readers go on in their own ways
	}
	if err != nil && len(content) == 0 && s.data.Size() > 8 {
		return nil, MalformedDocument
	}
	if lock != nil && err != nil {
		return nil, MalformedDocument // a stream that a wrong key leaves
	}
	switch {
	case s.predictor == 2:
		if s.pixel > 1 {
			return nil, UnsupportedMethod
		}
		for at := 0; at+s.columns <= len(content); at += s.columns {
			for i := 1; i < s.columns; i++ {
				content[at+i] += content[at+i-1]
			}
		}
	case s.predictor >= 10:
		content = unpredict(content, s.columns, s.pixel)
	}
	return content, nil
}

// pdfReader opens the filters of a stream.
func pdfReader(s pdfStream, lock *pdfLock) (io.Reader, error) {
	if s.hidden || s.odd && (s.objects || s.file) {
		return nil, UnsupportedMethod
	}
	var r io.Reader = s.data
	if lock != nil {
		r = lock.reader(s.object, s.generation, s.data)
	}
	for _, filter := range s.filters {
		switch filter {
		case "FlateDecode", "Fl":
			// The zlib header is passed over and its check sum not asked for.
			if _, err := io.ReadFull(r, make([]byte, 2)); err != nil {
				return nil, MalformedDocument
			}
			r = flate.NewReader(r)
		case "ASCIIHexDecode", "AHx":
			r = hex.NewDecoder(&filtered{r: r, keep: func(c byte) bool { return !isPDFSpace(c) }, end: '>'})
		case "ASCII85Decode", "A85":
			r = ascii85.NewDecoder(&filtered{r: r, keep: func(c byte) bool { return c > ' ' }, end: '~'})
		case "LZWDecode", "LZW":
			r = lzw.NewReader(r, lzw.MSB, 8)
		case "RunLengthDecode", "RL":
			r = &runLengths{r: r}
		default:
			return nil, UnsupportedMethod
		}
	}
	return r, nil
}

// unpredict undoes the filters that PNG has for rows (§7.4.4.4, RFC 2083 §6), in place.
func unpredict(b []byte, columns, pixel int) []byte {
	out := b[:0]
	above := make([]byte, columns)
	for len(b) > 1 {
		kind := b[0]
		row := b[1:min(len(b), 1+columns)]
		b = b[1+len(row):]
		for i := range row {
			left, corner := byte(0), byte(0)
			if i >= pixel {
				left, corner = row[i-pixel], above[i-pixel]
			}
			switch kind {
			case 1:
				row[i] += left
			case 2:
				row[i] += above[i]
			case 3:
				row[i] += byte((int(left) + int(above[i])) / 2)
			case 4:
				row[i] += paeth(left, above[i], corner)
			}
			// The byte before it is a neighbour of the next pixel.
		}
		next := append([]byte(nil), row...)
		out = append(out, row...)
		copy(above, next)
	}
	return out
}

// paeth is the predictor of RFC 2083 §6.6.
func paeth(left, above, corner byte) byte {
	estimate := int(left) + int(above) - int(corner)
	distance := func(c byte) int { return max(estimate-int(c), int(c)-estimate) }
	switch {
	case distance(left) <= distance(above) && distance(left) <= distance(corner):
		return left
	case distance(above) <= distance(corner):
		return above
	}
	return corner
}

// runLengths decodes runs (§7.4.5).
type runLengths struct {
	r    io.Reader
	rest []byte
	done bool
	run  [128]byte
}

func (d *runLengths) Read(p []byte) (int, error) {
	for len(d.rest) == 0 {
		var head [2]byte
		if d.done {
			return 0, io.EOF
		}
		if _, err := io.ReadFull(d.r, head[:1]); err != nil || head[0] == 128 {
			d.done = true
			return 0, io.EOF
		}
		if head[0] < 128 {
			n, err := io.ReadFull(d.r, d.run[:int(head[0])+1])
			d.rest = d.run[:n]
			d.done = err != nil
			continue
		}
		if _, err := io.ReadFull(d.r, head[1:]); err != nil {
			return 0, io.ErrUnexpectedEOF
		}
		d.rest = d.run[:257-int(head[0])]
		for i := range d.rest {
			d.rest[i] = head[1]
		}
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// filtered passes on the bytes worth keeping, up to an end.
type filtered struct {
	r    io.Reader
	keep func(byte) bool
	end  byte
	done bool
}

func (f *filtered) Read(p []byte) (int, error) {
	if f.done {
		return 0, io.EOF
	}
	n, err := f.r.Read(p)
	kept := 0
	for _, c := range p[:n] {
		if c == f.end {
			f.done = true
			return kept, io.EOF
		}
		if f.keep(c) {
			p[kept] = c
			kept++
		}
	}
	return kept, err
}
