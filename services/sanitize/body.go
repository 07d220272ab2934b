package sanitize

import (
	"maps"
	"slices"
	"strings"

	"github.com/postern-mail/postern/pkg/clean"
	"github.com/postern-mail/postern/pkg/mail"
)

// A section is one piece of what a mail says, in the forms that its author gave.
type section struct {
	plain *mail.Part
	html  *mail.Part
	said  bool // another section's plain form says what this one's HTML says

	opened    bool // it stood within what was opened: no other form says what it says
	encrypted bool
}

// hasWords tells whether a section says anything.
func (r *renderer) hasWords(s section) bool {
	return s.plain != nil && r.wordsOf(s.plain) != "" || s.html != nil && r.wordsOf(s.html) != ""
}

// choose walks the tree as a mail program does and sorts its leaves into what is
// read and what is attached.
func (r *renderer) choose(p *mail.Part) {
	switch {
	case p.Message != nil || !p.IsMultipart() || len(p.Children) == 0:
		if r.isText(p) {
			s := section{plain: p}
			if p.Type == "text/html" {
				s = section{html: p}
			}
			r.sections = append(r.sections, s)
			r.files = append(r.files, p.Children...)
			r.opened(p)
			return
		}
		if p.Message != nil || !p.IsMultipart() || len(p.Content) > 0 {
			r.file(p)
		}
		r.opened(p)
		if strings.HasSuffix(p.Type, "/pkcs7-mime") || strings.HasSuffix(p.Type, "/x-pkcs7-mime") {
			if len(p.Opened) == 0 && len(p.Unopened) > 0 {
				r.notice(EncryptedMail)
			}
		}
	case p.Type == "multipart/alternative":
		r.alternative(p)
	case p.Type == "multipart/encrypted": // RFC 3156 §4, RFC 1847 §2.2
		closed := true
		for _, child := range p.Children {
			closed = closed && len(child.Opened) == 0
		}
		for _, child := range p.Children {
			if closed || child.Type != "application/pgp-encrypted" { // that says how, and nothing else (RFC 3156 §4)
				r.file(child)
			}
			r.opened(child)
		}
		if closed {
			r.notice(EncryptedMail)
		}
	default: // mixed, related, signed, report, digest: RFC 2046 §5.1.3 for all that is unknown
		for _, child := range p.Children {
			r.choose(child)
		}
	}
}

// file takes a part for a file, unless all that it held was opened: the wrapping alone is of no use.
func (r *renderer) file(p *mail.Part) {
	if len(p.Opened) == 0 || len(p.Unopened) > 0 {
		r.files = append(r.files, p)
	}
}

// opened takes what was encrypted in a part for what stands there.
func (r *renderer) opened(p *mail.Part) {
	for _, opened := range p.Opened {
		before := len(r.sections)
		r.choose(opened)
		for i := range r.sections[before:] {
			r.sections[before+i].opened = true
			r.sections[before+i].encrypted = r.sections[before+i].encrypted || opened.Encrypted
		}
	}
}

// alternative takes the last form that has HTML (RFC 2046 §5.1.4: the last is
// the best that its author could do) and beside it the first plain one. Files of
// the other forms stay files, so that nothing is lost.
func (r *renderer) alternative(p *mail.Part) {
	outer := r.sections
	var rich, plain, opened []section
	for _, child := range p.Children {
		r.sections = nil
		r.choose(child)
		for _, s := range r.sections {
			if s.opened {
				opened = append(opened, s)
			}
		}
		r.sections = slices.DeleteFunc(r.sections, func(s section) bool { return s.opened })
		hasHTML := false
		for _, s := range r.sections {
			hasHTML = hasHTML || s.html != nil
		}
		switch {
		case hasHTML:
			rich = r.sections
		case plain == nil:
			plain = r.sections
		}
	}
	r.sections = outer
	switch {
	case rich == nil:
		r.sections = append(r.sections, plain...)
	case len(plain) != 1 || rich[0].plain != nil:
		r.sections = append(r.sections, rich...)
	default:
		rich[0].plain = plain[0].plain
		for i := range rich[1:] {
			rich[i+1].said = true
		}
		r.sections = append(r.sections, rich...)
	}
	r.sections = append(r.sections, opened...)
}

// isText says whether a leaf is read, not opened. What the examination lists as
// a file is one, whatever it is declared as.
func (r *renderer) isText(p *mail.Part) bool {
	if p.Message != nil || p.Disposition == "attachment" || p.Filename != "" || p.IsMultipart() {
		return false
	}
	switch p.Type {
	case "text/plain", "text/html", "text/enriched":
		return !r.listed[p.Path]
	}
	return false
}

// doubted are the parts that are ambiguous, or stand within something that is.
func (r *renderer) doubted() map[*mail.Part]bool {
	all := map[*mail.Part]bool{}
	var below func(p *mail.Part, doubt bool)
	below = func(p *mail.Part, doubt bool) {
		doubt = doubt || len(p.Ambiguous) > 0
		if doubt {
			all[p] = true
		}
		for _, child := range p.Children {
			below(child, doubt)
		}
		for _, opened := range p.Opened {
			below(opened, doubt)
		}
		if p.Message != nil {
			below(p.Message.Root, doubt)
		}
	}
	below(r.msg.Root, false)
	return all
}

// words makes the text and the HTML of the view, then masks both.
func (r *renderer) words() {
	var text []string
	var documents []string
	hasHTML := false
	for _, s := range r.sections {
		hasHTML = hasHTML || s.html != nil
	}
	var secret, open bool
	doubted := r.doubted()
	for _, s := range r.sections {
		words, document := r.section(s)
		if strings.TrimSpace(words) != "" {
			secret, open = secret || s.encrypted, open || !s.encrypted
		}
		if s.html == nil && hasHTML {
			document = clean.FromText(words)
		}
		if words != "" && !s.said {
			text = append(text, words)
		}
		documents = append(documents, document)
		for _, part := range []*mail.Part{s.plain, s.html} {
			if part != nil && doubted[part] {
				r.notice(AmbiguousText)
			}
		}
	}
	for _, words := range unsaidIn(text, r.outlook) { // beside what a gateway put before them, or as all that there is
		text, documents = append(text, words), append(documents, clean.FromText(words))
	}
	if secret && open {
		r.notice(PartlyEncrypted)
	}
	if len(r.msg.Root.Ambiguous) > 0 {
		r.notice(AmbiguousText)
	}
	if r.msg.CharsetIssues > 0 {
		r.notice(CharsetGuessed)
	}
	if r.view.Text = strings.Join(text, "\n\n"); strings.TrimSpace(r.view.Text) == "" {
		r.view.Text = strings.Join(r.unsaid, "\n\n")
	}
	if len(r.view.Text) > r.options.MaxText {
		r.view.Text = clean.Cut(r.view.Text, r.options.MaxText)
		r.notice(TextCut)
	}
	if strings.TrimSpace(r.view.Text) == "" && !slices.Contains(r.view.Notices, EncryptedMail) {
		r.notice(r.wordless())
	}
	if clean.Imitates(r.view.Text) {
		r.notice(DeceivingHost)
	}
	found := r.finder.Find(r.view.Text)
	for _, m := range found {
		r.view.Masks = append(r.view.Masks, Mask{m.Kind, m.Start, m.End, r.values.number(m.Kind, r.view.Text[m.Start:m.End])})
	}
	r.view.MaskedText = r.values.mask(r.view.Text, found)
	r.view.Folds = clean.Folds(r.view.MaskedText)
	if hasHTML {
		r.view.HTML = r.maskHTML(strings.Join(documents, "\n<hr>\n"))
	}
}

// wordless says what there is instead of words.
func (r *renderer) wordless() Notice {
	removed := r.view.Removed
	switch {
	case len(r.view.Attachments)+len(r.view.Withheld) > 0:
		return NoText
	case removed.Active+removed.Remote+removed.Trackers > 0:
		return AllLeftOut
	}
	return EmptyMail
}

// section gives the text and the clean HTML of one section, no HTML where it has
// none.
func (r *renderer) section(s section) (text, document string) {
	if s.plain != nil {
		text = r.plain(s.plain)
	}
	if s.html == nil {
		return text, ""
	}
	source, _ := s.html.Text()
	result, words := clean.Document(source, clean.Options{Images: r.images, MaxInput: r.options.MaxHTML})
	if result.Truncated {
		r.notice(TextCut)
	}
	r.count(result)
	switch {
	case strings.TrimSpace(text) == "" || thin(text, words):
		text = words
	case differ(text, words): // nobody may read less than another: both stand in the text
		r.notice(AlternativesDiffer)
		text += "\n\n---\n\n" + words
	}
	return text, result.HTML
}

func (r *renderer) plain(p *mail.Part) string {
	text, _ := p.Text()
	return clean.Plain(text, clean.Flow{
		Flowed: p.Type == "text/plain" && strings.EqualFold(p.Params["format"], "flowed"),
		DelSp:  strings.EqualFold(p.Params["delsp"], "yes"),
	})
}

func (r *renderer) count(result clean.Result) {
	r.view.Removed.Active += result.Removed.Active
	r.view.Removed.Remote += result.Removed.Remote
	r.view.Removed.Trackers += result.Removed.Trackers
	r.view.Removed.Other += result.Removed.Other
	for _, name := range result.Trackers {
		known := false
		for _, have := range r.view.Trackers {
			known = known || have == name
		}
		if !known {
			r.view.Trackers = append(r.view.Trackers, name)
		}
	}
	for _, link := range result.Links {
		if link.Mismatch {
			r.view.Links++
			r.notice(MisleadingLink)
		}
		for _, deceit := range link.Deceits {
			if deceit == clean.BareNumber || deceit == clean.Imitation {
				r.notice(DeceivingHost)
			}
		}
	}
	r.view.Hidden += result.Hidden.Letters
	if result.Hidden.Grave {
		r.notice(HiddenText)
	}
}

// thin says whether a plain form is a mere hint ("your program cannot show
// HTML") beside an HTML form that says something.
func thin(plain, rich string) bool {
	return len(rich) > 400 && len(plain)*6 < len(rich)
}

// differ says whether the plain form holds words that the HTML form does not, or
// the other way round, so that two readers would read two different mails. Links
// and marks are left out of account, and a third of the words may differ.
func differ(plain, rich string) bool {
	a, b := vocabulary(plain), vocabulary(rich)
	if len(a) < fewestWords || len(b) < fewestWords {
		return false
	}
	shared := 0
	for word := range a {
		if _, both := b[word]; both {
			shared++
		}
	}
	return float64(shared)/float64(len(a)) < 0.5 || float64(shared)/float64(len(b)) < 0.3
}

// unsaidIn gives those of some texts that neither a mail's text says, but for a few words, nor one
// before them.
func unsaidIn(text, others []string) (unsaid []string) {
	if len(others) == 0 {
		return nil
	}
	whole := strings.Join(text, "\n\n")
	said, known := strings.Join(strings.Fields(whole), " "), vocabulary(whole)
	for _, words := range others {
		line, own, missing := strings.Join(strings.Fields(words), " "), vocabulary(words), 0
		for word := range own {
			if _, both := known[word]; !both {
				missing++
			}
		}
		if strings.Contains(said, line) || len(own) >= fewestWords && missing*10 <= len(own) {
			continue
		}
		unsaid, said = append(unsaid, words), said+" "+line
		maps.Copy(known, own)
	}
	return unsaid
}

// Limits of the words that are compared.
const (
	fewestWords   = 3 // different ones of a form that is compared
	maxVocabulary = 2000
	maxWord       = 40 // bytes
)

// vocabulary gives the different words of a text, in small letters and without
// the signs around them.
func vocabulary(text string) map[string]struct{} {
	words := make(map[string]struct{}, min(len(text)/16, maxVocabulary))
	for word := range strings.FieldsSeq(text) {
		if len(words) >= maxVocabulary {
			break
		}
		if strings.Contains(word, "://") {
			continue
		}
		word = strings.TrimFunc(word, func(r rune) bool {
			return r < 0x80 && !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9')
		})
		if word = strings.ToLower(word); len(word) > 2 && len(word) <= maxWord {
			words[word] = struct{}{}
		}
	}
	return words
}
