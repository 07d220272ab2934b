package event

import (
	"strings"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// HeaderState is the header in which a record's message repeats its state, so that
// who looks for standstill need not read payloads.
const HeaderState = "Postern-State"

// StateWord is a state as HeaderState carries it: registered, filed, set_aside.
func StateWord(s itemv1.State) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "STATE_"))
}
