package attachment

import (
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz/lzma"
)

// openGzip unpacks a gzip file (RFC 1952). Its streams, of which there may be
// several, are one content; bytes behind the last one are a finding.
func (w *walker) openGzip(a *Attachment, f file) error {
	source := bytes.NewReader(f.content)
	r, err := gzip.NewReader(source)
	if err != nil {
		return MalformedArchive
	}
	r.Multistream(false)
	name := r.Name
	if name == "" {
		name = innerName(f.name, "gz", "tgz")
	}
	streams := &gzipStreams{content: f.content, r: r, source: source}
	_, err = w.member(a, f, name, 0, streams)
	if streams.trailing {
		a.add(DataAfterArchive)
	}
	oneMember(a, f.content, len(f.content)-len(streams.left))
	return err
}

// oneMember makes the account of a file that is packed as one, up to end.
func oneMember(a *Attachment, b []byte, end int) {
	var l layout
	l.add(spanMember, 0, int64(end))
	if !blank(b[end:]) {
		l.add(spanNamed, int64(end), int64(len(b)))
	}
	l.settle(a, b)
}

// gzipStreams reads stream after stream and stops before bytes that begin none.
type gzipStreams struct {
	content  []byte
	r        *gzip.Reader
	source   *bytes.Reader
	left     []byte
	trailing bool // bytes that are no stream follow the last one
}

func (g *gzipStreams) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	if err != io.EOF {
		return n, err
	}
	left := g.content[len(g.content)-g.source.Len():]
	if !bytes.HasPrefix(left, []byte("\x1f\x8b")) {
		g.left, g.trailing = left, !blank(left)
		return n, io.EOF
	}
	if err := g.r.Reset(g.source); err != nil {
		return n, MalformedArchive
	}
	g.r.Multistream(false)
	return n, nil
}

// openBzip2 unpacks a bzip2 file.
func (w *walker) openBzip2(a *Attachment, f file) error {
	_, err := w.member(a, f, innerName(f.name, "bz2", "tbz", "tbz2"), 0, bzip2.NewReader(bytes.NewReader(f.content)))
	wholeMember(a, f.content)
	return err
}

// wholeMember makes the account of a file whose decoder refuses whatever follows
// its streams: what was read without an error was read to the end.
func wholeMember(a *Attachment, b []byte) {
	if n := len(a.Children); n > 0 && a.Children[n-1].SHA256 != "" {
		oneMember(a, b, len(b))
	}
}

// openZstd unpacks a Zstandard file (RFC 8878).
func (w *walker) openZstd(a *Attachment, f file) error {
	r, err := w.zstdReader(bytes.NewReader(f.content))
	if err != nil {
		return err
	}
	_, err = w.member(a, f, innerName(f.name, "zst", "tzst"), 0, r)
	wholeMember(a, f.content)
	return err
}

// openLZMA unpacks a file in the old LZMA format.
func (w *walker) openLZMA(a *Attachment, f file) error {
	source := bytes.NewReader(f.content[13:])
	r, err := w.lzmaReader(f.content[:13], source)
	if err != nil {
		return MalformedArchive
	}
	child, err := w.member(a, f, innerName(f.name, "lzma", "tlz"), 0, r)
	if child != nil && child.SHA256 != "" {
		end := len(f.content) - source.Len()
		if !blank(f.content[end:]) {
			a.add(DataAfterArchive)
		}
		oneMember(a, f.content, end)
	}
	return err
}

// openXZ unpacks an xz file.
func (w *walker) openXZ(a *Attachment, f file) error {
	_, err := w.member(a, f, innerName(f.name, "xz", "txz"), 0, w.xzReader(f.content))
	wholeMember(a, f.content)
	return err
}

// innerName is the name of what a file of one member holds: its own, without
// the extension of the packer; ".tgz" and the like hold a ".tar".
func innerName(name, plain string, tarred ...string) string {
	base := baseName(name)
	extension := extensionOf(base)
	if extension == "" {
		return base
	}
	stem := base[:strings.LastIndexByte(base, '.')]
	if extension == plain {
		return stem
	}
	for _, t := range tarred {
		if extension == t {
			return stem + ".tar"
		}
	}
	return base
}

// zstdReader opens a Zstandard stream that decodes in the caller's goroutine
// within the dictionary limit.
func (w *walker) zstdReader(r io.Reader) (io.Reader, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(uint64(w.options.Limits.Dictionary)), zstd.WithDecoderMaxMemory(1<<62))
	if err != nil {
		return nil, MalformedArchive
	}
	return zstdErrors{d}, nil
}

// zstdErrors names the decoder's own limits as ours.
type zstdErrors struct{ r *zstd.Decoder }

func (z zstdErrors) Read(p []byte) (int, error) {
	n, err := z.r.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		err = DictionaryLimit
	}
	return n, err
}

// dictionary is how much of a declared dictionary can matter: a match never
// reaches further back than what was unpacked, and no more than allowed is.
func (w *walker) dictionary(declared int64) int {
	allowed, _ := w.budget.allowed()
	return int(max(min(declared, allowed+1), lzma.MinDictCap))
}

// lzmaReader opens an LZMA stream behind its 13-byte header.
func (w *walker) lzmaReader(header []byte, r *bytes.Reader) (io.Reader, error) {
	own := bytes.Clone(header[:13])
	binary.LittleEndian.PutUint32(own[1:], uint32(w.dictionary(int64(u32(own[1:])))))
	return lzma.NewReader(&joined{head: own, r: r})
}

// joined reads a header and then a stream, byte by byte where asked so, so that
// nothing behind the end of the stream is taken from it.
type joined struct {
	head []byte
	r    *bytes.Reader
}

func (j *joined) Read(p []byte) (int, error) {
	if len(j.head) > 0 {
		n := copy(p, j.head)
		j.head = j.head[n:]
		return n, nil
	}
	return j.r.Read(p)
}

func (j *joined) ReadByte() (byte, error) {
	if len(j.head) > 0 {
		c := j.head[0]
		j.head = j.head[1:]
		return c, nil
	}
	return j.r.ReadByte()
}

// An xzStream reads the .xz format 1.2: streams of blocks of LZMA2. The format
// is read here and not by the library, which allocates whatever dictionary a
// block asks for. Check sums are not compared: what was unpacked is looked at,
// whoever damaged it.
type xzStream struct {
	w         *walker
	b         []byte // what is left of the file
	checkSize int
	block     *lzma.Reader2
	source    *bytes.Reader // of the block
	asked     int64         // bytes of dictionary asked for so far
	started   bool
}

// askedAtMost bounds the dictionaries of all blocks of one file together.
const askedAtMost = 1 << 30

func (w *walker) xzReader(content []byte) io.Reader { return &xzStream{w: w, b: content} }

// xzCheckSizes are the sizes of the check field by its id (§2.1.1.2).
var xzCheckSizes = [16]int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}

func (x *xzStream) Read(p []byte) (int, error) {
	for {
		if x.block == nil {
			if err := x.next(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := x.block.Read(p)
		if err == io.EOF {
			x.endBlock()
			err = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// next begins the next block, passing over the ends and beginnings of streams.
func (x *xzStream) next() error {
	if !x.started {
		if len(x.b) < 12 || string(x.b[:6]) != "\xfd7zXZ\x00" || x.b[6] != 0 || x.b[7] > 15 {
			return MalformedArchive
		}
		x.checkSize, x.started = xzCheckSizes[x.b[7]], true
		x.b = x.b[12:]
	}
	if len(x.b) == 0 {
		return io.ErrUnexpectedEOF
	}
	if x.b[0] == 0 {
		return x.endStream()
	}
	return x.beginBlock()
}

// beginBlock reads a block header (§3.1).
func (x *xzStream) beginBlock() error {
	size := (int(x.b[0]) + 1) * 4
	if size > len(x.b) {
		return io.ErrUnexpectedEOF
	}
	header := x.b[1 : size-4]
	flags := header[0]
	header = header[1:]
	for _, bit := range []byte{0x40, 0x80} {
		if flags&bit != 0 {
			_, n := binary.Uvarint(header)
			if n <= 0 {
				return MalformedArchive
			}
			header = header[n:]
		}
	}
	// One filter, LZMA2 (§5.3.1). The others rearrange machine code.
	if flags&0x03 != 0 {
		return UnsupportedMethod
	}
	if len(header) < 3 || header[0] != 0x21 || header[1] != 1 || header[2] > 40 {
		return MalformedArchive
	}
	declared, err := lzma.DecodeDictCap(header[2])
	if err != nil {
		return MalformedArchive
	}
	dictionary := x.w.dictionary(declared)
	if x.asked += int64(dictionary); x.asked > askedAtMost {
		return DictionaryLimit
	}
	x.source = bytes.NewReader(x.b[size:])
	x.b = x.b[size:]
	x.block, err = lzma.Reader2Config{DictCap: dictionary}.NewReader2(x.source)
	return err
}

// endBlock passes over the padding and the check behind a block.
func (x *xzStream) endBlock() {
	used := len(x.b) - x.source.Len()
	used += (4 - used%4) % 4
	x.b = x.b[min(used+x.checkSize, len(x.b)):]
	x.block = nil
}

// endStream passes over the index and the footer (§4, §2.1.2).
func (x *xzStream) endStream() error {
	rest := x.b[1:]
	records, n := binary.Uvarint(rest)
	if n <= 0 || records > uint64(len(x.b)) {
		return MalformedArchive
	}
	rest = rest[n:]
	for range 2 * records {
		_, n := binary.Uvarint(rest)
		if n <= 0 {
			return MalformedArchive
		}
		rest = rest[n:]
	}
	used := len(x.b) - len(rest)
	used += (4-used%4)%4 + 4 + 12
	if used > len(x.b) || string(x.b[used-2:used]) != "YZ" {
		return MalformedArchive
	}
	x.b = bytes.TrimLeft(x.b[used:], "\x00") // stream padding (§2.2)
	x.started = false
	if len(x.b) == 0 {
		return io.EOF
	}
	return nil
}
