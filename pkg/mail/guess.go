package mail

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// guessBytes is how much of a text a guess looks at.
const guessBytes = 4096

// guess reads bytes whose charset nobody declared, or declared wrongly. It is
// asked only where the declared charset failed.
func guess(in []byte) string {
	if enc := looksUTF16(in); enc != nil {
		text, _ := decodeWith(enc, in)
		return text
	}
	if utf8.Valid(in) && bytes.IndexByte(in, 0x1b) < 0 {
		return string(in)
	}
	if bytes.Contains(in, []byte("\x1b$")) || bytes.Contains(in, []byte("\x1b(J")) {
		text, _ := decodeISO2022(in, "")
		return text
	}
	text, _ := decodeWith(likeliest(in), in)
	return text
}

// likeliest is the charset that bytes look most like, of those without escapes or zeros.
func likeliest(in []byte) encoding.Encoding {
	sample := in[:min(len(in), guessBytes)]
	enc, best := encoding.Encoding(charmap.Windows1252), scoreLatin(sample)
	for _, c := range []struct {
		enc   encoding.Encoding
		score func(string) float64
	}{
		{japanese.ShiftJIS, scoreJapanese}, {japanese.EUCJP, scoreJapanese},
		{korean.EUCKR, scoreKorean}, {simplifiedchinese.GB18030, scoreChinese}, {traditionalchinese.Big5, scoreChinese},
		{charmap.KOI8R, scoreCyrillic}, {charmap.Windows1251, scoreCyrillic},
	} {
		text, err := c.enc.NewDecoder().Bytes(sample)
		if err != nil {
			continue
		}
		bad := countReplacements(text)
		if len(sample) == guessBytes && bad > 0 {
			bad-- // the sample may end within a character
		}
		score := c.score(string(text)) - float64(bad)/4
		if score > best {
			enc, best = c.enc, score
		}
	}
	return enc
}

// isEastAsian says whether most letters of a charset are of two bytes, which not any bytes are.
func isEastAsian(enc encoding.Encoding) bool {
	switch enc {
	case japanese.ShiftJIS, japanese.EUCJP, korean.EUCKR, simplifiedchinese.GB18030, traditionalchinese.Big5:
		return true
	}
	return false
}

// Scores are the share of characters beyond ASCII that a reader of the language
// would expect, from 0 to 1.

func share(text string, expected func(prev, r rune) float64) float64 {
	total, hit := 0.0, 0.0
	prev := ' '
	for _, r := range text {
		if r >= 0x80 {
			total++
			hit += expected(prev, r)
		}
		prev = r
	}
	if total == 0 {
		return 0
	}
	return hit / total
}

func scoreJapanese(text string) float64 {
	kana := false
	score := share(text, func(_, r rune) float64 {
		switch {
		case r >= 0x3040 && r <= 0x30ff:
			kana = true
			return 1
		case r >= 0x3000 && r <= 0x303f, r >= 0xff01 && r <= 0xff5e:
			return 0.8
		case r >= 0x4e00 && r <= 0x9fff:
			return 0.7
		}
		return 0 // half-width katakana stand in wrong guesses above all
	})
	if !kana {
		return score / 2
	}
	return score
}

func scoreKorean(text string) float64 {
	return share(text, func(_, r rune) float64 {
		switch {
		case r >= 0xac00 && r <= 0xd7a3:
			if commonHangul(r) {
				return 1
			}
			return 0.6
		case r >= 0x3000 && r <= 0x303f, r >= 0xff01 && r <= 0xff5e:
			return 0.5
		}
		return 0
	})
}

func commonHangul(r rune) bool {
	switch r {
	case '이', '다', '는', '을', '의', '에', '고', '하', '가', '니', '지', '를', '은', '요', '로', '기', '사', '한', '도', '서', '나', '그', '자', '인', '시', '있', '안', '습', '세', '어', '해', '수', '아', '일', '리', '부', '들', '만', '주':
		return true
	}
	return false
}

func scoreChinese(text string) float64 {
	return share(text, func(_, r rune) float64 {
		switch {
		case commonHan(r):
			return 1
		case r >= 0x4e00 && r <= 0x9fff:
			return 0.6
		case r >= 0x3000 && r <= 0x303f, r >= 0xff01 && r <= 0xff5e:
			return 0.6
		}
		return 0
	})
}

func commonHan(r rune) bool {
	switch r {
	case '的', '一', '是', '不', '了', '在', '人', '有', '我', '他', '这', '個', '个', '們', '们', '中', '来', '來', '上', '大', '為', '为', '和', '国', '國', '地', '到', '以', '说', '說', '时', '時', '要', '就', '出', '会', '會', '可', '也', '你', '对', '對', '生', '能', '而', '子', '那', '得', '于', '於', '着', '下', '自', '之', '年', '好', '请', '請', '公', '司', '您':
		return true
	}
	return false
}

func scoreCyrillic(text string) float64 {
	return share(text, func(prev, r rune) float64 {
		if r < 0x400 || r > 0x45f {
			return 0
		}
		if unicode.IsLower(r) {
			return 0.95
		}
		if unicode.IsLower(prev) { // a capital within a word: the other of the two charsets
			return 0
		}
		return 0.7
	})
}

// scoreLatin says how much the bytes look like Western text: one or two letters
// among ASCII ones.
func scoreLatin(in []byte) float64 {
	total, hit := 0.0, 0.0
	for i := 0; i < len(in); i++ {
		if in[i] < 0x80 {
			continue
		}
		start := i
		for i < len(in) && in[i] >= 0x80 {
			i++
		}
		n := float64(i - start)
		total += n
		touching := 0
		if start > 0 && isLetter(in[start-1]) {
			touching++
		}
		if i < len(in) && isLetter(in[i]) {
			touching++
		}
		switch {
		case n <= 2 && touching == 2, n == 1 && touching == 1:
			hit += n
		case n == 1, n == 2 && touching == 1:
			hit += 0.85 * n
		default:
			hit += 0.3 * n
		}
	}
	if total == 0 {
		return 1
	}
	return hit / total
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
