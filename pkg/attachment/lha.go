package attachment

import (
	"bytes"
	"io"
	"strings"
)

// openLHA lists an LHA archive, whose headers come in four levels: stored files are
// looked at, packed ones are listed. It is unsupported either way.
func (w *walker) openLHA(a *Attachment, f file) error {
	a.add(UnsupportedContainer)
	b := f.content
	var all layout
	at := int64(0)
	for at < int64(len(b)) && b[at] != 0 {
		e, ok := readLHA(b[at:])
		if !ok {
			break
		}
		all.add(spanStructure, at, at+e.head)
		all.add(spanMember, at+e.head, at+e.head+e.packed)
		data := b[at+e.head : at+e.head+e.packed]
		at += e.head + e.packed
		var err error
		switch e.method {
		case "-lhd-":
			err = w.pass()
		case "-lh0-", "-lz4-", "-pm0-":
			f.sealed = true
			_, err = w.member(a, f, e.name, e.size, &crc16Reader{r: bytes.NewReader(data), crc: e.crc})
		default:
			err = w.refuse(a, f, e.name, e.size, UnsupportedMethod)
		}
		if err != nil {
			return err
		}
	}
	if at < int64(len(b)) && b[at] == 0 {
		all.add(spanStructure, at, at+1)
		at++
	}
	if !blank(b[at:]) {
		a.add(DataAfterArchive)
		all.add(spanNamed, at, int64(len(b)))
	}
	all.settle(a, b)
	return nil
}

type lhaEntry struct {
	method, name       string
	head, packed, size int64
	crc                uint16
}

// readLHA reads one header of level 0 to 3.
func readLHA(b []byte) (e lhaEntry, ok bool) {
	if len(b) < 24 || !isLHA(b) {
		return e, false
	}
	e.method = string(b[2:7])
	e.packed, e.size = int64(u32(b[7:])), int64(u32(b[11:]))
	extended, wide := []byte(nil), 2 // how long the sizes of extensions are
	switch b[20] {
	case 0, 1:
		name := int(b[21])
		e.head = int64(b[0]) + 2
		if e.head > int64(len(b)) || int64(22+name+2) > e.head {
			return e, false
		}
		e.name, e.crc = string(b[22:22+name]), u16(b[22+name:])
		if b[20] == 1 {
			if e.head < 2 {
				return e, false
			}
			extended = b[e.head-2:]
		}
	case 2:
		e.head, e.crc = int64(u16(b)), u16(b[21:])
		if e.head < 26 || e.head > int64(len(b)) {
			return e, false
		}
		extended = b[24:e.head]
	case 3:
		if len(b) < 32 {
			return e, false
		}
		e.head, e.crc = int64(u32(b[24:])), u16(b[21:])
		if e.head < 32 || e.head > int64(len(b)) {
			return e, false
		}
		extended, wide = b[28:e.head], 4
	default:
		return e, false
	}
	folder := ""
	for len(extended) >= wide {
		size := int(u16(extended))
		if wide == 4 {
			size = int(min(u32(extended), 1<<20))
		}
		extended = extended[wide:]
		if size == 0 {
			break
		}
		if size < wide+1 || size > len(extended) {
			return e, false
		}
		switch value := string(extended[1 : size-wide]); extended[0] {
		case 1:
			e.name = value
		case 2:
			folder = strings.ReplaceAll(value, "\xff", "/")
		}
		if b[20] == 1 { // there the extensions count as packed bytes
			e.head += int64(size)
			e.packed -= int64(size)
		}
		extended = extended[size-wide:]
	}
	e.name = zipName([]byte(folder+e.name), 0)
	return e, e.packed >= 0 && e.head <= int64(len(b)) && e.packed <= int64(len(b))-e.head
}

// crc16Reader ends with an error where bytes have another sum (CRC-16/ARC).
type crc16Reader struct {
	r   io.Reader
	crc uint16
	sum uint16
}

func (c *crc16Reader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	for _, v := range p[:n] {
		c.sum ^= uint16(v)
		for range 8 {
			c.sum = c.sum>>1 ^ 0xa001*(c.sum&1)
		}
	}
	if err == io.EOF && c.sum != c.crc {
		err = MalformedArchive
	}
	return n, err
}
