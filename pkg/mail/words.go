package mail

import (
	"strings"
	"unicode/utf8"
)

// DecodeWords decodes the encoded words of RFC 2047 in a text, tolerantly: what
// is no encoded word stays as it is. The result is valid UTF-8.
func DecodeWords(text string) string {
	out, _ := decodeText(text)
	return out
}

// An encodedWord is one =?charset?e?text?=.
type encodedWord struct {
	charset string
	base64  bool
	text    string
	end     int // where it ends in the text
}

// decodeText decodes unstructured text and counts what did not fit its charset.
// Raw bytes beyond ASCII are UTF-8 (RFC 6532) or guessed.
func decodeText(text string) (string, int) {
	if !strings.Contains(text, "=?") {
		return plainText(text)
	}
	var out strings.Builder
	issues := 0
	var pending []byte // bytes of adjacent words in one charset, decoded together
	charset := ""
	flush := func() {
		if pending != nil {
			s, n := decodeCharset(pending, charset)
			out.WriteString(s)
			issues += n
			pending = nil
		}
	}
	literal := func(s string) {
		s, n := plainText(s)
		out.WriteString(s)
		issues += n
	}
	pos := 0
	for pos < len(text) {
		i := strings.Index(text[pos:], "=?")
		if i < 0 {
			break
		}
		i += pos
		word, status := readWord(text, i)
		if status == noMoreWords {
			break
		}
		if status == noWord {
			flush()
			literal(text[pos : i+2])
			pos = i + 2
			continue
		}
		between := text[pos:i]
		if pending != nil && strings.Trim(between, " \t\r\n") == "" {
			// RFC 2047 §6.2: white space between encoded words is not shown.
			if !strings.EqualFold(charset, word.charset) {
				flush()
			}
		} else {
			flush()
			literal(between)
		}
		charset = word.charset
		if pending == nil {
			pending = []byte{}
		}
		pending = append(pending, word.bytes()...)
		pos = word.end
	}
	flush()
	literal(text[pos:])
	return out.String(), issues
}

const (
	aWord = iota
	noWord
	noMoreWords // no word ends anywhere after this
)

func readWord(text string, at int) (encodedWord, int) {
	rest := text[at+2:]
	q := strings.IndexByte(rest[:min(len(rest), 64)], '?')
	if q <= 0 || q+2 >= len(rest) || rest[q+2] != '?' {
		return encodedWord{}, noWord
	}
	w := encodedWord{charset: rest[:q]}
	if strings.ContainsAny(w.charset, " \t\"<>()") {
		return encodedWord{}, noWord
	}
	w.charset, _, _ = strings.Cut(w.charset, "*") // RFC 2231 §5: a language
	switch rest[q+1] {
	case 'B', 'b':
		w.base64 = true
	case 'Q', 'q':
	default:
		return encodedWord{}, noWord
	}
	body := rest[q+3:]
	end := strings.Index(body, "?=")
	if end < 0 {
		return encodedWord{}, noMoreWords
	}
	w.text = body[:end]
	w.end = at + 2 + q + 3 + end + 2
	return w, aWord
}

func (w encodedWord) bytes() []byte {
	if w.base64 {
		out, _ := decodeBase64([]byte(w.text), len(w.text))
		return out
	}
	out := make([]byte, 0, len(w.text)) // RFC 2047 §4.2
	for i := 0; i < len(w.text); i++ {
		switch c := w.text[i]; {
		case c == '_':
			out = append(out, ' ')
		case c == '=' && i+2 < len(w.text) && unhex(w.text[i+1]) >= 0 && unhex(w.text[i+2]) >= 0:
			out = append(out, byte(unhex(w.text[i+1])<<4|unhex(w.text[i+2])))
			i += 2
		default:
			out = append(out, c)
		}
	}
	return out
}

// plainText makes header text without encoded words valid UTF-8.
func plainText(text string) (string, int) {
	if utf8.ValidString(text) && !strings.Contains(text, "\x1b$") {
		return text, 0
	}
	return decodeCharset([]byte(text), "")
}
