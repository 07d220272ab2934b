package mail

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/transform"
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

// decodeISO2022KR reads ISO-2022-KR (RFC 1557): between SO and SI two bytes are
// one character of KS C 5601, which EUC-KR has with the high bits set.
func decodeISO2022KR(in []byte) (string, int) {
	in = bytes.ReplaceAll(in, []byte("\x1b$)C"), nil)
	euc := make([]byte, 0, len(in))
	shifted := false
	for _, c := range in {
		switch {
		case c == 0x0e:
			shifted = true
		case c == 0x0f:
			shifted = false
		case shifted && c > 0x20 && c < 0x7f:
			euc = append(euc, c|0x80)
		default:
			if c == '\n' {
				shifted = false
			}
			euc = append(euc, c)
		}
	}
	out, _, err := transform.Bytes(korean.EUCKR.NewDecoder(), euc)
	if err != nil {
		return strings.ToValidUTF8(string(in), "\uFFFD"), 1
	}
	return string(out), countReplacements(out)
}
