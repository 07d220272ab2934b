package attachment

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/flate"
)

// openCabinet walks a cabinet ([MS-CAB]), which is unsupported however much of it
// could be read: this reader is a small one. Folders that are stored or packed with
// MSZIP are unpacked; of those packed with Quantum or LZX the files are listed.
func (w *walker) openCabinet(a *Attachment, f file) error {
	a.add(UnsupportedContainer)
	c, ok := readCabinet(f.content)
	if !ok {
		return nil // unsupported, as is said
	}
	if end := int64(c.size); !blank(f.content[end:]) {
		a.add(DataAfterArchive)
		c.layout.add(spanNamed, end, int64(len(f.content)))
	}
	readers := make([]*cabFolder, len(c.folders))
	for _, member := range c.files {
		if err := w.cabinetMember(a, f, c, readers, member); err != nil {
			return err
		}
	}
	c.layout.settle(a, f.content)
	return nil
}

func (w *walker) cabinetMember(a *Attachment, f file, c *cabinet, readers []*cabFolder, member cabFile) error {
	size := int64(member.size)
	switch {
	case member.folder >= 0xfffd: // begins or ends in another cabinet
		return w.refuse(a, f, member.name, size, MissingVolume)
	case member.folder >= len(c.folders):
		return w.refuse(a, f, member.name, size, MalformedArchive)
	case c.folders[member.folder].method > 1:
		return w.refuse(a, f, member.name, size, UnsupportedMethod)
	}
	r := readers[member.folder]
	if r == nil {
		r = &cabFolder{cabinet: c, blocks: c.folders[member.folder]}
		readers[member.folder] = r
	}
	if r.read != int64(member.offset) { // files follow one another, or share bytes
		reason := MalformedArchive
		if int64(member.offset) < r.read {
			reason = OverlappingMembers
		}
		return w.refuse(a, f, member.name, size, reason)
	}
	_, err := w.member(a, f, member.name, size, &exactly{r: r, left: size})
	return err
}

// exactly reads so many bytes; fewer are an error.
type exactly struct {
	r    io.Reader
	left int64
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	if e.left -= int64(n); err == io.EOF && e.left > 0 {
		err = MalformedArchive
	}
	return n, err
}

type cabinet struct {
	b       []byte
	size    uint32
	folders []cabBlocks
	files   []cabFile
	layout  layout
}

type cabBlocks struct {
	method int
	data   [][]byte // packed
	sizes  []int    // unpacked
}

type cabFile struct {
	name         string
	size, offset uint32
	folder       int
}

// readCabinet reads header, folders and files (§2.1 to §2.4).
func readCabinet(b []byte) (c *cabinet, ok bool) {
	if len(b) < 36 || string(b[:4]) != "MSCF" {
		return nil, false
	}
	c = &cabinet{b: b, size: u32(b[8:])}
	if uint64(c.size) > uint64(len(b)) || c.size < 36 {
		c.size = uint32(len(b))
	}
	folders, files, flags := int(u16(b[26:])), int(u16(b[28:])), u16(b[30:])
	at, perFolder, perBlock := 36, 0, 0
	if flags&4 != 0 { // bytes that applications keep for themselves
		if len(b) < at+4 {
			return nil, false
		}
		perFolder, perBlock = int(b[at+2]), int(b[at+3])
		at += 4 + int(u16(b[at:]))
	}
	names := 0
	for _, flag := range []uint16{1, 2} { // the cabinets before and after, and their disks
		if flags&flag != 0 {
			names += 2
		}
	}
	for range names {
		_, rest, ok := cString(b[min(at, len(b)):])
		if !ok {
			return nil, false
		}
		at = len(b) - len(rest)
	}
	for range folders {
		if len(b) < at+8+perFolder {
			return nil, false
		}
		blocks, ok := c.blocks(int64(u32(b[at:])), int(u16(b[at+4:])), perBlock)
		if !ok {
			return nil, false
		}
		blocks.method = int(u16(b[at+6:]) & 0x0f)
		c.folders = append(c.folders, blocks)
		at += 8 + perFolder
	}
	c.layout.add(spanStructure, 0, int64(at))
	from := int(u32(b[16:]))
	at = from
	for range files {
		if at < 0 || len(b) < at+16 {
			return nil, false
		}
		name, rest, ok := cString(b[at+16:])
		if !ok {
			return nil, false
		}
		c.files = append(c.files, cabFile{name: zipName([]byte(name), 0), size: u32(b[at:]), offset: u32(b[at+4:]), folder: int(u16(b[at+8:]))})
		at = len(b) - len(rest)
	}
	c.layout.add(spanStructure, int64(from), int64(at))
	return c, true
}

// blocks reads the data blocks of a folder (§2.5).
func (c *cabinet) blocks(at int64, n, reserved int) (blocks cabBlocks, ok bool) {
	for range n {
		head := int64(8 + reserved)
		if at+head > int64(len(c.b)) {
			return blocks, false
		}
		packed, size := int64(u16(c.b[at+4:])), int(u16(c.b[at+6:]))
		if at+head+packed > int64(len(c.b)) {
			return blocks, false
		}
		c.layout.add(spanStructure, at, at+head)
		at += head
		c.layout.add(spanMember, at, at+packed)
		blocks.data, blocks.sizes = append(blocks.data, c.b[at:at+packed]), append(blocks.sizes, size)
		at += packed
	}
	return blocks, true
}

// A cabFolder unpacks the blocks of a folder. Each block of MSZIP is a deflate stream
// that refers to what the ones before it held ([MS-MCI]).
type cabFolder struct {
	cabinet *cabinet
	blocks  cabBlocks
	next    int
	read    int64
	rest    []byte
	before  []byte // the last 32 KB
}

// cabBlock is what one block holds at most.
const cabBlock = 32 << 10

func (r *cabFolder) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.next >= len(r.blocks.data) {
			return 0, io.EOF
		}
		packed, size := r.blocks.data[r.next], r.blocks.sizes[r.next]
		r.next++
		if r.blocks.method == 0 {
			r.rest = packed
			continue
		}
		if len(packed) < 2 || string(packed[:2]) != "CK" || size > cabBlock {
			return 0, MalformedArchive
		}
		plain := make([]byte, size)
		if _, err := io.ReadFull(flate.NewReaderDict(bytes.NewReader(packed[2:]), r.before), plain); err != nil {
			return 0, MalformedArchive
		}
		r.rest = plain
		r.before = append(r.before, plain...)
		r.before = r.before[max(0, len(r.before)-cabBlock):]
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	r.read += int64(n)
	return n, nil
}
