package attachment

import (
	"bytes"
	"errors"
	"io"

	"github.com/nwaples/rardecode/v2"
)

// openRAR walks an archive of RAR 1.5 to 7.
func (w *walker) openRAR(a *Attachment, f file) error {
	blocks := readRARBlocks(f.content)
	if rest := f.content[blocks.end:]; !blank(rest) {
		a.add(DataAfterArchive)
		blocks.layout.add(spanNamed, blocks.end, int64(len(f.content)))
	}
	blocks.layout.settle(a, f.content)
	locked, err := w.walkRAR(a, f, "")
	if locked == "" {
		return err
	}
	before := len(a.Children)
	password, ok := w.unlock(blocks.rounds, func(password string) bool { return w.opensRAR(f, password) })
	switch {
	case w.budget.stopped() != "":
		return errStop
	case !ok && locked == EncryptedArchive && before > 0:
		return err
	case !ok:
		return locked
	}
	a.Children = []Attachment{}
	a.drop(EncryptedArchive)
	f.sealed = true
	if before == 0 { // the names were encrypted too
		a.add(PasswordInMail)
	}
	_, err = w.walkRAR(a, f, password)
	return err
}

// walkRAR walks an archive with a password, where there is one. Locked is why a
// password is needed.
func (w *walker) walkRAR(a *Attachment, f file, password string) (locked Reason, err error) {
	r, err := w.rarReader(f, password)
	if err != nil {
		return rarLocked(rarReason(err))
	}
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return locked, nil
		}
		if err != nil {
			if reason := rarReason(err); reason != EncryptedArchive {
				return locked, reason
			}
			return EncryptedArchive, EncryptedArchive
		}
		encrypted := h.Encrypted || h.HeaderEncrypted
		switch {
		case h.IsDir:
			err = w.pass()
		case encrypted && password == "":
			locked = EncryptedArchive
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
			var child *Attachment
			child, err = w.member(a, f, h.Name, size, rarErrors{r})
			if child != nil && encrypted {
				child.add(PasswordInMail)
				child.judge()
			}
		}
		if err != nil {
			return locked, err
		}
	}
}

func rarLocked(reason Reason) (Reason, error) {
	if reason == EncryptedArchive {
		return reason, reason
	}
	return "", reason
}

func (w *walker) rarReader(f file, password string) (*rardecode.Reader, error) {
	options := []rardecode.Option{rardecode.MaxDictionarySize(w.options.Limits.Dictionary)}
	if password != "" {
		options = append(options, rardecode.Password(password))
	}
	return rardecode.NewReader(bytes.NewReader(f.content), options...)
}

// opensRAR tells whether the first encrypted file unpacks with a password to what
// its check sum says.
func (w *walker) opensRAR(f file, password string) (opens bool) {
	err := guard(func() error {
		r, err := w.rarReader(f, password)
		if err != nil {
			return err
		}
		for {
			h, err := r.Next()
			if err != nil {
				return err
			}
			if h.IsDir || !h.Encrypted && !h.HeaderEncrypted {
				continue
			}
			_, reason, err := w.stream(f, h.UnPackedSize, r)
			opens = reason == "" && err == nil
			return err
		}
	})
	return err == nil && opens
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
