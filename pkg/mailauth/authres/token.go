package authres

import "strings"

type kind byte

const (
	word   kind = iota // an atom, address or name
	quoted             // a quoted-string, without its quotes
	sign               // "="
	stop               // ";"
)

type token struct {
	kind kind
	text string
}

const maxTokens = 2000

// tokenize cuts a value into words, quoted strings, "=" and ";". White space and
// comments only divide (RFC 5322 §3.2.2); both may stand around "=".
func tokenize(s string) ([]token, bool) {
	var tokens []token
	for i := 0; i < len(s); {
		if len(tokens) == maxTokens {
			return nil, false
		}
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			i++
		case c == '(':
			end, ok := comment(s, i)
			if !ok {
				return nil, false
			}
			i = end
		case c == '=':
			tokens = append(tokens, token{sign, "="})
			i++
		case c == ';':
			tokens = append(tokens, token{stop, ";"})
			i++
		case c == '"':
			text, end, ok := quotedString(s, i)
			if !ok {
				return nil, false
			}
			// "local part"@domain is one value.
			rest := wordEnd(s, end, true)
			if rest > end && s[end] == '@' {
				text += s[end:rest]
				end = rest
			}
			tokens = append(tokens, token{quoted, text})
			i = end
		default:
			// After "=" a value may hold "=" itself, as addresses do.
			value := len(tokens) > 0 && tokens[len(tokens)-1].kind == sign
			end := wordEnd(s, i, value)
			if end == i {
				return nil, false
			}
			tokens = append(tokens, token{word, s[i:end]})
			i = end
		}
	}
	return tokens, true
}

func wordEnd(s string, i int, value bool) int {
	for i < len(s) {
		c := s[i]
		if c <= ' ' || c == 0x7f || strings.IndexByte(`;("`, c) >= 0 || c == '=' && !value {
			break
		}
		i++
	}
	return i
}

func comment(s string, i int) (int, bool) {
	for depth := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1, true
			}
		}
	}
	return 0, false
}

func quotedString(s string, i int) (string, int, bool) {
	var out strings.Builder
	for i++; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			return out.String(), i + 1, true
		case '\\':
			if i++; i < len(s) {
				out.WriteByte(s[i])
			}
		case '\r', '\n':
		default:
			out.WriteByte(c)
		}
	}
	return "", 0, false
}

// split divides tokens at the semicolons.
func split(tokens []token) [][]token {
	statements := [][]token{nil}
	for _, t := range tokens {
		if t.kind == stop {
			statements = append(statements, nil)
			continue
		}
		last := len(statements) - 1
		statements[last] = append(statements[last], t)
	}
	return statements
}
