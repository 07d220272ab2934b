package topology

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/pkg/event"
)

// StreamTable is the table of streams for the documents.
func StreamTable() string {
	var b strings.Builder
	b.WriteString("| Stream | Subjects | Kept | Disk | Readers |\n| --- | --- | --- | --- | --- |\n")
	for _, s := range Streams {
		disk := "synced"
		if s.Async {
			disk = "asynchronous"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s |\n", s.Name, s.Shown, kept(s), disk, names(s.readBy))
	}
	return b.String()
}

// readBy reports whether a credential reads anything of a stream: its messages, their headers,
// what a stage of its takes, or its own leases and deaths.
func (s Stream) readBy(v Service) bool {
	switch {
	case slices.Contains(v.Reads, s.Name), slices.Contains(v.Headers, s.Name), slices.Contains(v.Hears, s.Name):
		return true
	case s.Name == Leases:
		return v.Leases
	case s.Name == Deaths:
		return len(v.Stages()) > 0
	}
	return slices.ContainsFunc(v.Stages(), func(c Consumer) bool { return c.Stream == s.Name })
}

func kept(s Stream) string {
	var words []string
	if s.LastOnly {
		words = append(words, "last one a subject")
	}
	switch {
	case s.MaxAge > 0:
		words = append(words, span(s.MaxAge))
	case !s.TTL:
		words = append(words, "for ever")
	}
	if s.TTL {
		words = append(words, "message TTL")
	}
	text := strings.Join(words, ", ")
	if s.Forever {
		text += "; no delete, no purge"
	}
	return text
}

// ConsumerTable is the table of stages for the documents.
func ConsumerTable() string {
	var b strings.Builder
	b.WriteString("| Stage | Takes | Says | ack wait | in flight | patience |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, c := range Consumers {
		says := "`" + c.Says + "`"
		switch c.Says {
		case "":
			says = "(the mailbox action)"
		case "tickets.*":
			says = "`tickets.<id>` (Opened)"
			if c.Stage == "recall" {
				says = "`tickets.<id>` (Recalled)"
			}
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %d | %s |\n", c.Stage, c.Takes, says, span(c.AckWait), c.InFlight, span(c.Patience))
	}
	return b.String()
}

// EventTable says of every event where it is kept, who may say it and who takes it.
func EventTable() string {
	var b strings.Builder
	b.WriteString("| Event | Stream | Said by | Taken by |\n| --- | --- | --- | --- |\n")
	for name := range event.Kinds() {
		stream, said, taken := "none", "", ""
		if s, ok := StreamOf(example(name)); ok {
			stream = s.Name
			said = names(func(v Service) bool {
				return !v.Tool && slices.ContainsFunc(v.Publishes, func(p string) bool {
					return covers(p, example(name)) || covers(example(name), p)
				})
			})
			taken = names(func(v Service) bool {
				if s.Name == Mail {
					return slices.ContainsFunc(v.Stages(), func(c Consumer) bool { return c.Takes == name })
				}
				return !v.Tool && slices.Contains(v.Reads, s.Name)
			})
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, stream, said, taken)
	}
	return b.String()
}

// example is the subject of an event, as a wildcard where it holds a name or an id.
func example(name string) string {
	switch {
	case name == "audit.v1.Entry":
		return "audit.v1.Entry.*"
	case strings.HasPrefix(name, "ticket.v1."):
		return "tickets.*"
	}
	return name
}

func names(is func(Service) bool) string {
	var found []string
	for _, s := range Services {
		if is(s) {
			found = append(found, s.Name)
		}
	}
	return strings.Join(found, ", ")
}

// RequestTable says who may ask the keyring, and other services, for what.
func RequestTable() string {
	var b strings.Builder
	b.WriteString("| Request | Asked by |\n| --- | --- |\n")
	for _, operation := range Operations {
		fmt.Fprintf(&b, "| `keyring.v1.%s` | %s |\n", operation,
			names(func(s Service) bool { return slices.Contains(s.Asks, operation) }))
	}
	for _, s := range Services {
		for _, subject := range s.Serves {
			fmt.Fprintf(&b, "| `%s` | %s |\n", subject, names(func(s Service) bool { return slices.Contains(s.Requests, subject) }))
		}
	}
	return b.String()
}

// Picture is the flow as a mermaid diagram: boxes are services, arrows what they say.
func Picture() string {
	var b strings.Builder
	b.WriteString("```mermaid\nflowchart LR\n  imap([IMAP]) --> ingest\n")
	for _, c := range Consumers {
		for _, s := range Services {
			if !s.Tool && slices.Contains(s.Publishes, c.Takes) {
				fmt.Fprintf(&b, "  %s -- %s --> %s\n", s.Name, short(c.Takes), c.Service)
			}
		}
	}
	b.WriteString("  desk --> agents([agents])\n")
	for _, s := range Services {
		if s.Tool || len(s.Asks) == 0 || slices.Equal(s.Asks, []string{"status"}) {
			continue
		}
		var asks []string
		for _, operation := range s.Asks {
			if operation != "status" && operation != "setaside" {
				asks = append(asks, operation)
			}
		}
		fmt.Fprintf(&b, "  %s -. %s .-> keyring\n", s.Name, strings.Join(asks, ", "))
	}
	for _, s := range Services {
		for _, subject := range s.Publishes {
			if stream, ok := StreamOf(subject); ok && !s.Tool && stream.Name != Mail && stream.Name != Audit && stream.Also != subject {
				fmt.Fprintf(&b, "  %s --> %s[(%s)]\n", s.Name, stream.Name, stream.Name)
			}
		}
	}
	b.WriteString("  every([every service]) -- audit.v1.Entry --> AUDIT[(AUDIT)] --> audit\n```\n")
	return b.String()
}

func short(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }

// span writes a duration in days, minutes or seconds.
func span(d time.Duration) string {
	if d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}
