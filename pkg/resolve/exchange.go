package resolve

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// errCut says that part of an answer is missing: what is there decides nothing.
var errCut = errors.New("answer over tcp is cut")

var errAliases = errors.New("aliases do not end")

// maxAliases bounds a chain of CNAMEs.
const maxAliases = 16

// udpSize is the largest UDP answer we take (the size that DNS flag day 2020 agreed on).
const udpSize = 1232

var kinds = map[dns.Type]dnsmessage.Type{
	dns.TXT: dnsmessage.TypeTXT, dns.A: dnsmessage.TypeA, dns.AAAA: dnsmessage.TypeAAAA,
	dns.MX: dnsmessage.TypeMX, dns.PTR: dnsmessage.TypePTR,
}

// exchange asks one server, over TCP where the UDP answer was cut.
func (r *Resolver) exchange(ctx context.Context, server string, kind dns.Type, name string) (dns.Answer, time.Duration, error) {
	question, err := newQuestion(kind, name)
	if err != nil {
		return dns.Answer{}, 0, err
	}
	message, err := r.round(ctx, "udp", server, question)
	if err == nil && message.Truncated {
		message, err = r.round(ctx, "tcp", server, question)
		if err == nil && message.Truncated {
			err = errCut // there is nothing left to ask by
		}
	}
	if err != nil {
		return dns.Answer{}, 0, fmt.Errorf("%s: %w: %w", kind, dns.ErrTemporary, err)
	}
	return read(message, kind)
}

func newQuestion(kind dns.Type, name string) (dnsmessage.Message, error) {
	asked, known := kinds[kind]
	if !known {
		return dnsmessage.Message{}, fmt.Errorf("look-up of type %q: %w", string(kind), dns.ErrBadName)
	}
	full, err := dnsmessage.NewName(dns.Clean(name) + ".")
	if err != nil {
		return dnsmessage.Message{}, fmt.Errorf("name: %w", dns.ErrBadName)
	}
	var id [2]byte
	rand.Read(id[:]) //nolint:errcheck // crypto/rand.Read never fails
	var options dnsmessage.ResourceHeader
	if err := options.SetEDNS0(udpSize, dnsmessage.RCodeSuccess, false); err != nil {
		return dnsmessage.Message{}, fmt.Errorf("edns0: %w", err)
	}
	return dnsmessage.Message{
		Header:      dnsmessage.Header{ID: binary.BigEndian.Uint16(id[:]), RecursionDesired: true},
		Questions:   []dnsmessage.Question{{Name: full, Type: asked, Class: dnsmessage.ClassINET}},
		Additionals: []dnsmessage.Resource{{Header: options, Body: &dnsmessage.OPTResource{}}},
	}, nil
}

// round sends a question and waits for the answer that is to it; what else arrives is passed over.
func (r *Resolver) round(ctx context.Context, network, server string, question dnsmessage.Message) (dnsmessage.Message, error) {
	conn, err := r.dial(ctx, network, server)
	if err != nil {
		return dnsmessage.Message{}, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return dnsmessage.Message{}, err
		}
	}
	packed, err := question.Pack()
	if err != nil {
		return dnsmessage.Message{}, err
	}
	if network == "tcp" { // RFC 1035 §4.2.2
		packed = append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)
	}
	if _, err := conn.Write(packed); err != nil {
		return dnsmessage.Message{}, err
	}
	for range 16 { // spoofed or late datagrams, a bounded number
		raw, err := receive(conn, network)
		if err != nil {
			return dnsmessage.Message{}, err
		}
		var answer dnsmessage.Message
		if err := answer.Unpack(raw); err != nil {
			continue
		}
		if answer.ID == question.ID && answer.Response && len(answer.Questions) == 1 && same(answer.Questions[0], question.Questions[0]) {
			return answer, nil
		}
	}
	return dnsmessage.Message{}, fmt.Errorf("server %s answers other questions", network)
}

func same(a, b dnsmessage.Question) bool {
	return a.Type == b.Type && a.Class == b.Class && strings.EqualFold(a.Name.String(), b.Name.String())
}

func receive(conn net.Conn, network string) ([]byte, error) {
	if network == "udp" {
		buffer := make([]byte, udpSize)
		n, err := conn.Read(buffer)
		return buffer[:n], err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	buffer := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(conn, buffer)
	return buffer, err
}

// read tells what an answer says. The alias chain is followed in the answer, where a
// recursive server puts it whole.
func read(message dnsmessage.Message, kind dns.Type) (dns.Answer, time.Duration, error) {
	ttl := negativeTTL
	switch message.RCode {
	case dnsmessage.RCodeSuccess:
	case dnsmessage.RCodeNameError:
		return dns.Answer{}, ttl, fmt.Errorf("%s: %w", kind, dns.ErrNXDomain)
	default:
		return dns.Answer{}, 0, fmt.Errorf("%s: server says %s: %w", kind, message.RCode, dns.ErrTemporary)
	}
	names := []string{strings.ToLower(message.Questions[0].Name.String())}
	var answer dns.Answer
	found, least := false, maxTTL
	for _, resource := range message.Answers {
		if !slices.Contains(names, strings.ToLower(resource.Header.Name.String())) || resource.Header.Class != dnsmessage.ClassINET {
			continue
		}
		least = min(least, time.Duration(resource.Header.TTL)*time.Second)
		if alias, ok := resource.Body.(*dnsmessage.CNAMEResource); ok {
			next := strings.ToLower(alias.CNAME.String())
			if slices.Contains(names, next) || len(names) > maxAliases {
				return dns.Answer{}, 0, fmt.Errorf("%s: %w: %w", kind, dns.ErrTemporary, errAliases)
			}
			names = append(names, next)
			continue
		}
		found = take(&answer, resource.Body, kind) || found
	}
	if !found {
		return dns.Answer{}, ttl, fmt.Errorf("%s: %w", kind, dns.ErrNoData)
	}
	answer.TTL = least
	return answer, least, nil
}

// take adds one record to an answer, where it is of the type that was asked for.
func take(answer *dns.Answer, body dnsmessage.ResourceBody, kind dns.Type) bool {
	switch record := body.(type) {
	case *dnsmessage.TXTResource:
		if kind == dns.TXT {
			answer.Texts = append(answer.Texts, strings.Join(record.TXT, ""))
			return true
		}
	case *dnsmessage.AResource:
		if kind == dns.A {
			answer.Addrs = append(answer.Addrs, netip.AddrFrom4(record.A))
			return true
		}
	case *dnsmessage.AAAAResource:
		if kind == dns.AAAA {
			answer.Addrs = append(answer.Addrs, netip.AddrFrom16(record.AAAA))
			return true
		}
	case *dnsmessage.MXResource:
		if kind == dns.MX {
			answer.MX = append(answer.MX, dns.Exchange{Pref: record.Pref, Host: strings.TrimSuffix(record.MX.String(), ".")})
			return true
		}
	case *dnsmessage.PTRResource:
		if kind == dns.PTR {
			answer.Names = append(answer.Names, strings.TrimSuffix(record.PTR.String(), "."))
			return true
		}
	}
	return false
}
