package mail

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

var utf7Alphabet = base64.StdEncoding.WithPadding(base64.NoPadding)

// decodeUTF7 reads UTF-7 (RFC 2152).
func decodeUTF7(in []byte) (string, int) {
	var out strings.Builder
	issues := 0
	for len(in) > 0 {
		i := bytes.IndexByte(in, '+')
		if i < 0 {
			issues += writeASCII(&out, in)
			break
		}
		issues += writeASCII(&out, in[:i])
		in = in[i+1:]
		n := 0
		for n < len(in) && b64Table[in[n]] < 64 {
			n++
		}
		if n == 0 {
			if len(in) == 0 || in[0] != '-' {
				issues++
			} else {
				in = in[1:]
			}
			out.WriteByte('+')
			continue
		}
		run := in[:n]
		in = in[n:]
		if len(in) > 0 && in[0] == '-' {
			in = in[1:]
		}
		if n%4 == 1 { // bits left over
			issues++
			run = run[:n-1]
		}
		raw := make([]byte, utf7Alphabet.DecodedLen(len(run)))
		m, _ := utf7Alphabet.Decode(raw, run)
		units := make([]uint16, m/2)
		for k := range units {
			units[k] = uint16(raw[2*k])<<8 | uint16(raw[2*k+1])
		}
		for _, r := range utf16.Decode(units) {
			if r == utf8.RuneError {
				issues++
			}
			out.WriteRune(r)
		}
	}
	return out.String(), issues
}

// writeASCII writes bytes that should be ASCII and counts whether they were not.
func writeASCII(out *strings.Builder, in []byte) int {
	if isPlainASCII(in) {
		out.Write(in)
		return 0
	}
	out.WriteString(guess(in))
	return 1
}
