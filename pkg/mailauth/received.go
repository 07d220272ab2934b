package mailauth

import (
	"net/netip"
	"strings"
)

// A received is what a Received line says of its session (RFC 5321 §4.4).
type received struct {
	by       string
	helo     string
	client   netip.Addr // zero where the line does not say it beyond doubt
	mailFrom string     // of an "envelope-from" comment, "" where absent
}

// parseReceived reads a line as common servers write it:
//
//	from helo (name [192.0.2.1]) by mx ...        Postfix, Sendmail, Haraka, Gmail
//	from name ([192.0.2.1] helo=helo) by mx ...   Exim
//	from [192.0.2.1] (helo=helo) by mx ...        Exim
//	from name (HELO helo) (192.0.2.1) by mx ...   qmail
//	from name (192.0.2.1) by mx ...               Exchange
//
// The HELO name is the client's to choose, so an address counts only outside it,
// and two different addresses are none.
func parseReceived(value string) received {
	var r received
	words, comments := receivedWords(unfold(value))
	by := len(value)
	after := 0
	if len(words) > 0 && strings.EqualFold(words[0].text, "from") {
		after = 2 // the word behind it is the client's, whatever it says
	}
	for i := after; i+1 < len(words); i++ {
		if strings.EqualFold(words[i].text, "by") {
			r.by, by = words[i+1].text, words[i+1].at
			r.readFrom(words[:i], comments, by)
			break
		}
	}
	for _, comment := range comments {
		// Before "by" stands what the client said of itself.
		if at := strings.Index(strings.ToLower(comment.text), "envelope-from"); at >= 0 && comment.at > by {
			r.mailFrom = envelopeFrom(comment.text[at+len("envelope-from"):])
		}
	}
	return r
}

// A chunk is a word or comment and where it stands.
type chunk struct {
	text string
	at   int
}

// receivedWords splits a field into words and the comments between them, up to
// the date.
func receivedWords(value string) (words, comments []chunk) {
	const most = 200
	for i := 0; i < len(value) && len(words)+len(comments) < most; {
		switch c := value[i]; {
		case c == ' ' || c == '\t':
			i++
		case c == ';':
			return words, comments
		case c == '(':
			end := commentEnd(value, i)
			comments = append(comments, chunk{value[i+1 : max(i+1, end-1)], i})
			i = end
		default:
			end := i
			for end < len(value) && strings.IndexByte(" \t;(", value[end]) < 0 {
				end++
			}
			words = append(words, chunk{value[i:end], i})
			i = end
		}
	}
	return words, comments
}

// commentEnd gives the end of the comment that starts at i, nested ones included.
func commentEnd(s string, i int) int {
	for depth := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

func outsideComments(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); {
		if s[i] == '(' {
			i = commentEnd(s, i)
			continue
		}
		out.WriteByte(s[i])
		i++
	}
	return out.String()
}

func (r *received) readFrom(words, comments []chunk, by int) {
	from := -1
	for i, word := range words {
		if strings.EqualFold(word.text, "from") && i+1 < len(words) {
			from = i
			break
		}
	}
	if from < 0 {
		return
	}
	name := words[from+1]
	r.helo = name.text
	var inComments []netip.Addr
	for _, comment := range comments {
		if comment.at < name.at || comment.at > by {
			continue
		}
		for _, word := range strings.Fields(comment.text) {
			lower := strings.ToLower(word)
			if strings.HasPrefix(lower, "helo=") {
				r.helo = word[len("helo="):]
				continue
			}
			if ip, ok := literal(word); ok {
				inComments = append(inComments, ip)
			}
		}
		if fields := strings.Fields(comment.text); len(fields) == 2 && strings.EqualFold(fields[0], "helo") {
			r.helo = fields[1]
			inComments = dropped(inComments, fields[1])
		}
	}
	switch {
	case len(inComments) > 0:
		for _, ip := range inComments {
			if ip != inComments[0] {
				return
			}
		}
		r.client = inComments[0]
	default:
		if ip, ok := literal(name.text); ok && strings.HasPrefix(name.text, "[") {
			r.client = ip
		}
	}
}

// dropped takes the address that a HELO word spells out of a list again.
func dropped(list []netip.Addr, helo string) []netip.Addr {
	if _, ok := literal(helo); ok && len(list) > 0 {
		return list[:len(list)-1]
	}
	return list
}

// literal reads [192.0.2.1], [IPv6:2001:db8::1] or the bare address.
func literal(word string) (netip.Addr, bool) {
	word = strings.Trim(word, ",;")
	if i := strings.LastIndexByte(word, '['); i >= 0 {
		end := strings.IndexByte(word[i:], ']')
		if end < 0 {
			return netip.Addr{}, false
		}
		word = word[i+1 : i+end]
	}
	if len(word) > 5 && strings.EqualFold(word[:5], "ipv6:") {
		word = word[5:]
	}
	ip, err := netip.ParseAddr(word)
	if err != nil || ip.Zone() != "" {
		return netip.Addr{}, false
	}
	return ip.Unmap(), true
}

// envelopeFrom reads what follows "envelope-from".
func envelopeFrom(rest string) string {
	rest = strings.TrimLeft(rest, "= \t")
	if strings.HasPrefix(rest, "<") {
		if end := strings.IndexByte(rest, '>'); end > 0 {
			rest = rest[1:end]
			if rest == "" {
				return "<>"
			}
		}
	}
	rest, _, _ = strings.Cut(rest, " ")
	if strings.LastIndexByte(rest, '@') <= 0 {
		return ""
	}
	return rest
}
