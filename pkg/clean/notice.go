package clean

import "strings"

// maxLinkText bounds the bytes of a link's text that are looked at.
const maxLinkText = 256

// An openLink is a link whose text is still being written.
type openLink struct {
	Link
	pretended string // a host before an "@"
	text      strings.Builder
	full      bool
}

func (l *openLink) add(text string) {
	if l.full {
		return
	}
	room := maxLinkText - l.text.Len()
	l.full = len(text) >= room
	l.text.WriteString(cutText(text, room))
}

// openLink reads the href at hand. A link that leads nowhere we can name loses
// its tags.
func (w *walker) openLink() (*openLink, bool) {
	if !w.attributes.has(attrHref) {
		return nil, false
	}
	t, refused := w.urls.read(w.attributes.value(attrHref))
	switch refused {
	case scripted:
		w.result.Removed.Active++
		return nil, false
	case unusable:
		w.result.Removed.Other++
		return nil, false
	}
	end, via := destination(t)
	link := &openLink{Link: Link{URL: t.url, Host: end.host, Via: via, Deceits: deceits(end.host)}}
	if name := userHost(w.attributes.value(attrHref)); name != "" && !sameParty(name, end.host) {
		link.Deceits = append(link.Deceits, Userinfo)
		link.pretended = name
	}
	return link, true
}

// closeLink writes, after the link, the host that it leads to, unless its text
// is that host; and says so where the text names somebody else's or the host is not
// what it seems.
func (w *walker) closeLink(l *openLink) {
	l.Text = oneLine(l.text.String())
	l.Claimed, l.Mismatch = claim(l.Text, l.Link)
	w.writeHost(&l.Link)
	if !l.Mismatch && l.pretended != "" { // the user information is gone from the link, and with it from what is written
		l.Claimed, l.Mismatch = l.pretended, true
	}
	w.result.Links = append(w.result.Links, l.Link)
}

// claim finds the host that a text names, one that is not the link's before others.
func claim(text string, l Link) (host string, mismatch bool) {
	for word := range strings.FieldsSeq(text) {
		named := hostOf(word)
		if named == "" {
			continue
		}
		if host == "" {
			host = named
		}
		if !sameParty(named, l.Host) && !(l.Via != "" && named == l.Via) {
			return named, true
		}
	}
	return host, false
}

// writeHost writes the notice behind a link.
func (w *walker) writeHost(l *Link) {
	number, imitation, short := false, false, false
	for _, d := range l.Deceits {
		number = number || d == BareNumber
		imitation = imitation || d == Imitation
		short = short || d == Shortened
	}
	grave := l.Mismatch || imitation || number && !strings.HasPrefix(l.URL, "mailto:")
	if !grave && (strings.HasPrefix(l.URL, "mailto:") || l.Claimed == l.Host && l.Via == "" && !short) {
		return
	}
	class, lead := ClassHost, " ["
	if grave {
		class, lead = ClassMismatch, " [leads to "
	}
	w.out.WriteString(`<span class="` + class + `">` + lead)
	writeText(&w.out, l.Host)
	if shown := shownHost(l.Host); shown != "" {
		w.out.WriteString(" (")
		writeText(&w.out, shown)
		w.out.WriteByte(')')
	}
	if l.Mismatch {
		w.out.WriteString(", not to ")
		writeText(&w.out, l.Claimed)
	}
	switch {
	case imitation:
		w.out.WriteString(", whose letters imitate others")
	case number:
		w.out.WriteString(", a number and no name")
	case short:
		w.out.WriteString(", which does not tell where it leads")
	}
	if l.Via != "" {
		w.out.WriteString(", through ")
		writeText(&w.out, l.Via)
	}
	w.out.WriteString("]</span>")
}

// A notice is a span that bears the class of one of our notices. Cleaning writes
// them anew, so the one that is read is left out: a second cleaning changes
// nothing, and a sender cannot write one. Only a span that holds nothing but one
// text is taken for a notice; anything else stays, without the class.
type notice struct {
	reading bool
	hasText bool
	held    string
}

func (n *notice) start(w *walker, name string) bool {
	w.flushNotice()
	if name != "span" || !w.attributes.has(attrClass) {
		return false
	}
	if class := w.attributes.value(attrClass); class != ClassHost && class != ClassMismatch {
		return false
	}
	*n = notice{reading: true}
	return true
}

func (n *notice) text(w *walker, text string) bool {
	if n.reading && !n.hasText {
		n.held, n.hasText = text, true
		return true
	}
	w.flushNotice()
	return false
}

func (n *notice) end(w *walker, name string) bool {
	if n.reading && name == "span" {
		*n = notice{}
		return true
	}
	w.flushNotice()
	return false
}

// flushNotice gives back what turned out to be no notice.
func (w *walker) flushNotice() {
	if !w.notice.reading {
		return
	}
	n := w.notice
	w.notice = notice{}
	w.push(element{name: "span", role: inline, closing: "</span>", depth: 1}, "<span>", 1)
	if n.hasText {
		w.text(n.held)
	}
}
