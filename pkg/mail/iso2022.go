package mail

import (
	"bytes"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// A set is a character set that ISO 2022 text can switch to. Its bytes become
// those of an eight-bit encoding: the high bit set, a prefix in front.
type set struct {
	wide   bool // two bytes a character
	prefix byte
	enc    encoding.Encoding
}

var (
	asciiSet   = &set{}
	kanaSet    = &set{prefix: 0x8e, enc: japanese.EUCJP}
	kanjiSet   = &set{wide: true, enc: japanese.EUCJP}
	moreKanji  = &set{wide: true, prefix: 0x8f, enc: japanese.EUCJP}
	chineseSet = &set{wide: true, enc: simplifiedchinese.GBK}
	koreanSet  = &set{wide: true, enc: korean.EUCKR}
)

// designations are the escapes of ISO-2022-JP and its kin (RFC 1468, RFC 1554,
// RFC 2237), -KR (RFC 1557) and -CN (RFC 1922). JIS X 0213 is read as JIS X 0208,
// which it holds.
var designations = []struct {
	escape  string
	set     *set
	shifted bool // used between SO and SI only
}{
	{"(B", asciiSet, false}, {"(J", asciiSet, false}, {"(H", asciiSet, false}, {"(I", kanaSet, false},
	{"$@", kanjiSet, false}, {"$B", kanjiSet, false}, {"$(@", kanjiSet, false}, {"$(B", kanjiSet, false},
	{"$(D", moreKanji, false}, {"$(O", kanjiSet, false}, {"$(Q", kanjiSet, false},
	{"$A", chineseSet, false}, {"$(A", chineseSet, false}, {"$(C", koreanSet, false},
	{"$)C", koreanSet, true}, {"$)A", chineseSet, true}, {"&@", nil, false},
}

// decodeISO2022 reads text that switches character sets by escapes.
func decodeISO2022(in []byte, charset string) (string, int) {
	var out strings.Builder
	issues := 0
	now, shiftTo, shifted := asciiSet, asciiSet, false
	switch {
	case strings.Contains(charset, "kr"):
		shiftTo = koreanSet
	case !strings.Contains(charset, "cn"): // JIS X 0201, as in cp50222
		shiftTo = kanaSet
	}
	var high []byte // where a text of some set latched the upper half (RFC 1554: ISO 8859)
	var upper encoding.Encoding
	run := make([]byte, 0, 64)
	flush := func(s *set) {
		if len(run) == 0 {
			return
		}
		text, n := s.decode(run)
		out.WriteString(text)
		issues += n
		run = run[:0]
	}
	active := func() *set {
		if shifted {
			return shiftTo
		}
		return now
	}
	for i := 0; i < len(in); i++ {
		c := in[i]
		switch {
		case c == 0x1b:
			flush(active())
			rest := in[i+1:]
			if len(rest) >= 2 && rest[0] == '.' { // RFC 1554: designate the upper half
				upper = map[byte]encoding.Encoding{'A': charmap.ISO8859_1, 'F': charmap.ISO8859_7}[rest[1]]
				i += 2
				continue
			}
			if len(rest) >= 2 && rest[0] == 'N' { // one character of it
				high = append(high[:0], rest[1]|0x80)
				if upper == nil {
					issues++
					out.WriteRune('\uFFFD')
				} else {
					text, n := decodeWith(upper, high)
					out.WriteString(text)
					issues += n
				}
				i += 2
				continue
			}
			n := 0
			for _, d := range designations {
				if bytes.HasPrefix(rest, []byte(d.escape)) {
					n = len(d.escape)
					switch {
					case d.set == nil:
					case d.shifted:
						shiftTo = d.set
					default:
						now = d.set
					}
					break
				}
			}
			if n == 0 {
				issues++
			}
			i += n
		case c == 0x0e || c == 0x0f:
			flush(active())
			shifted = c == 0x0e
		case c == '\n' || c == '\r': // every line starts in ASCII
			flush(active())
			now, shifted = asciiSet, false
			out.WriteByte(c)
		default:
			run = append(run, c)
		}
	}
	flush(active())
	return out.String(), issues
}

func (s *set) decode(run []byte) (string, int) {
	if s.enc == nil {
		if isPlainASCII(run) {
			return string(run), 0
		}
		return guess(run), 1
	}
	moved := make([]byte, 0, 2*len(run))
	for i := 0; i < len(run); i++ {
		if run[i] <= ' ' || run[i] >= 0x7f {
			moved = append(moved, run[i])
			continue
		}
		if s.prefix != 0 {
			moved = append(moved, s.prefix)
		}
		moved = append(moved, run[i]|0x80)
		if s.wide && i+1 < len(run) {
			i++
			moved = append(moved, run[i]|0x80)
		}
	}
	return decodeWith(s.enc, moved)
}
