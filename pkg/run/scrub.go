package run

import (
	"regexp"
	"strings"
)

// quoteMark stands for what was quoted, and for what looks like somebody's.
const quoteMark = "‹…›"

// longest bounds a text in bytes.
const longest = 16 << 10

var (
	tokens = regexp.MustCompile(`\S+`)
	marks  = strings.NewReplacer(quoteMark, "", withheld, "", "‹secret›", "")
	ids    = regexp.MustCompile(`^/\S+` + // a file of this machine; the rest is as on the contracts page
		`|(?:raw|view|pii|journal|keyring|certificates|plans)/[0-9a-z_./-]+|\b[0-9a-f]{64}\b|\b[0-9a-f]{32}\b|[TPCH][0-9a-f]{20}`)
	grouped = regexp.MustCompile(`\d{4}(?:[ -]\d{4}){2,}`)
	digits  = regexp.MustCompile(`\d{9,}`)
)

// scrub takes out of a text what has the look of somebody's words or numbers: what is
// quoted, addresses, letters beyond ASCII, long numbers.
func scrub(text string) string {
	text = unquote(text)
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + quoteMark
	}
	text = grouped.ReplaceAllString(text, quoteMark)
	return tokens.ReplaceAllStringFunc(text, func(token string) string {
		own := marks.Replace(token)
		strange := strings.ContainsFunc(own, func(r rune) bool { return r < ' ' || r > '~' || r == '@' })
		if strange || digits.MatchString(ids.ReplaceAllString(own, "")) {
			return quoteMark
		}
		return token
	})
}

// unquote puts a mark in the place of all that is quoted. Where quotes do not pair, nobody can
// tell which one it is that is too many: everything from the first is withheld.
func unquote(text string) string {
	if !paired(text) {
		return text[:strings.IndexByte(text, '"')] + quoteMark
	}
	var out strings.Builder
	for {
		before, _, found := strings.Cut(text, `"`)
		out.WriteString(before)
		if !found {
			return out.String()
		}
		out.WriteString(quoteMark)
		text = text[closing(text, len(before)):]
	}
}

// paired tells whether every quote in a text has its other end.
func paired(text string) bool {
	for {
		open := strings.IndexByte(text, '"')
		if open < 0 {
			return true
		}
		end := closing(text, open)
		if end < 0 {
			return false
		}
		text = text[end:]
	}
}

// closing gives where it goes on after the quote that opens at some place, as strconv.Quote
// writes it; -1 where that cannot be: it has no end, a byte stands in it that would have been
// escaped, it is escaped itself, or it is the letter '"' and opens nothing.
func closing(text string, open int) int {
	if open > 0 && (text[open-1] == '\\' || strings.HasPrefix(text[open-1:], `'"'`)) {
		return -1
	}
	for i := open + 1; i < len(text); i++ {
		switch letter := text[i]; {
		case letter == '\\':
			i++
		case letter == '"':
			return i + 1
		case letter < ' ' || letter == 0x7f:
			return -1
		}
	}
	return -1
}
