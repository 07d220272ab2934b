package clean

import (
	"net/netip"
	"strings"
	"unicode"

	"github.com/postern-mail/postern/pkg/mailauth/alike"
	"golang.org/x/net/idna"
)

// A Deceit is a way in which a link's host can be taken for another.
type Deceit string

const (
	BareNumber Deceit = "bare_number" // an address of the network stands for the host
	Imitation  Deceit = "imitation"   // letters of other writings look like Latin ones
	Userinfo   Deceit = "userinfo"    // what stood before an "@" looked like a host
	Shortened  Deceit = "shortened"   // the link does not tell where it leads
)

// deceits finds what a host has of them.
func deceits(host string) (found []Deceit) {
	switch {
	case isNumber(host):
		found = append(found, BareNumber)
	case strings.Contains(host, "xn--") && imitates(host):
		found = append(found, Imitation)
	case shorteners[host] || shorteners[strings.TrimPrefix(host, "www.")]:
		found = append(found, Shortened)
	}
	return found
}

// isNumber says whether a host is an address of the network, also in the forms that
// browsers read: 0x7f.1, 2130706433 (WHATWG URL §3.5: the last label is a number).
func isNumber(host string) bool {
	if strings.HasPrefix(host, "[") {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if digits, ok := strings.CutPrefix(last, "0x"); ok {
		return onlyOf(digits, func(c byte) bool { return unhex(c) < 16 }) || digits == ""
	}
	return onlyOf(last, func(c byte) bool { return c >= '0' && c <= '9' })
}

// imitates says whether a label of a host whose top level is Latin is written in
// letters that look like those of ASCII, or mixes Latin with Cyrillic or Greek ones
// (UTS #39 §4 and §5.1).
func imitates(host string) bool {
	labels := strings.Split(host, ".")
	if strings.HasPrefix(labels[len(labels)-1], "xn--") {
		return false
	}
	for _, label := range labels {
		if !strings.HasPrefix(label, "xn--") {
			continue
		}
		shown, err := idna.Display.ToUnicode(label)
		if err != nil || shown == label {
			return true // nobody can tell what it is
		}
		latin, other := false, false
		for _, r := range shown {
			latin = latin || unicode.Is(unicode.Latin, r)
			other = other || unicode.In(r, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee)
		}
		if latin && other {
			return true
		}
		for _, form := range alike.Looks(shown + ".test") {
			if onlyOf(form.Value, func(c byte) bool { return c < 0x80 }) {
				return true
			}
		}
	}
	return false
}

// Imitates says whether a text names, in a URL or with www., a host whose letters
// imitate others.
func Imitates(text string) bool {
	if !strings.Contains(text, "xn--") && onlyOf(text, func(c byte) bool { return c < 0x80 }) {
		return false
	}
	for word := range strings.FieldsSeq(text) {
		if !strings.Contains(word, "://") && !strings.Contains(word, "www.") {
			continue
		}
		if host := hostOf(word); strings.Contains(host, "xn--") && imitates(host) {
			return true
		}
	}
	return false
}

// shownHost is a host as it is written where it has letters beyond ASCII, "" where
// it has none or could be taken for another.
func shownHost(host string) string {
	if !strings.Contains(host, "xn--") || imitates(host) {
		return ""
	}
	shown, err := idna.Display.ToUnicode(host)
	if err != nil || shown == host {
		return ""
	}
	return shown
}
