package pii

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"
)

// emails finds e-mail addresses (RFC 5321 §4.1.2, dot-strings, RFC 6531 for
// letters beyond ASCII), also where "@" is written as "(at)" or "[at]".
func (s *scan) emails() {
	signs := [...]sign{{of: '@', at: -1}, {of: '(', at: -1}, {of: '[', at: -1}}
	for i := 0; ; i++ {
		next := len(s.text)
		for n := range signs {
			next = min(next, signs[n].from(s.text, i))
		}
		if i = next; i == len(s.text) {
			return
		}
		end := i + 1
		if s.text[i] != '@' {
			if end = atWord(s.text, i); end == 0 {
				continue
			}
		}
		start := i
		if s.text[i] != '@' && start > 0 && s.text[start-1] == ' ' {
			start--
		}
		from := localStart(s.text, start)
		if s.text[i] != '@' && end < len(s.text) && s.text[end] == ' ' {
			end++
		}
		to := domainEnd(s.text, end)
		if from < start && to > end && topLevel(s.text[end:to]) {
			s.add(Email, from, to)
			i = to - 1
		}
	}
}

// A sign is a byte and where it was found last.
type sign struct {
	of byte
	at int
}

// from gives the offset of the sign at or after i, the end where there is none.
func (f *sign) from(text string, i int) int {
	if f.at < i {
		f.at = len(text)
		if next := strings.IndexByte(text[min(i, len(text)):], f.of); next >= 0 {
			f.at = i + next
		}
	}
	return f.at
}

// atWord reads "(at)" or "[at]" and gives its end, 0 for none.
func atWord(text string, i int) int {
	if len(text)-i < 4 || lower(text[i+1:i+3]) != "at" {
		return 0
	}
	if text[i] == '(' && text[i+3] == ')' || text[i] == '[' && text[i+3] == ']' {
		return i + 4
	}
	return 0
}

// localStart walks back over a local part. Letters of writings without spaces
// belong to it only where they are not joined to Latin ones: "私はa@b.example".
func localStart(text string, at int) int {
	i := at
	for i > 0 && at-i < 64 {
		c := text[i-1]
		if c < 0x80 {
			if !isAlnum(c) && strings.IndexByte("!#$%&'*+/=?^_`{|}~.-", c) < 0 {
				break
			}
			i--
			continue
		}
		r, size := utf8.DecodeLastRuneInString(text[:i])
		sort := sortOf(r)
		if sort == noWord || sort != letterWord && i < at && text[i] < 0x80 {
			break
		}
		i -= size
	}
	for i < at && strings.IndexByte("'*/=.-&?{|`_~!", text[i]) >= 0 { // more likely what stands before an address
		i++
	}
	// A path or query before an address is not part of it.
	for j := at - 1; j >= i; j-- {
		if text[j] == '/' || text[j] == '=' || text[j] == '?' || text[j] == '&' {
			return j + 1
		}
	}
	if at > i && text[at-1] == '.' {
		return at
	}
	return i
}

// domainEnd walks over a domain name, with the same care where writings meet.
func domainEnd(text string, i int) int {
	start := i
	for i < len(text) && i-start < 253 {
		c := text[i]
		if c < 0x80 {
			if !isAlnum(c) && c != '-' && c != '.' || c == '.' && (i == start || text[i-1] == '.') {
				break
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		sort := sortOf(r)
		if sort == noWord || sort != letterWord && i > start && isAlnum(text[i-1]) {
			break
		}
		i += size
	}
	for i > start && (text[i-1] == '.' || text[i-1] == '-') {
		i--
	}
	return i
}

// privateDomains are top-level names that companies use among themselves, and
// those of RFC 2606.
var privateDomains = map[string]bool{"local": true, "lan": true, "internal": true, "intern": true, "corp": true,
	"home": true, "intranet": true, "test": true, "example": true, "invalid": true, "localdomain": true}

func topLevel(domain string) bool {
	dot := strings.LastIndexByte(domain, '.')
	if dot < 0 || dot == len(domain)-1 {
		return false
	}
	last := lower(domain[dot+1:])
	if privateDomains[last] {
		return true
	}
	for i := 0; i < len(last); i++ {
		if last[i] >= 0x80 {
			return true
		}
	}
	_, listed := publicsuffix.PublicSuffix(last)
	return listed
}
