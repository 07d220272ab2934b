package attachment

import (
	"bytes"
	"html"
	"slices"
	"strings"
	"unicode"

	"github.com/postern-mail/postern/pkg/mail"
)

// introductions are the words that come before a password, in lower case.
var introductions = []string{"pass", "pwd", "pw", "kennwort", "passwort", "code", "pin", "key", "schlüssel", "contraseña", "clave", "senha", "mot", "wachtwoord",
	"hasło", "пароль", "lösenord", "adgangskode", "passord", "salasana", "parola", "şifre", "パスワード", "密码", "密碼", "비밀번호"}

// wordBytes is how much of a mail's text is read for words.
const wordBytes = 64 << 10

// readsWords takes the words of a message within the mail for words of the mail.
func (w *walker) readsWords(msg *mail.Message) {
	if msg != nil && len(w.also) < messagesRead {
		w.also, w.passwords = append(w.also, msg), nil
	}
}

// messagesRead is how many messages within the mail are read for words.
const messagesRead = 8

// words are the words of the mail's subject, texts and file names that may be a
// password, those that follow its announcement first; of messages within the mail,
// those of the innermost before all others.
func (w *walker) words() []string {
	if w.passwords != nil || w.mail == nil && len(w.also) == 0 {
		return w.passwords
	}
	var near, far []string
	for i := len(w.also) - 1; i >= -1; i-- {
		msg := w.mail
		if i >= 0 {
			msg = w.also[i]
		}
		if msg != nil {
			n, f := wordsOf(msg)
			near, far = append(near, n...), append(far, f...)
		}
	}
	seen := map[string]bool{}
	w.passwords = []string{}
	for _, word := range append(near, far...) {
		if len(w.passwords) < w.options.Limits.Passwords && !seen[word] {
			seen[word] = true
			w.passwords = append(w.passwords, word)
		}
	}
	return w.passwords
}

// announcedWithin is how many words behind its announcement a password stands.
const announcedWithin = 6

// wordsOf gives the words of one message, those near an announcement apart.
func wordsOf(msg *mail.Message) (near, far []string) {
	var text strings.Builder
	text.WriteString(msg.Subject + "\n")
	collectText(&text, msg.Root)
	announced := 0
	for line := range strings.Lines(text.String()) {
		for _, field := range strings.Fields(line) {
			announced--
			if announces(field) {
				announced = announcedWithin
			}
			if announced > 0 {
				near = append(near, variants(field)...)
			} else {
				far = append(far, variants(field)...)
			}
		}
		near = append(near, phrase(line)...)
	}
	return near, far
}

// announces tells whether a word announces a password.
func announces(field string) bool {
	lower := strings.TrimLeft(strings.ToLower(field), aroundWords)
	for _, introduction := range introductions {
		if strings.HasPrefix(lower, introduction) || strings.IndexFunc(introduction, unspaced) >= 0 && strings.Contains(lower, introduction) {
			return true
		}
	}
	return false
}

// phrase is a password of several words: all that follows the colon of a line that
// announces one, as it stands and without the marks around it.
func phrase(line string) (all []string) {
	before, after, ok := strings.Cut(line, ":")
	if fields := strings.Fields(before); !ok || !strings.Contains(strings.TrimSpace(after), " ") || len(fields) == 0 || !slices.ContainsFunc(fields, announces) {
		return nil
	}
	for _, word := range []string{strings.TrimSpace(after), strings.Trim(after, " \t\r\n.,;"+aroundWords)} {
		if len(word) >= 3 && len(word) <= 64 {
			all = append(all, word)
		}
	}
	return all
}

// collectText adds the texts that a mail shows, HTML without its tags.
func collectText(out *strings.Builder, p *mail.Part) {
	if p == nil || out.Len() > wordBytes {
		return
	}
	if (p.Type == "text/plain" || p.Type == "text/html") && p.Disposition != "attachment" && p.Filename == "" {
		text, _ := p.Text()
		text = text[:min(len(text), wordBytes)]
		if p.Type == "text/html" {
			text = html.UnescapeString(string(withoutTags([]byte(text))))
		}
		out.WriteString(text)
		out.WriteByte('\n')
	}
	if p.Filename != "" {
		out.WriteString(strings.Map(func(r rune) rune {
			if strings.ContainsRune("_()[]{}=", r) {
				return ' '
			}
			return r
		}, p.Filename) + "\n")
	}
	for _, child := range p.Children {
		collectText(out, child)
	}
}

// withoutTags puts a space in the place of every tag.
func withoutTags(page []byte) []byte {
	var out []byte
	for {
		open := bytes.IndexByte(page, '<')
		if open < 0 {
			return append(out, page...)
		}
		out = append(append(out, page[:open]...), ' ')
		end := bytes.IndexByte(page[open:], '>')
		if end < 0 {
			return out
		}
		page = page[open+end+1:]
	}
}

// variants are a word as it stands, without the marks around it, and what
// follows a colon in it.
func variants(field string) []string {
	var all []string
	add := func(word string) {
		if len(word) >= 3 && len(word) <= 64 {
			all = append(all, word)
		}
	}
	add(field)
	// Marks at the end may be of the sentence or of the password.
	add(strings.Trim(strings.TrimRight(field, ".,;:"), aroundWords))
	add(strings.Trim(field, aroundWords+".,;:!?"))
	for _, mark := range []string{":", "：", "="} {
		if _, after, ok := strings.Cut(field, mark); ok {
			add(after)
			add(strings.Trim(after, aroundWords+".,;"))
		}
	}
	// In scripts without spaces the password is what stands in Latin letters.
	if strings.IndexFunc(field, unspaced) >= 0 {
		for _, run := range strings.FieldsFunc(field, func(r rune) bool { return r > unicode.MaxASCII }) {
			add(run)
		}
	}
	return all
}

// aroundWords are the marks that people put around a word that they quote.
const aroundWords = `"'()[]<>*„“”‘’«»「」『』`

// unspaced names the letters of scripts that put no space between words.
func unspaced(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai)
}
