package sanitize

import (
	"errors"
	"strings"

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
	case kind == "message/rfc822" && p.Message != nil:
		r.message(p.Message, passed)
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
	text, _ := p.Text() // by its bytes where no charset is declared, whatever type is
	if kind == "text/html" {
		text = clean.Text(text)
	}
	r.show(passed, text)
}

// message shows the words of a mail that came as a file.
func (r *renderer) message(message *mail.Message, passed *Attachment) {
	if r.read >= r.options.MaxText {
		passed.Look = NoLookMany
		return
	}
	inner := &renderer{msg: message, options: r.options, listed: r.listed}
	inner.choose(message.Root)
	var text strings.Builder
	for _, field := range []string{"From", "To", "Cc", "Date", "Subject"} {
		if value := clean.Line(mail.DecodeWords(message.Header.Get(field))); value != "" {
			text.WriteString(field + ": " + value + "\n")
		}
	}
	for _, s := range inner.sections {
		if words, _ := inner.section(s); words != "" && !s.said {
			text.WriteString("\n" + words + "\n")
		}
	}
	r.show(passed, text.String())
}

// show gives a file a text to be looked at, masked.
func (r *renderer) show(passed *Attachment, text string) {
	cut := len(text) > maxLookText
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
