package clean

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Fold is a stretch of text that need not be shown at first: history that is
// quoted, or a signature. Start and End are byte offsets at line starts.
type Fold struct {
	Kind  FoldKind
	Start int
	End   int
}

// A FoldKind says what a Fold holds.
type FoldKind string

const (
	Quote     FoldKind = "quote"
	Signature FoldKind = "signature"
)

// minQuoted is the least number of quoted lines that fold when an answer
// follows them: shorter ones are what the answer refers to.
const minQuoted = 4

// Folds finds quoted history and signatures in a text, in the order in which
// they stand, without overlap. It knows the ways of the common mail programs in
// the common languages.
func Folds(text string) []Fold {
	lines := splitLines(text)
	var folds []Fold
	for i := 0; i < len(lines); {
		switch l := lines[i]; {
		case historyToEnd(lines, i):
			return append(folds, Fold{Quote, l.start, len(text)})
		case l.quoted() || attribution(lines, i) > 0:
			end, quoted := quoteEnd(lines, i)
			if last := blankFrom(lines, end); quoted >= minQuoted || last && quoted > 0 {
				folds = append(folds, Fold{Quote, l.start, offset(lines, end, text)})
				i = end
				continue
			}
			i = max(end, i+1)
		case l.text == "-- " || l.text == "--" || sentFrom(l.text):
			end := i + 1
			for end < len(lines) && !historyToEnd(lines, end) && !lines[end].quoted() && attribution(lines, end) == 0 {
				end++
			}
			folds = append(folds, Fold{Signature, l.start, offset(lines, end, text)})
			i = end
		default:
			i++
		}
	}
	return folds
}

type textLine struct {
	start int
	text  string
}

func (l textLine) quoted() bool { return strings.HasPrefix(l.text, ">") }

func splitLines(text string) []textLine {
	lines := make([]textLine, 0, strings.Count(text, "\n")+1)
	start := 0
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, textLine{start, line})
		start += len(line) + 1
	}
	return lines
}

func offset(lines []textLine, i int, text string) int {
	if i < len(lines) {
		return lines[i].start
	}
	return len(text)
}

// quoteEnd gives the line after a run of quoted lines that begins at i, an
// introduction and blank lines within included, and how many are quoted.
func quoteEnd(lines []textLine, i int) (end, quoted int) {
	i += attribution(lines, i)
	end = i
	for i < len(lines) {
		switch {
		case lines[i].quoted():
			quoted++
			end = i + 1
		case strings.TrimSpace(lines[i].text) != "":
			return end, quoted
		}
		i++
	}
	return end, quoted
}

// blankFrom says whether nothing but blank lines and a signature follows.
func blankFrom(lines []textLine, i int) bool {
	for ; i < len(lines); i++ {
		text := strings.TrimSpace(lines[i].text)
		if text == "--" || sentFrom(text) {
			return true
		}
		if text != "" {
			return false
		}
	}
	return true
}

var (
	// wroteWords are how mail programs say "wrote" in the line above a quotation.
	wroteWords = []string{"wrote", "writes", "schrieb", "a écrit", "écrivait", "escribió", "escribio", "ha scritto",
		"schreef", "escreveu", "napisał", "pisze", "skrev", "kirjoitti", "написал", "пишет", "napsal", "írta",
		"a scris", "έγραψε", "yazdı", "写道", "寫道", "書きました", "のメール", "작성"}
	// onWords open such a line.
	onWords = []string{"on ", "am ", "le ", "el ", "il ", "op ", "em ", "w dniu ", "den ", "dne ", "pada ", "at ",
		"в ", "2", "1", "3", "0", "mon", "tue", "wed", "thu", "fri", "sat", "sun"}
	// separators stand between dashes above history that bears no marks.
	separators = []string{"original message", "original-nachricht", "originalnachricht", "ursprüngliche nachricht",
		"ursprungliche nachricht", "message d'origine", "message d’origine", "message original", "mensaje original",
		"messaggio originale", "oorspronkelijk bericht", "mensagem original", "forwarded message",
		"weitergeleitete nachricht", "message transféré", "mensaje reenviado", "messaggio inoltrato",
		"doorgestuurd bericht", "mensagem encaminhada", "original appointment", "ursprünglicher termin",
		"oryginalna wiadomość", "wiadomość oryginalna", "ursprungligt meddelande", "original meddelelse",
		"alkuperäinen viesti", "пересылаемое сообщение", "исходное сообщение", "původní zpráva", "元のメッセージ", "原始邮件"}
	fromWords = []string{"from:", "von:", "de :", "de:", "da:", "van:", "od:", "från:", "fra:", "от:", "lähettäjä:", "差出人:", "发件人:"}
	sentWords = []string{"sent:", "date:", "gesendet:", "datum:", "envoyé", "date :", "enviado", "fecha:", "inviato:", "data:",
		"verzonden:", "wysłano:", "skickat:", "sendt:", "dato:", "отправлено:", "дата:", "lähetetty:", "送信日時:", "发送时间:"}
	toWords = []string{"to:", "an:", "à :", "à:", "para:", "a:", "aan:", "do:", "till:", "til:", "кому:", "宛先:", "收件人:",
		"subject:", "betreff:", "objet", "asunto:", "oggetto:", "onderwerp:", "assunto:", "temat:", "ämne:", "emne:", "тема:", "件名:", "主题:"}
	// sentWordsMobile open the line that telephones add.
	sentFromWords = []string{"sent from my ", "sent from mail for", "get outlook for", "von meinem ", "gesendet von ", "gesendet mit",
		"diese nachricht wurde von meinem", "envoyé de mon ", "envoyé depuis ", "enviado desde mi ", "enviado do meu ",
		"inviato da ", "verzonden vanaf ", "verstuurd vanaf ", "wysłane z ", "skickat från ", "отправлено с ", "iphoneから送信", "outlook für ", "obtenir outlook"}
)

// attribution gives the number of lines, one or two, that introduce a quotation
// at i: "On … wrote:". Zero where there is none.
func attribution(lines []textLine, i int) int {
	for n := 1; n <= 2 && i+n <= len(lines); n++ {
		last := strings.TrimSpace(lines[i+n-1].text)
		if len(last) > 300 || last == "" {
			return 0
		}
		if !strings.HasSuffix(last, ":") && !strings.HasSuffix(last, "：") {
			continue
		}
		if opensWith(strings.TrimSpace(lines[i].text), onWords) && containsOne(strings.ToLower(last), wroteWords) && followedByQuote(lines, i+n) {
			return n
		}
		return 0
	}
	return 0
}

func followedByQuote(lines []textLine, i int) bool {
	for n := 0; n < 3 && i < len(lines); n, i = n+1, i+1 {
		if lines[i].quoted() {
			return true
		}
		if strings.TrimSpace(lines[i].text) != "" {
			return false
		}
	}
	return false
}

// historyToEnd says whether everything from line i on is history without marks:
// a dashed separator, a block of header lines, or "On … wrote:" with no marks
// after it.
func historyToEnd(lines []textLine, i int) bool {
	text := strings.TrimSpace(lines[i].text)
	if len(text) < 3 || len(text) > 300 {
		return false
	}
	if bare := strings.TrimFunc(text, func(r rune) bool { return r == '-' || r == '_' || r == '*' || r == '=' || r == ' ' }); len(bare)+4 <= len(text) {
		if opensWith(bare, separators) {
			return true
		}
	}
	text = strings.TrimLeft(text, "*")
	if opensWith(text, fromWords) && headerBlock(lines, i+1) {
		return true
	}
	if !opensWith(text, onWords) {
		return false
	}
	last := strings.ToLower(text)
	if !strings.ContainsFunc(last, unicode.IsDigit) {
		return false
	}
	if i+1 < len(lines) && !strings.HasSuffix(last, ":") {
		last = strings.ToLower(strings.TrimSpace(lines[i+1].text))
		i++
	}
	return len(last) <= 300 && strings.HasSuffix(last, ":") && containsOne(last, wroteWords) && !followedByQuote(lines, i+1)
}

// headerBlock says whether lines that name a date and a recipient or subject
// follow at once.
func headerBlock(lines []textLine, i int) bool {
	sent, to := false, false
	for n := 0; n < 5 && i < len(lines); n, i = n+1, i+1 {
		text := strings.TrimLeft(cutText(lines[i].text, 64), "* \t")
		sent = sent || opensWith(text, sentWords)
		to = to || opensWith(text, toWords)
	}
	return sent && to
}

func sentFrom(text string) bool {
	return len(text) < 120 && opensWith(strings.TrimSpace(text), sentFromWords)
}

// maxOpening is longer than any word that opensWith is asked for.
const maxOpening = 64

// opensWith says whether a text in lower case begins with one of some words.
func opensWith(text string, words []string) bool {
	var buffer [maxOpening]byte
	n := min(len(text), maxOpening)
	for i := 0; i < n; i++ {
		c := text[i]
		if c >= utf8.RuneSelf {
			return startsWith(strings.ToLower(text), words)
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
