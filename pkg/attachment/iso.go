package attachment

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"unicode/utf16"
)

const (
	isoSector      = 2048
	isoDescriptors = 16 // the sector of the first volume descriptor (ECMA-119 §8.1)

	isoDirectory   = 1 << 1 // flags of a directory record (§9.1.6)
	isoMoreExtents = 1 << 7
)

// openISO walks an ISO 9660 image (ECMA-119): the tree with Joliet names, which
// Windows shows, and then what only the plain tree has. A tree in UDF beside
// them, or alone, is not read.
func (w *walker) openISO(a *Attachment, f file) error {
	b := f.content
	var plain, joliet []byte
	descriptors := int64(0)
	for n := isoDescriptors; n < isoDescriptors+64 && (n+1)*isoSector <= len(b); n++ {
		d := b[n*isoSector : (n+1)*isoSector]
		if isISO(b[(n-isoDescriptors)*isoSector:]) {
			descriptors = int64(n+1) * isoSector
		}
		switch string(d[1:6]) {
		case "BEA01", "NSR02", "NSR03":
			a.add(UnsupportedContainer)
		case "CD001":
			switch {
			case d[0] == 1:
				plain = d
			case d[0] == 2 && d[88] == '%' && d[89] == '/':
				joliet = d
			}
		}
	}
	if plain == nil && joliet == nil {
		a.add(UnsupportedContainer)
		return nil
	}
	image := isoImage{w: w, a: a, f: f, seen: map[[2]uint32]bool{}}
	image.layout.add(spanStructure, 0, max(descriptors, isoDescriptors*isoSector)) // for whoever boots from it
	for _, d := range [][]byte{joliet, plain} {
		if d == nil {
			continue
		}
		image.wide = d[0] == 2
		for _, table := range []uint32{u32(d[140:]), u32(d[144:]), binary.BigEndian.Uint32(d[148:]), binary.BigEndian.Uint32(d[152:])} {
			image.claim(spanStructure, [2]uint32{table, u32(d[132:])}) // of paths (ECMA-119 §9.4)
		}
		if err := image.directory(d[156:190], "", 0); err != nil {
			return err
		}
	}
	image.layout.settle(a, b)
	return nil
}

// claim accounts for an extent, which fills whole sectors.
func (i *isoImage) claim(kind int, at [2]uint32) {
	if at[0] > 0 && at[1] > 0 {
		from, size := int64(at[0])*isoSector, int64(at[1])
		i.layout.add(kind, from, from+size)
		i.layout.add(spanStructure, from+size, from+(size+isoSector-1)/isoSector*isoSector)
	}
}

type isoImage struct {
	w      *walker
	a      *Attachment
	f      file
	wide   bool // names are UTF-16
	layout layout
	seen   map[[2]uint32]bool // extents already walked, by place and size
}

// isoDepth bounds folders within folders; the standard allows eight.
const isoDepth = 64

// extent is the place and the size that a directory record tells.
func extent(record []byte) [2]uint32 { return [2]uint32{u32(record[2:]), u32(record[10:])} }

// bytes of an extent; nil where it leaves the image.
func (i *isoImage) bytes(at [2]uint32) []byte {
	from, size := int64(at[0])*isoSector, int64(at[1])
	if size == 0 {
		return []byte{} // empty files, links and devices need no place
	}
	if from > int64(len(i.f.content)) || size > int64(len(i.f.content))-from {
		return nil
	}
	return i.f.content[from : from+size]
}

// directory walks the records of one folder (§9.1).
func (i *isoImage) directory(record []byte, folder string, depth int) error {
	at := extent(record)
	if i.seen[at] {
		return nil
	}
	i.seen[at] = true
	records := i.bytes(at)
	if records == nil || depth > isoDepth {
		return MalformedArchive
	}
	i.claim(spanStructure, at)
	var pieces []io.Reader
	size, fresh := int64(0), false
	for n := 0; n+34 <= len(records); {
		length := int(records[n])
		if length == 0 { // records do not cross sectors
			n = (n/isoSector + 1) * isoSector
			continue
		}
		if length < 34 || n+length > len(records) || 33+int(records[n+32]) > length {
			return MalformedArchive
		}
		r := records[n : n+length]
		n += length
		raw := r[33 : 33+r[32]]
		i.continuation(r[min(len(r), 33+int(r[32])+1-int(r[32])%2):]) // names are padded to an odd length
		if len(raw) == 1 && raw[0] <= 1 {                             // the folder itself and the one above
			continue
		}
		name := folder + i.name(raw)
		if r[25]&isoDirectory != 0 {
			if err := i.w.pass(); err != nil {
				return err
			}
			if err := i.directory(r, name+"/", depth+1); err != nil {
				return err
			}
			continue
		}
		where := extent(r)
		content := i.bytes(where)
		if content == nil {
			return MalformedArchive
		}
		fresh = fresh || !i.seen[where]
		i.seen[where] = true
		i.claim(spanMember, where)
		pieces = append(pieces, bytes.NewReader(content))
		size += int64(len(content))
		if r[25]&isoMoreExtents != 0 {
			continue
		}
		if fresh {
			if _, err := i.w.member(i.a, i.f, name, size, io.MultiReader(pieces...)); err != nil {
				return err
			}
		}
		pieces, size, fresh = nil, 0, false
	}
	return nil
}

// continuation accounts for what extensions of a record keep elsewhere (SUSP 1.12
// §5.1, of which Rock Ridge makes use).
func (i *isoImage) continuation(use []byte) {
	for len(use) >= 4 && int(use[2]) >= 4 && int(use[2]) <= len(use) {
		if string(use[:2]) == "CE" && use[2] >= 28 {
			from := int64(u32(use[4:]))*isoSector + int64(u32(use[12:]))
			i.layout.add(spanStructure, from, from+int64(u32(use[20:])))
		}
		use = use[use[2]:]
	}
}

// name decodes a file identifier and drops its version (§7.5.1).
func (i *isoImage) name(raw []byte) string {
	name := string(raw)
	if i.wide {
		units := make([]uint16, len(raw)/2)
		for n := range units {
			units[n] = binary.BigEndian.Uint16(raw[2*n:])
		}
		name = string(utf16.Decode(units))
	}
	name, _, _ = strings.Cut(name, ";")
	return strings.TrimSuffix(name, ".")
}
