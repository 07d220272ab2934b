package sanitize

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/mail"
)

// The request of RFC 5546 §4.2.1, and a reply to it (§4.2.2), with what is personal in it beside.
const meeting = `BEGIN:VCALENDAR
PRODID:-//Example/ExampleCalendarClient//EN
METHOD:REQUEST
VERSION:2.0
BEGIN:VEVENT
ORGANIZER:mailto:a@example.com
ATTENDEE;ROLE=CHAIR;PARTSTAT=ACCEPTED;CN=A:mailto:a@example.com
ATTENDEE;RSVP=TRUE;CUTYPE=INDIVIDUAL;CN=B:mailto:b@example.com
DTSTAMP:19970611T190000Z
DTSTART:19970701T200000Z
DTEND:19970701T203000Z
SUMMARY:Conference
LOCATION:Room 3\, call +49 30 901820
DESCRIPTION:The plan:\nfirst this\, then that. My card is 4111 1111 1111 1111.
UID:calsrv.example.com-873970198738777@example.com
SEQUENCE:0
STATUS:CONFIRMED
END:VEVENT
END:VCALENDAR
`

func TestAnInvitationIsToldOnceAndMasked(t *testing.T) {
	view := render(t, `From: a@example.com
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=m

--m
Content-Type: multipart/alternative; boundary=a

--a
Content-Type: text/plain

Please come.
--a
Content-Type: text/calendar; method=REQUEST

`+meeting+`
--a--
--m
Content-Type: application/ics; name=invite.ics
Content-Disposition: attachment; filename=invite.ics

`+meeting+`
--m--
`, Options{})
	start := mail.EventTime{Time: time.Date(1997, 7, 1, 20, 0, 0, 0, time.UTC), Zone: "UTC"}
	end := mail.EventTime{Time: time.Date(1997, 7, 1, 20, 30, 0, 0, time.UTC), Zone: "UTC"}
	if len(view.Events) != 1 {
		t.Fatalf("%d events: %+v", len(view.Events), view.Events)
	}
	got := view.Events[0]
	if !strings.HasPrefix(got.Location, "Room 3, call ‹phone") || strings.Contains(got.Location, "901820") || !strings.HasPrefix(got.Organizer, "‹email") {
		t.Errorf("what is personal is not masked: %+v", got)
	}
	got.Location, got.Organizer = "", ""
	if want := (Event{Method: "REQUEST", Summary: "Conference", Invited: 2, Start: start, End: end}); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if strings.TrimSpace(view.Text) != "Please come." {
		t.Errorf("text %q", view.Text)
	}
}

func TestAMailThatIsACalendarHasItsWords(t *testing.T) {
	view := render(t, "From: a@example.com\nMIME-Version: 1.0\nContent-Type: text/calendar; method=REQUEST\n\n"+meeting, Options{})
	if len(view.Events) != 1 || !strings.HasPrefix(view.MaskedText, "The plan:\nfirst this, then that. My card is ‹payment_card") || strings.Contains(view.MaskedText, "4111 1111") {
		t.Errorf("%d events, text %q", len(view.Events), view.MaskedText)
	}
	for _, n := range view.Notices {
		if n == NoText {
			t.Error("it is said to have no words")
		}
	}
}

func TestAReplyTellsWhoComes(t *testing.T) {
	view := render(t, `From: b@example.com
MIME-Version: 1.0
Content-Type: text/calendar; method=REPLY

BEGIN:VCALENDAR
METHOD:REPLY
BEGIN:VEVENT
ORGANIZER:mailto:a@example.com
ATTENDEE;PARTSTAT=DECLINED:mailto:b@example.com
UID:calsrv.example.com-873970198738777@example.com
END:VEVENT
END:VCALENDAR
`, Options{})
	if len(view.Events) != 1 || view.Events[0].Answer != "DECLINED" || !strings.HasPrefix(view.Events[0].Attendee, "‹email") {
		t.Errorf("%+v", view.Events)
	}
}

func TestNoMoreEventsAreToldThanTheLimit(t *testing.T) {
	for _, n := range []int{maxEvents, maxEvents + 1} {
		var calendar strings.Builder
		calendar.WriteString("From: a@example.com\nMIME-Version: 1.0\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\n")
		for i := range n {
			calendar.WriteString("BEGIN:VEVENT\nSUMMARY:" + strings.Repeat("x", i+1) + "\nEND:VEVENT\n")
		}
		if got := len(render(t, calendar.String()+"END:VCALENDAR\n", Options{}).Events); got != maxEvents {
			t.Errorf("%d of %d events", got, n)
		}
	}
}

// The report of RFC 3464 Appendix E.1, with a diagnostic that is personal.
const report = `From: Mail Delivery Subsystem <MAILER-DAEMON@CS.UTK.EDU>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="RAA14128.773615765/CS.UTK.EDU"

--RAA14128.773615765/CS.UTK.EDU

The original message was received at Sat, 7 Jul 1994 17:15:49 -0400
--RAA14128.773615765/CS.UTK.EDU
content-type: message/delivery-status

Reporting-MTA: dns; cs.utk.edu

Original-Recipient: rfc822;louisl@larry.slip.umd.edu
Final-Recipient: rfc822;louisl@larry.slip.umd.edu
Action: failed
Status: 4.0.0
Diagnostic-Code: smtp; 426 connection timed out, ask b@example.org
Last-Attempt-Date: Thu, 7 Jul 1994 17:15:49 -0400

Final-Recipient: rfc822;x@example.org
Action: <b>invented</b>
Status: <i>4</i>
Will-Retry-Until: Thu, 7 Jul 1994 17:15:49 -0400
--RAA14128.773615765/CS.UTK.EDU--
`

func TestAReportOfAMailServerIsTold(t *testing.T) {
	view := render(t, report, Options{})
	if len(view.Deliveries) != 2 {
		t.Fatalf("%+v", view.Deliveries)
	}
	first, second := view.Deliveries[0], view.Deliveries[1]
	for _, personal := range []string{first.Recipient, first.Said, second.Recipient} {
		if !strings.Contains(personal, "‹email") || strings.Contains(personal, "@") {
			t.Errorf("%q", personal)
		}
	}
	if first.Server != "cs.utk.edu" || first.Action != "failed" || first.Status != "4.0.0" || !strings.HasPrefix(first.Said, "426 connection timed out, ask ‹") {
		t.Errorf("%+v", first)
	}
	if second.Action != "" || second.Status != "" || !second.Until.Equal(time.Date(1994, 7, 7, 21, 15, 49, 0, time.UTC)) {
		t.Errorf("%+v", second)
	}
}

// What did not pass tells nothing: who wrote it may have meant it to be read in two ways.
func TestWhatDidNotPassTellsNothing(t *testing.T) {
	msg := mail.Parse([]byte(strings.ReplaceAll(report, "\n", "\r\n")), mail.Limits{})
	examined := attachment.Scan(t.Context(), msg, attachment.Options{})
	for i := range examined.Attachments {
		examined.Attachments[i].Verdict = attachment.Suspicious
	}
	if view := Render(msg, examined, Options{}); len(view.Deliveries) != 0 || len(view.Withheld) == 0 {
		t.Errorf("%+v, %d withheld", view.Deliveries, len(view.Withheld))
	}
}

func TestWhatIsToldIsKept(t *testing.T) {
	view := render(t, report, Options{})
	packed := deliveries(view.Deliveries)
	if len(packed) != 2 || packed[0].GetStatus() != "4.0.0" || packed[0].GetUntil() != nil || packed[1].GetUntil().AsTime().Year() != 1994 || !reflect.DeepEqual(packed[0].GetSaid(), view.Deliveries[0].Said) {
		t.Errorf("%v", packed)
	}
	invited := events(render(t, "From: a@example.com\nMIME-Version: 1.0\nContent-Type: text/calendar; method=REQUEST\n\n"+meeting, Options{}).Events)
	if len(invited) != 1 || invited[0].GetSummary() != "Conference" || invited[0].GetInvited() != 2 || invited[0].GetZone() != "UTC" || invited[0].GetStart().AsTime() != time.Date(1997, 7, 1, 20, 0, 0, 0, time.UTC) {
		t.Errorf("%v", invited)
	}
}
