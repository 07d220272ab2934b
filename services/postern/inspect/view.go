package inspect

import (
	"context"
	"time"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/pii"
	"github.com/postern-mail/postern/services/sanitize"
)

// A View is what an agent would read.
type View struct {
	Text    string  `json:"text"`
	HTML    string  `json:"html"`
	Removed Removed `json:"removed"`
	Masked  []Mask  `json:"masked"`

	Trackers   []string   `json:"trackers"` // names of their vendors, "pixel" for unnamed ones
	Events     []Event    `json:"events"`
	Deliveries []Delivery `json:"deliveries"`
}

// An Event is what a calendar file that passed tells of, masked.
type Event struct {
	Method    string `json:"method"`
	Summary   string `json:"summary"`
	Location  string `json:"location"`
	Organizer string `json:"organizer"`
	Attendee  string `json:"attendee"` // who answers, of a REPLY
	Answer    string `json:"answer"`
	Invited   int    `json:"invited"`
	Start     string `json:"start"` // clock time of the zone, without an offset; "" where unreadable
	End       string `json:"end"`
	Zone      string `json:"zone"`
	EndZone   string `json:"end_zone"`
	AllDay    bool   `json:"all_day"`
	Recurs    bool   `json:"recurs"`
}

// A Delivery is what became of a mail for one recipient, as a report tells it, masked.
type Delivery struct {
	Server    string `json:"server"`
	Recipient string `json:"recipient"`
	Action    string `json:"action"`
	Status    string `json:"status"`
	Said      string `json:"said"`
	Until     string `json:"until"` // RFC 3339; "" where absent
}

// Removed counts what was left out of the HTML.
type Removed struct {
	Active   int `json:"active"`
	Remote   int `json:"remote"`
	Trackers int `json:"trackers"`
	Other    int `json:"other"`
}

// A Mask is one masked value: byte offsets into the unmasked text.
type Mask struct {
	Kind  string `json:"kind"`
	Start int    `json:"start"`
	End   int    `json:"end"`
}

// view is what the sanitize service would show.
func (o options) view(ctx context.Context, msg *mail.Message, report attachment.Report) (View, error) {
	artist, failed := o.artist(ctx)
	shown := sanitize.Render(msg, report, sanitize.Options{Artist: artist})
	if err := failed(); err != nil {
		return View{}, err
	}
	v := View{Text: shown.MaskedText, HTML: shown.HTML, Removed: Removed(shown.Removed), Masked: []Mask{}, Trackers: append([]string{}, shown.Trackers...), Events: []Event{}, Deliveries: []Delivery{}}
	if o.showMasked {
		v.Text = shown.Text
	}
	for _, m := range shown.Masks {
		if m.Value >= 0 { // else the kind is left readable
			v.Masked = append(v.Masked, Mask{Kind: string(m.Kind), Start: m.Start, End: m.End})
		}
	}
	for _, e := range shown.Events {
		v.Events = append(v.Events, Event{
			Method: e.Method, Summary: e.Summary, Location: e.Location, Organizer: e.Organizer, Attendee: e.Attendee, Answer: e.Answer, Invited: e.Invited,
			Start: written(e.Start.Time, clockTime), End: written(e.End.Time, clockTime), Zone: e.Start.Zone, EndZone: e.End.Zone, AllDay: e.Start.AllDay, Recurs: e.Recurs,
		})
	}
	for _, d := range shown.Deliveries {
		v.Deliveries = append(v.Deliveries, Delivery{d.Server, d.Recipient, d.Action, d.Status, d.Said, written(d.Until, time.RFC3339)})
	}
	return v, nil
}

const clockTime = "2006-01-02T15:04:05"

func written(t time.Time, layout string) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(layout)
}

// A MaskedText is what --text says of one text file.
type MaskedText struct {
	File   string `json:"file"`
	Masked []Mask `json:"masked"`
}

// maskText runs the masking alone. Offsets are into the file as it is.
func maskText(name string, raw []byte) MaskedText {
	masked := MaskedText{File: name, Masked: []Mask{}}
	for _, m := range pii.Find(string(raw)) {
		masked.Masked = append(masked.Masked, Mask{Kind: string(m.Kind), Start: m.Start, End: m.End})
	}
	return masked
}
