package sanitize

import (
	"net/url"
	"slices"
	"strings"

	"github.com/postern-mail/postern/pkg/clean"
	"github.com/postern-mail/postern/pkg/pii"
)

// maskHTML masks a clean document: its text across elements, the words on images
// and tool tips, and links that carry personal data in their address.
func (r *renderer) maskHTML(document string) string {
	addresses, outside := map[string]bool{}, r.values.list
	return clean.Replace(document, func(text string, place clean.Place) (list []clean.Replacement) {
		if place == clean.Address {
			personal, known := addresses[text]
			if !known {
				personal = r.personal(text)
				addresses[text] = personal
			}
			if personal {
				return []clean.Replacement{{Start: 0, End: len(text)}}
			}
			return nil
		}
		for _, m := range r.finder.Find(text) {
			if value := text[m.Start:m.End]; r.values.number(m.Kind, value) >= 0 {
				list = append(list, clean.Replacement{Start: m.Start, End: m.End, With: r.values.token(m.Kind, value)})
			}
		}
		if place == clean.Running {
			list = append(list, again(text, outside, list)...)
		}
		return list
	})
}

// mostAgain bounds how many values are looked for once more.
const mostAgain = 200

// again finds values that were found outside the HTML and are not by themselves here, where other
// letters stand right beside them: behind a link, in whose place the text has a blank. Only such are
// looked for as no other words hold by chance.
func again(text string, values []Value, taken []clean.Replacement) (list []clean.Replacement) {
	if len(values) == 0 {
		return nil
	}
	covered := make([]bool, len(text))
	cover := func(r clean.Replacement) {
		for i := r.Start; i < r.End; i++ {
			covered[i] = true
		}
	}
	for _, r := range taken {
		cover(r)
	}
	for _, v := range values[:min(len(values), mostAgain)] {
		switch v.Kind {
		case pii.Email, pii.PaymentCard, pii.IBAN, pii.APIKey, pii.PrivateKey:
		default:
			continue
		}
		for at := 0; ; {
			i := strings.Index(text[at:], v.Value)
			if i < 0 {
				break
			}
			found := clean.Replacement{Start: at + i, End: at + i + len(v.Value), With: v.Token}
			if at = found.End; !slices.Contains(covered[found.Start:found.End], true) {
				list = append(list, found)
				cover(found)
			}
		}
	}
	return list
}

// personal says whether a link's address holds a value that is masked.
func (r *renderer) personal(address string) bool {
	texts := []string{address}
	if unescaped, err := url.QueryUnescape(address); err == nil && unescaped != address {
		texts = append(texts, unescaped)
	}
	for _, text := range texts {
		for _, m := range r.finder.Find(text) {
			if !tells(text, m) {
				continue
			}
			if r.options.Mask.Action(m.Kind) != pii.Leave {
				return true
			}
		}
	}
	return false
}

// tells says whether a find in a link's address is somebody's. Numbers there are
// mostly nobody's telephone and hosts are meant to be seen; a telephone number that
// is found within an address of the web has its word and country code.
func tells(address string, m pii.Match) bool {
	switch m.Kind {
	case pii.Phone:
		return strings.Contains(address[:m.Start], "://") && !strings.Contains(address[:m.Start], " ")
	case pii.IP, pii.PIN, pii.Password, pii.OneTimeCode:
		return false
	}
	return true
}
