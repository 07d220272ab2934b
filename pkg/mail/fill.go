package mail

import (
	"strings"
)

// fillMessage reads the fields of a message's header into their places.
func (p *parser) fillMessage(m *Message, path string) {
	if n := count(m.Header, "From"); n > 1 {
		p.defect("multiple_from", path)
	}
	m.From = p.addresses(m.Header, "From", path)
	m.Sender = p.addresses(m.Header, "Sender", path)
	m.ReplyTo = p.addresses(m.Header, "Reply-To", path)
	m.To = p.addresses(m.Header, "To", path)
	m.Cc = p.addresses(m.Header, "Cc", path)
	for _, name := range []string{"Subject", "Date", "Message-ID", "In-Reply-To", "References", "Sender", "Reply-To", "To", "Cc"} {
		if count(m.Header, name) > 1 { // RFC 5322 §3.6
			p.defect("duplicate_"+strings.ToLower(strings.ReplaceAll(name, "-", "_")), path)
		}
	}
	switch {
	case !m.Header.Has("From"):
		p.defect("missing_from", path)
	case len(m.From) == 0:
		p.defect("empty_from", path)
	}
	subject, n := decodeText(m.Header.Get("Subject"))
	p.spend(decodeCost * len(subject))
	p.keep(len(subject))
	p.issues += n
	m.Subject = strings.TrimSpace(strings.Map(dropControls, subject))
	m.DateText = validUTF8(m.Header.Get("Date"))
	m.Date = ParseDate(m.DateText)
	if m.Date.IsZero() {
		if m.DateText == "" {
			p.defect("missing_date", path)
		} else {
			p.defect("bad_date", path)
		}
	}
	m.MessageID = firstID(m.Header.Get("Message-ID"))
	m.InReplyTo = firstID(m.Header.Get("In-Reply-To"))
	m.Refs, n = messageIDs(m.Header.Get("References"), p.lim.References)
	if n > 0 {
		p.defect("reference_limit", path)
	}
	m.Kind = kindOf(m)
}

func (p *parser) addresses(h Header, name, path string) []Address {
	var out []Address
	for _, f := range h {
		if !sameName(f.Name, name) {
			continue
		}
		p.spend(decodeCost * len(f.Value))
		list, n, cut := parseAddresses(f.Text(), p.lim.Addresses-len(out))
		p.keep(2*addressSize*len(list) + len(f.Value))
		p.issues += n
		out = append(out, list...)
		if cut {
			p.defect("address_limit", path)
			break
		}
	}
	return out
}

func count(h Header, name string) int {
	n := 0
	for i := range h {
		if sameName(h[i].Name, name) {
			n++
		}
	}
	return n
}

// dropControls leaves control characters out of a line: they come from encoded
// words and folding.
func dropControls(r rune) rune {
	switch {
	case r == '\t', r == '\n', r == '\r':
		return ' '
	case r < ' ', r == 0x7f:
		return -1
	}
	return r
}

// firstID gives the first identifier of a field without its angle brackets
// (RFC 5322 §3.6.4), or the first word where it has none.
func firstID(text string) string {
	ids, _ := messageIDs(text, 1)
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}

// messageIDs splits a list of identifiers, the last ones kept beyond the limit,
// and gives the number of those left out.
func messageIDs(text string, limit int) (ids []string, left int) {
	text = validUTF8(text)
	if !strings.Contains(text, "<") {
		for _, word := range strings.Fields(text) {
			if id := strings.Trim(word, "<>,"); id != "" {
				ids = append(ids, id)
			}
			if limit == 1 && len(ids) == 1 {
				return ids, 0
			}
		}
	} else {
		for {
			i := strings.IndexByte(text, '<')
			if i < 0 {
				break
			}
			text = text[i+1:]
			end := strings.IndexAny(text, "><")
			id := text
			if end >= 0 {
				id, text = text[:end], text[end:]
			} else {
				text = ""
			}
			if id = strings.Join(strings.Fields(id), ""); id != "" {
				ids = append(ids, id)
			}
			if limit == 1 && len(ids) == 1 {
				return ids, 0
			}
		}
	}
	if len(ids) > limit {
		left = len(ids) - limit
		ids = ids[left:]
	}
	return ids, left
}
