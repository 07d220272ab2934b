package mail

import "strings"

// Plain gives a text part as it is to be read: format=flowed is unfolded
// (RFC 3676), anything else is as Text gives it.
func (p *Part) Plain() (string, int) {
	text, n := p.Text()
	if p.Type == "text/plain" && strings.EqualFold(p.Params["format"], "flowed") {
		text = unflow(text, strings.EqualFold(p.Params["delsp"], "yes"))
	}
	return text, n
}

// unflow joins the lines of a paragraph (RFC 3676 §4): one that ends in a space
// goes on in the next of the same quote depth.
func unflow(text string, delSp bool) string {
	var out strings.Builder
	depth, open := 0, false
	for rest, more := text, true; more; {
		var line string
		line, rest, more = strings.Cut(rest, "\n")
		if !more && line == "" {
			break
		}
		body := strings.TrimLeft(line, ">")
		quotes := len(line) - len(body)
		body = strings.TrimPrefix(body, " ") // §4.4: space-stuffing
		if open && quotes != depth {         // §4.5: a paragraph ends where the quoting changes
			out.WriteByte('\n')
			open = false
		}
		if !open && quotes > 0 {
			out.WriteString(strings.Repeat(">", quotes) + " ")
		}
		depth = quotes
		if flows := strings.HasSuffix(body, " ") && body != "-- "; flows { // §4.3: a signature separator does not
			if delSp {
				body = body[:len(body)-1]
			}
			out.WriteString(body)
			open = true
			continue
		}
		out.WriteString(body)
		open = false
		if more {
			out.WriteByte('\n')
		}
	}
	return out.String()
}
