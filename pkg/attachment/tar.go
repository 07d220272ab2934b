package attachment

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
)

// tarBlock is the size of all records of a tape archive.
const tarBlock = 512

// openTar walks a tape archive of any of the formats that archive/tar reads.
func (w *walker) openTar(a *Attachment, f file) error {
	source := bytes.NewReader(f.content)
	r := tar.NewReader(source)
	var all layout
	at := func() int64 { return int64(len(f.content) - source.Len()) }
	end := int64(0) // behind the bytes of the last member
	for {
		h, err := r.Next()
		if err != nil {
			all.add(spanStructure, (end+tarBlock-1)/tarBlock*tarBlock, at())
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return MalformedArchive
		}
		// Headers, and what extends them, fill whole blocks.
		all.add(spanStructure, (end+tarBlock-1)/tarBlock*tarBlock, at())
		end = at()
		switch h.Typeflag {
		case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
			_, err = w.member(a, f, h.Name, h.Size, r)
		case tar.TypeSymlink, tar.TypeLink:
			if escapes(h.Linkname) {
				err = w.refuse(a, f, h.Name, 0, LinkMember)
			}
		case tar.TypeDir, tar.TypeChar, tar.TypeBlock, tar.TypeFifo, tar.TypeXGlobalHeader:
			err = w.pass()
		default:
			// A type that only its maker knows; its bytes are looked at all the same.
			_, err = w.member(a, f, h.Name, h.Size, r)
		}
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, r); err != nil { // of a member that was not read
			return MalformedArchive
		}
		all.add(spanMember, end, at())
		end = at()
		// No reader looks at what fills its last block; old writers leave what was in memory.
		all.add(spanStructure, end, (end+tarBlock-1)/tarBlock*tarBlock)
	}
	// Two zero blocks end an archive, but not every reader stops there.
	rest := f.content[len(f.content)-source.Len():]
	if !blank(rest) {
		a.add(DataAfterArchive)
		all.add(spanNamed, int64(len(f.content)-len(rest)), int64(len(f.content)))
	}
	all.settle(a, f.content)
	return nil
}

// pass accounts for an entry that holds no bytes.
func (w *walker) pass() error {
	if w.budget.member() != "" {
		return errStop
	}
	return nil
}
