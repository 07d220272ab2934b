package mail

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A value is what a parameter says once its pieces are joined and decoded.
type value struct {
	text     string
	set      bool
	plain    string // the value of the plain attribute, where there is one too
	hasPlain bool
	odd      string // code of the oddest of its pieces
	first    string // what a strict reader takes of an unquoted value
	repeated bool   // given more than once, not the same each time
	issues   int    // charset issues
	extended bool   // the text comes from RFC 2231's form
	quoted   bool   // that form stands in quotes
}

// lookup joins what a field says of one attribute: continuations, charsets and
// percent signs of RFC 2231, and the plain form. RFC 2231 wins over plain.
func (s structured) lookup(name string) value {
	var v value
	var ext string
	hasExt := false
	pieces := map[int]param{}
	for _, p := range s.params {
		if !strings.HasPrefix(p.name, name) {
			continue
		}
		rest := p.name[len(name):]
		if p.odd != "" && v.odd == "" && (rest == "" || rest[0] == '*') {
			v.odd = p.odd
		}
		switch {
		case rest == "":
			if v.hasPlain {
				v.repeated = v.repeated || v.plain != p.value
				continue
			}
			v.plain, v.hasPlain, v.first = p.value, true, p.first
		case rest == "*":
			if hasExt {
				v.repeated = v.repeated || ext != p.value
				continue
			}
			ext, hasExt = p.value, true
			v.quoted = p.quoted
		case rest[0] == '*':
			digits := strings.TrimSuffix(rest[1:], "*")
			n, err := strconv.Atoi(digits)
			if err != nil || n < 0 || n > 9999 || strconv.Itoa(n) != digits { // RFC 2231 §3
				v.odd = "bad_piece"
				if err != nil || n < 0 || n > 9999 {
					continue
				}
			}
			if have, ok := pieces[n]; ok {
				v.repeated = v.repeated || have.value != p.value
				continue
			}
			pieces[n] = p
		}
	}
	switch {
	case hasExt:
		v.text, v.issues = decodeExtended(ext)
		v.set, v.extended = true, true
		if v.quoted && differInKind(ext, v.text) { // RFC 8187 §3.2.1 has no quotes: some readers take it as it stands
			v.odd = "quoted_extended"
		}
		if len(pieces) > 0 {
			if joined, _, _ := joinPieces(pieces); joined != v.text {
				v.repeated = true
			}
		}
	case len(pieces) > 0:
		var gap bool
		v.text, v.issues, gap = joinPieces(pieces)
		v.set, v.extended = true, true
		if gap {
			v.odd = "gap"
		}
	}
	if !v.set && v.hasPlain {
		v.text, v.set = v.plain, true
	}
	return v
}

// Lower gives a text with the letters of ASCII made small, and every byte where it was: bytes.ToLower moves what stands
// behind bytes that are no UTF-8.
func Lower(text []byte) []byte {
	lower := bytes.Clone(text)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return lower
}

// searchNames finds what follows "name" and an equals sign anywhere in a field, as readers do who know
// no grammar.
func searchNames(in []byte) (names []string) {
	lower := Lower(in)
	for at := 0; len(names) < 100; {
		i := bytes.Index(lower[at:], []byte("name"))
		if i < 0 {
			return names
		}
		at += i + 4
		equals := bytes.IndexByte(in[at:min(len(in), at+16)], '=')
		if equals < 0 || bytes.ContainsAny(in[at:at+equals], ";\"") {
			continue
		}
		at += equals + 1
		rest := bytes.TrimLeft(in[at:], " \t\r\n\"")
		if end := bytes.IndexAny(rest, ";\"\r\n"); end >= 0 {
			rest = rest[:end]
		}
		names = append(names, strings.TrimSpace(string(rest)))
	}
	return names
}

// isNamePiece says whether an attribute is a name of a file, whole or one piece of it (RFC 2231 §3).
func isNamePiece(attribute string) bool {
	rest := strings.TrimPrefix(attribute, "file")
	rest, ok := strings.CutPrefix(rest, "name")
	if !ok || rest == "" || rest == "*" {
		return ok
	}
	digits := strings.TrimSuffix(strings.TrimPrefix(rest, "*"), "*")
	n, err := strconv.Atoi(digits)
	return err == nil && n >= 0 && n <= 9999
}

// joinPieces puts continuations together (RFC 2231 §4.1) up to the first gap, and says
// whether there is one. Pieces that are not counted from 0 are taken as tolerant readers do.
func joinPieces(pieces map[int]param) (text string, issues int, gap bool) {
	charset := ""
	var raw []byte
	encoded := false
	numbers := slices.Sorted(maps.Keys(pieces))
	for i, n := range numbers {
		if gap = gap || i != n; n != numbers[0]+i {
			break
		}
		p := pieces[n]
		text := p.value
		if strings.HasSuffix(p.name, "*") {
			encoded = true
			if i == 0 {
				charset, text = splitExtended(text)
			}
			raw = append(raw, percentDecode(text)...)
			continue
		}
		raw = append(raw, text...)
	}
	if !encoded {
		return string(raw), 0, gap
	}
	text, issues = decodeCharset(raw, charset)
	return text, issues, gap
}

func decodeExtended(text string) (string, int) {
	charset, rest := splitExtended(text)
	return decodeCharset(percentDecode(rest), charset)
}

// splitExtended takes charset'language' from the front of a value (RFC 2231 §4).
func splitExtended(text string) (charset, rest string) {
	a := strings.IndexByte(text, '\'')
	if a < 0 {
		return "", text
	}
	b := strings.IndexByte(text[a+1:], '\'')
	if b < 0 {
		return "", text
	}
	return strings.ToLower(text[:a]), text[a+1+b+1:]
}

func percentDecode(text string) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			hi, lo := unhex(text[i+1]), unhex(text[i+2])
			if hi >= 0 && lo >= 0 {
				out = append(out, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		out = append(out, text[i])
	}
	return out
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
