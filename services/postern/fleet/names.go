package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

const (
	answerTTL   = 60
	largestName = 1232 // bytes of a UDP message that every path lets pass (DNS flag day 2020)
	stringLimit = 255  // RFC 1035 §3.3
)

// A nameServer answers from a zone over UDP (RFC 1035), as a recursive server would.
type nameServer struct {
	zone *dns.Zone
	conn net.PacketConn
	done chan struct{}
}

func serveNames(entries map[string]*dns.Entry) (*nameServer, error) {
	zone, err := dns.NewZone(entries)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("name server: %w", err)
	}
	s := &nameServer{zone, conn, make(chan struct{})}
	go s.serve()
	return s, nil
}

func (s *nameServer) address() string { return s.conn.LocalAddr().String() }

func (s *nameServer) stop() {
	_ = s.conn.Close()
	<-s.done
}

func (s *nameServer) serve() {
	defer close(s.done)
	buffer := make([]byte, largestName)
	for {
		n, from, err := s.conn.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if answer, err := s.answer(buffer[:n]); err == nil {
			_, _ = s.conn.WriteTo(answer, from) // who gets none asks again
		}
	}
}

var questionTypes = map[dnsmessage.Type]dns.Type{
	dnsmessage.TypeTXT: dns.TXT, dnsmessage.TypeA: dns.A, dnsmessage.TypeAAAA: dns.AAAA,
	dnsmessage.TypeMX: dns.MX, dnsmessage.TypePTR: dns.PTR,
}

func (s *nameServer) answer(raw []byte) ([]byte, error) {
	var asked dnsmessage.Message
	if err := asked.Unpack(raw); err != nil {
		return nil, err
	}
	if len(asked.Questions) != 1 || asked.Response {
		return nil, errors.New("not one question")
	}
	question := asked.Questions[0]
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: asked.ID, Response: true, RecursionDesired: asked.RecursionDesired, RecursionAvailable: true},
		Questions: asked.Questions,
	}
	found, err := s.zone.Lookup(context.Background(), questionTypes[question.Type], question.Name.String())
	switch {
	case errors.Is(err, dns.ErrNXDomain):
		reply.RCode = dnsmessage.RCodeNameError
	case err != nil && !errors.Is(err, dns.ErrNoData):
		reply.RCode = dnsmessage.RCodeServerFailure
	default:
		bodies, err := resources(found)
		if err != nil {
			return nil, err
		}
		head := dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: answerTTL}
		for _, body := range bodies {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: head, Body: body})
		}
	}
	packed, err := reply.Pack()
	if err == nil && len(packed) > largestName {
		err = errors.New("answer is too large for a datagram")
	}
	return packed, err
}

func resources(found dns.Answer) ([]dnsmessage.ResourceBody, error) {
	var bodies []dnsmessage.ResourceBody
	for _, text := range found.Texts {
		var pieces []string
		for ; len(text) > stringLimit; text = text[stringLimit:] {
			pieces = append(pieces, text[:stringLimit])
		}
		bodies = append(bodies, &dnsmessage.TXTResource{TXT: append(pieces, text)})
	}
	for _, ip := range found.Addrs {
		if ip.Is4() {
			bodies = append(bodies, &dnsmessage.AResource{A: ip.As4()})
		} else {
			bodies = append(bodies, &dnsmessage.AAAAResource{AAAA: ip.As16()})
		}
	}
	for _, exchange := range found.MX {
		name, err := dnsmessage.NewName(exchange.Host + ".")
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, &dnsmessage.MXResource{Pref: exchange.Pref, MX: name})
	}
	for _, host := range found.Names {
		name, err := dnsmessage.NewName(host + ".")
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, &dnsmessage.PTRResource{PTR: name})
	}
	return bodies, nil
}
