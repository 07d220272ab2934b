package dmarc

import (
	"context"
	"strings"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// maxLabels is the longest name that a walk asks for above its start
// (RFC 9989 §4.10: names of eight labels and more shrink to seven).
const maxLabels = 7

// A found is a record and the domain that publishes it.
type found struct {
	domain string
	record Record
	usable bool // it asks for something that can be applied
}

// A walk is the outcome of one DNS tree walk (RFC 9989 §4.10).
type walk struct {
	start   string
	records []found // longest name first
	err     error   // the look-up that failed, which makes the rest uncertain
}

// A walker walks and remembers, so that names above several domains are asked
// once.
type walker struct {
	ctx      context.Context
	resolver dns.Resolver
	walks    map[string]*walk
	broken   bool // the author's walk broke off, so its organization is not known
}

// walk climbs from a domain towards the root and keeps the records it meets.
func (w *walker) walk(domain string) *walk {
	if done := w.walks[domain]; done != nil {
		return done
	}
	result := &walk{start: domain}
	w.walks[domain] = result
	for name := domain; name != ""; {
		record, has, usable, err := w.record(name)
		if err != nil {
			result.err = err
			return result
		}
		if has {
			result.records = append(result.records, found{name, record, usable})
			if record.PSD != 'u' {
				return result // RFC 9989 §4.10, steps 2 and 6
			}
		}
		name = dns.Parent(name)
		if labels := strings.Count(name, ".") + 1; labels > maxLabels {
			name = lastLabels(name, maxLabels)
		}
	}
	return result
}

// lastLabels keeps the n rightmost labels.
func lastLabels(name string, n int) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '.' {
			if n--; n == 0 {
				return name[i+1:]
			}
		}
	}
	return name
}

// record asks for the one record of a domain. Several are as good as none
// (RFC 9989 §4.10, steps 2 and 6).
func (w *walker) record(domain string) (record Record, has, usable bool, err error) {
	answer, err := w.resolver.Lookup(w.ctx, dns.TXT, "_dmarc."+domain)
	if dns.IsTemporary(err) {
		return Record{}, false, false, err
	}
	text, several := "", false
	for _, candidate := range answer.Texts {
		if isRecord(candidate) {
			several = several || text != ""
			text = candidate
		}
	}
	if text == "" || several {
		return Record{}, false, false, nil
	}
	record, usable = ParseRecord(text)
	return record, true, usable, nil
}

// organization gives the organizational domain that a walk found
// (RFC 9989 §4.10.2). A record that asks for nothing counts for what it says of
// itself, and makes nobody the organization of those below by standing there.
func (r *walk) organization() string {
	fewest := r.start
	for _, f := range r.records {
		switch {
		case f.record.PSD == 'n':
			return f.domain
		case f.record.PSD == 'y' && f.domain != r.start:
			return childOf(f.domain, r.start)
		case f.usable:
			fewest = f.domain
		}
	}
	return fewest
}

// childOf gives the name one label below parent on the way to name.
func childOf(parent, name string) string {
	return lastLabels(name, strings.Count(parent, ".")+2)
}
