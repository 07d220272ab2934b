package mailauth

import (
	"strings"

	"encoding/json"
)

// A Line is one header field as it stands, cut where it is long. It holds any octets.
type Line string

// MarshalJSON loses no octet: each stands as the character of its number.
func (l Line) MarshalJSON() ([]byte, error) {
	runes := make([]rune, len(l))
	for i := range len(l) {
		runes[i] = rune(l[i])
	}
	return json.Marshal(string(runes))
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (l *Line) UnmarshalJSON(text []byte) error {
	var wide string
	if err := json.Unmarshal(text, &wide); err != nil {
		return err
	}
	octets := make([]byte, 0, len(wide))
	for _, r := range wide {
		if r > 0xff {
			return errDossier
		}
		octets = append(octets, byte(r))
	}
	*l = Line(octets)
	return nil
}

// The bounds of the header lines in a dossier: strangers choose how many and how long they are.
const (
	maxLines     = 60
	maxLine      = 2 << 10
	maxLineBytes = 24 << 10 // of all
)

// linesOf gives what is kept of header fields, and how many are not.
func linesOf(fields []string) (lines []Line, more int) {
	total := 0
	for i, field := range fields {
		field = strings.TrimRight(field, "\r\n")
		field = field[:min(len(field), maxLine)]
		if total += len(field); len(lines) == maxLines || total > maxLineBytes {
			return lines, len(fields) - i
		}
		lines = append(lines, Line(field))
	}
	return lines, 0
}
