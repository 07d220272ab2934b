package attachment

import "bytes"

// The blocks of a RAR archive are read here besides the library, to tell what
// stands between and behind them, and what a try of a password costs (RAR 5.0
// archive format; technote.txt of RAR 4).

const (
	rarMark4 = "Rar!\x1a\x07\x00"
	rarMark5 = "Rar!\x1a\x07\x01\x00"

	// What a try costs: RAR 3 and 4 hash 2^18 times, RAR 5 as often as it says, for
	// three values of two hashes each round.
	rarRounds4    = 1 << 18
	rarRounds5    = 2 << 15
	rarPowerMost5 = 24
)

// rarBlocks is what the blocks of an archive say.
type rarBlocks struct {
	layout layout
	end    int64 // behind the last block
	rounds int64 // of key derivation, for one try of a password
}

func readRARBlocks(b []byte) rarBlocks {
	if bytes.HasPrefix(b, []byte(rarMark5)) {
		return readRAR5Blocks(b)
	}
	return readRAR4Blocks(b)
}

func readRAR4Blocks(b []byte) rarBlocks {
	r := rarBlocks{end: int64(len(rarMark4)), rounds: rarRounds4}
	r.layout.add(spanStructure, 0, r.end)
	for r.end+7 <= int64(len(b)) {
		h := b[r.end:]
		kind, flags, size := h[2], u16(h[3:]), int64(u16(h[5:]))
		if kind < 0x72 || kind > 0x7b || size < 7 || size > int64(len(h)) {
			return r
		}
		data := int64(0)
		if flags&0x8000 != 0 && size >= 11 {
			data = int64(u32(h[7:]))
		}
		if (kind == 0x74 || kind == 0x7a) && flags&0x100 != 0 && size >= 36 {
			data |= int64(u32(h[32:])) << 32
		}
		r.take(b, kind == 0x74, size, data)
		switch {
		case kind == 0x7b:
			return r
		case kind == 0x73 && flags&0x80 != 0: // all that follows is encrypted
			r.take(b, true, 0, int64(len(b)))
			return r
		}
	}
	return r
}

func readRAR5Blocks(b []byte) rarBlocks {
	r := rarBlocks{end: int64(len(rarMark5)), rounds: rarRounds5}
	r.layout.add(spanStructure, 0, r.end)
	for r.end+7 <= int64(len(b)) {
		fields := rarNumbers{b: b[r.end+4:]}
		size := fields.next()
		head := int64(len(b)) - r.end - int64(len(fields.b)) + int64(size) // with check sum and size
		if fields.bad || size == 0 || size > 2<<20 || head > int64(len(b))-r.end {
			return r
		}
		fields.b = fields.b[:size]
		kind, flags := fields.next(), fields.next()
		extra, data := uint64(0), uint64(0)
		if flags&1 != 0 {
			extra = fields.next()
		}
		if flags&2 != 0 {
			data = fields.next()
		}
		if fields.bad || data > 1<<62 {
			return r
		}
		switch kind {
		case 4: // archive encryption
			fields.next()
			fields.next()
			r.cost(fields)
			r.take(b, false, head, 0)
			r.take(b, true, 0, int64(len(b)))
			return r
		case 2:
			if extra <= uint64(len(fields.b)) {
				r.costOfFile(rarNumbers{b: fields.b[uint64(len(fields.b))-extra:]})
			}
		}
		r.take(b, kind == 2, head, int64(data))
		if kind == 5 {
			return r
		}
	}
	return r
}

// take accounts for one block, as far as the file goes.
func (r *rarBlocks) take(b []byte, member bool, head, data int64) {
	kind := spanStructure
	if member {
		kind = spanMember
	}
	r.layout.add(spanStructure, r.end, r.end+head)
	r.end += head
	data = min(data, int64(len(b))-r.end)
	r.layout.add(kind, r.end, r.end+data)
	r.end += data
}

// costOfFile looks through the extra records of a file for the one of encryption.
func (r *rarBlocks) costOfFile(records rarNumbers) {
	for len(records.b) > 0 {
		size := records.next()
		if records.bad || size > uint64(len(records.b)) {
			return
		}
		record := rarNumbers{b: records.b[:size]}
		records.b = records.b[size:]
		if record.next() == 1 {
			record.next()
			record.next()
			r.cost(record)
		}
	}
}

// cost reads the power of two of rounds behind version and flags.
func (r *rarBlocks) cost(fields rarNumbers) {
	if len(fields.b) == 0 {
		return
	}
	r.rounds = 2 << min(fields.b[0], rarPowerMost5)
}

// rarNumbers reads numbers of seven bits a byte, the lowest first.
type rarNumbers struct {
	b   []byte
	bad bool
}

func (n *rarNumbers) next() uint64 {
	var value uint64
	for shift := 0; shift < 63; shift += 7 {
		if len(n.b) == 0 {
			break
		}
		c := n.b[0]
		n.b = n.b[1:]
		value |= uint64(c&0x7f) << shift
		if c&0x80 == 0 {
			return value
		}
	}
	n.bad = true
	return 0
}
