package attachment

import (
	"bytes"
	"sort"
)

// checkLayout finds members that share bytes, bytes that belong to no member,
// and members that the directory does not list. It returns the latter.
func (d *zipDirectory) checkLayout(b []byte) (hidden []zipEntry) {
	order := make([]*zipEntry, 0, len(d.entries))
	for i := range d.entries {
		if d.entries[i].dataAt > 0 {
			order = append(order, &d.entries[i])
		}
	}
	sort.Slice(order, func(i, j int) bool { return order[i].header < order[j].header })
	reached := int64(0)
	for i, e := range order {
		if i > 0 && e.header < reached || e.end > d.at && d.at > e.header {
			d.find(OverlappingMembers)
		}
		if e.header > reached {
			if i == 0 && !blank(b[reached:e.header]) && !splitMarker(b[reached:e.header]) {
				d.find(DataBeforeArchive)
			}
			hidden = append(hidden, localsIn(b, reached, e.header)...)
		}
		reached = max(reached, e.end)
	}
	if d.at > reached {
		if len(order) == 0 && !blank(b[reached:d.at]) {
			d.find(DataBeforeArchive)
		}
		hidden = append(hidden, localsIn(b, reached, d.at)...)
	}
	if d.end < int64(len(b)) && !blank(b[d.end:]) {
		d.find(DataAfterArchive)
		hidden = append(hidden, localsIn(b, d.end, int64(len(b)))...)
	}
	if d.more {
		return nil // they may be listed behind those that were read
	}
	if len(hidden) > 0 {
		d.find(HiddenMember)
	}
	return hidden
}

// layout says what all bytes of the archive are, once its members are known.
func (d *zipDirectory) layout(b []byte, hidden []zipEntry) layout {
	var l layout
	first := d.at
	for _, list := range [][]zipEntry{d.entries, hidden} {
		for i := range list {
			e := &list[i]
			if e.dataAt == 0 {
				continue
			}
			first = min(first, e.header)
			l.add(spanStructure, e.header, e.dataAt)
			l.add(spanMember, e.dataAt, e.end)
			l.add(spanStructure, e.end, e.end+descriptorSize(b, e))
		}
	}
	if !blank(b[:first]) {
		l.add(spanNamed, 0, first)
	}
	l.add(spanStructure, d.at, d.listEnd)
	l.add(spanStructure, d.tail, d.end)
	if !blank(b[d.end:]) {
		l.add(spanNamed, d.end, int64(len(b)))
	}
	return l
}

// descriptorSize is how many bytes behind a member repeat its check sum and
// sizes (§4.3.9), in any of the forms that writers use; 0 where there are none.
func descriptorSize(b []byte, e *zipEntry) int64 {
	if e.flags&flagDescriptor == 0 {
		return 0
	}
	at, mark := e.end, int64(0)
	if hasAt(b, at, "PK\x07\x08") {
		at, mark = at+4, 4
	}
	rest := b[min(at, int64(len(b))):]
	switch {
	case len(rest) >= 20 && u64(rest[4:]) == uint64(e.packed) && (e.size < 0 || u64(rest[12:]) == uint64(e.size)):
		return mark + 20
	case len(rest) >= 12 && u32(rest[4:]) == uint32(e.packed) && (e.size < 0 || u32(rest[8:]) == uint32(e.size)):
		return mark + 12
	case mark > 0:
		return 16
	}
	return 0
}

// splitMarker knows the marker that a spanned archive which became one begins
// with (§8.5.5).
func splitMarker(gap []byte) bool {
	return string(gap) == "PK\x07\x08" || string(gap) == "PK00"
}

func blank(b []byte) bool {
	return len(bytes.Trim(b, "\x00\r\n\t \x1a")) == 0
}

// localsIn finds local headers between two places.
func localsIn(b []byte, from, to int64) []zipEntry {
	var found []zipEntry
	for at := from; at+zipLocalSize <= to && len(found) < 1024; {
		i := bytes.Index(b[at:to], []byte(zipLocal))
		if i < 0 {
			break
		}
		at += int64(i)
		e, ok := localAlone(b, at, to)
		if !ok {
			at += 4
			continue
		}
		found = append(found, e)
		at = max(e.end, at+4)
	}
	return found
}

// localAlone reads a member by its local header alone; ok is false where what
// follows the signature is no header.
func localAlone(b []byte, at, to int64) (zipEntry, bool) {
	if at+zipLocalSize > to {
		return zipEntry{}, false
	}
	h := b[at:to]
	nameLen, extraLen := int64(u16(h[26:])), int64(u16(h[28:]))
	if u16(h[4:])&0xff > 63 || nameLen == 0 || zipLocalSize+nameLen+extraLen > int64(len(h)) {
		return zipEntry{}, false
	}
	e := zipEntry{
		flags: u16(h[6:]), method: u16(h[8:]), crc: u32(h[14:]),
		packed: int64(u32(h[18:])), size: int64(u32(h[22:])), header: at,
	}
	e.name = zipName(h[zipLocalSize:zipLocalSize+nameLen], e.flags)
	if !widen(&e, h[zipLocalSize+nameLen:zipLocalSize+nameLen+extraLen]) {
		return zipEntry{}, false
	}
	e.dataAt = at + zipLocalSize + nameLen + extraLen
	if e.flags&flagDescriptor != 0 && e.packed == 0 {
		e.packed, e.size = to-e.dataAt, -1 // to wherever its stream ends
	}
	if e.packed > to-e.dataAt {
		e.packed = to - e.dataAt
	}
	e.end = e.dataAt + e.packed
	return e, true
}
