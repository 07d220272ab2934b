package attachment

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
)

// Encrypted presentations of PowerPoint 97 to 2003 ([MS-PPT] §2.3.7): each object that the
// directory of persistent objects names is encrypted apart, under RC4 by CryptoAPI, with its
// number for the block. Pictures have a stream of their own, which stays closed.

const (
	pptUserEdit     = 0x0ff5 // §2.3.3
	pptDirectory    = 0x1772 // §2.3.4
	pptCryptSession = 0x2f14 // §2.3.7
	pptEdits        = 1000   // that are followed
)

// A pptObjects are the places of persistent objects by their numbers, and the number of the
// one that says how they are encrypted.
type pptObjects struct {
	at      map[uint32]uint32
	session uint32
}

// readPPTObjects follows the edits from the latest to the first; what a later one names
// counts.
func readPPTObjects(user, b []byte) (o pptObjects, ok bool) {
	if len(user) < 20 {
		return o, false
	}
	o.at = map[uint32]uint32{}
	next, read := u32(user[16:]), 0
	for n := 0; n < pptEdits; n++ {
		edit, ok := pptRecord(b, next, pptUserEdit)
		if !ok || len(edit) < 28 {
			return o, false
		}
		if n == 0 && len(edit) >= 32 {
			o.session = u32(edit[28:])
		}
		directory, ok := pptRecord(b, u32(edit[12:]), pptDirectory)
		if !ok {
			return o, false
		}
		if read += len(directory); read > len(b) { // each is read once
			return o, false
		}
		o.read(directory)
		last := u32(edit[8:])
		if last == 0 {
			return o, true
		}
		if last >= next { // they were appended one behind the other
			return o, false
		}
		next = last
	}
	return o, false
}

func (o *pptObjects) read(directory []byte) {
	for len(directory) >= 4 {
		first := u32(directory)
		id, count := first&0xfffff, first>>20
		directory = directory[4:]
		for ; count > 0 && len(directory) >= 4; count-- {
			if _, known := o.at[id]; !known {
				o.at[id] = u32(directory)
			}
			id++
			directory = directory[4:]
		}
	}
}

// pptRecord gives the data of the record of a kind that stands at a place.
func pptRecord(b []byte, at uint32, kind uint16) ([]byte, bool) {
	if uint64(at)+8 > uint64(len(b)) || u16(b[at+2:]) != kind {
		return nil, false
	}
	length := u32(b[at+4:])
	if uint64(at)+8+uint64(length) > uint64(len(b)) {
		return nil, false
	}
	return b[at+8 : uint64(at)+8+uint64(length)], true
}

// open decrypts the objects, which may not overlap: each is read apart, and one text cannot show both.
func (o *pptObjects) open(lock *biffLock, password string, b []byte) ([]byte, bool) {
	plain := bytes.Clone(b)
	last := uint64(0) // where the object before ends
	for _, id := range slices.SortedFunc(maps.Keys(o.at), func(a, b uint32) int {
		return cmp.Or(cmp.Compare(o.at[a], o.at[b]), cmp.Compare(a, b))
	}) {
		at := o.at[id]
		if id == o.session || uint64(at)+8 > uint64(len(b)) {
			continue
		}
		if kind := u16(b[at+2:]); kind == pptUserEdit || kind == pptDirectory {
			continue
		}
		c := lock.cipher(password, id)
		if c == nil {
			return nil, false
		}
		head := make([]byte, 8)
		c.XORKeyStream(head, b[at:at+8])
		end := uint64(at) + 8 + uint64(u32(head[4:]))
		if end > uint64(len(b)) || uint64(at) < last {
			return nil, false
		}
		last = end
		copy(plain[at:], head)
		c.XORKeyStream(plain[at+8:end], b[at+8:end])
	}
	return plain, true
}

// openPresentation looks at an older presentation that is encrypted, where a password is known.
func (w *walker) openPresentation(a *Attachment, f file, c *cfb) error {
	var streams [2][]byte
	for i, name := range []string{"Current User", "PowerPoint Document"} {
		n := c.named(name)
		if n < 0 {
			return nil
		}
		content, reason, err := w.stream(f, c.entries[n].size, c.open(n))
		if reason != "" {
			return errStop
		}
		if err != nil {
			return nil // said already
		}
		streams[i] = bytes.Clone(content)
	}
	document := streams[1]
	objects, ok := readPPTObjects(streams[0], document)
	if !ok {
		return nil
	}
	session, ok := pptRecord(document, objects.at[objects.session], pptCryptSession)
	if !ok {
		return nil
	}
	lock := readRC4Lock(session)
	if lock == nil {
		return nil
	}
	password, why, ok := w.tryOffice(biffRounds, lock.opens)
	if w.budget.stopped() != "" {
		return errStop
	}
	if !ok {
		return nil
	}
	plain, ok := objects.open(lock, password, document)
	if !ok {
		return MalformedDocument
	}
	a.drop(EncryptedDocument)
	a.add(why)
	f.sealed = true
	return w.powerPointBinary(a, f, plain)
}
