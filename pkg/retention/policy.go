// Package retention decides how long a mail is kept: which class it belongs to
// and when each of its layers is due. It decides; destroying is not its business.
package retention

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Policy is the classes, and the rules that choose one for a mail.
type Policy struct {
	// Name stands in plans and certificates.
	Name string `yaml:"name"`
	// Classes by name. The class set_aside is always needed: it keeps what could not be processed.
	Classes map[string]Class `yaml:"classes"`
	// Rules are tried in order; the first that matches names the class.
	Rules []Rule `yaml:"rules"`
	// Default is the class of a mail that no rule matches.
	Default string `yaml:"default"`
}

// A Class says how long each layer of its mails is kept, counted from the
// moment the mail came through the door.
type Class struct {
	// Raw keeps the original bytes.
	Raw Span `yaml:"raw"`
	// View keeps what agents read.
	View Span `yaml:"view"`
	// PII keeps the masked values.
	PII Span `yaml:"pii"`
}

// A Span is how long, and how finely expiry is grouped.
type Span struct {
	// Days that the layer is kept.
	Days int `yaml:"days"`
	// Period in days: layers that fall due within one period share a key and are destroyed together, at its end.
	Period int `yaml:"period"`
}

// A Rule matches a mail by what is known of it. Every condition that is given must hold.
type Rule struct {
	// Mailbox is the configured id of the mailbox.
	Mailbox []string `yaml:"mailbox"`
	// Sender is the sender's verdict.
	Sender []string `yaml:"sender"`
	// Scan is the scan's verdict.
	Scan []string `yaml:"scan"`
	// Kind of mail: person, list, auto_reply, bounce, receipt, report, calendar.
	Kind []string `yaml:"kind"`
	// LargerThan bytes.
	LargerThan int64 `yaml:"larger_than"`
	// Class that a matching mail belongs to.
	Class string `yaml:"class"`
}

// Facts are what a rule may look at.
type Facts struct {
	Mailbox, Sender, Scan, Kind string
	Size                        int64
}

// A Due is when a layer expires: the end of the period that its span falls into.
type Due struct {
	At     time.Time
	Period int // days
}

// Dues are the due dates of an item's layers.
type Dues struct{ Raw, View, PII Due }

// SetAside is the class of what could not be processed.
const SetAside = "set_aside"

// Standard keeps originals for 30 days, tickets for two years, and what was
// set aside for 90 days. Mail from machines goes after 90 days.
func Standard() Policy {
	return Policy{
		Name: "standard",
		Classes: map[string]Class{
			"customer":  {Raw: Span{30, 1}, View: Span{730, 30}, PII: Span{180, 7}},
			"machine":   {Raw: Span{14, 1}, View: Span{90, 7}, PII: Span{30, 1}},
			"dangerous": {Raw: Span{7, 1}, View: Span{365, 30}, PII: Span{90, 7}},
			SetAside:    {Raw: Span{90, 1}, View: Span{90, 1}, PII: Span{90, 1}},
		},
		Rules: []Rule{
			{Scan: []string{"infected"}, Class: "dangerous"},
			{Kind: []string{"auto_reply", "bounce", "receipt", "report"}, Class: "machine"},
		},
		Default: "customer",
	}
}

// Check says what is wrong with a policy, and what to do.
func (p Policy) Check() error {
	if p.Name == "" {
		return fmt.Errorf("retention policy: name is empty: give it one, it stands in certificates")
	}
	for _, needed := range []string{SetAside, p.Default} {
		if _, ok := p.Classes[needed]; !ok {
			return fmt.Errorf("retention policy %s: class %q is missing: add it under classes", p.Name, needed)
		}
	}
	for _, name := range sortedKeys(p.Classes) {
		if !isName(name) {
			return fmt.Errorf("retention class %q: use a-z, 0-9 and _ only", name)
		}
		class := p.Classes[name]
		for layer, span := range map[string]Span{"raw": class.Raw, "view": class.View, "pii": class.PII} {
			if span.Days < 0 || span.Period < 1 {
				return fmt.Errorf("retention class %s: %s needs days of at least 0 and a period of at least 1", name, layer)
			}
		}
	}
	for number, rule := range p.Rules {
		if _, ok := p.Classes[rule.Class]; !ok {
			return fmt.Errorf("retention rule %d: class %q is not among the classes", number+1, rule.Class)
		}
	}
	return nil
}

// Choose gives the class of a mail.
func (p Policy) Choose(facts Facts) string {
	for _, rule := range p.Rules {
		if rule.matches(facts) {
			return rule.Class
		}
	}
	return p.Default
}

// Dues gives the due dates of a class for a mail received at a time.
func (p Policy) Dues(class string, received time.Time) (Dues, error) {
	c, ok := p.Classes[class]
	if !ok {
		return Dues{}, fmt.Errorf("retention class %q is not among the classes", class)
	}
	return Dues{Raw: c.Raw.due(received), View: c.View.due(received), PII: c.PII.due(received)}, nil
}

// Digest names the policy's text, so that a certificate can say which one it followed.
func (p Policy) Digest() string {
	var text strings.Builder
	field := func(parts ...string) {
		for _, part := range parts {
			text.WriteString(strconv.Itoa(len(part)) + ":" + part)
		}
	}
	field(p.Name, p.Default)
	for _, name := range sortedKeys(p.Classes) {
		c := p.Classes[name]
		field("class", name, fmt.Sprint(c.Raw, c.View, c.PII))
	}
	for _, r := range p.Rules {
		field("rule", fmt.Sprintf("%q", r.Mailbox), fmt.Sprintf("%q", r.Sender), fmt.Sprintf("%q", r.Scan),
			fmt.Sprintf("%q", r.Kind), strconv.FormatInt(r.LargerThan, 10), r.Class)
	}
	sum := sha256.Sum256([]byte(text.String()))
	return hex.EncodeToString(sum[:])
}

// due is the end of the period, in whole days since the epoch, that the span's
// last moment falls into. Rounding up never shortens what the policy promises.
func (s Span) due(received time.Time) Due {
	const day = 24 * time.Hour
	length := time.Duration(s.Period) * day
	end := received.UTC().Add(time.Duration(s.Days) * day)
	since := end.Sub(time.Unix(0, 0))
	periods := since / length
	if since%length != 0 {
		periods++
	}
	return Due{At: time.Unix(0, 0).UTC().Add(periods * length), Period: s.Period}
}

func (r Rule) matches(f Facts) bool {
	return among(r.Mailbox, f.Mailbox) && among(r.Sender, f.Sender) && among(r.Scan, f.Scan) &&
		among(r.Kind, f.Kind) && (r.LargerThan == 0 || f.Size > r.LargerThan)
}

func among(allowed []string, value string) bool {
	return len(allowed) == 0 || slices.Contains(allowed, value)
}

func sortedKeys(classes map[string]Class) []string {
	names := make([]string, 0, len(classes))
	for name := range classes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func isName(name string) bool {
	for _, letter := range name {
		if (letter < 'a' || letter > 'z') && (letter < '0' || letter > '9') && letter != '_' {
			return false
		}
	}
	return name != ""
}
