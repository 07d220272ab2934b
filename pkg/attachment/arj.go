package attachment

import "bytes"

// openARJ lists an ARJ archive (ARJ technical information, of its unarj): stored
// files are looked at, packed ones are listed. It is unsupported either way.
func (w *walker) openARJ(a *Attachment, f file) error {
	a.add(UnsupportedContainer)
	b := f.content
	var all layout
	for at := int64(0); ; {
		head, next, ok := arjHeader(b, at)
		if !ok {
			return nil // unsupported, as is said
		}
		all.add(spanStructure, at, next)
		if head == nil { // the end
			if rest := b[next:]; !blank(rest) {
				a.add(DataAfterArchive)
				all.add(spanNamed, next, int64(len(b)))
			}
			all.settle(a, b)
			return nil
		}
		flags, method, kind := head[4], head[5], head[6]
		name, _, _ := cString(head[head[0]:])
		if at = next; kind == 2 { // the archive's own header
			if flags&0x04 != 0 {
				a.add(MissingVolume)
			}
			continue
		}
		packed, size := int64(u32(head[12:])), int64(u32(head[16:]))
		if packed > int64(len(b))-at {
			return w.refuse(a, f, name, size, MalformedArchive)
		}
		all.add(spanMember, at, at+packed)
		data := b[at : at+packed]
		at += packed
		var err error
		switch {
		case flags&0x01 != 0:
			err = w.refuse(a, f, name, size, EncryptedArchive)
		case flags&0x0c != 0: // goes on in, or comes from, another volume
			err = w.refuse(a, f, name, size, MissingVolume)
		case kind > 1:
			err = w.pass()
		case method != 0:
			err = w.refuse(a, f, name, size, UnsupportedMethod)
		default:
			f.sealed = true
			_, err = w.member(a, f, name, size, &checkedReader{r: bytes.NewReader(data), size: size, crc: u32(head[20:])})
		}
		if err != nil {
			return err
		}
	}
}

// arjHeader reads the basic header at a place, nil for the one that ends the
// archive, and says where what follows it and its extensions begins.
func arjHeader(b []byte, at int64) (head []byte, next int64, ok bool) {
	if at+4 > int64(len(b)) || b[at] != 0x60 || b[at+1] != 0xea {
		return nil, at, false
	}
	size := int64(u16(b[at+2:]))
	if at += 4; size == 0 {
		return nil, at, true
	}
	if size > 2600 || at+size+6 > int64(len(b)) { // and its check sum
		return nil, at, false
	}
	head = b[at : at+size]
	if len(head) < 30 || head[0] < 30 || int(head[0]) > len(head) {
		return nil, at, false
	}
	at += size + 4
	for {
		if at+2 > int64(len(b)) {
			return nil, at, false
		}
		extended := int64(u16(b[at:]))
		if at += 2; extended == 0 {
			return head, at, true
		}
		if at += extended + 4; at > int64(len(b)) {
			return nil, at, false
		}
	}
}
