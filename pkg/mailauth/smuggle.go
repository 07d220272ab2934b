package mailauth

import (
	"bytes"

	"github.com/postern-mail/postern/pkg/mail"
)

// lateHeader bounds how much of a body is looked through for what another reader could
// take for more of the header.
const lateHeader = 64 << 10

// fromFields counts the From fields that a reader could find in a message who goes by other
// line ends than ours, another end of the header, or no limit on its length. Where it is not
// how many there are, but that one hides, the code says so.
func fromFields(msg *mail.Message) (count int, codes []string) {
	body := msg.Root.RawBody
	head := msg.Root.Raw[:max(0, len(msg.Root.Raw)-len(body))]
	eol := []byte("\n")
	if bytes.Contains(head, []byte("\r\n")) {
		eol = []byte("\r\n")
	}
	blank := append(eol[:len(eol):len(eol)], eol...)
	if !bytes.HasSuffix(head, blank) { // it does not end as headers do
		late := body[:min(len(body), lateHeader)]
		if end := bytes.Index(late, blank); end >= 0 {
			late = late[:end]
		}
		if !bytes.HasPrefix(late, eol) {
			head = msg.Root.Raw[:min(len(msg.Root.Raw), len(head)+len(late))]
		}
	}
	count, codes = countFrom(head, eol)
	if bytes.IndexByte(head, 0) >= 0 { // which some readers leave out
		if without, _ := countFrom(bytes.ReplaceAll(head, []byte{0}, nil), eol); without != count {
			codes = appendNew(codes, []string{FromSmuggled})
		}
	}
	return count, codes
}

func countFrom(head, eol []byte) (count int, codes []string) {
	for colon := 0; colon < len(head); colon++ {
		next := bytes.IndexByte(head[colon:], ':')
		if next < 0 {
			break
		}
		colon += next
		end := skipBack(head, colon)
		if end < 4 || !bytes.EqualFold(head[end-4:end], []byte("from")) {
			continue
		}
		start := skipBack(head, end-4)
		if start > 0 && !endsLine(head[:start]) {
			continue
		}
		before, after := head[start:end-4], head[end:colon]
		proper := start == 0 || bytes.HasSuffix(head[:start], eol)
		switch {
		case proper && start > 0 && len(before) > 0 && isBlank(before):
			// folded: it belongs to the field above
		case !proper || len(before) > 0 || !isBlank(after):
			codes = appendNew(codes, []string{FromSmuggled})
		case len(after) > 0:
			codes = appendNew(codes, []string{FromFieldName}) // RFC 5322 §4.5
			count++
		default:
			count++
		}
	}
	return count, codes
}

func isBlank(text []byte) bool { return len(bytes.Trim(text, " \t")) == 0 }

// unseen are what can stand beside a field's name without being seen: white space, what has no
// width, a byte order mark, the mark of a quotation.
var unseen = []string{" ", "\t", "\x00", "\u00a0", "\xa0", "\u00ad", "\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u2060", "\u3000", "\ufeff", ">"}

// otherLineEnds are what one reader or another takes for the end of a line.
var otherLineEnds = []string{"\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\u0085", "\u2028", "\u2029"}

// skipBack gives where what is unseen before a place begins.
func skipBack(text []byte, at int) int {
	for at > 0 {
		if c := text[at-1]; c > ' ' && c < 0x7f && c != '>' {
			return at // seen, as nearly all is
		}
		n := suffixOf(text[:at], unseen)
		if n == 0 {
			return at
		}
		at -= n
	}
	return 0
}

func endsLine(text []byte) bool { return suffixOf(text, otherLineEnds) > 0 }

// suffixOf gives the length of the first of these that a text ends with.
func suffixOf(text []byte, list []string) int {
	for _, one := range list {
		if len(text) >= len(one) && string(text[len(text)-len(one):]) == one {
			return len(one)
		}
	}
	return 0
}
