package attachment

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Zip is read here by its own parser, because what a scanner must know are the
// disagreements that an unpacker smooths over (APPNOTE.TXT 6.3.10).

const (
	zipLocal    = "PK\x03\x04" // §4.3.7
	zipCentral  = "PK\x01\x02" // §4.3.12
	zipEnd      = "PK\x05\x06" // §4.3.16
	zip64End    = "PK\x06\x06" // §4.3.14
	zip64Locate = "PK\x06\x07" // §4.3.15

	zipEndSize     = 22
	zipCentralSize = 46
	zipLocalSize   = 30

	flagEncrypted  = 1 << 0 // §4.4.4
	flagDescriptor = 1 << 3
	flagStrong     = 1 << 6
	flagUTF8       = 1 << 11
	flagMasked     = 1 << 13
)

// A zipEntry is one member as the central directory describes it.
type zipEntry struct {
	name         string
	flags        uint16
	method       uint16
	crc          uint32
	packed, size int64
	header       int64 // where the local header stands in the file
	unixMode     uint32
	dataAt       int64 // where the packed bytes begin, 0 before the local header was read
	end          int64 // behind the packed bytes

	modTime     uint16
	aesStrength byte   // 1 to 3 where AES encrypts the member (method 99)
	aesMethod   uint16 // the method beneath
}

func (e zipEntry) encrypted() bool {
	return e.flags&(flagEncrypted|flagStrong|flagMasked) != 0 || e.method == 99
}

// A zipDirectory is the table of contents of one archive.
type zipDirectory struct {
	entries []zipEntry
	at      int64 // where the central directory stands
	base    int64 // what must be added to offsets, because data stands in front
	end     int64 // behind the end record and its comment

	listEnd  int64 // behind the last entry of the directory
	tail     int64 // where the end records begin
	more     bool  // it lists more than was read
	findings []Reason
}

func (d *zipDirectory) find(r Reason) {
	for _, have := range d.findings {
		if have == r {
			return
		}
	}
	d.findings = append(d.findings, r)
}

// readZipDirectory finds and reads the central directory, at most limit+1
// entries of it. No directory at all is nil.
func readZipDirectory(b []byte, limit int) *zipDirectory {
	var found *zipDirectory
	var others []int64
	low := max(0, len(b)-zipEndSize-0xffff)
	for at := len(b) - zipEndSize; at >= low; {
		i := bytes.LastIndex(b[low:at+4], []byte(zipEnd))
		if i < 0 {
			break
		}
		at = low + i
		if found == nil {
			found = readZipEnd(b, int64(at), limit)
		} else {
			others = append(others, int64(at))
		}
		at--
	}
	if found == nil {
		return nil
	}
	for _, at := range others {
		// An end record inside a stored member is that member's own.
		if other := readZipEnd(b, at, limit); other != nil && len(other.entries) > 0 && !found.covers(b, at) {
			found.find(SeveralZipDirectories)
		}
	}
	return found
}

// covers tells whether an offset lies in the packed bytes of a member.
func (d *zipDirectory) covers(b []byte, at int64) bool {
	for i := range d.entries {
		e := &d.entries[i]
		if at < e.header {
			continue
		}
		readZipLocal(b, e)
		if e.dataAt > 0 && at >= e.dataAt && at < e.end {
			return true
		}
	}
	return false
}

// readZipEnd reads the end record at one place and the directory it points to;
// nil where they make no sense.
func readZipEnd(b []byte, at int64, limit int) *zipDirectory {
	end := b[at:]
	if len(end) < zipEndSize {
		return nil
	}
	count, size, offset := uint64(u16(end[10:])), uint64(u32(end[12:])), uint64(u32(end[16:]))
	d := &zipDirectory{end: min(at+zipEndSize+int64(u16(end[20:])), int64(len(b)))}
	directoryEnd := at
	if count == 0xffff || size == 0xffffffff || offset == 0xffffffff {
		if at64, c, s, o, ok := readZip64End(b, at); ok {
			directoryEnd, count, size, offset = at64, c, s, o
		}
	}
	if size > uint64(directoryEnd) {
		return nil
	}
	// Where offset and size disagree with where the directory must be, data was
	// put in front, or one of the two is wrong.
	start := directoryEnd - int64(size)
	if count > 0 && !hasAt(b, start, zipCentral) {
		// The size is wrong; the offset may be right.
		d.find(WrongZipDirectory)
		if offset > uint64(len(b)) || !hasAt(b, int64(offset), zipCentral) {
			return nil
		}
		start = int64(offset)
	}
	d.at, d.tail = start, directoryEnd
	d.base = start - int64(min(offset, uint64(len(b))))
	if offset > uint64(start) {
		d.base = 0
		d.find(WrongZipDirectory)
	}
	if d.base > 0 && hasAt(b, int64(offset), zipCentral) {
		// Both the size and the offset lead to a directory; it is the one with
		// all members, and others may take the other.
		plain := &zipDirectory{at: int64(offset), end: d.end, tail: d.tail}
		plain.readEntries(b, plain.at, directoryEnd, count, limit)
		if len(plain.findings) == 0 {
			plain.find(WrongZipDirectory)
			return plain
		}
	}
	d.readEntries(b, start, directoryEnd, count, limit)
	d.settleBase(b)
	return d
}

// settleBase drops the assumption that data stands in front, where the members
// are found without it: then it was the end record that was wrong.
func (d *zipDirectory) settleBase(b []byte) {
	if d.base == 0 || len(d.entries) == 0 {
		return
	}
	first := d.entries[0].header
	if hasAt(b, first, zipLocal) || !hasAt(b, first-d.base, zipLocal) {
		return
	}
	for i := range d.entries {
		d.entries[i].header -= d.base
	}
	d.base = 0
	d.find(WrongZipDirectory)
}

// readZip64End reads the locator before an end record and the record that it
// points to (§4.3.14, §4.3.15).
func readZip64End(b []byte, at int64) (at64 int64, count, size, offset uint64, ok bool) {
	locator := at - 20
	if locator < 0 || !hasAt(b, locator, zip64Locate) {
		return 0, 0, 0, 0, false
	}
	where := u64(b[locator+8:])
	// With data in front the locator is off; the record then stands right before it.
	if where > uint64(len(b)) || !hasAt(b, int64(where), zip64End) {
		where = uint64(max(locator-56, 0))
	}
	if !hasAt(b, int64(where), zip64End) || int64(where)+56 > int64(len(b)) {
		return 0, 0, 0, 0, false
	}
	r := b[where:]
	return int64(where), u64(r[32:]), u64(r[40:]), u64(r[48:]), true
}

func hasAt(b []byte, at int64, signature string) bool {
	return at >= 0 && at+int64(len(signature)) <= int64(len(b)) && string(b[at:at+int64(len(signature))]) == signature
}

// readEntries reads the directory headers from start on.
func (d *zipDirectory) readEntries(b []byte, start, end int64, count uint64, limit int) {
	at := start
	for at+zipCentralSize <= end && hasAt(b, at, zipCentral) {
		h := b[at:]
		nameLen, extraLen, commentLen := int64(u16(h[28:])), int64(u16(h[30:])), int64(u16(h[32:]))
		next := at + zipCentralSize + nameLen + extraLen + commentLen
		if next > end {
			d.find(MalformedArchive)
			break
		}
		rawName := h[zipCentralSize : zipCentralSize+nameLen]
		extra := h[zipCentralSize+nameLen : zipCentralSize+nameLen+extraLen]
		e := zipEntry{
			flags: u16(h[8:]), method: u16(h[10:]), crc: u32(h[16:]),
			packed: int64(u32(h[20:])), size: int64(u32(h[24:])), header: int64(u32(h[42:])),
		}
		e.name = zipName(rawName, e.flags)
		e.modTime = u16(h[12:])
		e.readAES(extra)
		if h[5] == 3 { // §4.4.2: made on Unix, so the upper half is a file mode
			e.unixMode = u32(h[38:]) >> 16
		}
		if !widen(&e, extra) {
			d.find(MalformedArchive)
		}
		e.header += d.base
		d.entries = append(d.entries, e)
		at = next
		if len(d.entries) > limit {
			d.more = true
			return
		}
	}
	d.listEnd = at
	if uint64(len(d.entries)) != count && uint64(len(d.entries))&0xffff != count {
		d.find(MalformedArchive)
	}
}

// widen replaces sizes that did not fit 32 bits from the zip64 field (§4.5.3).
func widen(e *zipEntry, extra []byte) bool {
	need := e.size == 0xffffffff || e.packed == 0xffffffff || e.header == 0xffffffff
	for len(extra) >= 4 {
		id, length := u16(extra), int(u16(extra[2:]))
		if length > len(extra)-4 {
			return !need
		}
		field := extra[4 : 4+length]
		extra = extra[4+length:]
		if id != 1 {
			continue
		}
		for _, v := range []*int64{&e.size, &e.packed, &e.header} {
			if *v != 0xffffffff {
				continue
			}
			if len(field) < 8 {
				return false
			}
			wide := u64(field)
			if wide > 1<<62 {
				return false
			}
			*v, field = int64(wide), field[8:]
		}
		return true
	}
	return !need
}

// zipName decodes a member name: UTF-8 where flagged or valid, else code page
// 437 (Appendix D).
func zipName(raw []byte, flags uint16) string {
	if flags&flagUTF8 != 0 || utf8.Valid(raw) {
		return string(raw)
	}
	name, err := charmap.CodePage437.NewDecoder().Bytes(raw)
	if err != nil {
		return string(raw)
	}
	return string(name)
}

// readZipLocal reads the local header of an entry, sets where its bytes are, and
// tells whether the two headers agree; ok is false where there is no header.
func readZipLocal(b []byte, e *zipEntry) (agree, ok bool) {
	if e.header < 0 || e.header+zipLocalSize > int64(len(b)) || !hasAt(b, e.header, zipLocal) {
		return false, false
	}
	h := b[e.header:]
	nameLen, extraLen := int64(u16(h[26:])), int64(u16(h[28:]))
	dataAt := e.header + zipLocalSize + nameLen + extraLen
	if dataAt > int64(len(b)) || e.packed > int64(len(b))-dataAt {
		return false, false
	}
	e.dataAt, e.end = dataAt, dataAt+e.packed
	local := zipEntry{
		flags: u16(h[6:]), method: u16(h[8:]), crc: u32(h[14:]),
		packed: int64(u32(h[18:])), size: int64(u32(h[22:])),
	}
	local.name = zipName(h[zipLocalSize:zipLocalSize+nameLen], local.flags)
	widen(&local, h[zipLocalSize+nameLen:zipLocalSize+nameLen+extraLen])
	if (local.flags^e.flags)&flagEncrypted != 0 || local.method != e.method {
		return false, true
	}
	if e.flags&flagMasked == 0 && local.name != e.name {
		return false, true
	}
	if local.flags&flagDescriptor != 0 {
		// What is missing here follows the data (§4.3.9); macOS leaves out one of
		// the two sizes.
		return (local.packed == 0 || local.packed == e.packed) && (local.size == 0 || local.size == e.size), true
	}
	return local.packed == e.packed && local.size == e.size, true
}
