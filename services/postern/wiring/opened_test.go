package wiring

import (
	"context"
	"errors"
	"testing"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/event"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

type theTickets struct {
	err   error
	asked string
}

func (f *theTickets) LastFresh(_ context.Context, _, subject string) (*bus.Message, error) {
	f.asked = subject
	return &bus.Message{}, f.err
}

type theKeyring struct{ told, aside string }

func (f *theKeyring) Ticket(_ context.Context, r *keyringv1.Ticket) (*keyringv1.Recorded, error) {
	f.told = r.GetTicket()
	return &keyringv1.Recorded{Record: &itemv1.Record{State: itemv1.State_STATE_TICKETED, Ticket: r.GetTicket()}}, nil
}

func (f *theKeyring) SetAside(_ context.Context, _, code, _ string) (*itemv1.Record, error) {
	f.aside = code
	return &itemv1.Record{State: itemv1.State_STATE_SET_ASIDE}, nil
}

// The desk died three times with a mail in work, the third time behind the ticket's first event: it is a ticket, and
// not set aside beside it.
func TestAMailWhoseTicketIsOpenIsNotSetAside(t *testing.T) {
	const item = "202b5167d26242848b0b2f6caa60ca1286d78391fd9362368074eccf9cbe00b0"
	away := errors.New("bus away")
	for name, c := range map[string]struct {
		found       error
		told, aside bool
	}{
		"its first event is there": {nil, true, false},
		"it is not there":          {bus.ErrNoMessage, false, true},
		"nobody can tell":          {away, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			tickets, keyring := &theTickets{err: c.found}, &theKeyring{}
			record, err := opened{keyring, tickets, keyring}.SetAside(t.Context(), item, "killed_worker", "desk")
			if (err != nil) != (c.found == away) || (keyring.told == event.Ticket(item)) != c.told || (keyring.aside == "killed_worker") != c.aside {
				t.Errorf("%v, told %q, aside %q, record %v", err, keyring.told, keyring.aside, record)
			}
			if tickets.asked != "tickets."+event.Ticket(item) {
				t.Errorf("asked for %s", tickets.asked)
			}
		})
	}
}
