package attachment

import "github.com/ulikunitz/xz/lzma"

// The header of a 7z archive is read here before the library sees it, because
// the library believes the counts in it and allocates for them, and because
// only the header says what is encrypted (7zFormat.txt of the LZMA SDK).

// A sevenFolder is one packed stream of a 7z archive, which holds several files.
type sevenFolder struct {
	reason    Reason // why its files cannot be read, "" where they can
	encrypted bool
	rounds    int64 // of key derivation, for one try of a password
	sizes     int
}

// A sevenArchive is what the header of a 7z archive says before a library sees it.
type sevenArchive struct {
	folders []sevenFolder
	layout  layout
	end     int64 // behind the archive
}

const (
	sevenEnd           = 0x00
	sevenHeader        = 0x01
	sevenProperties    = 0x02
	sevenMoreStreams   = 0x03
	sevenMainStreams   = 0x04
	sevenFiles         = 0x05
	sevenPackInfo      = 0x06
	sevenUnpackInfo    = 0x07
	sevenSubStreams    = 0x08
	sevenSize          = 0x09
	sevenCRC           = 0x0a
	sevenFolders       = 0x0b
	sevenUnpackSize    = 0x0c
	sevenNumUnpack     = 0x0d
	sevenEncodedHeader = 0x17
)

// sevenHeaderBytes bounds an unpacked header: some 100 bytes a file.
const sevenHeaderBytes = 4 << 20

// A sevenReader reads the numbers of a header. What is missing is a panic of
// type Reason, which readSevenHeader catches.
type sevenReader struct {
	b      []byte
	limits Limits
}

func (r *sevenReader) byte() byte { return r.bytes(1)[0] }

func (r *sevenReader) bytes(n int) []byte {
	if n < 0 || n > len(r.b) {
		panic(MalformedArchive)
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

// number reads a variable-length number: the leading ones of the first byte
// count the bytes that follow.
func (r *sevenReader) number() uint64 {
	first := r.byte()
	var value uint64
	for i, mask := 0, byte(0x80); i < 8; i, mask = i+1, mask>>1 {
		if first&mask == 0 {
			return value | uint64(first&(mask-1))<<(8*i)
		}
		value |= uint64(r.byte()) << (8 * i)
	}
	return value
}

// count reads a number of things of which each takes at least a bit of header.
func (r *sevenReader) count() int {
	n := r.number()
	if n > uint64(8*len(r.b)+8) {
		panic(MalformedArchive)
	}
	return int(n)
}

// digests passes over optional check sums and gives the first, where it is of
// the first thing.
func (r *sevenReader) digests(n int) (first uint32, ok bool) {
	defined := n
	ok = n > 0
	if r.byte() == 0 {
		defined = 0
		bits := r.bytes((n + 7) / 8)
		ok = n > 0 && bits[0]&0x80 != 0
		for _, b := range bits {
			for ; b != 0; b &= b - 1 {
				defined++
			}
		}
	}
	sums := r.bytes(4 * min(defined, n))
	if !ok || len(sums) < 4 {
		return 0, false
	}
	return u32(sums), true
}

func (r *sevenReader) expect(id byte) {
	if r.byte() != id {
		panic(MalformedArchive)
	}
}

// A sevenStreams is what a header says of packed streams.
type sevenStreams struct {
	position uint64
	packed   []uint64
	folders  []sevenFolder
	coders   []sevenCoder // of the first folder
	unpacked []uint64     // of the first folder, one a coder
	crc      uint32       // of what the first folder holds
	checked  bool         // whether the header tells it
}

type sevenCoder struct {
	id         string
	properties []byte
}

func (r *sevenReader) streams() sevenStreams {
	var s sevenStreams
	id := r.byte()
	if id == sevenPackInfo {
		s.position = r.number()
		n := r.count()
		for id = r.byte(); id != sevenEnd; id = r.byte() {
			switch id {
			case sevenSize:
				for range n {
					s.packed = append(s.packed, r.number())
				}
			case sevenCRC:
				r.digests(n)
			default:
				panic(MalformedArchive)
			}
		}
		id = r.byte()
	}
	if id == sevenUnpackInfo {
		r.unpackInfo(&s)
		id = r.byte()
	}
	if id == sevenSubStreams {
		r.subStreams(&s)
		id = r.byte()
	}
	if id != sevenEnd {
		panic(MalformedArchive)
	}
	return s
}

func (r *sevenReader) unpackInfo(s *sevenStreams) {
	r.expect(sevenFolders)
	n := r.count()
	r.expect(0) // external definitions, which nobody writes
	for i := range n {
		folder, coders := r.folder()
		if i == 0 {
			s.coders = coders
		}
		s.folders = append(s.folders, folder)
	}
	r.expect(sevenUnpackSize)
	for i := range s.folders {
		for range s.folders[i].sizes {
			size := r.number()
			if i == 0 {
				s.unpacked = append(s.unpacked, size)
			}
		}
	}
	id := r.byte()
	if id == sevenCRC {
		s.crc, s.checked = r.digests(n)
		id = r.byte()
	}
	if id != sevenEnd {
		panic(MalformedArchive)
	}
}

// sevenCoders bounds the filters of one folder; 7-Zip itself allows 32.
const sevenCoders = 32

func (r *sevenReader) folder() (sevenFolder, []sevenCoder) {
	n := r.count()
	if n == 0 || n > sevenCoders {
		panic(MalformedArchive)
	}
	var coders []sevenCoder
	var folder sevenFolder
	var in, out uint64
	for range n {
		flags := r.byte()
		c := sevenCoder{id: string(r.bytes(int(flags & 0x0f)))}
		coderIn, coderOut := uint64(1), uint64(1)
		if flags&0x10 != 0 {
			coderIn, coderOut = r.number(), r.number()
		}
		if flags&0x20 != 0 {
			c.properties = r.bytes(r.count())
		}
		if flags&0x80 != 0 || coderIn == 0 || coderOut == 0 || coderIn > sevenCoders || coderOut > sevenCoders {
			panic(MalformedArchive)
		}
		in, out = in+coderIn, out+coderOut
		coders = append(coders, c)
		if c.id == sevenAES {
			folder.encrypted = true
			folder.rounds += c.rounds()
		} else if reason := c.reason(r.limits); folder.reason == "" {
			folder.reason = reason
		}
	}
	if in > sevenCoders || out > in {
		panic(MalformedArchive)
	}
	for range 2 * (out - 1) {
		r.number()
	}
	if packed := in - (out - 1); packed > 1 {
		for range packed {
			r.number()
		}
	}
	folder.sizes = int(out)
	return folder, coders
}

// reason is why a coder cannot be used.
func (c sevenCoder) reason(limits Limits) Reason {
	memory := func(at int) Reason {
		if len(c.properties) < at+4 {
			return MalformedArchive
		}
		if int64(u32(c.properties[at:])) > limits.Dictionary {
			return DictionaryLimit
		}
		return ""
	}
	switch c.id {
	case "\x00", "\x03", "\x03\x03\x01\x03", "\x03\x03\x01\x1b", "\x03\x03\x02\x05", "\x03\x03\x05\x01", "\x03\x03\x08\x05", "\x0a",
		"\x04\x01\x08", "\x04\x02\x02": // copy, delta, branch filters, deflate, bzip2
		return ""
	case "\x03\x01\x01", "\x03\x04\x01": // LZMA, PPMd
		return memory(1)
	case "\x21": // LZMA2
		if len(c.properties) != 1 {
			return MalformedArchive
		}
		size, err := lzma.DecodeDictCap(c.properties[0])
		if err != nil {
			return MalformedArchive
		}
		if size > limits.Dictionary {
			return DictionaryLimit
		}
		return ""
	}
	return UnsupportedMethod
}

func (r *sevenReader) subStreams(s *sevenStreams) {
	id := r.byte()
	total := len(s.folders)
	counts := make([]int, len(s.folders))
	for i := range counts {
		counts[i] = 1
	}
	if id == sevenNumUnpack {
		total = 0
		for i := range counts {
			counts[i] = r.count()
			total += counts[i]
		}
		if total > r.limits.Members {
			panic(MembersLimit)
		}
		id = r.byte()
	}
	if id == sevenSize {
		for _, n := range counts {
			for range n - 1 {
				r.number()
			}
		}
		id = r.byte()
	}
	if id == sevenCRC {
		// Only those without a sum of their folder have one here; the library
		// reads one for each.
		r.digests(total)
		id = r.byte()
	}
	if id != sevenEnd {
		panic(MalformedArchive)
	}
}
