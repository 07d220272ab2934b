package attachment

import (
	"bytes"
	"errors"
	"io"

	"github.com/bodgit/sevenzip"
)

// openSevenZip walks a 7z archive.
func (w *walker) openSevenZip(a *Attachment, f file) error {
	archive, reason := readSevenHeader(f.content, w.options.Limits, "")
	password := ""
	if reason == EncryptedArchive { // its names are encrypted too
		opened, ok := w.unlock(archive.folders[0].rounds, func(password string) bool {
			archive, reason = readSevenHeader(f.content, w.options.Limits, password)
			return reason == ""
		})
		if !ok {
			if w.budget.stopped() != "" {
				return errStop
			}
			return EncryptedArchive
		}
		password, f.sealed = opened, true
		a.add(PasswordInMail)
	}
	if reason != "" {
		return reason
	}
	if !blank(f.content[archive.end:]) {
		a.add(DataAfterArchive)
		archive.layout.add(spanNamed, archive.end, int64(len(f.content)))
	}
	archive.layout.settle(a, f.content)
	if len(archive.folders) == 0 && archive.end == 32 {
		return nil
	}
	r, err := sevenzip.NewReaderWithPassword(bytes.NewReader(f.content), int64(len(f.content)), password)
	if err != nil {
		return sevenReason(err)
	}
	if password == "" {
		if r, password = w.unlockSeven(f, r, archive.folders); w.budget.stopped() != "" {
			return errStop
		}
	}
	for _, member := range r.File {
		if err := w.sevenMember(a, f, archive.folders, member, password); err != nil {
			return err
		}
	}
	return nil
}

// unlockSeven tries the words of the mail on the smallest encrypted member and gives
// the archive as it opens with the right one; without one, as it was.
func (w *walker) unlockSeven(f file, r *sevenzip.Reader, folders []sevenFolder) (*sevenzip.Reader, string) {
	smallest := -1
	for i, member := range r.File {
		if sevenFolderOf(folders, member).encrypted && (smallest < 0 || member.UncompressedSize < r.File[smallest].UncompressedSize) {
			smallest = i
		}
	}
	if smallest < 0 {
		return r, ""
	}
	size := int64(min(r.File[smallest].UncompressedSize, 1<<62))
	password, ok := w.unlock(sevenFolderOf(folders, r.File[smallest]).rounds, func(password string) bool {
		with, err := sevenzip.NewReaderWithPassword(bytes.NewReader(f.content), int64(len(f.content)), password)
		if err != nil || len(with.File) != len(r.File) {
			return false
		}
		opened, err := with.File[smallest].Open()
		if err != nil {
			return false
		}
		defer opened.Close()
		_, reason, err := w.stream(f, size, &checkedReader{r: opened, size: size, crc: with.File[smallest].CRC32})
		return reason == "" && err == nil
	})
	if !ok {
		return r, ""
	}
	// What was opened on trial is in the middle of its stream.
	with, err := sevenzip.NewReaderWithPassword(bytes.NewReader(f.content), int64(len(f.content)), password)
	if err != nil {
		return r, ""
	}
	return with, password
}

// sevenFolderOf is the folder of a member, an empty one where it has none.
func sevenFolderOf(folders []sevenFolder, member *sevenzip.File) sevenFolder {
	if member.FileInfo().IsDir() || member.UncompressedSize == 0 || member.Stream < 0 || member.Stream >= len(folders) {
		return sevenFolder{}
	}
	return folders[member.Stream]
}

func (w *walker) sevenMember(a *Attachment, f file, folders []sevenFolder, member *sevenzip.File, password string) error {
	if member.FileInfo().IsDir() {
		return w.pass()
	}
	size := int64(min(member.UncompressedSize, 1<<62))
	if size > 0 && (member.Stream < 0 || member.Stream >= len(folders)) {
		return MalformedArchive
	}
	folder := sevenFolderOf(folders, member)
	switch {
	case folder.reason != "":
		return w.refuse(a, f, member.Name, size, folder.reason)
	case folder.encrypted && password == "":
		return w.refuse(a, f, member.Name, size, EncryptedArchive)
	}
	f.sealed = f.sealed || folder.encrypted
	r, err := member.Open()
	if err != nil {
		return w.refuse(a, f, member.Name, size, sevenReason(err))
	}
	defer r.Close()
	child, err := w.member(a, f, member.Name, size, &checkedReader{r: sevenErrors{r}, size: size, crc: member.CRC32})
	if child != nil && folder.encrypted {
		child.add(PasswordInMail)
		child.judge()
	}
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
