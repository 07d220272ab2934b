package clean

import "strings"

// A Flow says how the lines of a text/plain part are to be read (RFC 3676 §3):
// the part's format and delsp parameters.
type Flow struct {
	Flowed bool // format=flowed
	DelSp  bool // delsp=yes
}

// Plain makes a text/plain body readable: line ends become LF, control
// characters and forced reading directions go, and lines that were broken for
// the wire alone are joined again.
func Plain(text string, flow Flow) string {
	text = tidy(text)
	if !flow.Flowed {
		return strings.TrimRight(text, " \n")
	}
	var out strings.Builder
	out.Grow(len(text))
	open, openDepth := false, 0
	for line := range strings.SplitSeq(text, "\n") {
		depth := 0
		for depth < len(line) && line[depth] == '>' {
			depth++
		}
		line = strings.TrimPrefix(line[depth:], " ") // RFC 3676 §4.4: space-stuffing
		signature := line == "-- "                   // RFC 3676 §4.3
		if open && (depth != openDepth || signature) {
			out.WriteByte('\n') // RFC 3676 §4.5: a paragraph ends where the depth changes
			open = false
		}
		if !open && depth > 0 {
			out.WriteString(strings.Repeat(">", depth) + " ")
		}
		open, openDepth = strings.HasSuffix(line, " ") && !signature, depth
		if open && flow.DelSp {
			line = line[:len(line)-1]
		}
		out.WriteString(line)
		if !open {
			out.WriteByte('\n')
		}
	}
	return strings.TrimRight(out.String(), " \n")
}
