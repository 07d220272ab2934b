package mail

import (
	"strings"
	"time"
)

// An Invitation is what a text/calendar part carries, as far as a reader of the mail needs it
// (RFC 5545, RFC 5546). Rules of recurrence are told, not worked out.
type Invitation struct {
	Method string // upper case: REQUEST, CANCEL, REPLY; "" where none is given
	Events []Event
	More   bool // there are more events than are kept
}

// An Event is one VEVENT.
type Event struct {
	UID, Summary, Location, Description string
	Organizer                           Address
	Attendees                           []Attendee
	Start, End                          EventTime
	Status                              string // upper case: CONFIRMED, CANCELLED, TENTATIVE
	Recurs                              bool   // it has a rule or further dates
}

// An Attendee is one who was asked to come.
type Attendee struct {
	Address
	Answer string // upper case: ACCEPTED, DECLINED, TENTATIVE, NEEDS-ACTION; "" where none is given
}

// An EventTime is a time as its author wrote it: in UTC, or by the clocks of a zone, which
// has the name that the calendar gives it ("" for wherever the reader is).
type EventTime struct {
	Time   time.Time // clock time of the zone, in time.UTC; zero where absent or unreadable
	Zone   string    // "UTC" for UTC
	AllDay bool
}

const (
	maxEvents       = 100
	maxAttendees    = 1000
	maxCalendarLine = 64 << 10 // bytes of one line, unfolded, that are kept
)

// Invitation reads a text/calendar part, nil for others and for what holds no calendar.
func (p *Part) Invitation() *Invitation {
	if p.Type != "text/calendar" && p.Type != "application/ics" {
		return nil
	}
	text, _ := p.Text()
	c := &Invitation{Method: strings.ToUpper(p.Params["method"])} // RFC 6047 §2.4
	var event *Event
	found, inner := false, 0
	eachCalendarLine(text, func(name string, params map[string]string, value string) bool {
		switch {
		case name == "BEGIN" && strings.EqualFold(value, "VCALENDAR"):
			found = true
		case name == "BEGIN" && event == nil && strings.EqualFold(value, "VEVENT"):
			if len(c.Events) == maxEvents {
				c.More = true
				return false
			}
			event = &Event{}
		case name == "BEGIN" && event != nil: // an alarm
			inner++
		case name == "END" && inner > 0:
			inner--
		case name == "END" && event != nil:
			c.Events = append(c.Events, *event)
			event = nil
		case name == "METHOD" && event == nil:
			c.Method = strings.ToUpper(value)
		case event != nil && inner == 0:
			event.set(name, params, value)
		}
		return true
	})
	if event != nil { // it was cut off
		c.Events = append(c.Events, *event)
	}
	if !found && len(c.Events) == 0 {
		return nil
	}
	return c
}

func (e *Event) set(name string, params map[string]string, value string) {
	switch name {
	case "UID":
		e.UID = calendarText(value)
	case "SUMMARY":
		e.Summary = calendarText(value)
	case "LOCATION":
		e.Location = calendarText(value)
	case "DESCRIPTION":
		e.Description = calendarText(value)
	case "STATUS":
		e.Status = strings.ToUpper(value)
	case "DTSTART":
		e.Start = eventTime(params, value)
	case "DTEND":
		e.End = eventTime(params, value)
	case "RRULE", "RDATE":
		e.Recurs = true
	case "ORGANIZER":
		e.Organizer = calendarAddress(params, value)
	case "ATTENDEE":
		if len(e.Attendees) < maxAttendees {
			e.Attendees = append(e.Attendees, Attendee{calendarAddress(params, value), strings.ToUpper(params["PARTSTAT"])})
		}
	}
}

// eachCalendarLine visits the content lines (RFC 5545 §3.1), unfolded, until visit says no.
func eachCalendarLine(text string, visit func(name string, params map[string]string, value string) bool) {
	for text != "" {
		var line strings.Builder
		for first := true; text != "" && (first || text[0] == ' ' || text[0] == '\t'); first = false {
			piece, rest, _ := strings.Cut(text, "\n")
			if !first {
				piece = piece[1:]
			}
			line.WriteString(piece[:min(len(piece), maxCalendarLine-line.Len())])
			text = rest
		}
		name, params, value, ok := contentLine(line.String())
		if ok && !visit(name, params, value) {
			return
		}
	}
}

// contentLine splits "NAME;PARAM=value;PARAM="quoted":value".
func contentLine(line string) (name string, params map[string]string, value string, ok bool) {
	start, quoted := 0, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ';' || c == ':'):
			if piece := line[start:i]; name == "" {
				name = strings.ToUpper(piece)
			} else if key, v, found := strings.Cut(piece, "="); found {
				if params == nil {
					params = map[string]string{}
				}
				params[strings.ToUpper(key)] = strings.Trim(v, `"`)
			}
			start = i + 1
			if c == ':' {
				return name, params, line[start:], name != ""
			}
		}
	}
	return "", nil, "", false
}

// calendarText undoes the escapes of a text (RFC 5545 §3.3.11).
func calendarText(value string) string {
	if !strings.Contains(value, `\`) {
		return value
	}
	return strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\N`, "\n", `\,`, ",", `\;`, ";").Replace(value)
}

func calendarAddress(params map[string]string, value string) Address {
	const scheme = "mailto:"
	if len(value) >= len(scheme) && strings.EqualFold(value[:len(scheme)], scheme) {
		value = value[len(scheme):]
	}
	return Address{Name: params["CN"], Addr: value}
}

// eventTime reads a date or a date with a time (RFC 5545 §3.3.4, §3.3.5).
func eventTime(params map[string]string, value string) EventTime {
	t := EventTime{Zone: params["TZID"]}
	var err error
	switch {
	case len(value) == len("20060102"):
		t.AllDay = true
		t.Time, err = time.Parse("20060102", value)
	case strings.HasSuffix(value, "Z"):
		t.Zone = "UTC"
		t.Time, err = time.Parse("20060102T150405Z", value)
	default:
		t.Time, err = time.Parse("20060102T150405", value)
	}
	if err != nil {
		return EventTime{}
	}
	return t
}
