// Package topology is the bus as data: which streams and consumers there are, and
// what each service may say, hear, ask, answer and read. The server's permissions,
// the tables and the picture in the documents are made from it; nothing else
// grants anything.
package topology

import (
	"slices"
	"time"

	"github.com/postern-mail/postern/pkg/event"
)

// DuplicateWindow is how long every stream remembers message ids.
const DuplicateWindow = 2 * time.Minute

// MaxWaiting is how many mails of one consumer may be in work or in a back-off at
// once, over all processes. Past it the consumer stands still until some end.
const MaxWaiting = 65536

// Stream names.
const (
	Items       = "ITEMS"
	Mail        = "MAIL"
	Tickets     = "TICKETS"
	Retention   = "RETENTION"
	Audit       = "AUDIT"
	Checkpoints = "CHECKPOINTS"
	Keys        = "KEYS"
	Cursors     = "CURSORS"
	Mailboxes   = "MAILBOXES"
	Leases      = "LEASES"
	Deaths      = "DEATHS"
)

// A Stream is one stream of JetStream.
type Stream struct {
	Name     string
	Subject  string        // with wildcards
	Also     string        // another subject, with wildcards; empty: none
	Shown    string        // the subject as the documents write it
	MaxAge   time.Duration // 0: for ever
	LastOnly bool          // one message a subject
	TTL      bool          // messages may carry a time to live
	Async    bool          // acknowledged before it is on disk
	Forever  bool          // no delete, no purge, no change of limits
}

// Streams are all streams.
var Streams = []Stream{
	{Name: Items, Subject: event.MailsSubject, Also: event.CustomersSubject, Shown: "items.[customer.]<id>", LastOnly: true},
	{Name: Mail, Subject: "mail.v1.*", Shown: "mail.v1.*", MaxAge: 14 * 24 * time.Hour, Async: true},
	{Name: Tickets, Subject: "tickets.*", Shown: "tickets.<id>"},
	{Name: Retention, Subject: "retention.v1.*", Shown: "retention.v1.*"},
	{Name: Audit, Subject: "audit.v1.Entry.*", Shown: "audit.v1.Entry.<service>", Forever: true},
	{Name: Checkpoints, Subject: "audit.v1.Checkpoint", Shown: "audit.v1.Checkpoint", Forever: true},
	{Name: Keys, Subject: "keyring.v1.Published", Shown: "keyring.v1.Published", LastOnly: true},
	{Name: Cursors, Subject: "cursors.*", Shown: "cursors.<mailbox>", LastOnly: true},
	{Name: Mailboxes, Subject: "mailboxes.*", Shown: "mailboxes.<mailbox>", LastOnly: true, Async: true},
	{Name: Leases, Subject: "leases.*.*", Shown: "leases.<service>.<name>", LastOnly: true, TTL: true, Async: true},
	{Name: Deaths, Subject: "deaths.*.*", Shown: "deaths.<stage>.<event id>", MaxAge: 7 * 24 * time.Hour,
		LastOnly: true, TTL: true},
}

// told is what the subjects begin with on which the server tells that it has stored
// something. What a service publishes comes into the streams' account by a service
// import, and such a message is never exported again; the server's own word is.
const told = "told."

// Subjects are all that the stream keeps.
func (s Stream) Subjects() []string {
	if s.Also == "" {
		return []string{s.Subject}
	}
	return []string{s.Subject, s.Also}
}

// Told is the subject on which those who hear a stream are told of its new messages.
func (s Stream) Told() string { return told + s.Subject }

// ToldAs is where the server repeats the headers of what it has stored; empty for a stream that nobody hears.
func (s Stream) ToldAs() string {
	if slices.ContainsFunc(Services, func(service Service) bool { return slices.Contains(service.Hears, s.Name) }) {
		return told + ">"
	}
	return ""
}

// A Consumer is a durable pull consumer with explicit acknowledgement: the inlet of a stage.
type Consumer struct {
	Stage    string // its name, and the stage's
	Service  string // whose it is
	Stream   string
	Takes    string // subject
	Says     string // subject of what follows; empty where it acts outside the bus
	AckWait  time.Duration
	InFlight int // mails in work at once in one process
	Patience time.Duration
}

const day = 24 * time.Hour

// Consumers are the stages, in the order of the flow.
var Consumers = []Consumer{
	{"verify", "verify", Mail, "mail.v1.Received", "mail.v1.Verified", 30 * time.Second, 256, 3 * day},
	{"scan", "scan", Mail, "mail.v1.Verified", "mail.v1.Scanned", 60 * time.Second, 256, 3 * day},
	{"archive", "archive", Mail, "mail.v1.Scanned", "mail.v1.Archived", 30 * time.Second, 256, 3 * day},
	{"sanitize", "sanitize", Mail, "mail.v1.Archived", "mail.v1.Sanitized", 60 * time.Second, 256, 3 * day},
	{"desk", "desk", Mail, "mail.v1.Sanitized", "tickets.*", 30 * time.Second, 256, 3 * day},
	{"rescan", "scan", Mail, "mail.v1.Outdated", "mail.v1.Recalled", 30 * time.Second, 2, 3 * day},
	{"recall", "desk", Mail, "mail.v1.Recalled", "tickets.*", 30 * time.Second, 16, 3 * day},
	{"ingest-after", "ingest", Mail, "mail.v1.Archived", "", 60 * time.Second, 64, 14 * day},
}

// StreamNamed returns the stream of that name.
func StreamNamed(name string) (Stream, bool) {
	i := slices.IndexFunc(Streams, func(s Stream) bool { return s.Name == name })
	if i < 0 {
		return Stream{}, false
	}
	return Streams[i], true
}

// ConsumerOf returns the consumer of a stage.
func ConsumerOf(stage string) (Consumer, bool) {
	i := slices.IndexFunc(Consumers, func(c Consumer) bool { return c.Stage == stage })
	if i < 0 {
		return Consumer{}, false
	}
	return Consumers[i], true
}

// HeadersConsumer names the consumer through which a service reads a stream's headers.
func HeadersConsumer(service string) string { return service + "-headers" }
