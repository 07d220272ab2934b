package attachment

import (
	"bytes"
	"slices"
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

// The elements of OpenDocument that act, without their prefixes, which any document may choose.
var (
	listeners  = []string{"event-listener", "script"}
	asksByDDE  = []string{"dde-source", "dde-connection", "dde-connection-decl", "dde-connection-decls"}
	embeddings = []string{"object-ole", "plugin", "applet"}
)

// followed are the elements whose address is gone to when a person clicks on them, and not before.
var followed = map[string]bool{"a": true, "button": true, "form": true, "area-rectangle": true, "area-circle": true, "area-polygon": true}

func (o *openDocument) member(name string, content []byte) {
	if !o.active {
		return
	}
	path := strings.ToLower(name)
	switch {
	case path == "meta-inf/manifest.xml":
		if manifest := plainText(content); bytes.Contains(manifest, []byte("encryption-data")) {
			o.container.add(EncryptedDocument)
			o.manifest = bytes.Clone(manifest)
		}
	case strings.HasPrefix(path, "basic/") || strings.HasPrefix(path, "scripts/") || strings.Contains(path, "/basic/"):
		if strings.HasSuffix(path, ".xml") && !strings.HasSuffix(path, "-lc.xml") && !strings.HasSuffix(path, "-lb.xml") || strings.HasPrefix(path, "scripts/") && !strings.HasSuffix(path, "/") {
			o.container.add(DocumentMacro)
		}
	case strings.HasSuffix(path, "content.xml"), strings.HasSuffix(path, "styles.xml"), strings.HasSuffix(path, "settings.xml"), path == "meta.xml":
		o.text(unescaped(bytes.ToLower(plainText(content))))
	}
}

// marksOfFlat are those of a document that is one file (ODF 1.3 part 3 §3.1.2), in lower case.
var marksOfFlat = [][]byte{[]byte("urn:oasis:names:tc:opendocument:xmlns:office:")}

// text looks through one of the documents that make a package, or that is one by itself.
func (o *openDocument) text(lower []byte) {
	has := func(name string) bool { return hasElement(lower, name) }
	if slices.ContainsFunc(listeners, has) {
		o.container.add(DocumentMacro)
	}
	if slices.ContainsFunc(asksByDDE, has) || bytes.Contains(lower, []byte(":dde-application")) {
		o.container.add(DDE)
	}
	if slices.ContainsFunc(embeddings, has) {
		o.container.add(OLEObject)
	}
	element, at := "", 0
	for {
		i := bytes.Index(lower[at:], []byte(":href"))
		if i < 0 {
			return
		}
		if open := bytes.LastIndexByte(lower[at:at+i], '<'); open >= 0 {
			element = string(localName(lower[at+open+1:]))
		}
		at += i + len(":href")
		switch link := quotedValue(lower[at:]); {
		case strings.HasPrefix(link, "vnd.sun.star.script:"), strings.HasPrefix(link, "macro:"):
			o.container.add(DocumentMacro)
		case !remote(link) || followed[element]:
		case element == "template":
			o.container.add(ExternalTemplate)
		default:
			o.container.add(ExternalObject)
		}
	}
}

// linkMost is how far an address is read.
const linkMost = 512

// quotedValue is the value of an attribute whose name ended before b; "" where none follows.
func quotedValue(b []byte) string {
	b, equals := bytes.CutPrefix(bytes.TrimLeft(b[:min(len(b), linkMost)], xmlSpace), []byte("="))
	b = bytes.TrimLeft(b, xmlSpace)
	if !equals || len(b) == 0 || b[0] != '"' && b[0] != '\'' {
		return ""
	}
	value, _, _ := bytes.Cut(b[1:], b[:1])
	return string(bytes.TrimLeft(value, xmlSpace))
}

const xmlSpace = " \t\r\n"
