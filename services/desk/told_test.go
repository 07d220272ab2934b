package desk_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	"github.com/postern-mail/postern/services/desk/desktest"
)

func at(day, hour, minute int) *timestamppb.Timestamp {
	return timestamppb.New(time.Date(2026, 11, day, hour, minute, 0, 0, time.UTC))
}

func TestATicketTellsOfEventsAndReports(t *testing.T) {
	w := desktest.New(t)
	mail := simple("Planning")
	mail.Message.Events = []*contentv1.Event{
		{Method: "REQUEST", Summary: "<script>alert(1)</script>", Location: "Room 3", Organizer: "Erika", Invited: 4, Start: at(24, 10, 0), End: at(24, 11, 0), Zone: "Europe/Berlin", Recurs: true},
		{Method: "REPLY", Attendee: "Max", Answer: "DECLINED", Invited: 1},
	}
	mail.Message.Deliveries = []*contentv1.Delivery{
		{Server: "mx.example.net", Recipient: "‹email #1›", Action: "failed", Status: "5.1.1", Said: "550 no such <user>"},
		{Action: "odd", Until: at(25, 0, 0)},
	}
	mail.Message.RemovedRemote, mail.Message.RemovedTrackers, mail.Message.Trackers = 2, 2, []string{"pixel", "Mailchimp", "HubSpot"}
	page := as(w, t, "agnes").get("/tickets/" + w.Ticket(mail))
	for _, want := range []string{
		"Invitation", "&lt;script&gt;alert(1)&lt;/script&gt;", "Tue 24 Nov 2026, 10:00 to 11:00 (Europe/Berlin)", "Room 3", "<dt>Repeats</dt>", "<dt>Invited</dt><dd>4</dd>",
		"Answer to an invitation", "<bdi>Max</bdi> will not come",
		"mx.example.net", "not delivered: there is no such mailbox", "550 no such &lt;user&gt;", "(no recipient)", "not told",
		"2 trackers (Mailchimp, HubSpot)",
	} {
		if !page.has(want) {
			t.Errorf("the ticket does not say %q", want)
		}
	}
	if page.has("<script>alert") {
		t.Error("an event runs")
	}
}

func TestAListOfWhatIsWithheldIsPromisedWhereThereIsOne(t *testing.T) {
	w := desktest.New(t)
	c := as(w, t, "agnes")
	mail := simple("in two ways")
	mail.Card.ScanVerdict = "ambiguous"
	const promise = "What did not pass is withheld"
	if c.get("/tickets/" + w.Ticket(mail)).has(promise) {
		t.Error("there is no list")
	}
	if !c.get("/tickets/" + w.Ticket(func() desktest.Mail { m := rich("a program"); m.Card.ScanVerdict = "suspicious"; return m }())).has(promise) {
		t.Error("the list is not told of")
	}
}
