package dkim

import (
	"errors"
	"strings"
)

// A Tag is one tag=value of a tag list (RFC 6376 §3.2).
type Tag struct {
	Name  string
	Value string // surrounding white space removed, folding inside kept
	// The whole value stands at Start:End of the text it was read from,
	// surrounding white space included.
	Start, End int
}

// A Tags is a tag list in the order it stands.
type Tags []Tag

// maxTags bounds a tag list: the largest in use have about twenty.
const maxTags = 64

var errTags = errors.New("malformed tag list")

// ParseTags reads a tag list. A name that stands twice makes the list invalid
// (RFC 6376 §3.2).
func ParseTags(text string) (Tags, error) {
	tags := make(Tags, 0, 12)
	for pos := 0; pos < len(text); {
		end := strings.IndexByte(text[pos:], ';')
		if end < 0 {
			end = len(text)
		} else {
			end += pos
		}
		spec := text[pos:end]
		equals := strings.IndexByte(spec, '=')
		if equals < 0 {
			if trim(spec) != "" || end < len(text) {
				return nil, errTags
			}
			break // white space after the last semicolon
		}
		name := trim(spec[:equals])
		if !isTagName(name) || tags.Has(name) || len(tags) == maxTags {
			return nil, errTags
		}
		value := trim(spec[equals+1:])
		if !isTagValue(value) {
			return nil, errTags
		}
		tags = append(tags, Tag{Name: name, Value: value, Start: pos + equals + 1, End: end})
		pos = end + 1
	}
	if len(tags) == 0 {
		return nil, errTags
	}
	return tags, nil
}

// Get gives the value of a tag, "" where it is absent.
func (t Tags) Get(name string) string {
	for i := range t {
		if t[i].Name == name {
			return t[i].Value
		}
	}
	return ""
}

// Has reports whether a tag is present.
func (t Tags) Has(name string) bool {
	for i := range t {
		if t[i].Name == name {
			return true
		}
	}
	return false
}

func isTagName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		alpha := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alpha && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}

// isTagValue allows printable characters, white space and UTF-8 (RFC 8616 §4).
func isTagValue(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' && !isSpace(c) || c == 0x7f {
			return false
		}
	}
	return true
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func trim(s string) string { return strings.Trim(s, " \t\r\n") }

// squeeze removes all white space: folding inside base64 and names is free.
func squeeze(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) }) < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if !isSpace(s[i]) {
			out = append(out, s[i])
		}
	}
	return string(out)
}
