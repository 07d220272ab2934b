package mail_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/mail"
)

func calendarPart(text string) *mail.Part {
	return mail.Parse(crlf("Content-Type: text/calendar; method=request; charset=utf-8\n\n"+text), mail.Limits{}).Root
}

// The event of RFC 5545 §3.4, the folding of §3.1, the escapes of §3.3.11.
func TestAnInvitationReadsAsTheExamplesOfRFC5545(t *testing.T) {
	got := calendarPart(`BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//hacksw/handcal//NONSGML v1.0//EN
BEGIN:VEVENT
UID:19970610T172345Z-AF23B2@example.com
DTSTAMP:19970610T172345Z
DTSTART:19970714T170000Z
DTEND:19970715T040000Z
SUMMARY:Bastille Day Party
DESCRIPTION:This is a lo
 ng description
  that exists on a long line.
LOCATION:Project XYZ Final Review\nConference Room - 3B\nCome Prepared\, please.
ORGANIZER;CN="Smith, John":mailto:jsmith@example.com
ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=tentative;CN=Henry Cabot:MAILTO:hcabot@example.com
RRULE:FREQ=YEARLY
BEGIN:VALARM
DESCRIPTION:not this one
END:VALARM
STATUS:confirmed
END:VEVENT
END:VCALENDAR
`).Invitation()
	want := &mail.Invitation{Method: "REQUEST", Events: []mail.Event{{
		UID: "19970610T172345Z-AF23B2@example.com", Summary: "Bastille Day Party", Location: "Project XYZ Final Review\nConference Room - 3B\nCome Prepared, please.",
		Description: "This is a long description that exists on a long line.",
		Organizer:   mail.Address{Name: "Smith, John", Addr: "jsmith@example.com"}, Attendees: []mail.Attendee{{Address: mail.Address{Name: "Henry Cabot", Addr: "hcabot@example.com"}, Answer: "TENTATIVE"}},
		Start: mail.EventTime{Time: time.Date(1997, 7, 14, 17, 0, 0, 0, time.UTC), Zone: "UTC"}, End: mail.EventTime{Time: time.Date(1997, 7, 15, 4, 0, 0, 0, time.UTC), Zone: "UTC"},
		Status: "CONFIRMED", Recurs: true,
	}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestTimesOfAnInvitationKeepTheirZone(t *testing.T) {
	got := calendarPart("BEGIN:VCALENDAR\nMETHOD:CANCEL\nBEGIN:VEVENT\nDTSTART;TZID=America/New_York:19980119T020000\nDTEND;VALUE=DATE:19980120\n").Invitation()
	if got == nil || got.Method != "CANCEL" || len(got.Events) != 1 {
		t.Fatalf("%+v", got)
	}
	e := got.Events[0]
	if e.Start != (mail.EventTime{Time: time.Date(1998, 1, 19, 2, 0, 0, 0, time.UTC), Zone: "America/New_York"}) || !e.End.AllDay || e.End.Time.Day() != 20 {
		t.Errorf("%+v", e)
	}
}

func TestWhatIsNoCalendarGivesNoInvitation(t *testing.T) {
	if c := calendarPart("hello\nBEGIN\nX;Y\n").Invitation(); c != nil {
		t.Errorf("%+v", c)
	}
	if c := mail.Parse([]byte("Content-Type: text/plain\n\nBEGIN:VCALENDAR\nEND:VCALENDAR\n"), mail.Limits{}).Root.Invitation(); c != nil {
		t.Errorf("%+v", c)
	}
}

func TestEventsPastTheHundredthAreTold(t *testing.T) {
	for n, more := range map[int]bool{100: false, 101: true} {
		c := calendarPart("BEGIN:VCALENDAR\n" + strings.Repeat("BEGIN:VEVENT\nEND:VEVENT\n", n) + "END:VCALENDAR\n").Invitation()
		if len(c.Events) != 100 || c.More != more {
			t.Errorf("%d: %d events, more %v", n, len(c.Events), c.More)
		}
	}
}

func FuzzInvitation(f *testing.F) {
	f.Add("BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nDTSTART;TZID=\"a:b\":19980119T020000\n ORGANIZER;CN=x:mailto:y\nEND:VEVENT\n")
	f.Add("BEGIN:VEVENT\n;:\n \n :\nEND:VEVENT")
	f.Fuzz(func(t *testing.T, text string) {
		p := &mail.Part{Type: "text/calendar", Content: []byte(text), Charset: "utf-8"}
		if c := p.Invitation(); c != nil && len(c.Events) > 100 {
			t.Errorf("%d events", len(c.Events))
		}
	})
}
