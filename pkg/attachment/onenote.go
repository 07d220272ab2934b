package attachment

import "bytes"

// oneNoteFile begins each file that is embedded in a OneNote section
// ([MS-ONESTORE] §2.6.13): behind it its length, twelve bytes, and the file.
var oneNoteFile = []byte("\xe7\x16\xe3\xbd\x65\x26\x11\x45\xa4\xc4\x8d\x4d\x0b\x7a\x9e\xac")

// openOneNote takes out the files that are embedded in a OneNote document. Its pages
// are not read.
func (w *walker) openOneNote(a *Attachment, f file) error {
	a.add(UnsupportedContainer)
	for rest := range afterEach(f.content, string(oneNoteFile)) {
		if len(rest) < 20 {
			return MalformedDocument
		}
		size := u64(rest)
		if size > uint64(len(rest)-20) {
			return MalformedDocument
		}
		content, reason, err := w.stream(f, int64(size), bytes.NewReader(rest[20:20+size]))
		if reason != "" || err != nil {
			return errStop
		}
		if err := w.list(a, f, "", content); err != nil {
			return err
		}
	}
	return nil
}
