package search

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"
	"unicode/utf16"
)

// forms gives a word in every form that does not need unpacking.
func forms(word string) []pattern {
	var all []pattern
	add := func(form string, text string) {
		all = append(all, pattern{word: word, form: form, text: lower([]byte(text))})
	}
	exact := func(form string, text string) {
		all = append(all, pattern{word: word, form: form, text: []byte(text), exact: true})
	}
	add("as it stands", word)
	if latin, ok := latin1(word); ok {
		add("latin-1", string(latin))
	}
	add("reversed", reversed(word))
	little, big := sixteen(word)
	add("utf-16le", string(little))
	add("utf-16be", string(big))
	add("utf-32le", thirtytwo(word))
	for _, cased := range []string{word, strings.ToUpper(word), strings.ToUpper(word[:1]) + word[1:]} {
		for at := range 3 {
			exact("base64", unaligned(base64.StdEncoding.EncodeToString, cased, at, 3, 4))
			exact("base64url", unaligned(base64.URLEncoding.EncodeToString, cased, at, 3, 4))
		}
		for at := range 5 {
			add("base32", unaligned(base32.StdEncoding.EncodeToString, cased, at, 5, 8))
		}
		add("hex", hex.EncodeToString([]byte(cased)))
		add("hex with spaces", fmt.Sprintf("% x", cased))
		add("hex escaped", every(cased, `\x%02x`))
		add("quoted-printable, every byte", every(cased, "=%02X"))
		add("url-escaped, every byte", every(cased, "%%%02X"))
		add("decimal", strings.TrimSpace(every(cased, "%d ")))
		add("decimal with commas", strings.TrimSuffix(every(cased, "%d,"), ","))
		add("html entities", everyRune(cased, "&#%d;"))
		add("html entities, hex", everyRune(cased, "&#x%x;"))
		add("json-escaped, every character", unicodeEscaped(cased))
	}
	add("quoted-printable", printable(word))
	add("url-escaped", url.QueryEscape(word))
	add("url-escaped path", url.PathEscape(word))
	add("html-escaped", html.EscapeString(word))
	add("go-quoted", strings.Trim(fmt.Sprintf("%+q", word), `"`))
	if text, err := json.Marshal(word); err == nil {
		add("json-escaped", strings.Trim(string(text), `"`))
	}
	// Several forms of a plain word are the word itself.
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(p pattern) bool {
		key := fmt.Sprint(p.exact, string(p.text))
		again := seen[key]
		seen[key] = true
		return again
	})
}

// unaligned encodes a word that stands somewhere in a longer text: what its neighbours have
// a part in is left out. Groups of in bytes become groups of out characters.
func unaligned(encode func([]byte) string, word string, at, in, out int) string {
	padded := slices.Concat(make([]byte, at), []byte(word))
	first := (at + in - 1) / in * out // the first group without a neighbour before
	last := len(padded) / in * out    // the end of the last whole group
	return encode(padded)[first:last]
}

func every(word, verb string) string {
	var b strings.Builder
	for i := range len(word) {
		fmt.Fprintf(&b, verb, word[i])
	}
	return b.String()
}

func everyRune(word, verb string) string {
	var b strings.Builder
	for _, r := range word {
		fmt.Fprintf(&b, verb, r)
	}
	return b.String()
}

func unicodeEscaped(word string) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(word)) {
		fmt.Fprintf(&b, `\u%04x`, unit)
	}
	return b.String()
}

// printable escapes what quoted-printable must. (RFC 2045 §6.7)
func printable(word string) string {
	var b strings.Builder
	for i := range len(word) {
		if c := word[i]; c == '=' || c > '~' {
			fmt.Fprintf(&b, "=%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func sixteen(word string) (little, big []byte) {
	for _, unit := range utf16.Encode([]rune(word)) {
		little = append(little, byte(unit), byte(unit>>8))
		big = append(big, byte(unit>>8), byte(unit))
	}
	return little, big
}

func thirtytwo(word string) string {
	var b bytes.Buffer
	for _, r := range word {
		b.Write([]byte{byte(r), byte(r >> 8), byte(r >> 16), byte(r >> 24)})
	}
	return b.String()
}

func latin1(word string) ([]byte, bool) {
	var out []byte
	for _, r := range word {
		if r > 0xff {
			return nil, false
		}
		out = append(out, byte(r))
	}
	return out, true
}

func reversed(word string) string {
	runes := []rune(word)
	slices.Reverse(runes)
	return string(runes)
}
