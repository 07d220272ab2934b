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
	if len(hidden) > 0 {
		d.find(HiddenMember)
	}
	return hidden
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
