package pii

import "strings"

// An Action says what becomes of a find.
type Action string

const (
	Hide     Action = "mask"      // ‹payment_card›
	LastFour Action = "last_four" // ‹payment_card ··4242›
	Leave    Action = "leave"
)

// Options say what becomes of each kind.
type Options struct {
	// Actions by kind. A kind that is absent takes its default: LastFour for
	// payment cards and bank accounts, Hide for all others.
	Actions map[Kind]Action
}

// Action gives what becomes of a kind.
func (o Options) Action(kind Kind) Action {
	if action, ok := o.Actions[kind]; ok {
		return action
	}
	switch kind {
	case PaymentCard, IBAN, BankAccount:
		return LastFour
	}
	return Hide
}

// Mask replaces the matches, which must be as Find gives them, by words that
// name their kind. What stands for a value tells nothing else of it: its length
// goes, too.
func Mask(text string, matches []Match, options Options) string {
	var out strings.Builder
	out.Grow(len(text))
	at := 0
	for _, m := range matches {
		if m.Start < at || m.End > len(text) || m.Start >= m.End || options.Action(m.Kind) == Leave {
			continue
		}
		out.WriteString(text[at:m.Start])
		out.WriteString(options.Replacement(m.Kind, text[m.Start:m.End]))
		at = m.End
	}
	out.WriteString(text[at:])
	return out.String()
}

// Replacement gives the words that stand for one value.
func (o Options) Replacement(kind Kind, value string) string {
	switch o.Action(kind) {
	case Leave:
		return value
	case LastFour:
		if four := lastFour(value); four != "" {
			return "‹" + string(kind) + " ··" + four + "›"
		}
	}
	return "‹" + string(kind) + "›"
}

// lastFour gives the last four letters or digits of a value that is at least
// three times as long, else nothing.
func lastFour(value string) string {
	value = Plain(value)
	var kept []byte
	for i := 0; i < len(value); i++ {
		if isAlnum(value[i]) {
			kept = append(kept, value[i])
		}
	}
	if len(kept) < 12 {
		return ""
	}
	return string(kept[len(kept)-4:])
}
