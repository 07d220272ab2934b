package clean

import "strings"

// maxLinkText bounds the bytes of a link's text that are looked at.
const maxLinkText = 256

// An openLink is a link whose text is still being written.
type openLink struct {
	Link
	text strings.Builder
	full bool
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
	return &openLink{Link: Link{URL: t.url, Host: t.host}}, true
}

// closeLink writes, after the link, the host that it leads to, unless its text
// is that host; and says so where the text names somebody else's.
func (w *walker) closeLink(l *openLink) {
	l.Text = oneLine(l.text.String())
	l.Claimed = claimedHost(l.Text)
	l.Mismatch = l.Claimed != "" && !sameParty(l.Claimed, l.Host)
	w.result.Links = append(w.result.Links, l.Link)
	switch {
	case l.Mismatch:
		w.out.WriteString(`<span class="` + ClassMismatch + `"> [leads to `)
		writeText(&w.out, l.Host)
		w.out.WriteString(", not to ")
		writeText(&w.out, l.Claimed)
	case strings.HasPrefix(l.URL, "mailto:"), l.Claimed == l.Host:
		return
	default:
		w.out.WriteString(`<span class="` + ClassHost + `"> [`)
		writeText(&w.out, l.Host)
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
