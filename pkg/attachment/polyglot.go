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
	if is := familyOf(a.DetectedType); (is == picture || is == media || is == font) && a.DetectedType != "image/svg+xml" && hasAny(f.content, marksOfPages) {
		a.add(Polyglot)
	}
	w.openAppended(a, f)
}

// marksOfPages are what a browser would run in a picture that it takes for a page.
var marksOfPages = [][]byte{[]byte("<script"), []byte("<SCRIPT"), []byte("<iframe"), []byte("<?php")}

// An appended kind of archive is found by its signature, wherever it stands: its
// unpackers look for it there.
type appended struct {
	mark      string
	mediaType string
	plausible func(b []byte) bool
}

var appendedKinds = []appended{
	{"Rar!\x1a\x07", "application/vnd.rar", func(b []byte) bool {
		return readRARBlocks(b).end > int64(len(rarMark5))
	}},
	{"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed", func(b []byte) bool {
		_, reason := readSevenHeader(b, DefaultLimits, "")
		return reason != MalformedArchive
	}},
	{"MSCF\x00\x00\x00\x00", "application/vnd.ms-cab-compressed", func(b []byte) bool {
		_, ok := readCabinet(b)
		return ok
	}},
}

// openAppended lists archives that stand behind something else. Of each kind the
// first one that is an archive counts.
func (w *walker) openAppended(a *Attachment, f file) {
	for _, kind := range appendedKinds {
		rest := f.content
		for range appendedTries {
			i := bytes.Index(rest, []byte(kind.mark))
			if i < 0 {
				break
			}
			rest = rest[i:]
			if len(rest) < len(f.content) && kind.plausible(rest) {
				if familyOf(a.DetectedType) != program { // a self-extracting archive is said to be a program
					a.add(Polyglot)
				}
				content := rest
				w.run(a, f, func(a *Attachment, f file) error { return w.list(a, f, "", content) })
				break
			}
			rest = rest[len(kind.mark):]
		}
	}
}

// appendedTries is how many places with a signature are looked at closely.
const appendedTries = 16

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
