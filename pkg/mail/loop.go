package mail

import (
	"slices"
	"strings"
)

// manyHops is how many Received fields are a loop. RFC 5321 §6.3 has servers refuse at some
// large number, normally at least 100; common ones do at 50. Nothing is refused here.
const manyHops = 50

// Loops says by the header alone whether a message goes in circles (RFC 5321 §6.3), or is one
// that we sent and that came back: it has passed very many servers, was delivered to one and
// the same mailbox before, or carries the mark of one of these addresses, which are ours, in X-Loop.
func (m *Message) Loops(own ...string) bool {
	if count(m.Header, "Received") >= manyHops {
		return true
	}
	for _, mark := range m.Header.All("X-Loop") {
		if slices.ContainsFunc(own, func(ours string) bool { return ours != "" && sameAddress(mark, ours) }) {
			return true
		}
	}
	to := m.Header.All("Delivered-To")
	for i, address := range to {
		if slices.ContainsFunc(to[:i], func(before string) bool { return sameAddress(before, address) }) {
			return true
		}
		if i == manyHops {
			return true
		}
	}
	return false
}

func sameAddress(a, b string) bool {
	return strings.EqualFold(strings.Trim(a, " \t<>"), strings.Trim(b, " \t<>"))
}
