package customers_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/customer"
	"github.com/postern-mail/postern/pkg/mailauth/alike"
	customerv1 "github.com/postern-mail/postern/proto/customer/v1"
	"github.com/postern-mail/postern/services/postern/customers"
)

func card(number, name string, addresses ...string) *customerv1.Card {
	c := &customerv1.Card{Number: number}
	if name != "" {
		c.Names = []string{name}
	}
	for _, a := range addresses {
		c.Addresses = append(c.Addresses, &customerv1.Address{Address: a})
	}
	return c
}

// recorded finds customers as the directory does.
func recorded(all ...customers.Known) func(alike.Form) []customers.Known {
	return func(form alike.Form) []customers.Known {
		var found []customers.Known
		for _, one := range all {
			if slices.Contains(customer.Forms(one.Card), form) {
				found = append(found, one)
			}
		}
		return found
	}
}

func TestAFileTellsWhoIsNewWhoHasChangedAndWhoIsTheSame(t *testing.T) {
	anna, bert := card("1", "Anna", "anna@example.com"), card("2", "Bert", "bert@example.com")
	anna.Recorded = timestamppb.Now()
	changes, same, err := customers.Decide([]customers.Entry{
		{Line: 2, Card: card("1", "Anna", "anna@example.com")}, {Line: 3, Card: card("2", "Bert", "bert@example.com", "b2@example.com")}, {Line: 4, Card: card("3", "Carl", "carl@example.com")},
	}, recorded(customers.Known{ID: "C1", Card: anna}, customers.Known{ID: "C2", Card: bert}))
	if err != nil || same != 1 || len(changes) != 2 {
		t.Fatalf("got %v, %d, %v", changes, same, err)
	}
	if changes[0].Line != 3 || !slices.Equal(changes[0].Replaces, []string{"C2"}) || changes[1].Line != 4 || len(changes[1].Replaces) > 0 {
		t.Errorf("got %v", changes)
	}
}

func TestWhatAFileDoesNotSpeakOfStays(t *testing.T) {
	old := card("1", "Anna", "anna@example.com", "old@example.com")
	old.Language, old.Notes, old.Openpgp = "de", "careful", [][]byte{{1}}
	old.Addresses[0].Confirmed = &customerv1.Confirmation{When: timestamppb.Now(), How: "contract", By: "olga"}
	changes, _, err := customers.Decide([]customers.Entry{{Line: 2, Card: card("", "Anna Weber", "ANNA@example.com")}}, recorded(customers.Known{ID: "C1", Card: old}))
	if err != nil || len(changes) != 1 {
		t.Fatalf("got %v, %v", changes, err)
	}
	got := changes[0].Card
	if got.Number != "1" || got.Names[0] != "Anna Weber" || got.Language != "de" || got.Notes != "careful" || len(got.Openpgp) != 1 {
		t.Errorf("got %v", got)
	}
	if len(got.Addresses) != 1 || got.Addresses[0].GetConfirmed().GetHow() != "contract" {
		t.Errorf("addresses %v", got.Addresses)
	}
}

func TestTwoCustomersAreNeverMadeOne(t *testing.T) {
	known := recorded(customers.Known{ID: "C1", Card: card("1", "Anna", "anna@example.com")}, customers.Known{ID: "C2", Card: card("2", "Bert", "bert@example.com")},
		customers.Known{ID: "C3", Card: card("", "Carl", "carl@example.com")})
	for want, entries := range map[string][]customers.Entry{
		"line 2: an address of it is that of customer 2, C2": {{Line: 2, Card: card("1", "Anna", "bert@example.com")}},
		"line 2: it would make one customer of C1 and C3":    {{Line: 2, Card: card("", "Anna", "anna@example.com", "carl@example.com")}},
		"line 3: it is the same customer as line 2, C1":      {{Line: 2, Card: card("1", "Anna")}, {Line: 3, Card: card("", "Anna", "anna@example.com")}},
		"line 2: an address of it is that of customer 1, C1": {{Line: 2, Card: card("9", "Anna", "anna@example.com")}},
	} {
		changes, _, err := customers.Decide(entries, known)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, %v; want %q", changes, err, want)
		}
	}
}

// An import that was interrupted between the new record and the old one's removal leaves both.
func TestTwoRecordsOfOneCustomerBecomeOne(t *testing.T) {
	before, after := card("1", "Anna", "anna@example.com"), card("1", "Anna Weber", "anna@example.com")
	changes, same, err := customers.Decide([]customers.Entry{{Line: 2, Card: card("1", "Anna Weber", "anna@example.com")}},
		recorded(customers.Known{ID: "C1", Card: before}, customers.Known{ID: "C2", Card: after}))
	if err != nil || same != 0 || len(changes) != 1 || !slices.Equal(changes[0].Replaces, []string{"C1", "C2"}) {
		t.Errorf("got %v, %d, %v", changes, same, err)
	}
}
