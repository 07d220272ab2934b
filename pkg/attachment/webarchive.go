package attachment

import "strings"

// isWebArchive tells whether a browser opens a message that stands in a file, as the
// page that was saved with its pictures (RFC 2557), by the file's name or its type.
func isWebArchive(name, declared string) bool {
	switch extensionOf(name) {
	case "mht", "mhtml":
		return true
	case "eml", "msg": // which a mail program opens, and runs nothing of
		return false
	}
	switch strings.ToLower(declared) {
	case "application/x-mimearchive", "application/x-mht", "application/x-mhtml", "message/x-mht", "multipart/x-mht":
		return true
	case "multipart/related": // of one file, which is what a saved page is declared as
		return name != ""
	}
	return false
}

// page adds what is found in a text of a web archive, which a browser shows as it is.
func (w *walker) page(a *Attachment, f file) {
	switch detected := sniff(f.content, ""); {
	case f.declared == "text/html", familyOf(detected) == webpage, detected == "image/svg+xml":
		a.DetectedType = "text/html"
		w.run(a, f, w.openWebpage)
	}
}
