package attachment

import (
	"bytes"
	"errors"
	"io"

	"github.com/bodgit/sevenzip"
)

// openSevenZip walks a 7z archive.
func (w *walker) openSevenZip(a *Attachment, f file) error {
	folders, end, reason := readSevenHeader(f.content, w.options.Limits)
	if reason != "" {
		return reason
	}
	if !blank(f.content[end:]) {
		a.add(DataAfterArchive)
	}
	if len(folders) == 0 && end == 32 {
		return nil
	}
	r, err := sevenzip.NewReader(bytes.NewReader(f.content), int64(len(f.content)))
	if err != nil {
		return sevenReason(err)
	}
	for _, member := range r.File {
		if err := w.sevenMember(a, f, folders, member); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) sevenMember(a *Attachment, f file, folders []sevenFolder, member *sevenzip.File) error {
	if member.FileInfo().IsDir() {
		return w.pass()
	}
	size := int64(min(member.UncompressedSize, 1<<62))
	if size > 0 {
		if member.Stream < 0 || member.Stream >= len(folders) {
			return MalformedArchive
		}
		if reason := folders[member.Stream].reason; reason != "" {
			return w.refuse(a, f, member.Name, size, reason)
		}
	}
	r, err := member.Open()
	if err != nil {
		return w.refuse(a, f, member.Name, size, sevenReason(err))
	}
	defer r.Close()
	_, err = w.member(a, f, member.Name, size, &checkedReader{r: sevenErrors{r}, size: size, crc: member.CRC32})
	return err
}

// sevenErrors names the library's errors as ours.
type sevenErrors struct{ r io.Reader }

func (e sevenErrors) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = sevenReason(err)
	}
	return n, err
}

func sevenReason(err error) Reason {
	var read *sevenzip.ReadError
	if errors.As(err, &read) && read.Encrypted {
		return EncryptedArchive
	}
	var value sevenzip.ReadError
	if errors.As(err, &value) && value.Encrypted {
		return EncryptedArchive
	}
	return MalformedArchive
}
