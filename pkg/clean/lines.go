package clean

import (
	"strings"
	"unicode/utf8"
)

type separatorKind uint8

const (
	noSeparator    separatorKind = iota
	namedSeparator               // -----Original Message-----
	bareSeparator                // ________________________________, or dashes around other words
)

// separator says what line a text is of those that set history apart.
func separator(text string) separatorKind {
	bare := strings.TrimFunc(text, func(r rune) bool {
		return r == '-' || r == '_' || r == '*' || r == '=' || r == ' ' || r == '>' || r == '<' || r == 0xA0 || r == '–' || r == '—'
	})
	switch marks := len(text) - len(bare); {
	case bare == "" && marks >= 10 && (text[0] == '_' || text[0] == '-'):
		return bareSeparator
	case bare == "" || marks < 4 || text[0] != '-' && text[0] != '_' && text[0] != '*' && text[0] != '=' && text[0] != '<' && !strings.HasPrefix(text, "–"):
		if opensWith(text, begins) && strings.HasSuffix(text, ":") {
			return namedSeparator
		}
		return noSeparator
	case opensWith(bare, separators):
		return namedSeparator
	case marks >= 8 && len(bare) < 60:
		return bareSeparator
	}
	return noSeparator
}

// begins are how Apple's programs introduce what they forward.
var begins = []string{"begin forwarded message", "anfang der weitergeleiteten", "début du message réexpédié", "début du message transféré", "inicio del mensaje reenviado", "inizio messaggio inoltrato",
	"begin doorgestuurd bericht", "início da mensagem reencaminhada", "início da mensagem encaminhada", "rozpoczęcie przekazywanej", "vidarebefordrat brev", "videresendt besked", "videresendt e-mail", "videresendt melding", "välitetty viesti alkaa",
	"začátek přeposílané", "továbbított levél kezdete", "начало переадресованного", "转发的邮件：", "下面是被转发的邮件", "開始轉寄郵件", "転送されたメッセージ", "전달된 메시지"}

// maxSentLine bounds the bytes of the line that a telephone adds.
const maxSentLine = 120

// sentFrom says whether a line is what telephones and their programs add.
func sentFrom(text string) bool {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxSentLine || strings.Count(text, " ") > 12 {
		return false
	}
	switch {
	case opensWith(text, getWords):
		return true
	case opensWith(text, sentWords), endsWithOne(strings.TrimRight(text, ".!。 "), sentWords), opensWith(text, byWords):
		lower := strings.ToLower(text)
		return containsOne(lower, devices) && containsOne(lower, sentWords)
	}
	return false
}

// endsWithOne says whether a text in any case ends with one of some words.
func endsWithOne(text string, words []string) bool {
	for _, word := range words {
		if len(text) >= len(word) && strings.EqualFold(text[len(text)-len(word):], word) {
			return true
		}
	}
	return false
}

// maxOpening is longer than any word that opensWith is asked for.
const maxOpening = 64

// opensWith says whether a text, in lower case, begins with one of some words.
func opensWith(text string, words []string) bool {
	var buffer [maxOpening]byte
	n := min(len(text), maxOpening)
	for i := 0; i < n; i++ {
		c := text[i]
		if c >= utf8.RuneSelf {
			return startsWith(strings.ToLower(cutText(text, maxOpening)), words)
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		buffer[i] = c
	}
	lower := buffer[:n]
	for _, word := range words {
		if len(word) <= n && lower[0] == word[0] && string(lower[:len(word)]) == word {
			return true
		}
	}
	return false
}

func startsWith(text string, words []string) bool {
	for _, word := range words {
		if strings.HasPrefix(text, word) {
			return true
		}
	}
	return false
}

func containsOne(text string, words []string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}
