// Package rawmail cuts a message into header fields and body by line ends alone,
// for tests of what works on raw bytes. It knows nothing of what fields mean.
package rawmail

import (
	"bytes"

	"github.com/postern-mail/postern/pkg/mail"
)

// Split cuts a message. Lines end with LF, with or without CR before it.
func Split(raw []byte) (mail.Header, []byte) {
	var header mail.Header
	for len(raw) > 0 {
		end := bytes.IndexByte(raw, '\n') + 1
		if end == 0 {
			end = len(raw)
		}
		line := raw[:end]
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			return header, raw[end:]
		}
		for end < len(raw) && (raw[end] == ' ' || raw[end] == '\t') {
			next := bytes.IndexByte(raw[end:], '\n') + 1
			if next == 0 {
				next = len(raw) - end
			}
			end += next
		}
		field := raw[:end]
		name, value, _ := bytes.Cut(field, []byte(":"))
		value = bytes.TrimSuffix(bytes.TrimSuffix(value, []byte("\n")), []byte("\r"))
		header = append(header, mail.Field{Name: string(name), Raw: field, Value: value})
		raw = raw[end:]
	}
	return header, nil
}

// CRLF gives a message whose lines end with LF the line ends of the wire.
func CRLF(raw []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}
