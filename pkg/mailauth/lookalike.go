package mailauth

import (
	"strings"

	"golang.org/x/net/idna"

	"github.com/postern-mail/postern/pkg/mail"
)

// maxRecipients is how many recipients a domain is compared with.
const maxRecipients = 50

// looksLikeRecipients tells whether a domain is not, but reads like, one that the mail was sent
// to: whoever writes to us as one of us. The sender chooses To and Cc, so this finds those who
// want to be believed and proves nothing about others.
func looksLikeRecipients(domain string, recipients ...[]mail.Address) bool {
	if domain == "" {
		return false
	}
	seen := 0
	for _, list := range recipients {
		for _, to := range list {
			if seen++; seen > maxRecipients {
				return false
			}
			other, err := asciiDomain(to.Addr[strings.LastIndexByte(to.Addr, '@')+1:])
			if err == nil && !related(domain, other) && readsLike(domain, other) {
				return true
			}
		}
	}
	return false
}

// readsLike compares what two domains look like (after UTS #39 §4), and lets labels of
// some length differ by one letter that is another, missing, added or swapped.
func readsLike(a, b string) bool {
	a, b = skeleton(a), skeleton(b)
	if a == b {
		return true
	}
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	if len(x) != len(y) {
		return false
	}
	differs := -1
	for i := range x {
		switch {
		case x[i] == y[i]:
		case differs >= 0:
			return false
		default:
			differs = i
		}
	}
	return min(len(x[differs]), len(y[differs])) >= leastTypo && oneApart([]rune(x[differs]), []rune(y[differs]))
}

// leastTypo is the length from which on labels that are one letter apart are no chance.
const leastTypo = 8

// alike are letters and groups of letters that read as another.
var alike = strings.NewReplacer(
	"rn", "m", "vv", "w", "0", "o", "1", "l", "i", "l", "5", "s", "-", "",
	"а", "a", "е", "e", "о", "o", "р", "p", "с", "c", "у", "y", "х", "x", "і", "l", "ј", "j", "ѕ", "s", "һ", "h", "ԁ", "d", "ԛ", "q", "ԝ", "w", "к", "k", "м", "m", "т", "t", "в", "b", "н", "h",
	"α", "a", "ο", "o", "ι", "l", "ν", "v", "ρ", "p", "τ", "t", "υ", "u", "κ", "k", "ı", "l", "ł", "l", "ø", "o", "ö", "o", "ä", "a", "ü", "u", "é", "e", "è", "e", "á", "a", "à", "a", "í", "l", "ó", "o", "ñ", "n", "ç", "c",
)

func skeleton(domain string) string {
	if shown, err := idna.Display.ToUnicode(domain); err == nil {
		domain = shown
	}
	return alike.Replace(domain)
}

// oneApart tells whether one letter that is another, missing, added or swapped with its
// neighbour makes one word the other.
func oneApart(a, b []rune) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	head := 0
	for head < len(a) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	x, y := a[head:len(a)-tail], b[head:len(b)-tail]
	return len(x) <= 1 && len(y) <= 1 || len(x) == 2 && len(y) == 2 && x[0] == y[1] && x[1] == y[0]
}
