package attachment

import "bytes"

// openHidden looks for a second kind of content in a file that already is of
// one kind: an archive behind a picture, a PDF behind a few other bytes.
func (w *walker) openHidden(a *Attachment, f file) {
	if !mayHide(a.DetectedType) {
		return
	}
	if d := readZipDirectory(f.content, w.options.Limits.Members); d != nil && len(d.entries) > 0 {
		if _, ok := readZipLocal(f.content, &d.entries[0]); ok {
			if familyOf(a.DetectedType) != program { // a self-extracting archive is said to be a program
				a.add(Polyglot)
			}
			a.drop(UnsupportedContainer) // said because no decoder knew its beginning
			w.run(a, f, w.openZip)
		}
	}
	if a.DetectedType != "application/pdf" && bytes.Contains(f.content[:min(len(f.content), pdfHeadWithin)], []byte("%PDF-")) {
		switch familyOf(a.DetectedType) {
		case text, webpage, message:
			// Words about PDF are no PDF, unless a reader would find one.
			if !bytes.Contains(f.content, []byte("startxref")) {
				return
			}
		}
		a.add(Polyglot)
		w.run(a, f, w.openPDF)
	}
}

// pdfHeadWithin is how far into a file readers look for the start of a PDF
// (ISO 32000-1 Annex H, implementation note 13).
const pdfHeadWithin = 1024

// mayHide names the types that hold no archive by their nature. Containers do,
// and unpack what they hold anyway.
func mayHide(mediaType string) bool {
	switch mediaType {
	case "application/x-shockwave-flash", octetStream:
		return true
	case "application/java-archive", "application/vnd.android.package-archive", "application/x-ms-installer",
		"application/vnd.debian.binary-package", "application/x-rpm":
		return false
	}
	switch familyOf(mediaType) {
	case text, picture, media, font, pdf, webpage, program, script, shortcut:
		return true
	}
	return mediaType == "text/rtf"
}
