package customers

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/mailauth/alike"
	customerv1 "github.com/postern-mail/postern/proto/customer/v1"
)

// A Known is a customer who is recorded.
type Known struct {
	ID   string
	Card *customerv1.Card
}

// A Change is what is to be recorded, and what it takes the place of.
type Change struct {
	Line     int
	Card     *customerv1.Card
	Replaces []string // nobody: a new customer
}

// Decide compares a file's customers with those who are recorded under one of their numbers
// or addresses. What a file does not speak of stays as it was recorded.
func Decide(entries []Entry, known func(alike.Form) []Known) (changes []Change, same int, err error) {
	var p problems
	taken := map[string]int{}
	for _, e := range entries {
		matches := matching(e.Card, known)
		if err := belong(e, matches, taken); err != nil {
			p.add(e.Line, err)
			continue
		}
		if len(matches) == 0 {
			changes = append(changes, Change{Line: e.Line, Card: e.Card})
			continue
		}
		merged := merge(e.Card, matches)
		if len(matches) == 1 && Same(merged, matches[0].Card) {
			same++
			continue
		}
		change := Change{Line: e.Line, Card: merged}
		for _, match := range matches {
			change.Replaces = append(change.Replaces, match.ID)
		}
		changes = append(changes, change)
	}
	return changes, same, p.err()
}

func matching(card *customerv1.Card, known func(alike.Form) []Known) []Known {
	var matches []Known
	for _, form := range Singles(card) {
		for _, one := range known(form) {
			if !slices.ContainsFunc(matches, func(k Known) bool { return k.ID == one.ID }) {
				matches = append(matches, one)
			}
		}
	}
	return matches
}

// belong refuses to make one customer of two. Two records of one customer, of which the
// older was not removed yet, are one.
func belong(e Entry, matches []Known, taken map[string]int) error {
	var problems []error
	number := e.Card.GetNumber()
	for _, match := range matches {
		theirs := match.Card.GetNumber()
		if number != "" && theirs != "" && !strings.EqualFold(number, theirs) {
			problems = append(problems, fmt.Errorf("an address of it is that of customer %s, %s", theirs, match.ID))
		} else if !share(Singles(matches[0].Card), Singles(match.Card)) {
			problems = append(problems, fmt.Errorf("it would make one customer of %s and %s: remove one of them first", matches[0].ID, match.ID))
		}
		if line, twice := taken[match.ID]; twice {
			problems = append(problems, fmt.Errorf("it is the same customer as line %d, %s", line, match.ID))
		}
		taken[match.ID] = e.Line
	}
	return errors.Join(problems...)
}

func share(a, b []alike.Form) bool {
	return slices.ContainsFunc(a, func(form alike.Form) bool { return slices.Contains(b, form) })
}

// merge gives what a file says of a customer, and what is recorded where it says nothing. How
// an address was confirmed stays with the address.
func merge(told *customerv1.Card, recorded []Known) *customerv1.Card {
	merged := proto.CloneOf(told)
	for _, one := range recorded {
		old := one.Card
		if merged.GetNumber() == "" {
			merged.Number = old.GetNumber()
		}
		if len(merged.GetNames()) == 0 {
			merged.Names = old.GetNames()
		}
		if len(merged.GetAddresses()) == 0 {
			for _, a := range old.GetAddresses() {
				merged.Addresses = append(merged.Addresses, proto.CloneOf(a))
			}
		}
		if merged.GetLanguage() == "" {
			merged.Language = old.GetLanguage()
		}
		if merged.GetNotes() == "" {
			merged.Notes = old.GetNotes()
		}
		if len(merged.GetOpenpgp()) == 0 {
			merged.Openpgp = old.GetOpenpgp()
		}
		if len(merged.GetCertificates()) == 0 {
			merged.Certificates = old.GetCertificates()
		}
		for _, a := range merged.GetAddresses() {
			for _, before := range old.GetAddresses() {
				if a.GetConfirmed() == nil && alike.Of(a.GetAddress()) == alike.Of(before.GetAddress()) {
					a.Confirmed = before.GetConfirmed()
				}
			}
		}
	}
	return merged
}

// Same tells whether two cards say the same, whenever and by whom they were recorded.
func Same(a, b *customerv1.Card) bool {
	bare := func(card *customerv1.Card) *customerv1.Card {
		card = proto.CloneOf(card)
		card.Recorded = nil
		for _, address := range card.GetAddresses() {
			if address.GetConfirmed() != nil {
				address.Confirmed.By = ""
			}
		}
		return card
	}
	return proto.Equal(bare(a), bare(b))
}
