package attachment

import (
	"bytes"
	"encoding/ascii85"
	"encoding/hex"
	"errors"
	"io"
	"strconv"

	"github.com/klauspost/compress/flate"
)

// openPDF looks through a PDF for what acts (ISO 32000-1). It does not build the
// tree of objects, which damaged and hostile files leave to the reader's
// imagination: it reads every name in the file, wherever it stands, and in the
// streams that hold objects; and it takes out the files that are embedded.
func (w *walker) openPDF(a *Attachment, f file) error {
	names := pdfNames(f.content)
	embedded, harmless := 0, 0
	streams := pdfStreams{b: f.content}
	for !names.encrypted {
		s, ok := streams.next()
		if !ok {
			break
		}
		if streams.overlap() {
			a.add(OverlappingMembers)
			break
		}
		content, err := w.pdfStream(f, s)
		if errors.Is(err, errStop) {
			return err
		}
		if err != nil {
			a.add(readReason("", err))
			continue
		}
		if s.objects {
			names.add(pdfNames(content))
			continue
		}
		embedded++
		if err := w.list(a, f, "", content); err != nil {
			return err
		}
		if last := a.Children[len(a.Children)-1]; last.Verdict == Clean && !carries(last.DetectedType) {
			harmless++
		}
	}
	if names.encrypted {
		a.add(EncryptedDocument)
	}
	if names.script {
		a.add(PDFJavaScript)
	}
	if names.launch {
		a.add(PDFLaunch)
	}
	// An invoice that carries its own data as XML (PDF/A-3) is no cause for
	// alarm; a file that acts, or that we could not take out, is.
	if names.files && (embedded == 0 || harmless < embedded) {
		a.add(PDFEmbeddedFile)
	}
	return nil
}

// A pdfFinding is what the names in a PDF say of it.
type pdfFinding struct{ encrypted, script, launch, files bool }

func (p *pdfFinding) add(q pdfFinding) {
	p.encrypted = p.encrypted || q.encrypted
	p.script = p.script || q.script
	p.launch = p.launch || q.launch
	p.files = p.files || q.files
}

// pdfNames reads all names, in which any character may be written as #xx
// (§7.3.5). Compressed data can look like a short name by chance, so what
// follows must look like a value.
func pdfNames(b []byte) pdfFinding {
	var found pdfFinding
	for {
		i := bytes.IndexByte(b, '/')
		if i < 0 {
			return found
		}
		b = b[i+1:]
		name, length := pdfName(b)
		switch name {
		case "JavaScript", "JS":
			found.script = found.script || pdfValueFollows(b[length:])
		case "Launch":
			found.launch = true
		case "EmbeddedFile", "EmbeddedFiles":
			found.files = true
		case "Encrypt":
			found.encrypted = found.encrypted || pdfValueFollows(b[length:])
		}
	}
}

// longestPDFName is that of the names we look for, each character written as #xx.
const longestPDFName = 3 * len("EmbeddedFiles")

// pdfName decodes the name that begins at b and says how long it is written.
func pdfName(b []byte) (string, int) {
	var name [longestPDFName]byte
	n, i := 0, 0
	for i < len(b) && n < len(name) && pdfRegular(b[i]) {
		c := b[i]
		if c == '#' && i+2 < len(b) {
			if v, err := strconv.ParseUint(string(b[i+1:i+3]), 16, 8); err == nil {
				c = byte(v)
				i += 2
			}
		}
		name[n] = c
		n++
		i++
	}
	return string(name[:n]), i
}

// pdfRegular tells whether a byte is neither white space nor a delimiter
// (§7.2.2).
func pdfRegular(c byte) bool {
	switch c {
	case 0, '\t', '\n', '\f', '\r', ' ', '(', ')', '<', '>', '[', ']', '{', '}', '/', '%':
		return false
	}
	return true
}

// pdfValueFollows tells whether a string, a dictionary, a list, a reference or
// the next key follows.
func pdfValueFollows(b []byte) bool {
	trimmed := bytes.TrimLeft(b, "\x00\t\n\f\r ")
	if len(trimmed) == 0 {
		return true // the end of a stream that was cut
	}
	switch c := trimmed[0]; c {
	case '(', '<', '[', '/', '>', '%', ']':
		return true
	default:
		return c >= '0' && c <= '9' && len(trimmed) < len(b)
	}
}

// A pdfStream is one stream object.
type pdfStream struct {
	objects, file bool // what its dictionary says it holds
	filters       []string
	data          []byte
}

// pdfDictionaryBytes is how far before the keyword its dictionary may begin.
const pdfDictionaryBytes = 4096

// pdfStreams finds the streams of a file that matter. It passes over each byte
// a fixed number of times, however often the keywords come.
type pdfStreams struct {
	b       []byte
	at      int // behind the last keyword
	end     int // the last "endstream" found
	covered int // bytes of all streams given out
}

// overlap tells whether the streams given out hold more bytes than the file,
// more than sloppy writing explains.
func (p *pdfStreams) overlap() bool { return p.covered > 2*len(p.b) }

// next is the next stream that holds objects or a file.
func (p *pdfStreams) next() (s pdfStream, ok bool) {
	for {
		i := bytes.Index(p.b[p.at:], []byte("stream"))
		if i < 0 {
			return s, false
		}
		keyword := p.at + i
		before := bytes.TrimRight(p.b[max(p.at, keyword-pdfDictionaryBytes):keyword], "\x00\t\n\f\r ")
		p.at = keyword + len("stream")
		if !bytes.HasSuffix(before, []byte(">>")) {
			continue // "endstream", or a word in a text
		}
		if s = describePDFStream(before); s.objects || s.file {
			s.data = p.data()
			p.covered += len(s.data)
			return s, true
		}
	}
}

// data is what stands between the keyword and the end of the stream. The search
// goes on right behind the keyword all the same: a stream may pretend to reach
// over another.
func (p *pdfStreams) data() []byte {
	begin := p.at
	if begin < len(p.b) && p.b[begin] == '\r' {
		begin++
	}
	if begin < len(p.b) && p.b[begin] == '\n' {
		begin++
	}
	if p.end < begin {
		p.end = len(p.b)
		if i := bytes.Index(p.b[begin:], []byte("endstream")); i >= 0 {
			p.end = begin + i
		}
	}
	return p.b[begin:p.end]
}

// describePDFStream reads the dictionary before a stream.
func describePDFStream(before []byte) (s pdfStream) {
	if o := bytes.LastIndex(before, []byte(" obj")); o >= 0 {
		before = before[o:]
	}
	for {
		slash := bytes.IndexByte(before, '/')
		if slash < 0 {
			return s
		}
		before = before[slash+1:]
		switch name, _ := pdfName(before); name {
		case "ObjStm":
			s.objects = true
		case "EmbeddedFile":
			s.file = true
		case "FlateDecode", "Fl", "ASCIIHexDecode", "AHx", "ASCII85Decode", "A85", "LZWDecode", "LZW", "RunLengthDecode", "RL", "Crypt":
			s.filters = append(s.filters, name)
		}
	}
}

// pdfStream decodes a stream (§7.4). Damage at its end is passed over, as readers
// do.
func (w *walker) pdfStream(f file, s pdfStream) ([]byte, error) {
	var r io.Reader = bytes.NewReader(s.data)
	for _, filter := range s.filters {
		switch filter {
		case "FlateDecode", "Fl":
			// The zlib header is passed over and its check sum not asked for.
			if _, err := io.ReadFull(r, make([]byte, 2)); err != nil {
				return nil, MalformedDocument
			}
			r = flate.NewReader(r)
		case "ASCIIHexDecode", "AHx":
			r = hex.NewDecoder(&filtered{r: r, keep: func(c byte) bool { return pdfRegular(c) }, end: '>'})
		case "ASCII85Decode", "A85":
			r = ascii85.NewDecoder(&filtered{r: r, keep: func(c byte) bool { return c > ' ' }, end: '~'})
		default:
			return nil, UnsupportedMethod
		}
	}
	content, reason, err := w.stream(f, 0, r)
	if reason != "" {
		return nil, errStop
	}
	if err != nil && len(content) == 0 && len(s.data) > 8 {
		return nil, MalformedDocument
	}
	return content, nil
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
