package attachment

import (
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"hash/crc32"
	"io"
	"strings"

	"github.com/klauspost/compress/flate"
)

const unixTypeMask, unixSymlink = 0xf000, 0xa000

// openZip walks a zip archive: by its directory, and where that is missing or
// leaves members out, by the local headers.
func (w *walker) openZip(a *Attachment, f file) error {
	b := f.content
	d := readZipDirectory(b, w.options.Limits.Members)
	if d == nil {
		return w.openZipLocals(a, f)
	}
	for i := range d.entries {
		agree, ok := readZipLocal(b, &d.entries[i])
		if !ok {
			d.find(MalformedArchive)
		} else if !agree {
			d.find(ConflictingZipHeaders)
		}
	}
	hidden := d.checkLayout(b)
	if hasDuplicates(d.entries) {
		d.find(DuplicateMember)
	}
	a.add(d.findings...)
	document, open := newOOXML(a, d.entries), newOpenDocument(a, d.entries)
	for _, e := range append(d.entries, hidden...) {
		child, err := w.zipMember(a, f, e)
		if err != nil {
			return err
		}
		if child != nil && child.SHA256 != "" {
			document.member(e.name, w.scratch[f.depth+1], child)
			open.member(e.name, w.scratch[f.depth+1])
		}
	}
	document.finish()
	open.finish()
	if d.more {
		return MembersLimit
	}
	d.layout(b, hidden).settle(a, b)
	if locks, ok := readODFLocks(open.manifest); ok {
		return w.openLockedPackage(a, f, d.entries, locks)
	}
	return nil
}

// openZipLocals walks an archive that has no directory to go by.
func (w *walker) openZipLocals(a *Attachment, f file) error {
	a.add(MalformedArchive)
	for _, e := range localsIn(f.content, 0, int64(len(f.content))) {
		if _, err := w.zipMember(a, f, e); err != nil {
			return err
		}
	}
	return nil
}

// hasDuplicates tells whether two files have one name. Folders may repeat.
func hasDuplicates(entries []zipEntry) bool {
	seen := make(map[string]struct{}, len(entries))
	for i := range entries {
		name := strings.ToLower(strings.ReplaceAll(entries[i].name, `\`, "/"))
		if strings.HasSuffix(name, "/") && entries[i].size == 0 {
			continue
		}
		if _, ok := seen[name]; ok {
			return true
		}
		seen[name] = struct{}{}
	}
	return false
}

// zipMember looks at one member; folders are passed over and give nil.
func (w *walker) zipMember(a *Attachment, f file, e zipEntry) (*Attachment, error) {
	switch {
	case e.dataAt == 0:
		return nil, w.refuse(a, f, e.name, e.size, MalformedArchive)
	case strings.HasSuffix(e.name, "/") && e.size == 0 && e.packed == 0:
		return nil, nil
	case e.encrypted():
		return nil, w.encryptedMember(a, f, e)
	}
	packed := f.content[e.dataAt:e.end]
	r, err := w.zipMethod(e, packed)
	if err != nil {
		return nil, w.refuse(a, f, e.name, e.size, readReason("", err))
	}
	// Of the methods clamd knows the common ones (§4.4.5).
	f.sealed = e.method != 0 && e.method != 8 && e.method != 12
	child, err := w.member(a, f, e.name, e.size, &checkedReader{r: r, size: e.size, crc: e.crc, unchecked: e.size < 0})
	if child != nil && e.unixMode&unixTypeMask == unixSymlink {
		target := string(w.scratch[f.depth+1][:min(child.Size, 4096)])
		if escapes(target) {
			child.add(LinkMember)
			child.judge()
		}
	}
	return child, err
}

// zipMethod opens the packed bytes of a member (§4.4.5).
func (w *walker) zipMethod(e zipEntry, packed []byte) (io.Reader, error) {
	source := bytes.NewReader(packed)
	switch e.method {
	case 0:
		return source, nil
	case 8:
		return flate.NewReader(source), nil
	case 12:
		return bzip2.NewReader(source), nil
	case 14:
		return w.zipLZMA(e, packed)
	case 93, 20:
		return w.zstdReader(source)
	case 95:
		return w.xzReader(packed), nil
	}
	return nil, UnsupportedMethod
}

// zipLZMA opens method 14: a small header of its own, then a raw stream (§5.8.8).
func (w *walker) zipLZMA(e zipEntry, packed []byte) (io.Reader, error) {
	if len(packed) < 9 || u16(packed[2:]) != 5 {
		return nil, MalformedArchive
	}
	header := make([]byte, 13)
	copy(header, packed[4:9])
	size := uint64(e.size)
	if e.flags&(1<<1) != 0 { // §4.4.4: the stream ends with a marker
		size = 1<<64 - 1
	}
	binary.LittleEndian.PutUint64(header[5:], size)
	return w.lzmaReader(header, bytes.NewReader(packed[9:]))
}

// A checkedReader ends with an error where a member is not what its header
// says.
type checkedReader struct {
	r         io.Reader
	size      int64
	crc       uint32
	unchecked bool
	n         int64
	sum       uint32
}

func (c *checkedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.sum = crc32.Update(c.sum, crc32.IEEETable, p[:n])
	if c.unchecked {
		return n, err
	}
	if c.n > c.size {
		return n, MalformedArchive
	}
	if err == io.EOF && (c.n != c.size || c.sum != c.crc && c.crc != 0) {
		return n, MalformedArchive
	}
	return n, err
}
