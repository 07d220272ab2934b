package sanitize

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/clean"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/preview"
)

// Limits of what is looked at.
const (
	maxLooked   = 10        // documents of one mail that are drawn
	maxLookText = 128 << 10 // bytes of a file that are shown as text; of all files of a mail, as many as of its own
)

// A Look is how a file can be looked at without being opened, or why it cannot.
type Look string

const (
	LookPicture   Look = "picture"        // it is a picture itself
	LookPages     Look = "pages"          // all its pages are drawn
	LookPagesCut  Look = "first_pages"    // its first pages are drawn
	LookText      Look = "text"           // all its text is shown
	LookTextCut   Look = "first_text"     // the beginning of its text is shown
	NoLookKind    Look = "none_kind"      // nothing here draws files of its kind
	NoLookProgram Look = "none_program"   // what draws files of its kind is not installed
	NoLookFailed  Look = "none_not_drawn" // it could not be drawn
	NoLookMany    Look = "none_limit"     // more documents than are drawn for one mail, or more text than is shown
)

// look makes what can be looked at in place of a file that passed and is no picture. False means that
// nothing is known of the file after all.
func (r *renderer) look(p *mail.Part, passed *Attachment) bool {
	kind, _, _ := strings.Cut(passed.Type, ";")
	switch {
	case preview.Draws(kind):
		return r.pages(passed, kind)
	case strings.HasPrefix(kind, "text/") || kind == "application/json" || kind == "application/xml":
		r.text(p, passed, kind)
	default:
		passed.Look = NoLookKind
	}
	return true
}

func (r *renderer) pages(passed *Attachment, kind string) bool {
	if r.looked >= maxLooked {
		passed.Look = NoLookMany
		return true
	}
	r.looked++
	pages, err := r.options.Artist.Pages(passed.Content, kind)
	switch {
	case err == nil:
		passed.Look, passed.Pages = LookPages, pages.Pictures
		if pages.More {
			passed.Look = LookPagesCut
		}
	case errors.Is(err, preview.ErrProgram):
		passed.Look = NoLookProgram
	case errors.Is(err, preview.ErrFailed):
		passed.Look = NoLookFailed
	default:
		return false
	}
	return true
}

// text shows a file's text, masked like that of the mail.
func (r *renderer) text(p *mail.Part, passed *Attachment, kind string) {
	if r.read >= r.options.MaxText {
		passed.Look = NoLookMany
		return
	}
	text := string(passed.Content[:min(len(passed.Content), 4*maxLookText)])
	switch {
	case strings.HasPrefix(p.Type, "text/"):
		text, _ = p.Text()
	case !utf8.ValidString(text):
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	if kind == "text/html" {
		text = clean.Text(text)
	}
	cut := len(text) > maxLookText || len(passed.Content) > 4*maxLookText
	text = clean.Plain(clean.Cut(text, maxLookText), clean.Flow{})
	r.read += len(text)
	passed.Text, passed.Look = r.masked(text), LookText
	if cut {
		passed.Look = LookTextCut
	}
}

// unknown withholds a file that nothing is known of.
func (r *renderer) unknown(passed Attachment) {
	r.view.Withheld = append(r.view.Withheld, Withheld{passed.Path, passed.Name, passed.Type, int64(len(passed.Content)), attachment.Error, []attachment.Reason{attachment.DecoderDied}})
}
