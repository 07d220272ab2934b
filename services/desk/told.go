package desk

import (
	"slices"
	"strings"
	"time"

	contentv1 "github.com/postern-mail/postern/proto/content/v1"
)

// Words for what a mail tells in parts that programs read: events, and reports of mail servers.

var eventText = map[string]string{
	"REQUEST": "Invitation", "PUBLISH": "Event", "CANCEL": "Event is cancelled", "REPLY": "Answer to an invitation", "ADD": "Further date of an event",
	"REFRESH": "Request for the newest form of an invitation", "COUNTER": "Another time is proposed", "DECLINECOUNTER": "The proposed time does not suit",
}

func eventWords(method string) string { return worded(eventText, method, "Event") }

var answerText = map[string]string{
	"ACCEPTED": "will come", "DECLINED": "will not come", "TENTATIVE": "may come", "DELEGATED": "sends somebody else", "NEEDS-ACTION": "has not decided",
}

func answerWords(answer string) string { return worded(answerText, answer, "has answered") }

// eventWhen tells when an event is, by the clocks of its own zones.
func eventWhen(e *contentv1.Event) string {
	if e.GetStart() == nil {
		return ""
	}
	const onDay, atTime = "Mon 2 Jan 2006", "15:04"
	start, end := e.GetStart().AsTime(), time.Time{}
	if e.GetEnd() != nil {
		end = e.GetEnd().AsTime()
	}
	zone := func(name string) string {
		if name == "" {
			return ""
		}
		return " (" + name + ")"
	}
	var when string
	switch {
	case e.GetAllDay():
		when = start.Format(onDay)
		if last := end.AddDate(0, 0, -1); !end.IsZero() && last.After(start) { // the end is the first day after (RFC 5545 §3.6.1)
			when += " to " + last.Format(onDay)
		}
		return when
	case e.GetEndZone() != "": // which of two clocks is ahead is not asked
		return start.Format(onDay+", "+atTime) + zone(e.GetZone()) + " to " + end.Format(onDay+", "+atTime) + zone(e.GetEndZone())
	case end.IsZero() || !end.After(start):
		when = start.Format(onDay + ", " + atTime)
	case start.Format(time.DateOnly) == end.Format(time.DateOnly):
		when = start.Format(onDay+", "+atTime) + " to " + end.Format(atTime)
	default:
		when = start.Format(onDay+", "+atTime) + " to " + end.Format(onDay+", "+atTime)
	}
	return when + zone(e.GetZone())
}

var deliveryText = map[string]string{
	"failed": "not delivered", "delayed": "late, the server goes on trying", "delivered": "delivered",
	"relayed": "passed on to a server that reports nothing", "expanded": "passed on to all of a list",
}

func deliveryWords(action string) string { return worded(deliveryText, action, "not told") }

// statusText explains the commonest codes, without their class (RFC 3463 §3).
var statusText = map[string]string{
	"1.1": "there is no such mailbox", "1.2": "there is no such mail server", "1.3": "the address is malformed", "1.6": "the mailbox has moved", "1.10": "the domain takes no mail",
	"2.1": "the mailbox is disabled", "2.2": "the mailbox is full", "2.3": "the mail is too long for the mailbox", "3.4": "the mail is too large for the server",
	"4.1": "the server did not answer", "4.2": "the connection broke", "4.3": "its name servers failed", "4.4": "no way leads to the server", "4.6": "the mail went in circles", "4.7": "it took too long",
	"7.1": "the server refused it by a rule of its own",
}

// statusWords explains a code as far as it is one of the commonest.
func statusWords(status string) string {
	_, subject, _ := strings.Cut(status, ".")
	return statusText[subject]
}

// trackerWords names those whose trackers were removed; "" where nobody is known.
func trackerWords(m *contentv1.Message) string {
	named := slices.DeleteFunc(slices.Clone(m.GetTrackers()), func(name string) bool { return name == "pixel" })
	return strings.Join(named, ", ")
}
