package attachment

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
)

// openTar walks a tape archive of any of the formats that archive/tar reads.
func (w *walker) openTar(a *Attachment, f file) error {
	source := bytes.NewReader(f.content)
	r := tar.NewReader(source)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return MalformedArchive
		}
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
	}
	// Two zero blocks end an archive, but not every reader stops there.
	rest := f.content[len(f.content)-source.Len():]
	if !blank(rest) {
		a.add(DataAfterArchive)
	}
	return nil
}

// pass accounts for an entry that holds no bytes.
func (w *walker) pass() error {
	if w.budget.member() != "" {
		return errStop
	}
	return nil
}
