package sanitize

import (
	"strconv"
	"strings"

	"github.com/postern-mail/postern/pkg/pii"
)

// values gives every masked value of a mail one token, the same wherever the
// value stands.
type values struct {
	options pii.Options
	list    []Value
	index   map[[2]string]int
}

func newValues(options pii.Options) *values {
	return &values{options: options, index: map[[2]string]int{}}
}

// number gives the index of a value, -1 where its kind is left readable.
func (v *values) number(kind pii.Kind, value string) int {
	if v.options.Action(kind) == pii.Leave {
		return -1
	}
	key := [2]string{string(kind), bare(kind, value)}
	if i, ok := v.index[key]; ok {
		return i
	}
	i := len(v.list)
	words := strings.TrimSuffix(v.options.Replacement(kind, value), "›")
	v.list = append(v.list, Value{Kind: kind, Value: value, Token: words + " #" + strconv.Itoa(i+1) + "›"})
	v.index[key] = i
	return i
}

// bare is a value without the signs that people write it with or without. In an address or a secret
// every sign counts.
func bare(kind pii.Kind, value string) string {
	signs := " -_\n\r\t>"
	switch kind {
	case pii.Password, pii.PrivateKey:
		return value
	case pii.Email, pii.IP, pii.APIKey, pii.CryptoWallet, pii.PostalAddress, pii.OneTimeCode, pii.PIN:
		signs = " \n\r\t>" // where lines are broken
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(signs, r) {
			return -1
		}
		return r
	}, pii.Plain(value))
}

// token gives what stands in the place of a value.
func (v *values) token(kind pii.Kind, value string) string {
	if i := v.number(kind, value); i >= 0 {
		return v.list[i].Token
	}
	return value
}

func (v *values) mask(text string, found []pii.Match) string {
	if len(found) == 0 {
		return text
	}
	var out strings.Builder
	out.Grow(len(text) + 16*len(found))
	at := 0
	for _, m := range found {
		out.WriteString(text[at:m.Start])
		out.WriteString(v.token(m.Kind, text[m.Start:m.End]))
		at = m.End
	}
	out.WriteString(text[at:])
	return out.String()
}
