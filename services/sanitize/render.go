// Package sanitize turns a mail into what an agent may look at: its words, safe
// and with personal data masked, and copies of the attachments that passed. This
// file and its neighbours are the pure part, the same for the service and for
// inspect; they do no I/O and keep no state. What is dangerous about a file is
// pkg/attachment's to say, what is personal pkg/pii's.
package sanitize

import (
	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/clean"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/pii"
)

// Limits that hold where Options leaves a field at zero.
const (
	DefaultMaxText   = 2 << 20  // bytes of text that are shown
	DefaultMaxHTML   = 4 << 20  // bytes of HTML that are read
	DefaultMaxPixels = 40 << 20 // pixels of one image that is drawn anew
	DefaultMaxDrawn  = 80 << 20 // pixels of all images of one mail
	DefaultMaxInline = 4 << 20  // bytes of images that stand in the HTML itself
)

// Options say what is masked and how far a mail is read.
type Options struct {
	Mask    pii.Options // what becomes of each kind
	Regions []string    // countries whose national telephone numbers are known; empty: the default

	Artist Artist // draws what is looked at; nil: a Hand

	MaxText   int
	MaxHTML   int
	MaxPixels int
	MaxDrawn  int
	MaxInline int
}

func (o Options) withDefaults() Options {
	for _, field := range []struct {
		value   *int
		initial int
	}{
		{&o.MaxText, DefaultMaxText}, {&o.MaxHTML, DefaultMaxHTML}, {&o.MaxPixels, DefaultMaxPixels},
		{&o.MaxDrawn, DefaultMaxDrawn}, {&o.MaxInline, DefaultMaxInline},
	} {
		if *field.value <= 0 {
			*field.value = field.initial
		}
	}
	if o.Artist == nil {
		o.Artist = Hand{}
	}
	return o
}

// A View is what an agent may see of a mail, and what stands behind the masks.
// It is held in memory only; its fields go into different layers.
type View struct {
	Subject string // masked
	From    []Person
	ReplyTo []Person
	To      []Person
	Cc      []Person

	Text       string // unmasked: never shown, for inspect and for offsets
	MaskedText string
	HTML       string // clean and masked; "" where the mail has no HTML
	Folds      []clean.Fold
	Removed    clean.Removed
	Trackers   []string
	Links      int // links whose text names another host than they lead to
	Hidden     int // letters that styles would have kept from being seen; they are shown and marked
	Notices    []Notice

	Masks  []Mask  // the finds in Text, in order
	Values []Value // every masked value once, wherever it stands

	Attachments []Attachment // that passed
	Withheld    []Withheld
	Events      []Event    // that calendar files among those that passed tell of
	Deliveries  []Delivery // that a report of a mail server among those that passed tells of
}

// A Person is one mailbox as it is shown.
type Person struct {
	Name    string // masked
	Address string
}

// A Mask is one find in View.Text. Start and End are byte offsets into it.
type Mask struct {
	Kind  pii.Kind
	Start int
	End   int
	Value int // index into View.Values; -1 where the kind is left readable
}

// A Value is one personal value and the token that stands for it everywhere.
type Value struct {
	Kind  pii.Kind
	Value string
	Token string // "‹payment_card ··4242 #1›"
}

// A Notice tells the agent something about what is shown.
type Notice string

const (
	AmbiguousText      Notice = "ambiguous_text"       // readers could disagree about what the text is
	TextCut            Notice = "text_cut"             // longer than is shown
	MisleadingLink     Notice = "misleading_link"      // a link's text names another host
	DeceivingHost      Notice = "deceiving_host"       // a link's host is a number, or its letters imitate others
	HiddenText         Notice = "hidden_text"          // words that the author hid are shown
	AlternativesDiffer Notice = "alternatives_differ"  // the plain and the HTML form say different things
	NoText             Notice = "no_text"              // nothing to read but attachments
	EmptyMail          Notice = "empty_mail"           // nothing to read and no attachments
	AllLeftOut         Notice = "all_left_out"         // nothing but what is never shown: scripts, forms, what lies elsewhere
	EncryptedMail      Notice = "encrypted_mail"       // the words are encrypted
	PartlyEncrypted    Notice = "partly_encrypted"     // words that were encrypted stand beside others that were not
	KeysChanged        Notice = "keys_changed"         // it was opened when it was scanned and not now, or the other way round
	ImagesLeftOut      Notice = "images_left_out"      // too many or too large to be drawn anew
	CharsetGuessed     Notice = "charset_not_declared" // letters may be wrong
)

// Render makes the View of a mail. The report decides which attachments pass:
// only what it says is clean; what it does not mention is withheld.
func Render(msg *mail.Message, report attachment.Report, options Options) View {
	options = options.withDefaults()
	r := &renderer{msg: msg, report: report, options: options, finder: pii.Finder{Regions: options.Regions}}
	r.values = newValues(options.Mask)
	r.listed = map[string]bool{}
	for _, a := range report.Attachments {
		r.listed[a.Path] = true
	}
	r.choose(msg.Root)
	r.attachments()
	r.words()
	r.header()
	r.view.Values = r.values.list
	return r.view
}

// A renderer is one Render at work.
type renderer struct {
	msg     *mail.Message
	report  attachment.Report
	options Options
	finder  pii.Finder
	values  *values
	view    View

	sections  []section
	files     []*mail.Part
	listed    map[string]bool   // paths that the report speaks of
	images    map[string]string // content id to a data: URL of our own pixels
	drawn     int               // pixels
	inlined   int               // bytes
	looked    int               // documents that were drawn
	read      int               // bytes of files that are shown as text
	unsaid    []string          // descriptions of events, for a mail that has no other words
	outlook   []string          // words in a winmail.dat
	saysWords func() bool       // whether the mail says anything outside of one
}

func (r *renderer) notice(n Notice) {
	for _, have := range r.view.Notices {
		if have == n {
			return
		}
	}
	r.view.Notices = append(r.view.Notices, n)
}

// header masks what is shown above the text. Addresses stay: an agent has to know
// who writes.
func (r *renderer) header() {
	r.view.Subject = r.masked(clean.Line(r.subject()))
	people := func(list []mail.Address) (shown []Person) {
		for _, a := range list {
			person := Person{Address: clean.Line(a.Addr)}
			if name := clean.Line(a.Name); name != person.Address {
				person.Name = r.masked(name)
			}
			shown = append(shown, person)
		}
		return shown
	}
	r.view.From, r.view.ReplyTo = people(r.msg.From), people(r.msg.ReplyTo)
	r.view.To, r.view.Cc = people(r.msg.To), people(r.msg.Cc)
}

// masked masks a short text that stands alone.
func (r *renderer) masked(text string) string {
	return r.values.mask(text, r.finder.Find(text))
}
