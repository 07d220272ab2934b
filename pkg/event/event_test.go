package event

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/fault"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"
)

// Computed by an independent program (Python's hashlib and struct) from the
// contract: SHA-256 over words, each after its length in 8 bytes big endian.
const (
	item     = "76c09e7d8fd2f35877a6e61836567fc640eb4689de85e203d47eff697d1191f8"
	received = "05bae97b9aaf66bdf553ba3e6f9728b7"
	ticket   = "Td1a893df6b145bfadc6f"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestIdsAreTheContractsDerivations(t *testing.T) {
	if got := Item("support", "INBOX", 1700000000, 42, 0); got != item {
		t.Errorf("item id %s, want %s", got, item)
	}
	if got := ID(item, "ingest", 0); got != received {
		t.Errorf("event id %s, want %s", got, received)
	}
	if got := Ticket(item); got != ticket {
		t.Errorf("ticket id %s, want %s", got, ticket)
	}
	if !IsItem(item) || !IsID(received) || !IsTicket(ticket) {
		t.Error("a derived id has not its own form")
	}
}

func TestWordsDoNotRunTogether(t *testing.T) {
	if Item("a", "bc", 1, 2, 3) == Item("ab", "c", 1, 2, 3) || Item("a", "b", 1, 23, 4) == Item("a", "b", 12, 3, 4) {
		t.Error("two mails share an id")
	}
}

func TestAnEventOpensAsItWasMade(t *testing.T) {
	msg := &mailv1.Received{Record: &itemv1.Record{Item: item, Size: 7}}
	env, err := New(item, "ingest", 0, item, noon, msg)
	if err != nil {
		t.Fatal(err)
	}
	data, err := Marshal(env)
	if err != nil {
		t.Fatal(err)
	}
	got, body, err := Open("mail.v1.Received", data)
	if err != nil {
		t.Fatal(err)
	}
	if got.Id != received || !proto.Equal(got, env) || !proto.Equal(body, msg) {
		t.Errorf("opened %v with %v", got, body)
	}
}

func TestAnEventBelongsOnItsSubjectsOnly(t *testing.T) {
	received := envelope(t, "ingest", &mailv1.Received{})
	opened := envelope(t, "desk", &ticketv1.Opened{})
	entry := envelope(t, "keyring", &auditv1.Entry{})
	cases := []struct {
		subject string
		data    []byte
		fits    bool
	}{
		{"mail.v1.Received", received, true},
		{"mail.v1.Verified", received, false},
		{"mail.v1.Received.ingest", received, true},
		{"mail.v1.Received.scan", received, false},
		{"tickets." + ticket, opened, true},
		{"tickets." + ticket, received, false},
		{"tickets.nobody", opened, false},
		{"audit.v1.Entry.keyring", entry, true},
		{"audit.v1.Entry.desk", entry, false},
		{"", received, false},
	}
	for _, c := range cases {
		_, msg, err := Open(c.subject, c.data)
		if c.fits && err != nil {
			t.Errorf("%s: %v", c.subject, err)
		}
		if !c.fits && (fault.Of(err) != fault.Verdict{Kind: fault.Ended, Code: "garbled_event"} || msg != nil) {
			t.Errorf("%s: got %v, %v", c.subject, msg, err)
		}
	}
}

func TestGarbageIsAFinalFaultThatQuotesNothing(t *testing.T) {
	good := envelope(t, "ingest", &mailv1.Received{})
	mutate := func(change func(*eventv1.Envelope)) []byte {
		env := new(eventv1.Envelope)
		if err := proto.Unmarshal(good, env); err != nil {
			t.Fatal(err)
		}
		change(env)
		data, err := proto.Marshal(env)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	const marker = "Marker-Person"
	cases := map[string][]byte{
		"not protobuf":  []byte("\xff\xff" + marker),
		"nothing":       nil,
		"no id":         mutate(func(e *eventv1.Envelope) { e.Id = "" }),
		"text as id":    mutate(func(e *eventv1.Envelope) { e.Id = marker }),
		"text as item":  mutate(func(e *eventv1.Envelope) { e.Item = marker }),
		"no cause":      mutate(func(e *eventv1.Envelope) { e.Cause = "" }),
		"text as stage": mutate(func(e *eventv1.Envelope) { e.Stage = marker }),
		"no time":       mutate(func(e *eventv1.Envelope) { e.Time = nil }),
		"body":          mutate(func(e *eventv1.Envelope) { e.Body = []byte("\xff" + marker) }),
		"type":          mutate(func(e *eventv1.Envelope) { e.Type = marker }),
	}
	for name, data := range cases {
		_, msg, err := Open("mail.v1.Received", data)
		if !fault.IsFinal(err) || fault.Of(err).Code != Garbled || msg != nil {
			t.Errorf("%s: got %v, %v", name, msg, err)
		} else if strings.Contains(err.Error(), marker) {
			t.Errorf("%s: the error quotes its input: %v", name, err)
		}
	}
}

func TestOnlyEventsCanBeSaid(t *testing.T) {
	if _, err := New(item, "ingest", 0, item, noon, &itemv1.Record{}); err == nil {
		t.Error("a record went out as an event")
	}
	if _, err := New(item, "ingest", 0, "somebody@example.org", noon, &mailv1.Received{}); err == nil {
		t.Error("an address went out as an item id")
	}
	if _, err := New("", "ingest", 0, item, noon, &mailv1.Received{}); err == nil {
		t.Error("an event without cause went out")
	}
	if _, err := New(item, "ingest", 0, item, noon, nil); err == nil {
		t.Error("nothing went out as an event")
	}
}

func FuzzOpen(f *testing.F) {
	f.Add("mail.v1.Received", envelope(f, "ingest", &mailv1.Received{Record: &itemv1.Record{Item: item}}))
	f.Add("tickets."+ticket, envelope(f, "desk", &ticketv1.Opened{Ticket: ticket}))
	f.Add("", []byte{0xff})
	f.Fuzz(func(t *testing.T, subject string, data []byte) {
		env, msg, err := Open(subject, data)
		if err != nil && !fault.IsFinal(err) {
			t.Fatalf("not a final fault: %v", err)
		}
		if err == nil && (!Fits(subject, env) || Name(msg) != env.Type) {
			t.Fatalf("opened what does not fit: %s", env.Type)
		}
	})
}

func envelope(t testing.TB, stage string, msg proto.Message) []byte {
	t.Helper()
	env, err := New(item, stage, 0, item, noon, msg)
	if err != nil {
		t.Fatal(err)
	}
	data, err := Marshal(env)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAStateIsOneWordInItsHeader(t *testing.T) {
	for state, want := range map[itemv1.State]string{
		itemv1.State_STATE_REGISTERED: "registered", itemv1.State_STATE_FILED: "filed",
		itemv1.State_STATE_RENDERED: "rendered", itemv1.State_STATE_TICKETED: "ticketed",
		itemv1.State_STATE_SET_ASIDE: "set_aside", itemv1.State_STATE_TOMBSTONE: "tombstone",
	} {
		if got := StateWord(state); got != want {
			t.Errorf("%s: got %s, want %s", state, got, want)
		}
	}
}
