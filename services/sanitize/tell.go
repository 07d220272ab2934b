package sanitize

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/clean"
	"github.com/postern-mail/postern/pkg/mail"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
)

// What a mail tells an agent in parts that programs read: events of calendar files and
// reports of mail servers. Each of these words is its author's.
const (
	maxEvents     = 10
	maxDeliveries = 50
	maxTold       = 500 // bytes of one of their words
)

// An Event is what a calendar file asks or tells.
type Event struct {
	Method     string // one of eventMethods, "" for others
	Summary    string // masked, as all that follows
	Location   string
	Organizer  string
	Attendee   string // who answers, of a REPLY
	Answer     string // one of eventAnswers, "" for others
	Invited    int
	Start, End mail.EventTime
	Recurs     bool
}

// A Delivery is what became of a mail for one of its recipients.
type Delivery struct {
	Server    string
	Recipient string // masked
	Action    string // one of deliveryActions, "" for others
	Status    string // RFC 3463, "" for what is none
	Said      string // masked
	Until     time.Time
}

var (
	eventMethods    = []string{"PUBLISH", "REQUEST", "REPLY", "ADD", "CANCEL", "REFRESH", "COUNTER", "DECLINECOUNTER"} // RFC 5546 §1.4
	eventAnswers    = []string{"NEEDS-ACTION", "ACCEPTED", "DECLINED", "TENTATIVE", "DELEGATED"}                       // RFC 5545 §3.2.12
	deliveryActions = []string{"failed", "delayed", "delivered", "relayed", "expanded"}                                // RFC 3464 §2.3.3
	deliveryStatus  = regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3}$`)                                            // RFC 3463 §2
)

// tell notes what a file that passed tells.
func (r *renderer) tell(p *mail.Part) {
	if calendar := p.Invitation(); calendar != nil {
		for _, e := range calendar.Events {
			r.tellEvent(among(eventMethods, calendar.Method), e)
		}
	}
	report := p.DeliveryReport()
	if report == nil {
		return
	}
	for _, one := range report.Recipients {
		if len(r.view.Deliveries) == maxDeliveries {
			return
		}
		recipient := one.Original // the address that the sender knows
		if recipient == "" {
			recipient = one.Final
		}
		told := Delivery{
			Server: r.told(report.ReportingMTA), Recipient: r.told(recipient), Said: r.told(one.Diagnostic),
			Action: among(deliveryActions, one.Action), Until: one.RetryUntil,
		}
		if deliveryStatus.MatchString(one.Status) {
			told.Status = one.Status
		}
		r.view.Deliveries = append(r.view.Deliveries, told)
	}
}

func (r *renderer) tellEvent(method string, e mail.Event) {
	if len(r.view.Events) == maxEvents { // before anything of it is masked, which a page would have to show
		return
	}
	told := Event{
		Method: method, Summary: r.told(e.Summary), Location: r.told(e.Location), Organizer: r.toldPerson(e.Organizer),
		Invited: len(e.Attendees), Start: e.Start, End: e.End, Recurs: e.Recurs,
	}
	told.Start.Zone, told.End.Zone = r.told(e.Start.Zone), r.told(e.End.Zone)
	if method == "REPLY" && len(e.Attendees) == 1 { // RFC 5546 §3.2.3
		told.Attendee, told.Answer = r.toldPerson(e.Attendees[0].Address), among(eventAnswers, e.Attendees[0].Answer)
	}
	if slices.Contains(r.view.Events, told) { // most invitations come twice: as a form of the text, and as a file
		return
	}
	r.view.Events = append(r.view.Events, told)
	if words := clean.Plain(e.Description, clean.Flow{}); words != "" {
		r.unsaid = append(r.unsaid, words)
	}
}

func (r *renderer) toldPerson(a mail.Address) string {
	name, address := clean.Line(a.Name), clean.Line(a.Addr)
	if name == "" || name == address {
		return r.told(address)
	}
	return r.told(name + " <" + address + ">")
}

// told makes one line of what stands there, and masks it.
func (r *renderer) told(words string) string {
	return r.masked(clean.Cut(clean.Line(strings.ReplaceAll(words, "\n", " ")), maxTold))
}

// among gives a word that is one of those known, "" for others.
func among(known []string, word string) string {
	if slices.Contains(known, word) {
		return word
	}
	return ""
}

func events(list []Event) (packed []*contentv1.Event) {
	for _, e := range list {
		event := &contentv1.Event{
			Method: e.Method, Summary: e.Summary, Location: e.Location, Organizer: e.Organizer, Attendee: e.Attendee, Answer: e.Answer,
			Invited: int32(e.Invited), Zone: e.Start.Zone, AllDay: e.Start.AllDay, Recurs: e.Recurs, //nolint:gosec // a thousand are kept
		}
		if !e.Start.Time.IsZero() {
			event.Start = timestamppb.New(e.Start.Time)
		}
		if !e.End.Time.IsZero() {
			event.End = timestamppb.New(e.End.Time)
			if e.End.Zone != e.Start.Zone {
				event.EndZone = e.End.Zone
			}
		}
		packed = append(packed, event)
	}
	return packed
}

func deliveries(list []Delivery) (packed []*contentv1.Delivery) {
	for _, d := range list {
		delivery := &contentv1.Delivery{Server: d.Server, Recipient: d.Recipient, Action: d.Action, Status: d.Status, Said: d.Said}
		if !d.Until.IsZero() {
			delivery.Until = timestamppb.New(d.Until)
		}
		packed = append(packed, delivery)
	}
	return packed
}

// tellOutlook notes the words of the mail that a winmail.dat holds ([MS-OXTNEF]): plain
// ones, else those of its HTML. They are words of the mail, whatever becomes of its files.
func (r *renderer) tellOutlook(p *mail.Part) {
	var words string
	for _, child := range p.Children {
		if isOutlookText(child) && (words == "" || child.Type == "text/plain") {
			if said := r.wordsOf(child); said != "" {
				words = said
			}
		}
	}
	if words == "" {
		return
	}
	r.outlook = append(r.outlook, words)
	if len(p.Ambiguous) > 0 {
		r.notice(AmbiguousText)
	}
}

// wordsOf gives what a text says, "" for blanks.
func (r *renderer) wordsOf(p *mail.Part) (words string) {
	if p.Type == "text/html" {
		source, _ := p.Text()
		_, words = clean.Document(source, clean.Options{MaxInput: r.options.MaxHTML})
	} else {
		words = r.plain(p)
	}
	if strings.TrimSpace(words) == "" {
		return ""
	}
	return words
}

// isOutlookText tells the words of a mail in a winmail.dat from the files in it.
func isOutlookText(p *mail.Part) bool {
	return p.Origin == "tnef" && p.Disposition == "inline" && (p.Type == "text/plain" || p.Type == "text/html")
}

// isOutlookRich tells the same as RTF.
func isOutlookRich(p *mail.Part) bool {
	return p.Origin == "tnef" && p.Disposition == "inline" && p.Type == "text/rtf"
}
