package attachment

import (
	"bytes"
	"strings"

	"github.com/postern-mail/postern/pkg/mail"
)

// introductions are the words that come before a password, in lower case.
var introductions = []string{"pass", "pwd", "pw", "kennwort", "passwort", "code", "pin", "key", "schlüssel", "contraseña", "clave", "senha", "mot", "wachtwoord",
	"hasło", "пароль", "lösenord", "adgangskode", "passord", "salasana", "parola", "şifre", "パスワード", "密码", "密碼", "비밀번호"}

// wordBytes is how much of a mail's text is read for words.
const wordBytes = 64 << 10

// words are the words of the mail's subject and texts that may be a password,
// those that follow its announcement first.
func (w *walker) words() []string {
	if w.passwords != nil || w.mail == nil {
		return w.passwords
	}
	var text strings.Builder
	text.WriteString(w.mail.Subject + "\n")
	collectText(&text, w.mail.Root)
	var near, far []string
	announced := 0
	for _, field := range strings.Fields(text.String()) {
		announced--
		lower := strings.ToLower(field)
		for _, introduction := range introductions {
			if strings.HasPrefix(strings.TrimLeft(lower, "\"'([<"), introduction) {
				announced = 6
			}
		}
		for _, word := range variants(field) {
			if announced > 0 {
				near = append(near, word)
			} else {
				far = append(far, word)
			}
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

// collectText adds the texts that a mail shows, HTML without its tags.
func collectText(out *strings.Builder, p *mail.Part) {
	if p == nil || out.Len() > wordBytes {
		return
	}
	if (p.Type == "text/plain" || p.Type == "text/html") && p.Disposition != "attachment" && p.Filename == "" {
		content := p.Content[:min(len(p.Content), wordBytes)]
		if p.Type == "text/html" {
			content = withoutTags(content)
		}
		out.Write(content)
		out.WriteByte('\n')
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
	const around = `"'()[]<>*„“”‘’«»`
	// Marks at the end may be of the sentence or of the password.
	add(strings.Trim(strings.TrimRight(field, ".,;:"), around))
	add(strings.Trim(field, around+".,;:!?"))
	if _, after, ok := strings.Cut(field, ":"); ok {
		add(after)
	}
	if _, after, ok := strings.Cut(field, "="); ok {
		add(after)
	}
	return all
}
