package dns

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
)

// maxAliases bounds a chain of CNAMEs, as common resolvers do.
const maxAliases = 8

// A Zone answers from a fixed set of names. A name that it does not hold does
// not exist, unless names below it do (RFC 8020 §2): then it is empty.
type Zone struct {
	names map[string]*Entry
}

// An Entry is what a zone holds at one name.
type Entry struct {
	TXT   []string     `json:"TXT,omitempty"`
	A     []netip.Addr `json:"A,omitempty"`
	AAAA  []netip.Addr `json:"AAAA,omitempty"`
	MX    []ZoneMX     `json:"MX,omitempty"`
	PTR   []string     `json:"PTR,omitempty"`
	CNAME string       `json:"CNAME,omitempty"`
	Error string       `json:"error,omitempty"` // "nxdomain", "nodata", "servfail" or "timeout", for every type
}

// A ZoneMX is an MX record in a zone file.
type ZoneMX struct {
	Pref uint16 `json:"pref"`
	Host string `json:"host"`
}

// ParseZone reads a zone from JSON: an object of names, each with the fields of
// Entry. An unknown field or a malformed address is an error.
func ParseZone(text []byte) (*Zone, error) {
	var names map[string]*Entry
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&names); err != nil {
		return nil, fmt.Errorf("zone: %w", err)
	}
	return NewZone(names)
}

// NewZone makes a zone of entries.
func NewZone(entries map[string]*Entry) (*Zone, error) {
	zone := &Zone{names: make(map[string]*Entry, len(entries))}
	for name, entry := range entries {
		if entry == nil {
			entry = &Entry{}
		}
		switch entry.Error {
		case "", "nxdomain", "nodata", "servfail", "timeout":
		default:
			return nil, fmt.Errorf("zone: error %q is none of nxdomain, nodata, servfail, timeout", entry.Error)
		}
		for _, ip := range entry.A {
			if !ip.Is4() {
				return nil, fmt.Errorf("zone: A record %s is not an IPv4 address", ip)
			}
		}
		for _, ip := range entry.AAAA {
			if !ip.Is6() {
				return nil, fmt.Errorf("zone: AAAA record %s is not an IPv6 address", ip)
			}
		}
		zone.names[Clean(name)] = entry
	}
	// Names above an existing one exist too, without records.
	for name := range entries {
		if held := zone.names[Clean(name)]; held.Error == "nxdomain" {
			continue
		}
		for parent := Parent(Clean(name)); parent != ""; parent = Parent(parent) {
			if zone.names[parent] == nil {
				zone.names[parent] = &Entry{}
			}
		}
	}
	return zone, nil
}

// Parent gives a name without its leftmost label, "" for a single label.
func Parent(name string) string {
	for i := 0; i < len(name); i++ {
		if name[i] == '.' {
			return name[i+1:]
		}
	}
	return ""
}

// Lookup answers from the zone.
func (z *Zone) Lookup(ctx context.Context, kind Type, name string) (Answer, error) {
	if err := ctx.Err(); err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	if err := CheckName(name); err != nil {
		return Answer{}, err
	}
	at := Clean(name)
	for range maxAliases {
		entry := z.names[at]
		if entry == nil {
			return Answer{}, ErrNXDomain
		}
		switch entry.Error {
		case "nxdomain":
			return Answer{}, ErrNXDomain
		case "nodata":
			return Answer{}, ErrNoData
		case "servfail":
			return Answer{}, ErrTemporary
		case "timeout":
			return Answer{}, ErrTimeout
		}
		if entry.CNAME != "" {
			at = Clean(entry.CNAME)
			continue
		}
		return entry.answer(kind)
	}
	return Answer{}, fmt.Errorf("alias chain over %d: %w", maxAliases, ErrTemporary)
}

func (e *Entry) answer(kind Type) (Answer, error) {
	var answer Answer
	switch kind {
	case TXT:
		answer.Texts = e.TXT
	case A:
		answer.Addrs = e.A
	case AAAA:
		answer.Addrs = e.AAAA
	case MX:
		for _, mx := range e.MX {
			answer.MX = append(answer.MX, Exchange{Pref: mx.Pref, Host: Clean(mx.Host)})
		}
	case PTR:
		for _, name := range e.PTR {
			answer.Names = append(answer.Names, Clean(name))
		}
	default:
		return Answer{}, fmt.Errorf("record type: %w", ErrNoData)
	}
	if len(answer.Texts)+len(answer.Addrs)+len(answer.MX)+len(answer.Names) == 0 {
		return Answer{}, ErrNoData
	}
	return answer, nil
}

// None is the resolver of those who have none: every look-up is a temporary
// failure.
type None struct{}

// Lookup fails.
func (None) Lookup(context.Context, Type, string) (Answer, error) {
	return Answer{}, ErrTemporary
}
