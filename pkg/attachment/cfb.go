package attachment

import (
	"bytes"
	"io"
)

// Compound files ([MS-CFB]) are read here and not by a library: the one at hand
// keeps a path for each entry, which for a chain of nested storages takes memory
// by the square of their number. The directory is read as a list, so entries
// that no tree reaches are seen too.

const (
	cfbEnd     = 0xfffffffe
	cfbFree    = 0xffffffff
	cfbMiniCut = 4096 // streams below this live in the mini stream (§2.2)
	cfbStream  = 2    // the kind of an entry that is a stream (§2.6.1)
)

type cfbEntry struct {
	name   string
	kind   byte
	start  uint32
	size   int64
	parent int // index of the storage that holds it, -1 where no tree reaches it

	left, right, child uint32
}

type cfb struct {
	b       []byte
	sector  int
	fat     []uint32
	miniFAT []uint32
	mini    []byte
	entries []cfbEntry
	broken  bool // a table could not be read to its end
}

// sectorAt gives one sector, as much of it as the file has.
func (c *cfb) sectorAt(n uint32) []byte {
	at := (int64(n) + 1) * int64(c.sector)
	if at >= int64(len(c.b)) {
		return nil
	}
	return c.b[at:min(at+int64(c.sector), int64(len(c.b)))]
}

// readCFB reads header, allocation tables and directory.
func readCFB(b []byte) (*cfb, error) {
	if len(b) < 512 || string(b[:8]) != "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" {
		return nil, MalformedDocument
	}
	c := &cfb{b: b}
	switch u16(b[30:]) {
	case 9:
		c.sector = 512
	case 12:
		c.sector = 4096
	default:
		return nil, MalformedDocument
	}
	sectors := len(b)/c.sector + 1
	c.readFAT(sectors)
	directory, err := c.chain(u32(b[48:]), -1)
	c.broken = err != nil
	c.readDirectory(directory, u16(b[26:]) > 3)
	if len(c.entries) == 0 {
		return nil, MalformedDocument
	}
	mini, err := c.chain(c.entries[0].start, c.entries[0].size)
	miniFAT, err2 := c.chain(u32(b[60:]), -1)
	c.mini, c.miniFAT = mini, numbers(miniFAT)
	c.broken = c.broken || err != nil || err2 != nil
	c.setParents()
	return c, nil
}

func numbers(b []byte) []uint32 {
	out := make([]uint32, len(b)/4)
	for i := range out {
		out[i] = u32(b[4*i:])
	}
	return out
}

// readFAT follows the list of FAT sectors (§2.5), never further than the file
// has sectors.
func (c *cfb) readFAT(sectors int) {
	perSector := c.sector / 4
	most := sectors/perSector + 1
	add := func(list []byte) {
		for _, n := range numbers(list) {
			if n >= 0xfffffffa || len(c.fat) >= most*perSector {
				continue
			}
			if s := c.sectorAt(n); s != nil {
				c.fat = append(c.fat, numbers(s)...)
			}
		}
	}
	add(c.b[76:512])
	next := u32(c.b[68:])
	for range most {
		s := c.sectorAt(next)
		if len(s) < c.sector {
			return
		}
		add(s[:c.sector-4])
		next = u32(s[c.sector-4:])
	}
}

// chain joins the sectors of a chain, at most size bytes; tables have no size
// of their own and are as long as their chain. What could be read comes with
// the error.
func (c *cfb) chain(start uint32, size int64) ([]byte, error) {
	var out bytes.Buffer
	r := &cfbReader{c: c, at: start, left: size, table: size < 0}
	if r.table {
		r.left = 1 << 62
	}
	_, err := io.Copy(&out, r)
	return out.Bytes(), err
}

func (c *cfb) readDirectory(directory []byte, wide bool) {
	for ; len(directory) >= 128; directory = directory[128:] {
		d := directory[:128]
		length := int(u16(d[64:]))
		e := cfbEntry{kind: d[66], start: u32(d[116:]), size: int64(u32(d[120:])), parent: -1,
			left: u32(d[68:]), right: u32(d[72:]), child: u32(d[76:])}
		if wide {
			e.size = int64(u64(d[120:]) & (1<<62 - 1))
		}
		if length >= 2 && length <= 64 {
			e.name = utf16Name(d[:length-2])
		}
		c.entries = append(c.entries, e)
	}
}

// setParents walks the sibling trees, each entry once.
func (c *cfb) setParents() {
	seen := make([]bool, len(c.entries))
	var queue []int
	visit := func(n uint32, parent int) {
		if int64(n) < int64(len(c.entries)) && !seen[n] {
			seen[n] = true
			c.entries[n].parent = parent
			queue = append(queue, int(n))
		}
	}
	seen[0] = true
	visit(c.entries[0].child, 0)
	for len(queue) > 0 {
		n := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		e := c.entries[n]
		visit(e.left, e.parent)
		visit(e.right, e.parent)
		visit(e.child, n)
	}
}

// named finds a stream in the root storage.
func (c *cfb) named(name string) int {
	for i := range c.entries {
		if c.entries[i].kind == cfbStream && c.entries[i].parent == 0 && c.entries[i].name == name {
			return i
		}
	}
	return -1
}

// open reads the stream of an entry.
func (c *cfb) open(i int) io.Reader {
	e := c.entries[i]
	return &cfbReader{c: c, at: e.start, left: e.size, mini: e.size < cfbMiniCut}
}

// A cfbReader follows one chain of sectors, each of which can only come once.
type cfbReader struct {
	c     *cfb
	at    uint32
	left  int64
	mini  bool
	table bool // ends with its chain, not with its size
	rest  []byte
	steps int
}

func (r *cfbReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, io.EOF
	}
	if len(r.rest) == 0 {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest[:min(int64(len(r.rest)), r.left)])
	r.rest = r.rest[n:]
	r.left -= int64(n)
	return n, nil
}

func (r *cfbReader) next() error {
	if r.at == cfbEnd || r.at == cfbFree {
		if r.table {
			return io.EOF
		}
		return io.ErrUnexpectedEOF
	}
	table := r.c.fat
	if r.mini {
		table = r.c.miniFAT
		from := int64(r.at) * 64
		if from >= int64(len(r.c.mini)) {
			return io.ErrUnexpectedEOF
		}
		r.rest = r.c.mini[from:min(from+64, int64(len(r.c.mini)))]
	} else {
		r.rest = r.c.sectorAt(r.at)
	}
	if r.steps++; len(r.rest) == 0 || r.steps > len(table)+1 {
		return io.ErrUnexpectedEOF
	}
	if int64(r.at) < int64(len(table)) {
		r.at = table[r.at]
	} else {
		r.at = cfbEnd
	}
	return nil
}
