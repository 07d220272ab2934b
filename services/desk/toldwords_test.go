package desk

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	contentv1 "github.com/postern-mail/postern/proto/content/v1"
)

func TestWhenAnEventIs(t *testing.T) {
	at := func(day, hour, minute int) *timestamppb.Timestamp {
		return timestamppb.New(time.Date(2026, 11, day, hour, minute, 0, 0, time.UTC))
	}
	for want, e := range map[string]*contentv1.Event{
		"":                             {},
		"Tue 24 Nov 2026, 10:00":       {Start: at(24, 10, 0)},
		"Tue 24 Nov 2026, 10:00 (UTC)": {Start: at(24, 10, 0), End: at(24, 9, 0), Zone: "UTC"},
		"Tue 24 Nov 2026, 10:00 to 11:30 (Europe/Berlin)":                                     {Start: at(24, 10, 0), End: at(24, 11, 30), Zone: "Europe/Berlin"},
		"Tue 24 Nov 2026, 23:00 to Wed 25 Nov 2026, 01:00 (UTC)":                              {Start: at(24, 23, 0), End: at(25, 1, 0), Zone: "UTC"},
		"Tue 24 Nov 2026, 10:00 (Europe/Berlin) to Tue 24 Nov 2026, 09:00 (America/New_York)": {Start: at(24, 10, 0), End: at(24, 9, 0), Zone: "Europe/Berlin", EndZone: "America/New_York"},
		"Wed 25 Nov 2026":                    {Start: at(25, 0, 0), End: at(26, 0, 0), AllDay: true},
		"Wed 25 Nov 2026 to Thu 26 Nov 2026": {Start: at(25, 0, 0), End: at(27, 0, 0), AllDay: true},
		"Thu 26 Nov 2026":                    {Start: at(26, 0, 0), AllDay: true},
	} {
		if got := eventWhen(e); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestCodesOfReportsHaveWords(t *testing.T) {
	for status, want := range map[string]string{"5.1.1": "there is no such mailbox", "4.2.2": "the mailbox is full", "5.9.9": "", "": "", "5": ""} {
		if got := statusWords(status); got != want {
			t.Errorf("%s: %q", status, got)
		}
	}
	for code, got := range map[string]string{"ODD": eventWords("ODD"), "failed": deliveryWords("failed"), "ACCEPTED": answerWords("ACCEPTED")} {
		if want := map[string]string{"ODD": "Event", "failed": "not delivered", "ACCEPTED": "will come"}[code]; got != want {
			t.Errorf("%s: %q", code, got)
		}
	}
}
