package clean

import (
	"strings"
	"unicode"
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

const (
	// minQuoted is the least number of quoted lines that fold when an answer
	// follows them: shorter ones are what the answer refers to.
	minQuoted = 4
	// maxAttribution bounds the bytes of a line that introduces a quotation, and
	// attributionLines the lines that it may be broken into.
	maxAttribution   = 300
	attributionLines = 3
	// Signatures have few lines: more than these behind a mark that many things
	// bear are the mail itself.
	maxSignature = 15
	maxSentFrom  = 6
)

// Folds finds quoted history and signatures in a text, in the order in which
// they stand, without overlap. It knows the ways of the common mail programs in
// the common languages.
func Folds(text string) []Fold {
	lines := splitLines(text)
	var folds []Fold
	for i := 0; i < len(lines); {
		switch l := lines[i]; {
		case historyToEnd(lines, i):
			return unlessAll(text, append(folds, Fold{Quote, l.start, len(text)}))
		case l.quoted() || attribution(lines, i) > 0:
			end, quoted := quoteEnd(lines, i)
			if last := blankFrom(lines, end); quoted >= minQuoted || last && quoted > 0 {
				folds = append(folds, Fold{Quote, l.start, offset(lines, end, text)})
				i = end
				continue
			}
			i = max(end, i+1)
		case signs(lines, i):
			end := signatureEnd(lines, i)
			folds = append(folds, Fold{Signature, l.start, offset(lines, end, text)})
			i = end
		default:
			i++
		}
	}
	return unlessAll(text, folds)
}

// unlessAll gives no folds where nothing would stay to be read.
func unlessAll(text string, folds []Fold) []Fold {
	at := 0
	for _, f := range folds {
		if strings.TrimSpace(text[at:f.Start]) != "" {
			return folds
		}
		at = f.End
	}
	if strings.TrimSpace(text[at:]) != "" {
		return folds
	}
	return nil
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
		if signs(lines, i) {
			return true
		}
		if strings.TrimSpace(lines[i].text) != "" {
			return false
		}
	}
	return true
}

// signs says whether a signature begins at line i: behind its mark (RFC 3676 §4.3),
// or the line that a telephone adds.
func signs(lines []textLine, i int) bool {
	text := lines[i].text
	switch {
	case text == "-- ":
		return true
	case text == "--" || text == "—" || text == "__":
		return fewFollow(lines, i, maxSignature)
	case sentFrom(text):
		return fewFollow(lines, i, maxSentFrom)
	}
	return false
}

// fewFollow says whether at most n lines that are not blank follow line i, up to
// history or the end.
func fewFollow(lines []textLine, i, n int) bool {
	for i++; i < len(lines) && n >= 0; i++ {
		if ends(lines, i) {
			return true
		}
		if strings.TrimSpace(lines[i].text) != "" {
			n--
		}
	}
	return n >= 0
}

// ends says whether history begins at line i.
func ends(lines []textLine, i int) bool {
	return lines[i].quoted() || historyToEnd(lines, i) || attribution(lines, i) > 0
}

func signatureEnd(lines []textLine, i int) int {
	for i++; i < len(lines) && !ends(lines, i); i++ {
	}
	return i
}

// attribution gives the number of lines that introduce a quotation at i: "On …
// wrote:". Zero where there is none.
func attribution(lines []textLine, i int) int {
	n := introduction(lines, i)
	if n > 0 && followedByQuote(lines, i+n) {
		return n
	}
	return 0
}

// introduction gives the number of lines from i on that read like "On … wrote:".
func introduction(lines []textLine, i int) int {
	for n := 1; n <= attributionLines && i+n <= len(lines); n++ {
		last := strings.TrimSpace(lines[i+n-1].text)
		if last == "" || len(last) > maxAttribution || n > 1 && lines[i+n-1].quoted() {
			return 0
		}
		if !strings.HasSuffix(last, ":") && !strings.HasSuffix(last, "：") {
			continue
		}
		first := strings.TrimSpace(lines[i].text)
		whole := first
		for k := 1; k < n; k++ {
			whole += " " + strings.TrimSpace(lines[i+k].text)
		}
		if introduces(strings.ToLower(whole)) && (n == 1 || opensIntroduction(first)) {
			return n
		}
		return 0
	}
	return 0
}

// introduces says whether a line in lower case that ends in a colon introduces a
// quotation: it says "wrote" beside a date or an address, or it is a date with a
// time and an address, which is all that some programs write.
func introduces(line string) bool {
	digit := strings.ContainsFunc(line, unicode.IsDigit)
	address := hasAddress(line)
	if containsOne(line, wroteWords) {
		return address || digit && (opensWith(line, onWords) || hasYear(line))
	}
	bare := strings.TrimRight(line, ":： ")
	return address && hasYear(line) && hasTime(line) && (strings.HasSuffix(bare, ">") || strings.HasSuffix(bare, ")"))
}

// hasAddress says whether a mail address stands in a line, or what stands for one
// that is masked.
func hasAddress(line string) bool {
	return strings.Contains(line, "@") || strings.Contains(line, "‹")
}

// opensIntroduction says whether the first of several lines may begin one.
func opensIntroduction(first string) bool {
	return opensWith(first, onWords) && strings.ContainsFunc(first, unicode.IsDigit) || hasAddress(first) && !strings.HasSuffix(first, ".")
}

// hasYear says whether four digits of this or the last century stand in a line.
func hasYear(line string) bool {
	for _, century := range [...]string{"19", "20"} {
		for at := 0; ; {
			i := strings.Index(line[at:], century)
			if i < 0 {
				break
			}
			at += i + 2
			if at+1 < len(line) && isDigit(line[at]) && isDigit(line[at+1]) && (at+2 == len(line) || !isDigit(line[at+2])) && (at == 2 || !isDigit(line[at-3])) {
				return true
			}
		}
	}
	for i := 2; i+2 < len(line); i++ { // 01.01.24, 01. 01. 24
		if (line[i] == '.' || line[i] == '/') && isDigit(line[i-1]) {
			if rest := strings.TrimLeft(line[i+1:], " "); len(rest) > 1 && isDigit(rest[0]) && isDigit(rest[1]) {
				return true
			}
		}
	}
	return false
}

// hasTime says whether a time of day stands in a line.
func hasTime(line string) bool {
	for i := 1; i+2 < len(line); i++ {
		if (line[i] == ':' || line[i] == '.' || line[i] == 'h') && isDigit(line[i-1]) && isDigit(line[i+1]) && isDigit(line[i+2]) {
			return true
		}
	}
	return false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

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
	if len(text) < 3 || len(text) > maxAttribution || lines[i].quoted() {
		return false
	}
	if dashed := separator(text); dashed == namedSeparator || dashed == bareSeparator && headerFollows(lines, i+1) {
		return true
	}
	if labelOf(text) != 0 && headerBlock(lines, i) {
		return true
	}
	n := introduction(lines, i)
	if n == 0 || followedByQuote(lines, i+n) || !anyFollows(lines, i+n) {
		return false
	}
	whole := ""
	for k := range n {
		whole += lines[i+k].text + " "
	}
	return hasYear(whole) && (hasTime(whole) || hasAddress(whole))
}

func anyFollows(lines []textLine, i int) bool {
	for ; i < len(lines); i++ {
		if strings.TrimSpace(lines[i].text) != "" {
			return true
		}
	}
	return false
}

// headerFollows says whether a block of header lines begins within the next lines.
func headerFollows(lines []textLine, i int) bool {
	for n := 0; n < 3 && i < len(lines); n, i = n+1, i+1 {
		if strings.TrimSpace(lines[i].text) == "" {
			continue
		}
		return labelOf(strings.TrimSpace(lines[i].text)) != 0 && headerBlock(lines, i)
	}
	return false
}

// headerBlock says whether line i begins lines that name a sender and two of date,
// recipient and subject.
func headerBlock(lines []textLine, i int) bool {
	var seen label
	for n := 0; n < 8 && i < len(lines); n, i = n+1, i+1 {
		text := strings.TrimSpace(lines[i].text)
		if text == "" {
			break
		}
		if kind := labelOf(text); kind != 0 {
			seen |= kind
		} else if n == 0 {
			return false
		}
	}
	count := 0
	for kind := fromLabel; kind <= subjectLabel; kind <<= 1 {
		if seen&kind != 0 {
			count++
		}
	}
	return seen&fromLabel != 0 && count >= 3
}

// maxLabel bounds the bytes before the colon of a header line.
const maxLabel = 48

// labelOf gives what a line such as "*From:* somebody" names, 0 for nothing.
func labelOf(line string) label {
	line = strings.TrimLeft(line, "*> \t")
	head := cutText(line, maxLabel)
	colon := strings.IndexByte(head, ':')
	if wide := strings.Index(head, "："); wide >= 0 && (colon < 0 || wide < colon) {
		colon = wide
	}
	if colon <= 0 {
		return 0
	}
	return labels[strings.ToLower(strings.Trim(head[:colon], "* \u00a0\t"))]
}
