package desk

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"

	"github.com/postern-mail/postern/pkg/preview"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/vault"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
)

// lookPolicy is pagePolicy with pictures that stand in the page itself: each look opens the layer once.
const lookPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// lookLimit bounds what one look shows, in bytes.
const lookLimit = 48 << 20

// looking is what looking at a file is called in the audit log.
const looking = "look_at_file"

// look shows what stands for a file that passed: pictures that sanitizing drew, or its text, masked.
func (web *Web) look(v *visit) error {
	return web.withFile(v, looking, func(row Row, view *opened, file *contentv1.Attachment, index int) error {
		data := map[string]any{"Title": "Attachment", "Row": row, "File": file, "Index": index}
		if file.GetTextPacket() > messagePacket {
			text, err := view.packet(v.Context(), int(file.GetTextPacket()))
			if err != nil {
				return err
			}
			data["Text"] = string(text)
		}
		var pictures []seen
		for _, page := range file.GetPages() {
			if page.GetPacket() <= messagePacket {
				return vault.ErrNotFound // it would be the message itself
			}
			content, err := view.packet(v.Context(), int(page.GetPacket()))
			if err != nil {
				return err
			}
			pictures = append(pictures, pictureOf(page, content))
		}
		data["Pictures"] = pictures
		v.w.Header().Set("Content-Security-Policy", lookPolicy)
		return web.render(v, "look.html", data)
	})
}

// canLook tells whether something stands for a file that one look can show.
func canLook(file *contentv1.Attachment) bool {
	if file.GetPacket() <= messagePacket {
		return false
	}
	for _, page := range file.GetPages() {
		if page.GetPacket() == file.GetPacket() && file.GetSize() > lookLimit {
			return false // a picture stands for itself
		}
	}
	return len(file.GetPages()) > 0 || file.GetTextPacket() > messagePacket
}

// A seen picture stands in a page.
type seen struct {
	Source        template.URL
	Width, Height int32
}

// pictureOf makes an address of a picture that sanitizing made. No other type is believed.
func pictureOf(page *contentv1.Page, content []byte) seen {
	kind := "image/png"
	if page.GetType() == "image/jpeg" {
		kind = "image/jpeg"
	}
	source := "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(content)
	return seen{template.URL(source), page.GetWidth(), page.GetHeight()} //nolint:gosec // a picture's type, and base64
}

// packet reads one packet of a layer, once it is known to be whole.
func (o *opened) packet(ctx context.Context, index int) ([]byte, error) {
	section, done, err := o.reader.section(ctx, o.layer, index)
	if err != nil {
		return nil, err
	}
	defer done()
	content, err := open.All(o.key.Session, section, lookLimit)
	if err != nil {
		return nil, fmt.Errorf("layer packet %d: %w", index, err)
	}
	return content, nil
}

// lookWords say how a file can be looked at, or why not.
var lookWords = map[string]string{
	"picture":        "",
	"pages":          "",
	"first_pages":    "Only the first pages are shown.",
	"text":           "",
	"first_text":     "Only the beginning is shown.",
	"none_kind":      "",
	"none_program":   "It cannot be looked at here: the program that draws such files is not installed.",
	"none_not_drawn": "It cannot be looked at here: drawing it failed.",
	"none_limit":     "It cannot be looked at here: the mail has more files than are made visible.",
}

// fileText names the commonest types of other files than documents as people do.
var fileText = map[string]string{
	"image/jpeg": "picture (JPEG)", "image/png": "picture (PNG)", "text/plain": "text", "text/csv": "table (CSV)", "text/html": "web page",
	"application/zip": "archive (ZIP)", "message/rfc822": "mail", "text/calendar": "invitation",
}

// fileWords names a type, or gives it as it is.
func fileWords(kind string) string {
	base, _, _ := strings.Cut(kind, ";")
	return cmp.Or(preview.Words(base), fileText[base], kind)
}
