package attachment

import (
	"bytes"
	"errors"
	"io"

	"github.com/nwaples/rardecode/v2"
)

// openRAR walks an archive of RAR 1.5 to 7.
func (w *walker) openRAR(a *Attachment, f file) error {
	r, err := rardecode.NewReader(bytes.NewReader(f.content), rardecode.MaxDictionarySize(w.options.Limits.Dictionary))
	if err != nil {
		return rarReason(err)
	}
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return rarReason(err)
		}
		switch {
		case h.IsDir:
			err = w.pass()
		case h.Encrypted || h.HeaderEncrypted:
			err = w.refuse(a, f, h.Name, h.UnPackedSize, EncryptedArchive)
		case h.LinkType != rardecode.LinkTypeNone:
			err = w.pass()
			if err == nil && escapes(h.LinkTarget) {
				err = w.refuse(a, f, h.Name, 0, LinkMember)
			}
		default:
			size := h.UnPackedSize
			if h.UnKnownSize {
				size = 0
			}
			_, err = w.member(a, f, h.Name, size, rarErrors{r})
		}
		if err != nil {
			return err
		}
	}
}

// rarErrors names the library's errors as ours.
type rarErrors struct{ r io.Reader }

func (e rarErrors) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = rarReason(err)
	}
	return n, err
}

func rarReason(err error) Reason {
	is := func(targets ...error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
	switch {
	case is(rardecode.ErrArchiveEncrypted, rardecode.ErrArchivedFileEncrypted, rardecode.ErrBadPassword):
		return EncryptedArchive
	case is(rardecode.ErrMultiVolume, rardecode.ErrBadVolumeNumber, rardecode.ErrInvalidFileBlock):
		return MissingVolume
	case is(rardecode.ErrDictionaryTooLarge):
		return DictionaryLimit
	case is(rardecode.ErrUnknownVersion, rardecode.ErrUnsupportedDecoder, rardecode.ErrUnknownDecoder, rardecode.ErrUnknownFilter,
		rardecode.ErrMultipleDecoders, rardecode.ErrUnknownEncryptMethod):
		return UnsupportedMethod
	}
	return MalformedArchive
}
