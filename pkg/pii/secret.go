package pii

import (
	"strings"
)

var aboutSecrets = topicsOf(aboutPassword, aboutPIN, aboutCode, aboutYourCode, aboutKey, aboutCVV, aboutVerify, aboutSomeCode, aboutCheckNumber)

// secrets finds what words call a password, a PIN, a code or a key.
func (s *scan) secrets() {
	if !s.topics.any(aboutSecrets) {
		return
	}
	for _, m := range s.marks {
		if !m.topics.any(aboutSecrets) {
			continue
		}
		if m.topics == topicsOf(aboutSomeCode) {
			s.someCode(m)
			continue
		}
		s.after(m)
		if m.topics.has(aboutCode) || m.topics.has(aboutYourCode) {
			s.codeBefore(m)
		}
		if m.topics.has(aboutVerify) {
			s.codeToUse(m)
		}
	}
}

// after looks behind the words for a sign such as ":" or "is" and the value.
func (s *scan) after(m mark) {
	at, strict := connector(s.text, m.end)
	if at < 0 {
		at = m.end
		for at < len(s.text) && (s.text[at] == ' ' || s.text[at] == '\t') {
			at++
		}
		if at == m.end || at >= len(s.text) {
			return
		}
		if m.topics.has(aboutPassword) { // "password hunter2"
			if start, end := s.value(at); end-start >= 6 && end-start <= 64 && mixedWord(s.text[start:end]) {
				s.add(Password, start, end)
			}
			return
		}
		strict = true
	}
	if m.topics.has(aboutPassword) {
		start, end := quotedText(s.text, at)
		if end == 0 && !strict {
			start, end = at, passphrase(s.text, m.end, at)
		}
		if end > 0 {
			s.add(Password, start, end)
			return
		}
	}
	start, end := s.value(at)
	if start == end {
		return
	}
	if m.topics.has(aboutKey) {
		switch lower(s.text[start:end]) {
		case "basic", "bearer", "token", "digest": // RFC 9110 §11.4
			if start, end = s.value(skipBlanks(s.text, end)); start == end {
				return
			}
		}
	}
	if m.topics.has(aboutCode) || m.topics.has(aboutYourCode) {
		if articles[lower(s.text[start:end])] { // "votre code est le 482913"
			start, end = s.value(skipBlanks(s.text, end))
		}
		end = joinedCode(s.text, start, end)
	}
	if m.topics.has(aboutPIN) {
		end = spacedDigits(s.text, start, end)
	}
	word := s.text[start:end]
	if strings.Contains(word, "://") {
		return
	}
	digits := onlyDigits(word)
	switch {
	case (m.topics.has(aboutCVV) || m.topics.has(aboutCheckNumber) && s.near(aboutCard, m.start, end, 60, 0)) && digits && (len(word) == 3 || len(word) == 4):
		s.add(CardSecurityCode, start, end)
	case isCode(word) && (m.topics.has(aboutCode) || m.topics.has(aboutYourCode) && noLetters(word) && !s.counts(end)):
		s.add(OneTimeCode, start, end)
	case m.topics.has(aboutPIN) && noLetters(word) && countDigits(word) >= 4 && countDigits(word) <= 8 && strings.IndexByte(word, '-') < 0:
		s.add(PIN, start, end)
	case m.topics.has(aboutKey) && len(word) >= 16 && varied(word):
		s.add(APIKey, start, end)
	case m.topics.has(aboutPassword) && len(word) >= 4 && len(word) <= 128:
		quoted := start > 0 && strings.IndexByte("\"'`", s.text[start-1]) >= 0
		if quoted || secretLike(word) || !strict && lastOnLine(s.text, end) {
			s.add(Password, start, end)
		}
	}
}

// connectors stand between the name of a secret and the secret.
var connectors = []string{"is", "ist", "lautet", "est", "es", "é", "è", "was", "war", "sind", "are", "jest", "är", "er", "on", "は", "to", "auf", "="}

// connector finds the offset behind ":" or "=" or a verb, -1 for none; strict
// tells that it was a verb, which other words often follow, too.
func connector(text string, i int) (at int, strict bool) {
	skip := func() {
		for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == 0xC2 || text[i] == 0xA0 || text[i] == '*' || text[i] == '"' && i+1 < len(text) && text[i+1] == ':') {
			i++
		}
	}
	skip()
	strict = true
	// "for your account": at most three words may stand before the sign.
	for range 4 {
		if i >= len(text) {
			return -1, false
		}
		switch {
		case text[i] == ':' || text[i] == '=':
			for i < len(text) && (text[i] == ':' || text[i] == '=' || text[i] == '>') {
				i++
			}
			return skipGap(text, i), false
		case strings.HasPrefix(text[i:], "："):
			return skipGap(text, i+3), false
		}
		a, b := i, wordAt(text, i)
		if a == b || b-a > 20 {
			return -1, false
		}
		word := lower(text[a:b])
		i = b
		for _, verb := range connectors {
			if word == verb {
				if i < len(text) && text[i] == ':' {
					i, strict = i+1, false
				}
				return skipGap(text, i), strict
			}
		}
		if i < len(text) && text[i] != ' ' && text[i] != ':' && text[i] != '=' {
			if text[i] != ')' {
				return -1, false
			}
			i++
		}
		skip()
	}
	return -1, false
}

// skipGap skips spaces and at most one line end.
func skipGap(text string, i int) int {
	lines := 0
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n' && lines == 0 || text[i] == '*') {
		if text[i] == '\n' {
			lines++
		}
		i++
	}
	return i
}

// value reads the word at i, without quotes around it and signs behind it. Where
// one was read there before, its end is known: names of secrets may stand close.
func (s *scan) value(i int) (start, end int) {
	text := s.text
	for i < len(text) && strings.IndexByte("\"'`<(", text[i]) >= 0 {
		i++
	}
	start = i
	if s.word.start <= i && i < s.word.end {
		i = s.word.end
	}
	for i < len(text) && i-start < maxSecret && (!endsValue(text, i) || s.escaped(i)) {
		i++
	}
	s.word = span{start, i}
	end = i
	for end > start && strings.IndexByte(".,;:)'>", text[end-1]) >= 0 {
		end--
	}
	return start, end
}

func endsValue(text string, i int) bool {
	switch c := text[i]; c {
	case '"', '`', '<':
		return true
	case 0xE2:
		return strings.HasPrefix(text[i:], "”") || strings.HasPrefix(text[i:], "“")
	default:
		return c <= ' '
	}
}

func onlyDigits(word string) bool {
	for i := 0; i < len(word); i++ {
		if !isDigit(word[i]) {
			return false
		}
	}
	return word != ""
}

// isCode says whether a word may be a one-time code: four to eight digits, in
// two halves perhaps, or capitals and digits.
func isCode(word string) bool {
	digits := 0
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case isDigit(c):
			digits++
		case c >= 'A' && c <= 'Z', c == '-', c == ' ':
		default:
			return false
		}
	}
	return len(word) >= 4 && len(word) <= 10 && digits >= 3
}

// joinedCode gives the end of a code whose groups blanks keep apart: 123 456.
func joinedCode(text string, start, end int) int {
	size := end - start
	if size < 2 || size > 4 || !onlyDigits(text[start:end]) {
		return end
	}
	for next := end + 1; next+size <= len(text) && text[end] == ' ' && onlyDigits(text[next:next+size]) && next+size-start <= 10; next = end + 1 {
		if next+size < len(text) && isAlnum(text[next+size]) {
			break
		}
		end = next + size
	}
	return end
}

// mixedWord says whether a word has letters and digits, as passwords do and the
// words behind "password" do not.
func mixedWord(word string) bool {
	lowers, capitals, digits, _ := sorts(word)
	return digits > 0 && lowers+capitals >= 2 && !strings.Contains(word, "://") && !strings.Contains(word, "@")
}

// codeToUse finds "Use 123456 to verify your account".
func (s *scan) codeToUse(m mark) {
	end := skipBlanksBack(s.text, m.start)
	start := end
	for start > 0 && end-start < 10 && (isAlnum(s.text[start-1]) || s.text[start-1] == '-') {
		start--
	}
	verb := skipBlanksBack(s.text, start)
	from := wordStart(s.text, verb)
	switch lower(s.text[from:verb]) {
	case "use", "enter", "type", "input", "code":
		if isCode(s.text[start:end]) {
			s.add(OneTimeCode, start, end)
		}
	}
}

// maxUserinfo bounds the bytes of the user information of a URL.
const maxUserinfo = 256

// userinfo finds the keys and passwords in URLs: scheme://user:password@host (RFC 3986
// §3.2.1).
func (s *scan) userinfo() {
	text := s.text
	for at := 0; ; {
		next := strings.Index(text[at:], "://")
		if next < 0 {
			return
		}
		at += next + len("://")
		s.hook(at)
		colon := -1
		for i := at; i < len(text) && i-at < maxUserinfo; i++ {
			c := text[i]
			sign := c <= ' ' || strings.IndexByte(`/?#<":@`, c) >= 0
			if !sign || s.escaped(i) {
				continue
			}
			if c == '@' && colon >= 0 && i > colon+1 {
				s.add(Password, colon+1, i)
				s.hosts = append(s.hosts, i)
			}
			if c != ':' {
				break
			}
			if colon < 0 {
				colon = i
			}
		}
	}
}

// codeBefore finds "123456 is your verification code".
func (s *scan) codeBefore(m mark) {
	from := max(0, m.start-24)
	head := s.text[from:m.start]
	verb := strings.LastIndex(head, " is ")
	if verb < 0 {
		if verb = strings.LastIndex(head, " ist "); verb < 0 {
			return
		}
	}
	if strings.ContainsAny(head[verb:], "\n.,;:!?") { // the verb of another sentence
		return
	}
	end := from + verb
	start := end
	for start > 0 && end-start < 10 && (isAlnum(s.text[start-1]) || s.text[start-1] == '-') {
		start--
	}
	if word := s.text[start:end]; isCode(word) && (m.topics.has(aboutCode) || noLetters(word)) {
		s.add(OneTimeCode, start, end)
	}
}

func noLetters(word string) bool { return strings.Trim(word, "0123456789- ") == "" }

// secretLike says whether a word is more than a word: it holds a digit, or a
// sign or capital inside.
func secretLike(word string) bool {
	lowers, capitals, digits, signs := sorts(word)
	if strings.Contains(word, "://") || strings.Contains(word, "@") && strings.Contains(word, ".") && digits == 0 {
		return false
	}
	if digits > 0 {
		return lowers+capitals+signs > 0 || digits >= 4
	}
	inner := strings.Trim(word, ".,;:!?-*_")
	return signs > 0 && strings.ContainsAny(inner, "!#$%&*+=?@^_~|") || lowers > 0 && capitals > 0 && inner != "" && inner[1:] != strings.ToLower(inner[1:])
}

func sorts(word string) (lowers, capitals, digits, signs int) {
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case c >= 'a' && c <= 'z', c >= 0x80:
			lowers++
		case c >= 'A' && c <= 'Z':
			capitals++
		case isDigit(c):
			digits++
		default:
			signs++
		}
	}
	return
}

// maxVaried bounds the bytes of a word that are looked at for how it was made.
const maxVaried = 256

// varied says whether a word looks drawn at random.
func varied(word string) bool {
	word = word[:min(len(word), maxVaried)]
	lowers, capitals, digits, _ := sorts(word)
	return (digits >= 2 || lowers > 0 && capitals > 0 && (digits > 0 || len(word) >= 32)) && lowers+capitals >= 4 && !strings.Contains(word, "://")
}

func lastOnLine(text string, end int) bool {
	for end < len(text) && (text[end] == ' ' || text[end] == '\t' || text[end] == '\r' || text[end] == '.') {
		end++
	}
	return end == len(text) || text[end] == '\n'
}
