package attachment

import (
	"bytes"
	"strings"
)

// An openDocument watches the members of an OpenDocument package (ISO/IEC 26300) go
// by and notes what acts when it is opened. It is silent for other archives.
type openDocument struct {
	container *Attachment
	active    bool
	manifest  []byte // where files are encrypted
}

func newOpenDocument(a *Attachment) *openDocument {
	return &openDocument{container: a, active: strings.HasPrefix(a.DetectedType, "application/vnd.oasis.opendocument.")}
}

// The marks of OpenDocument, in lower case.
var (
	marksOfListeners = [][]byte{[]byte("<script:event-listener"), []byte("<office:script ")}
	marksOfDDE       = [][]byte{[]byte("office:dde-source"), []byte("text:dde-connection"), []byte("office:dde-application")}
	marksOfEmbedding = [][]byte{[]byte("<draw:object-ole"), []byte("<draw:plugin"), []byte("<draw:applet")}
)

func (o *openDocument) member(name string, content []byte) {
	if !o.active {
		return
	}
	path := strings.ToLower(name)
	switch {
	case path == "meta-inf/manifest.xml":
		if manifest := xmlText(content); bytes.Contains(manifest, []byte("encryption-data")) {
			o.container.add(EncryptedDocument)
			o.manifest = bytes.Clone(manifest)
		}
	case strings.HasPrefix(path, "basic/") || strings.HasPrefix(path, "scripts/") || strings.Contains(path, "/basic/"):
		if strings.HasSuffix(path, ".xml") && !strings.HasSuffix(path, "-lc.xml") && !strings.HasSuffix(path, "-lb.xml") || strings.HasPrefix(path, "scripts/") && !strings.HasSuffix(path, "/") {
			o.container.add(DocumentMacro)
		}
	case strings.HasSuffix(path, "content.xml"), strings.HasSuffix(path, "styles.xml"), strings.HasSuffix(path, "settings.xml"), path == "meta.xml":
		o.text(unescaped(bytes.ToLower(xmlText(content))))
	}
}

// marksOfFlat are those of a document that is one file (ODF 1.3 part 3 §3.1.2), in lower case.
var marksOfFlat = [][]byte{[]byte("urn:oasis:names:tc:opendocument:xmlns:office:")}

// text looks through one of the documents that make a package, or that is one by itself.
func (o *openDocument) text(lower []byte) {
	if hasAny(lower, marksOfListeners) {
		o.container.add(DocumentMacro)
	}
	if hasAny(lower, marksOfDDE) {
		o.container.add(DDE)
	}
	if hasAny(lower, marksOfEmbedding) {
		o.container.add(OLEObject)
	}
	for rest := lower; ; {
		i := bytes.Index(rest, []byte("xlink:href="))
		if i < 0 {
			return
		}
		before := rest[max(0, i-256):i]
		rest = rest[i+len("xlink:href="):]
		target := rest[:min(len(rest), 512)]
		if len(target) == 0 || target[0] != '"' && target[0] != '\'' {
			continue
		}
		quote := target[0]
		target = target[1:]
		if end := bytes.IndexByte(target, quote); end >= 0 {
			target = target[:end]
		}
		if open := bytes.LastIndexByte(before, '<'); open >= 0 {
			before = before[open:]
		}
		switch link := string(target); {
		case strings.HasPrefix(link, "vnd.sun.star.script:"), strings.HasPrefix(link, "macro:"):
			o.container.add(DocumentMacro)
		case !remote(link):
		case bytes.HasPrefix(before, []byte("<meta:template")):
			o.container.add(ExternalTemplate)
		case bytes.HasPrefix(before, []byte("<draw:")) && !bytes.HasPrefix(before, []byte("<draw:a ")), bytes.HasPrefix(before, []byte("<text:section-source")),
			bytes.HasPrefix(before, []byte("<table:table-source")), bytes.HasPrefix(before, []byte("<table:cell-range-source")):
			o.container.add(ExternalObject)
		}
	}
}
