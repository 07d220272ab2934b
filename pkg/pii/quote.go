package pii

import "strings"

// Bounds of a password of several words.
const (
	maxQuoted     = 128 // bytes between quotes
	maxPassphrase = 64  // bytes, and words, where no quotes tell where it ends
	maxPassWords  = 6
	leastPassword = 4
)

// quotes are what opens a quoted text, and what may close it.
var quotes = []struct{ opening, closing string }{
	{`"`, `"“”`}, {"'", "'"}, {"`", "`"}, {"„", "“”\""}, {"“", "”\""}, {"”", "”"}, {"»", "«"}, {"«", "»"}, {"‚", "‘’"}, {"‘", "’"}, {"「", "」"}, {"『", "』"},
}

// quotedText reads what stands between quotes at i on one line, end 0 for none.
func quotedText(text string, i int) (start, end int) {
	for _, quote := range quotes {
		if !strings.HasPrefix(text[i:], quote.opening) {
			continue
		}
		start = i + len(quote.opening)
		for end = start; end < len(text) && end-start <= maxQuoted && text[end] != '\n'; end++ {
			if closes(text, end, quote.closing) {
				if end-start < leastPassword {
					return 0, 0
				}
				return start, end
			}
		}
	}
	return 0, 0
}

// closes says whether one of the signs that close a quoted text stands at i; within
// a word an apostrophe closes none.
func closes(text string, i int, closing string) bool {
	for _, r := range closing {
		if sign := string(r); strings.HasPrefix(text[i:], sign) {
			next := i + len(sign)
			return next == len(text) || !isAlnum(text[next])
		}
	}
	return false
}

// passphrase gives the end of a few words that stand at i behind "Password:" and
// fill the line, 0 for none. Words of which sentences are made speak against it:
// "Password: please ask me".
func passphrase(text string, from, i int) int {
	if strings.Trim(text[from:i], " \t*\":=>") != "" {
		return 0
	}
	line := text[i:min(i+maxPassphrase+2, len(text))]
	if end := strings.IndexByte(line, '\n'); end >= 0 {
		line = line[:end]
	}
	line = strings.TrimRight(line, " \t\r")
	words := strings.Fields(line)
	if len(line) > maxPassphrase || len(words) < 2 || len(words) > maxPassWords {
		return 0
	}
	for _, word := range words {
		if sentenceWords[lower(word)] || strings.IndexByte(".,;:!?", word[len(word)-1]) >= 0 || strings.ContainsAny(word, "@|‹") || strings.Contains(word, "://") {
			return 0
		}
	}
	return i + len(line)
}

// setOf makes a set of the words of a list.
func setOf(list string) map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(list) {
		set[word] = true
	}
	return set
}

// sentenceWords are such as sentences hold and passwords do not.
var sentenceWords = setOf(`please see below above attached attachment will is are was be been has have had not none same as the your you my our we it
	its to can cannot must should need needs if for from in on of or and with at least sent via by click here enter this that change changed reset forgot
	required optional minimum maximum characters confirm repeat ask call
	bitte siehe wie kommt folgt ist sind war wird werden wurde nicht kein keine der die das den dem dein deine ihr ihre mein meine sie du ich wir per mit für
	von im auf an am und oder mindestens zeichen anhang separat gleich anbei vergessen ändern
	voir est sera le la les un une votre vos mon ma pas par pour dans et ou au aux des du envoyé joint
	ver es será el su tu por para en con una vedi sarà il non nel della zie wordt het een niet`)

// articles stand between the verb and the code.
var articles = setOf("le la el il lo the der die das o")

// owners stand before "code" where somebody is told theirs.
var owners = setOf(`the your my our this new der dein ihr mein unser dieser neuer neue le votre ton mon notre ce nouveau el su tu mi este il suo tuo mio questo o seu teu
	de het uw je mijn din min twój mój kod ваш твой мой`)

// counted are what numbers behind words count.
var counted = setOf(`line lines unit units character characters chars byte bytes bit bits word words time times item items piece pieces point points
	eur euro euros usd dollars percent kb mb zeile zeilen zeichen stück wörter mal punkte prozent lignes caractères mots fois líneas caracteres`)

// counts says whether a word behind a number tells that it is one of things.
func (s *scan) counts(end int) bool {
	start := skipBlanks(s.text, end)
	return start > end && counted[lower(s.text[start:wordAt(s.text, start)])]
}

// someCode finds what is called a code and nothing else: digits alone, by themselves
// behind the word, where no word before it says what sort of code it is.
func (s *scan) someCode(m mark) {
	at, _ := connector(s.text, m.end)
	if at < 0 || len(strings.Fields(strings.Trim(s.text[m.end:at], " \t\r\n*:=>"))) > 1 || !s.owned(m.start) || s.nobodys(m.start, aboutCode) {
		return
	}
	start, end := s.value(at)
	if articles[lower(s.text[start:end])] {
		start, end = s.value(skipBlanks(s.text, end))
	}
	if n := end - start; n >= 4 && n <= 8 && onlyDigits(s.text[start:end]) && endsClause(s.text, end) {
		s.add(OneTimeCode, start, end)
	}
}

// owned says whether a word begins its line, or whose it is stands before it.
func (s *scan) owned(i int) bool {
	end := skipBlanksBack(s.text, i)
	return startsLine(s.text, i) || end < i && owners[lower(s.text[wordStart(s.text, end):end])]
}

// endsClause says whether a clause or a line ends at i.
func endsClause(text string, i int) bool {
	if i < len(text) && strings.IndexByte(".,;!?)\"", text[i]) >= 0 {
		i++
		return i == len(text) || text[i] <= ' '
	}
	start := skipBlanks(text, i)
	switch lower(text[start:wordAt(text, start)]) {
	case "and", "und", "et", "y", "e", "en", "och", "og":
		return true
	}
	return start == len(text) || text[start] == '\n' || text[start] == '\r' || text[start] == '(' || text[start] == '<'
}

// spacedDigits gives the end of digits that a blank each keeps apart: 4 8 2 1.
func spacedDigits(text string, start, end int) int {
	if end-start != 1 {
		return end
	}
	for end+1 < len(text) && end-start < 2*maxPIN && text[end] == ' ' && isDigit(text[end+1]) && (end+2 == len(text) || !isAlnum(text[end+2])) {
		end += 2
	}
	return end
}

// maxPIN is the greatest number of digits of a PIN.
const maxPIN = 8
