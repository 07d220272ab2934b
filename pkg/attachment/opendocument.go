package attachment

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

// An openDocument watches the members of an OpenDocument package (ISO/IEC 26300) go
// by and notes what acts when it is opened. It is silent for other archives.
type openDocument struct {
	container *Attachment
	active    bool
	manifest  []byte // where files are encrypted
	unread    bool   // a part is no XML that is read here
}

// newOpenDocument watches a package. Those that came before the standard have the same parts, and another type.
func newOpenDocument(a *Attachment, entries []zipEntry) *openDocument {
	isContent := func(e zipEntry) bool { return strings.EqualFold(e.name, "content.xml") }
	return &openDocument{container: a, active: strings.HasPrefix(a.DetectedType, "application/vnd.oasis.opendocument.") || slices.ContainsFunc(entries, isContent)}
}

// The elements of OpenDocument that act, without their prefixes, which any document may choose.
var actingElements = map[string]Reason{
	"library-embedded": DocumentMacro, "library-linked": DocumentMacro, "source-code": DocumentMacro, // of a document that is one file
	"dde-source": DDE, "dde-connection": DDE, "dde-connection-decl": DDE,
	"object-ole": OLEObject, "plugin": OLEObject, "applet": OLEObject,
}

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
		if body, ok := xmlBody(content); ok {
			o.text(body)
		} else {
			o.unread = true
		}
	}
}

// marksOfFlat are those of a document that is one file (ODF 1.3 part 3 §3.1.2), in lower case.
var marksOfFlat = [][]byte{[]byte("urn:oasis:names:tc:opendocument:xmlns:office:")}

// text looks through one of the documents that make a package, or that is one by itself.
func (o *openDocument) text(body []byte) {
	if !eachTag(body, o.element) {
		o.unread = true
	}
}

// finish says what is only known in the end: a part that is encrypted is no XML either.
func (o *openDocument) finish() {
	if o.unread && o.manifest == nil {
		o.container.add(MalformedDocument)
	}
}

// element looks at one element.
func (o *openDocument) element(tag xmlTag) {
	if reason := actingElements[tag.name]; reason != "" {
		o.container.add(reason)
	}
	clicked := followed[tag.name]
	if tag.name == "event-listener" || tag.name == "event" {
		// One of a presentation says what a click does, and names no language that it would be said in.
		if clicked = tag.has("action") && !tag.has("language") && !tag.has("macro-name"); !clicked {
			o.container.add(DocumentMacro)
		}
	}
	tag.attributes(func(name, value string) {
		switch value = strings.ToLower(strings.TrimLeft(value, xmlSpace)); name {
		case "href", "src", "schema":
			o.address(tag.name, value, clicked)
		case "dde-application":
			o.container.add(DDE)
		case "formula":
			if bare := withoutQuoted(value); webService.MatchString(bare) {
				o.container.add(ExternalObject)
			} else if callOfDDE.MatchString(bare) {
				o.container.add(DDE)
			}
		}
	})
}

// callOfDDE knows the function that asks a program, whichever.
var callOfDDE = regexp.MustCompile(`\bdde\s*\(`)

// elsewhere knows addresses of all schemes that lead to a server, or name another address. file:///C:/ is the author's own disk.
var elsewhere = regexp.MustCompile(`^([a-eg-z][a-z0-9+.-]*|f[a-hj-z][a-z0-9+.-]*):.*//`)

// address looks at an address of an element.
func (o *openDocument) address(element, link string, clicked bool) {
	switch {
	case strings.HasPrefix(link, "vnd.sun.star.script:"), strings.HasPrefix(link, "macro:"):
		o.container.add(DocumentMacro)
	case !remote(link) && !elsewhere.MatchString(link), clicked:
	case element == "template":
		o.container.add(ExternalTemplate)
	default:
		o.container.add(ExternalObject)
	}
}
