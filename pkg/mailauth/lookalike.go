package mailauth

import (
	"slices"
	"strings"

	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth/alike"
)

// maxRecipients is how many recipients a domain is compared with.
const maxRecipients = 50

// looksLikeRecipients tells whether a domain is not, but reads like, one that the mail was sent
// to: whoever writes to us as one of us, also where nobody configured who we are. The sender
// chooses To and Cc, so this finds those who want to be believed and proves nothing about others.
func looksLikeRecipients(domain string, recipients ...[]mail.Address) bool {
	if domain == "" {
		return false
	}
	var looks, nears []alike.Form // made where there is somebody to compare with
	seen := 0
	for _, list := range recipients {
		for _, to := range list {
			if seen++; seen > maxRecipients {
				return false
			}
			other, err := asciiDomain(to.Addr[strings.LastIndexByte(to.Addr, '@')+1:])
			if err != nil || related(domain, other) {
				continue
			}
			if looks == nil {
				looks = alike.Looks(domain)
			}
			if shares(looks, alike.Looks(other)) {
				return true
			}
			if !closeInLength(domain, other) {
				continue
			}
			if nears == nil {
				nears = alike.Nears(domain)
			}
			if shares(nears, alike.Nears(other)) {
				return true
			}
		}
	}
	return false
}

// closeInLength reports whether one letter can make one domain of the other. What A-labels are
// shown as has another length.
func closeInLength(a, b string) bool {
	if strings.Contains(a, "xn--") || strings.Contains(b, "xn--") {
		return true
	}
	return len(a)-len(b) <= 1 && len(b)-len(a) <= 1
}

// shares tells whether two names have a form in common.
func shares(a, b []alike.Form) bool {
	return slices.ContainsFunc(a, func(form alike.Form) bool { return slices.Contains(b, form) })
}
