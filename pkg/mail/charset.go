package mail

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
)

// Text gives the content as valid UTF-8 with lines that end in LF, and counts
// the places that did not fit the declared charset. Files that stood within the
// text are left out: they are the part's children. So are zero bytes.
func (p *Part) Text() (string, int) {
	content := p.Content
	if len(p.cutText) > 0 {
		content = without(content, p.cutText)
	}
	text, n := decodeCharset(content, p.textCharset())
	return lfLines(strings.ReplaceAll(text, "\x00", "")), n
}

// textCharset is the charset to read a text by: an HTML file may declare its own
// where the header has none.
func (p *Part) textCharset() string {
	if p.Charset == "" && p.Type == "text/html" {
		return htmlCharset(p.Content)
	}
	return p.Charset
}

// htmlCharset finds the charset of a meta element near the start of a document.
func htmlCharset(content []byte) string {
	head := bytes.ToLower(content[:min(len(content), 1024)])
	for {
		i := bytes.Index(head, []byte("charset="))
		if i < 0 {
			return ""
		}
		head = head[i+8:]
		name := bytes.TrimLeft(head, ` "'`)
		end := bytes.IndexAny(name, "\"' ;/>\r\n\t")
		if end > 0 && end < 40 {
			return string(name[:end])
		}
	}
}

// lfLines makes every line end in LF. Several CR before a LF are one line end.
func lfLines(text string) string {
	i := strings.IndexByte(text, '\r')
	if i < 0 {
		return text
	}
	var out strings.Builder
	out.Grow(len(text))
	for i >= 0 {
		out.WriteString(text[:i])
		n := i
		for n < len(text) && text[n] == '\r' {
			n++
		}
		if n < len(text) && text[n] == '\n' {
			n++
			out.WriteByte('\n')
		} else {
			for ; i < n; i++ {
				out.WriteByte('\n')
			}
		}
		text = text[n:]
		i = strings.IndexByte(text, '\r')
	}
	out.WriteString(text)
	return out.String()
}

// decodeCharset makes bytes valid UTF-8: by the declared charset first, by what
// they look like where that fails.
func decodeCharset(in []byte, charset string) (string, int) {
	charset = strings.ToLower(strings.Trim(charset, " \t\"'"))
	switch family(charset) {
	case asciiFamily:
		if looksUTF16(in) != nil {
			return guess(in), 1
		}
		if isPlainASCII(in) {
			return string(in), 0
		}
		if charset == "" && utf8.Valid(in) && !hasEscape(in) { // RFC 6532, RFC 6657
			return string(in), 0
		}
		return guess(in), 1
	case utf8Family:
		if looksUTF16(in) != nil {
			return guess(in), 1
		}
		in = bytes.TrimPrefix(in, byteOrderMark)
		if utf8.Valid(in) {
			return string(in), 0
		}
		return repairUTF8(in)
	case utf7Family:
		return decodeUTF7(in)
	case iso2022Family:
		return decodeISO2022(in, charset)
	}
	enc := lookupEncoding(charset)
	if enc == nil {
		if isPlainASCII(in) {
			return string(in), 0
		}
		return guess(in), 1
	}
	if extendsASCII(charset) && isPlainASCII(in) {
		return string(in), 0
	}
	if strings.HasPrefix(charset, "utf-16") || strings.HasPrefix(charset, "utf16") {
		enc = byteOrder(enc, in)
	}
	if isWestern(enc) && isUTF8AsLatin(in) {
		return string(bytes.TrimPrefix(in, byteOrderMark)), 1
	}
	text, n := decodeWith(enc, in)
	if other := windowsFor[charset]; other != nil && (n > 0 || strings.ContainsFunc(text, isC1)) { // mislabelled
		text, _ = decodeWith(other, in)
		return text, 1
	}
	if n > 0 && utf8.Valid(in) && !isPlainASCII(in) { // UTF-8 under another name
		return string(in), 1
	}
	if n > 0 && n*mislabelled > countForeign(text) { // another charset under this name
		if other := guess(in); countReplacements([]byte(other)) < n {
			return other, n
		}
	}
	return text, n
}

// mislabelled is how many letters beyond ASCII stand for each place that does not fit,
// where a text is in the charset that it declares and damaged.
const mislabelled = 5

// countForeign counts the letters beyond ASCII that were read, without half-width kana,
// which nearly any bytes are in Shift_JIS.
func countForeign(text string) int {
	n := 0
	for _, r := range text {
		if r >= 0x80 && r != utf8.RuneError && (r < 0xff61 || r > 0xff9f) {
			n++
		}
	}
	return n
}

// charsetIssues counts as decodeCharset does, without the text where that is cheap.
func (p *parser) charsetIssues(in []byte, charset string) (string, int) {
	p.spend(len(in))
	charset = strings.ToLower(strings.Trim(charset, " \t\"'"))
	switch family(charset) {
	case asciiFamily:
		if looksUTF16(in) == nil && (isPlainASCII(in) || charset == "" && utf8.Valid(in) && !hasEscape(in)) {
			return "", 0
		}
		return "", 1
	case utf8Family:
		if looksUTF16(in) == nil && utf8.Valid(in) {
			return "", 0
		}
	case otherFamily:
		if isPlainASCII(in) && !stateful(charset) {
			return "", 0
		}
	}
	p.spend(decodeCost*len(in) + guessCost*min(len(in), guessBytes))
	return decodeCharset(in, charset)
}

const (
	otherFamily = iota
	asciiFamily
	utf8Family
	utf7Family
	iso2022Family
)

func family(charset string) int {
	switch charset {
	case "", "us-ascii", "ascii", "ansi_x3.4-1968", "iso646-us", "us", "unknown-8bit", "x-unknown", "unknown", "default", "_iso-2022-jp$esc", "7bit", "8bit":
		return asciiFamily
	case "utf-8", "utf8", "unicode-1-1-utf-8", "x-utf-8", "utf-8-mac", "utf_8":
		return utf8Family
	case "utf-7", "utf7", "unicode-1-1-utf-7", "x-unicode-2-0-utf-7":
		return utf7Family
	}
	if strings.HasPrefix(charset, "iso-2022-") || strings.HasPrefix(charset, "csiso2022") || strings.HasPrefix(charset, "cp5022") || charset == "jis" || charset == "jis_encoding" {
		return iso2022Family
	}
	return otherFamily
}

// stateful says whether ASCII bytes may mean something else in a charset.
func stateful(charset string) bool {
	return strings.HasPrefix(charset, "iso-2022") || strings.HasPrefix(charset, "csiso2022") || strings.HasPrefix(charset, "hz") ||
		strings.HasPrefix(charset, "utf-16") || strings.HasPrefix(charset, "utf-32") || strings.HasPrefix(charset, "utf16") ||
		strings.HasPrefix(charset, "ucs") || strings.HasPrefix(charset, "unicode") || strings.HasPrefix(charset, "cp5022")
}

func isC1(r rune) bool { return r >= 0x80 && r <= 0x9f }

// byteOrder chooses the order of UTF-16 without a mark by where the zeros stand
// that its ASCII has.
func byteOrder(enc encoding.Encoding, in []byte) encoding.Encoding {
	if len(in) < 2 || in[0] == 0xfe && in[1] == 0xff || in[0] == 0xff && in[1] == 0xfe {
		return enc
	}
	even, odd := 0, 0
	for i := 0; i+1 < min(len(in), guessBytes); i += 2 {
		if in[i] == 0 {
			even++
		}
		if in[i+1] == 0 {
			odd++
		}
	}
	switch {
	case odd > even:
		return aliases["utf-16le"]
	case even > odd:
		return aliases["utf-16be"]
	}
	return enc
}

// looksUTF16 gives the byte order of a text in UTF-16 that declares something else: by its
// mark, or by the zeros of its ASCII, of which other text has none. It is nil for others.
func looksUTF16(in []byte) encoding.Encoding {
	if len(in) < 4 {
		return nil
	}
	if in[0] == 0xfe && in[1] == 0xff || in[0] == 0xff && in[1] == 0xfe {
		return aliases["utf-16"]
	}
	sample := in[:min(len(in), guessBytes)]
	if zeros := bytes.Count(sample, []byte{0}); zeros*5 < len(sample)*2 || zeros*5 > len(sample)*3 {
		return nil
	}
	even := 0
	for i := 0; i < len(sample); i += 2 {
		if sample[i] == 0 {
			even++
		}
	}
	switch zeros := bytes.Count(sample, []byte{0}); {
	case even*20 >= zeros*19:
		return aliases["utf-16be"]
	case even*20 <= zeros:
		return aliases["utf-16le"]
	}
	return nil
}

// decodeWith decodes and counts the places where bytes did not fit.
func decodeWith(enc encoding.Encoding, in []byte) (string, int) {
	out, err := enc.NewDecoder().Bytes(in)
	if err != nil {
		text, n := repairUTF8(in)
		return text, n + 1
	}
	return string(out), countReplacements(out)
}

// extendsASCII tells charsets of one byte a letter whose lower half is ASCII.
func extendsASCII(charset string) bool {
	return strings.HasPrefix(charset, "iso-8859-") || strings.HasPrefix(charset, "windows-125")
}

// countReplacements counts runs of U+FFFD: a run is one place.
func countReplacements(text []byte) int {
	n := 0
	mark := []byte("\uFFFD")
	for {
		i := bytes.Index(text, mark)
		if i < 0 {
			return n
		}
		n++
		text = text[i:]
		for bytes.HasPrefix(text, mark) {
			text = text[len(mark):]
		}
	}
}

// isPlainASCII says whether no byte is beyond ASCII nor an escape, with which
// some charsets shift.
func isPlainASCII(in []byte) bool {
	if bytes.IndexByte(in, 0x1b) >= 0 {
		return false
	}
	for len(in) >= 8 {
		if binary.LittleEndian.Uint64(in)&0x8080808080808080 != 0 {
			return false
		}
		in = in[8:]
	}
	for i := 0; i < len(in); i++ {
		if in[i] >= 0x80 {
			return false
		}
	}
	return true
}

// hasEscape says whether the shift of ISO 2022 to a set of two bytes occurs.
func hasEscape(in []byte) bool { return bytes.Contains(in, []byte("\x1b$")) }

type span struct{ from, to int }

// without cuts spans, in order, out of the content.
func without(content []byte, spans []span) []byte {
	var out []byte
	at := 0
	for _, s := range spans {
		if s.from > at {
			out = append(out, content[at:s.from]...)
		}
		at = max(at, s.to)
	}
	return append(out, content[min(at, len(content)):]...)
}
