package topology

import (
	"slices"

	"github.com/postern-mail/postern/pkg/event"
)

// Setup is the credential that creates streams and consumers. Doctor looks, Rebuild
// refills streams from the journal, SetAside takes up again what was set aside, Mailbox
// compares mailboxes with the archive and has ingest look again, Evidence has verdicts on senders
// repeated, Customers keeps the directory. They are operators' tools, not services.
const (
	Setup     = "setup"
	Doctor    = "doctor"
	Rebuild   = "rebuild"
	SetAside  = "setaside"
	Mailbox   = "mailbox"
	Evidence  = "evidence"
	Customers = "customers"
)

// Replay is the subject on which the service verify repeats a verdict.
const Replay = "verify.v1.replay"

// A Service is one credential and all that it may do.
type Service struct {
	Name      string
	Publishes []string // subjects of streams
	Asks      []string // operations of the keyring
	Answers   bool     // serves the operations of the keyring
	Serves    []string // other subjects that it answers
	Requests  []string // what it asks of those who serve it
	Reads     []string // streams it may read whole
	Headers   []string // streams whose headers it sweeps
	Hears     []string // streams whose new messages it is told of
	Leases    bool     // holds leases of its own name
	Tool      bool     // an operator's, not a running service
}

// Operations are what the keyring answers, each under keyring.v1.
var Operations = []string{
	"register", "file", "layers", "ticket", "setaside", "retry", "rejudge", "enrol",
	"open.verify", "open.scan", "open.sanitize", "open.rescan", "open.replay",
	"open.card", "open.customer", "open.directory",
	"open.read", "open.reveal", "open.breakglass", "open.rebuild",
	"hold", "release", "close", "destroy", "erase", "forget", "attest",
	"journalled", "status",
}

// Services are all credentials but Setup's.
var Services = []Service{
	{
		Name:      "ingest",
		Publishes: []string{"mail.v1.Received", "mail.v1.SetAside", "cursors.*", "mailboxes.*", "audit.v1.Entry.ingest"},
		Asks:      []string{"register", "setaside", "status"},
		Reads:     []string{Items, Keys, Cursors, Mailboxes}, Headers: []string{Items}, Hears: []string{Keys}, Leases: true,
	},
	{
		Name:      "verify",
		Publishes: []string{"mail.v1.Verified", "mail.v1.SetAside", "audit.v1.Entry.verify"},
		Asks:      []string{"open.verify", "open.replay", "open.card", "open.directory", "setaside", "status"},
		Serves:    []string{Replay},
		Reads:     []string{Items},
	},
	{
		Name:      "scan",
		Publishes: []string{"mail.v1.Scanned", "mail.v1.Outdated", "mail.v1.Recalled", "mail.v1.SetAside", "audit.v1.Entry.scan"},
		Asks:      []string{"open.scan", "open.rescan", "rejudge", "setaside", "status"},
		Reads:     []string{Items, Tickets}, Headers: []string{Items}, Leases: true,
	},
	{
		Name:      "archive",
		Publishes: []string{"mail.v1.Archived", "mail.v1.SetAside", "audit.v1.Entry.archive"},
		Asks:      []string{"file", "setaside", "journalled", "status"},
		Reads:     []string{Items, Tickets, Retention, Audit, Checkpoints, Keys},
		Headers:   []string{Items}, Hears: []string{Keys}, Leases: true,
	},
	{
		Name:      "sanitize",
		Publishes: []string{"mail.v1.Sanitized", "mail.v1.SetAside", "audit.v1.Entry.sanitize"},
		Asks:      []string{"open.sanitize", "layers", "setaside", "status"},
		Reads:     []string{Items, Keys}, Headers: []string{Items}, Hears: []string{Keys}, Leases: true,
	},
	{
		Name:      "desk",
		Publishes: []string{"tickets.*", "mail.v1.SetAside", "retention.v1.Wished", "audit.v1.Entry.desk"},
		Asks:      []string{"ticket", "setaside", "retry", "open.read", "open.reveal", "open.breakglass", "hold", "release", "status"},
		Reads:     []string{Items, Tickets, Retention, Audit, Checkpoints}, Headers: []string{Items},
		Hears: []string{Tickets, Retention, Audit, Checkpoints},
	},
	{
		Name:      "retain",
		Publishes: []string{"retention.v1.*", "tickets.*", "audit.v1.Entry.retain"},
		Asks:      []string{"hold", "release", "close", "destroy", "erase", "forget", "attest", "status"},
		Reads:     []string{Items, Tickets, Retention}, Headers: []string{Items}, Hears: []string{Retention}, Leases: true,
	},
	{
		Name:      "keyring",
		Publishes: []string{"items.*", event.CustomersSubject, "keyring.v1.Published", "audit.v1.Entry.keyring"},
		Answers:   true,
		Reads:     []string{Items, Keys, Retention},
	},
	{
		Name:      "audit",
		Publishes: []string{"audit.v1.Checkpoint", "audit.v1.Entry.audit"},
		Reads:     []string{Audit, Checkpoints}, Hears: []string{Audit}, Leases: true,
	},
	{
		Name: Doctor, Tool: true,
		Asks:  []string{"status"},
		Reads: []string{Items, Keys},
	},
	{
		Name: Rebuild, Tool: true,
		Publishes: []string{"items.*", event.CustomersSubject, "tickets.*", "retention.v1.*", "audit.v1.Entry.*", "audit.v1.Checkpoint"},
		Asks:      []string{"open.rebuild", "status"},
		Reads:     []string{Items, Tickets, Retention, Audit, Checkpoints},
	},
	{
		Name: SetAside, Tool: true,
		Asks:  []string{"retry", "status"},
		Reads: []string{Items},
	},
	{
		Name: Mailbox, Tool: true,
		Publishes: []string{"cursors.*"},
		Reads:     []string{Items, Cursors, Mailboxes, Leases},
	},
	{
		Name: Evidence, Tool: true,
		Requests: []string{Replay},
		Reads:    []string{Items},
	},
	{
		Name: Customers, Tool: true,
		Publishes: []string{"retention.v1.Dismissed"},
		Asks:      []string{"enrol", "open.customer", "open.directory", "status"},
		Reads:     []string{Items, Keys, Retention},
	},
}

// Names are the names of all credentials, Setup's last.
func Names() []string {
	var names []string
	for _, s := range Services {
		names = append(names, s.Name)
	}
	return append(names, Setup)
}

// ServiceNamed returns the service of that name.
func ServiceNamed(name string) (Service, bool) {
	i := slices.IndexFunc(Services, func(s Service) bool { return s.Name == name })
	if i < 0 {
		return Service{}, false
	}
	return Services[i], true
}

// serverOf names the service that answers a subject of Serves.
func serverOf(subject string) string {
	for _, s := range Services {
		if slices.Contains(s.Serves, subject) {
			return s.Name
		}
	}
	return ""
}

// Stages are the consumers of a service.
func (s Service) Stages() []Consumer {
	var mine []Consumer
	for _, c := range Consumers {
		if c.Service == s.Name {
			mine = append(mine, c)
		}
	}
	return mine
}

// Touches are the streams that a service reads, writes or consumes.
func (s Service) Touches() []string {
	names := slices.Concat(s.Reads, s.Headers, s.Hears)
	for _, c := range s.Stages() {
		names = append(names, c.Stream, Deaths)
	}
	if s.Leases {
		names = append(names, Leases)
	}
	for _, subject := range s.Publishes {
		if stream, ok := StreamOf(subject); ok {
			names = append(names, stream.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
