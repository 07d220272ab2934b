package mail

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// Text gives the content as valid UTF-8 with lines that end in LF, and counts
// the places that did not fit the declared charset. Files that stood within the
// text are left out: they are the part's children.
func (p *Part) Text() (string, int) {
	content := p.Content
	if len(p.cutText) > 0 {
		content = without(content, p.cutText)
	}
	text, n := decodeCharset(content, p.textCharset())
	return lfLines(text), n
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
		if isPlainASCII(in) {
			return string(in), 0
		}
		if charset == "" && utf8.Valid(in) && !hasEscape(in) { // RFC 6532, RFC 6657
			return string(in), 0
		}
		return guess(in), 1
	case utf8Family:
		in = bytes.TrimPrefix(in, []byte("\xef\xbb\xbf"))
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
	text, n := decodeWith(enc, in)
	if other := windowsFor[charset]; other != nil && (n > 0 || strings.ContainsFunc(text, isC1)) { // mislabelled
		text, _ = decodeWith(other, in)
		return text, 1
	}
	if n > 0 && utf8.Valid(in) && !isPlainASCII(in) { // UTF-8 under another name
		return string(in), 1
	}
	return text, n
}

// charsetIssues counts as decodeCharset does, without the text where that is cheap.
func (p *parser) charsetIssues(in []byte, charset string) (string, int) {
	p.spend(len(in))
	charset = strings.ToLower(strings.Trim(charset, " \t\"'"))
	switch family(charset) {
	case asciiFamily:
		if isPlainASCII(in) || charset == "" && utf8.Valid(in) && !hasEscape(in) {
			return "", 0
		}
		return "", 1
	case utf8Family:
		if utf8.Valid(in) {
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

// Names that senders use and the registries do not know, or where the decoder
// of a superset reads more of what is really sent.
var aliases = map[string]encoding.Encoding{
	"gb2312": simplifiedchinese.GB18030, "gbk": simplifiedchinese.GB18030, "gb18030": simplifiedchinese.GB18030,
	"cp936": simplifiedchinese.GB18030, "windows-936": simplifiedchinese.GB18030, "x-gbk": simplifiedchinese.GB18030,
	"euc-cn": simplifiedchinese.GB18030, "gb_2312-80": simplifiedchinese.GB18030, "chinese": simplifiedchinese.GB18030,
	"hz-gb-2312": simplifiedchinese.HZGB2312, "hz": simplifiedchinese.HZGB2312,
	"big5": traditionalchinese.Big5, "big-5": traditionalchinese.Big5, "big5-hkscs": traditionalchinese.Big5,
	"cp950": traditionalchinese.Big5, "x-x-big5": traditionalchinese.Big5, "cn-big5": traditionalchinese.Big5,
	"euc-kr": korean.EUCKR, "ks_c_5601-1987": korean.EUCKR, "ksc5601": korean.EUCKR, "ks_c_5601": korean.EUCKR,
	"cp949": korean.EUCKR, "uhc": korean.EUCKR, "windows-949": korean.EUCKR, "ks_c_5601-1989": korean.EUCKR,
	"shift_jis": japanese.ShiftJIS, "shift-jis": japanese.ShiftJIS, "sjis": japanese.ShiftJIS, "x-sjis": japanese.ShiftJIS,
	"cp932": japanese.ShiftJIS, "windows-31j": japanese.ShiftJIS, "ms_kanji": japanese.ShiftJIS, "shiftjis": japanese.ShiftJIS,
	"euc-jp": japanese.EUCJP, "eucjp": japanese.EUCJP, "x-euc-jp": japanese.EUCJP, "ujis": japanese.EUCJP,
	"iso-8859-1": charmap.Windows1252, "latin1": charmap.Windows1252, "iso8859-1": charmap.Windows1252, "iso_8859-1": charmap.Windows1252,
	"iso-8859-9": charmap.Windows1254, "iso-8859-8-i": charmap.ISO8859_8, "iso-8859-8-e": charmap.ISO8859_8,
	"iso-8859-11": charmap.Windows874, "tis-620": charmap.Windows874, "cp874": charmap.Windows874,
	"cp1250": charmap.Windows1250, "cp1251": charmap.Windows1251, "cp1252": charmap.Windows1252, "cp1253": charmap.Windows1253,
	"cp1254": charmap.Windows1254, "cp1255": charmap.Windows1255, "cp1256": charmap.Windows1256, "cp1257": charmap.Windows1257, "cp1258": charmap.Windows1258,
	"cp437": charmap.CodePage437, "cp850": charmap.CodePage850, "cp852": charmap.CodePage852, "cp855": charmap.CodePage855,
	"cp858": charmap.CodePage858, "cp860": charmap.CodePage860, "cp862": charmap.CodePage862, "cp863": charmap.CodePage863,
	"cp865": charmap.CodePage865, "cp866": charmap.CodePage866, "ibm437": charmap.CodePage437, "ibm850": charmap.CodePage850,
	"macroman": charmap.Macintosh, "mac": charmap.Macintosh, "macintosh": charmap.Macintosh, "x-mac-roman": charmap.Macintosh,
	"koi8": charmap.KOI8R, "koi8r": charmap.KOI8R, "koi8-ru": charmap.KOI8U,
	"utf-16": unicode.UTF16(unicode.BigEndian, unicode.UseBOM), "utf16": unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"utf-16le": unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), "utf-16be": unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"ucs-2": unicode.UTF16(unicode.BigEndian, unicode.UseBOM), "iso-10646-ucs-2": unicode.UTF16(unicode.BigEndian, unicode.UseBOM), "unicode": unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
	"utf-32": utf32.UTF32(utf32.BigEndian, utf32.UseBOM), "utf-32le": utf32.UTF32(utf32.LittleEndian, utf32.UseBOM), "utf-32be": utf32.UTF32(utf32.BigEndian, utf32.UseBOM), "ucs-4": utf32.UTF32(utf32.BigEndian, utf32.UseBOM),
}

// windowsFor is what senders mean where a text of one of these charsets holds
// the control characters of ISO 6429, which nobody writes.
var windowsFor = map[string]encoding.Encoding{
	"iso-8859-2": charmap.Windows1250, "iso-8859-5": charmap.Windows1251, "iso-8859-6": charmap.Windows1256, "iso-8859-7": charmap.Windows1253,
	"iso-8859-8": charmap.Windows1255, "iso-8859-13": charmap.Windows1257, "iso-8859-15": charmap.Windows1252,
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

// lookupEncoding finds the decoder of a charset, nil where it is unknown.
func lookupEncoding(name string) encoding.Encoding {
	if enc, ok := aliases[name]; ok {
		return enc
	}
	if len(name) > 60 {
		return nil
	}
	if enc, err := htmlindex.Get(name); err == nil && enc != encoding.Replacement {
		return enc
	}
	if enc, err := ianaindex.MIME.Encoding(name); err == nil && enc != nil {
		return enc
	}
	for from, to := range map[string]string{"iso8859": "iso-8859", "iso_8859": "iso-8859", "iso-8859_": "iso-8859-", "windows_": "windows-", "win-": "windows-", "win": "windows-", "x-cp": "windows-", "cp-": "cp", "cp": "windows-", "x-windows-": "windows-", "latin-": "latin"} {
		if rest, ok := strings.CutPrefix(name, from); ok {
			other := to + strings.TrimPrefix(rest, "_")
			if enc, ok := aliases[other]; ok {
				return enc
			}
			if enc, err := htmlindex.Get(other); err == nil && enc != encoding.Replacement {
				return enc
			}
		}
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

// repairUTF8 keeps what is valid and counts the places that are not. Text that
// is mostly not UTF-8 is guessed.
func repairUTF8(in []byte) (string, int) {
	bad, good, size := 0, 0, 0
	inRun := false
	for rest := in; len(rest) > 0; rest = rest[size:] {
		var r rune
		r, size = utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			if !inRun {
				bad++
			}
			inRun = true
			continue
		case r >= 0x80:
			good++
		}
		inRun = false
	}
	if bad > 0 && good < bad {
		return guess(in), max(bad, 1)
	}
	return strings.ToValidUTF8(string(in), "\uFFFD"), bad
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
