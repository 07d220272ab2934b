// Package dns is what sender authentication asks of the domain name system: one
// look-up of one record type at one name (RFC 1035), with the outcomes told
// apart that SPF, DKIM and DMARC judge differently. It declares the resolver and
// knows answers that are given, recorded or read from a zone; it opens no socket.
package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// A Type is a DNS record type.
type Type string

const (
	TXT  Type = "TXT"
	A    Type = "A"
	AAAA Type = "AAAA"
	MX   Type = "MX"
	PTR  Type = "PTR"
)

// An Answer holds the records found. Only the field of the type that was asked
// for is filled.
type Answer struct {
	Texts []string      // TXT, the strings of one record joined (RFC 7208 §3.3)
	Addrs []netip.Addr  // A and AAAA
	MX    []Exchange    // MX
	Names []string      // PTR, without the trailing dot
	TTL   time.Duration // least TTL of the chain, zero where unknown
}

// An Exchange is one MX record.
type Exchange struct {
	Pref uint16
	Host string // without the trailing dot
}

// The outcomes of a look-up that found nothing. A resolver must wrap exactly one
// of them in every error it returns.
var (
	ErrNXDomain  = errors.New("name does not exist")           // RFC 8020
	ErrNoData    = errors.New("no record of this type")        // RFC 2308 §2.2
	ErrTemporary = errors.New("temporary failure of look-up")  // SERVFAIL, REFUSED, broken answers
	ErrTimeout   = errors.New("no answer to look-up in time")  // a kind of temporary failure
	ErrBadName   = errors.New("name is not a valid host name") // never asked
)

// A Resolver answers one question. It must follow CNAMEs, must be safe for
// concurrent use, must honour the context, and must return one of the errors of
// this package where there is no answer.
type Resolver interface {
	Lookup(ctx context.Context, kind Type, name string) (Answer, error)
}

// IsVoid reports whether a look-up ended without records but for certain: the
// "void look-ups" of RFC 7208 §4.6.4.
func IsVoid(err error) bool {
	return errors.Is(err, ErrNXDomain) || errors.Is(err, ErrNoData)
}

// IsTemporary reports whether asking again could give another outcome. An error
// of no known kind is temporary, so that it never decides against anybody.
func IsTemporary(err error) bool {
	return err != nil && !IsVoid(err) && !errors.Is(err, ErrBadName)
}

// Clean gives the form in which names are compared and asked: lower case, no
// trailing dot.
func Clean(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// CheckName tells whether a name can be asked: labels of 1 to 63 octets, 253 in
// all (RFC 1035 §2.3.4), printable ASCII.
func CheckName(name string) error {
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > 253 {
		return fmt.Errorf("name of %d octets: %w", len(name), ErrBadName)
	}
	label := 0
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c == '.':
			if label == 0 {
				return fmt.Errorf("empty label: %w", ErrBadName)
			}
			label = 0
		case c < ' ' || c >= 0x7f: // a space can be meant (RFC 7208 §7.1, %_)
			return fmt.Errorf("octet outside printable ascii: %w", ErrBadName)
		default:
			if label++; label > 63 {
				return fmt.Errorf("label over 63 octets: %w", ErrBadName)
			}
		}
	}
	if label == 0 {
		return fmt.Errorf("empty label: %w", ErrBadName)
	}
	return nil
}

// ReverseName gives the name under in-addr.arpa or ip6.arpa whose PTR records
// name an address (RFC 1035 §3.5, RFC 3596 §2.5).
func ReverseName(ip netip.Addr) string {
	ip = ip.Unmap()
	raw := ip.AsSlice()
	var b strings.Builder
	if ip.Is4() {
		for i := len(raw) - 1; i >= 0; i-- {
			fmt.Fprintf(&b, "%d.", raw[i])
		}
		return b.String() + "in-addr.arpa"
	}
	const hex = "0123456789abcdef"
	for i := len(raw) - 1; i >= 0; i-- {
		b.WriteByte(hex[raw[i]&15])
		b.WriteByte('.')
		b.WriteByte(hex[raw[i]>>4])
		b.WriteByte('.')
	}
	return b.String() + "ip6.arpa"
}
