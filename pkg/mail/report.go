package mail

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// A DeliveryReport is what a delivery status notification says of a message that could
// not be delivered, was late or arrived (RFC 3464 §2, RFC 6533 §3). Whoever sent the
// notification wrote all of it.
type DeliveryReport struct {
	EnvelopeID   string
	ReportingMTA string
	ReceivedFrom string
	Arrival      time.Time // zero where absent or unreadable
	Recipients   []RecipientReport
}

// A RecipientReport is what became of the message for one recipient (RFC 3464 §2.3).
type RecipientReport struct {
	Original    string // address as the sender gave it, "" where not told
	Final       string
	Action      string // lower case: failed, delayed, delivered, relayed, expanded
	Status      string // "5.1.1" (RFC 3463), comments removed
	RemoteMTA   string
	Diagnostic  string // in the words of the server that refused, without its type
	LastAttempt time.Time
	RetryUntil  time.Time
}

// DeliveryReport gives the first delivery report among the message's own parts, nil where
// there is none.
func (m *Message) DeliveryReport() *DeliveryReport {
	if m.Root == nil {
		return nil
	}
	for _, part := range append([]*Part{m.Root}, m.Root.Children...) {
		if report := part.DeliveryReport(); report != nil {
			return report
		}
	}
	return nil
}

// DeliveryReport reads a message/delivery-status part, nil where it is none or says nothing.
func (p *Part) DeliveryReport() *DeliveryReport {
	if p.Type != "message/delivery-status" && p.Type != "message/global-delivery-status" {
		return nil
	}
	groups := p.FieldGroups()
	if len(groups) == 0 {
		return nil
	}
	var report DeliveryReport
	for _, g := range groups {
		if g.Has("Reporting-MTA") || g.Has("Original-Envelope-Id") || g.Has("Arrival-Date") {
			report.EnvelopeID = g.reported("Original-Envelope-Id")
			report.ReportingMTA = typed(g.reported("Reporting-MTA"))
			report.ReceivedFrom = typed(g.reported("Received-From-MTA"))
			report.Arrival = ParseDate(g.reported("Arrival-Date"))
		}
		if !g.Has("Final-Recipient") && !g.Has("Original-Recipient") && !g.Has("Action") && !g.Has("Status") {
			continue
		}
		status, _, _ := strings.Cut(strings.TrimSpace(stripComments(g.reported("Status"))), " ")
		report.Recipients = append(report.Recipients, RecipientReport{
			Original: reportedAddress(g.reported("Original-Recipient")), Final: reportedAddress(g.reported("Final-Recipient")),
			Action: strings.ToLower(strings.TrimSpace(stripComments(g.reported("Action")))), Status: status,
			RemoteMTA: typed(g.reported("Remote-MTA")), Diagnostic: typed(g.reported("Diagnostic-Code")),
			LastAttempt: ParseDate(g.reported("Last-Attempt-Date")), RetryUntil: ParseDate(g.reported("Will-Retry-Until")),
		})
	}
	if report.ReportingMTA == "" && len(report.Recipients) == 0 {
		return nil
	}
	return &report
}

// FieldGroups reads the content as groups of fields with blank lines between, as reports
// are made of: RFC 3464 §2.1, RFC 8098 §3.1, RFC 5965 §3.1. What is no field is passed over.
func (p *Part) FieldGroups() []Header {
	lim := DefaultLimits
	s := &scanner{p: &parser{lim: lim, seen: map[Defect]bool{}}, buf: p.Content, eol: lineEnd(p.Content)}
	var groups []Header
	for pos := 0; pos < len(s.buf) && len(groups) < lim.Parts && s.p.spent() == ""; {
		r := s.readHeader(pos, false)
		if len(r.header) > 0 {
			groups = append(groups, r.header)
		}
		if r.body > pos {
			pos = r.body
			continue
		}
		_, pos = s.line(pos) // no field stands there
	}
	return groups
}

// reported gives a field of a report as text that can be shown.
func (h Header) reported(name string) string {
	text, _ := decodeText(h.Get(name))
	return strings.Map(dropControls, text)
}

// typed takes the type from the front of a value: "dns; mx.example.net" (RFC 3464 §2.1.2).
func typed(value string) string {
	kind, rest, ok := strings.Cut(value, ";")
	if !ok || !isToken(strings.TrimSpace(kind)) {
		return strings.TrimSpace(value)
	}
	return strings.TrimSpace(rest)
}

// reportedAddress is typed, with the escapes of internationalized addresses undone (RFC 6533 §3).
func reportedAddress(value string) string {
	text := strings.Trim(typed(value), "<>")
	kind, _, _ := strings.Cut(value, ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "utf-8") {
		return text
	}
	var out bytes.Buffer
	for {
		i := strings.Index(text, `\x{`)
		if i < 0 {
			break
		}
		end := strings.IndexByte(text[i:min(len(text), i+12)], '}')
		if end < 0 {
			break
		}
		code, err := strconv.ParseUint(text[i+3:i+end], 16, 32)
		out.WriteString(text[:i])
		if err == nil && code >= 0x20 && code <= 0x10ffff {
			out.WriteRune(rune(code))
		}
		text = text[i+end+1:]
	}
	return out.String() + text
}
