package resolve

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// server answers on loopback as a handler says, over UDP and TCP on one port.
func server(t *testing.T, handle func(network string, q dnsmessage.Message) []dnsmessage.Message) string {
	t.Helper()
	packets, listener := onePort(t)
	t.Cleanup(func() { packets.Close(); listener.Close() })
	go func() {
		for {
			buffer := make([]byte, 4096)
			n, from, err := packets.ReadFrom(buffer)
			if err != nil {
				return
			}
			for _, out := range answers(handle, "udp", buffer[:n]) {
				_, _ = packets.WriteTo(out, from)
			}
		}
	}()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			var length [2]byte
			if _, err := io.ReadFull(conn, length[:]); err == nil {
				buffer := make([]byte, binary.BigEndian.Uint16(length[:]))
				if _, err := io.ReadFull(conn, buffer); err == nil {
					for _, out := range answers(handle, "tcp", buffer) {
						_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...))
					}
				}
			}
			conn.Close()
		}
	}()
	return packets.LocalAddr().String()
}

// onePort finds a port that is free for both.
func onePort(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 50 {
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if listener, err := net.Listen("tcp", packets.LocalAddr().String()); err == nil {
			return packets, listener
		}
		packets.Close()
	}
	t.Fatal("no port is free for UDP and TCP")
	return nil, nil
}

func answers(handle func(string, dnsmessage.Message) []dnsmessage.Message, network string, raw []byte) [][]byte {
	var q dnsmessage.Message
	if q.Unpack(raw) != nil {
		return nil
	}
	var out [][]byte
	for _, m := range handle(network, q) {
		packed, err := m.Pack()
		if err != nil {
			panic(err)
		}
		out = append(out, packed)
	}
	return out
}

func reply(q dnsmessage.Message, bodies ...dnsmessage.ResourceBody) dnsmessage.Message {
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: q.ID, Response: true}, Questions: q.Questions}
	for _, body := range bodies {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 300}, Body: body})
	}
	return m
}

func resolver(t *testing.T, address string) *Resolver {
	t.Helper()
	r, err := New(address, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAnAnswerIsReadAndRememberedForItsTime(t *testing.T) {
	var asked atomic.Int32
	r := resolver(t, server(t, func(_ string, q dnsmessage.Message) []dnsmessage.Message {
		asked.Add(1)
		return []dnsmessage.Message{reply(q, &dnsmessage.TXTResource{TXT: []string{"v=spf1 ", "-all"}})}
	}))
	now := time.Now()
	r.now = func() time.Time { return now }
	for range 3 {
		got, err := r.Lookup(t.Context(), dns.TXT, "Example.COM.")
		if err != nil || len(got.Texts) != 1 || got.Texts[0] != "v=spf1 -all" || got.TTL != 300*time.Second {
			t.Fatalf("answer %+v, %v", got, err)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("asked %d times within the answer's time", asked.Load())
	}
	now = now.Add(301 * time.Second)
	if _, err := r.Lookup(t.Context(), dns.TXT, "example.com"); err != nil || asked.Load() != 2 {
		t.Errorf("after the answer's time: asked %d times, %v", asked.Load(), err)
	}
}

func TestNoSuchNameAndNoSuchRecordAreToldApart(t *testing.T) {
	r := resolver(t, server(t, func(_ string, q dnsmessage.Message) []dnsmessage.Message {
		m := reply(q)
		switch {
		case strings.HasPrefix(q.Questions[0].Name.String(), "nowhere."):
			m.RCode = dnsmessage.RCodeNameError
		case strings.HasPrefix(q.Questions[0].Name.String(), "broken."):
			m.RCode = dnsmessage.RCodeServerFailure
		}
		return []dnsmessage.Message{m}
	}))
	for name, want := range map[string]error{"nowhere.example": dns.ErrNXDomain, "bare.example": dns.ErrNoData, "broken.example": dns.ErrTemporary} {
		if _, err := r.Lookup(t.Context(), dns.A, name); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

func TestACutAnswerIsFetchedOverTCP(t *testing.T) {
	long := strings.Repeat("x", 250)
	r := resolver(t, server(t, func(network string, q dnsmessage.Message) []dnsmessage.Message {
		if network == "udp" {
			m := reply(q)
			m.Truncated = true
			return []dnsmessage.Message{m}
		}
		return []dnsmessage.Message{reply(q, &dnsmessage.TXTResource{TXT: []string{long, long, long, long, long, long}})}
	}))
	got, err := r.Lookup(t.Context(), dns.TXT, "long.example")
	if err != nil || len(got.Texts) != 1 || len(got.Texts[0]) != 1500 {
		t.Errorf("answer of %d texts, %v", len(got.Texts), err)
	}
}

func TestAnswersToOtherQuestionsArePassedOver(t *testing.T) {
	r := resolver(t, server(t, func(_ string, q dnsmessage.Message) []dnsmessage.Message {
		otherID := reply(q, &dnsmessage.AResource{A: [4]byte{6, 6, 6, 6}})
		otherID.ID++
		otherName := reply(q, &dnsmessage.AResource{A: [4]byte{6, 6, 6, 6}})
		otherName.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName("evil.example."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}
		right := reply(q, &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}})
		return []dnsmessage.Message{otherID, otherName, right}
	}))
	got, err := r.Lookup(t.Context(), dns.A, "host.example")
	if err != nil || len(got.Addrs) != 1 || got.Addrs[0].String() != "192.0.2.1" {
		t.Errorf("answer %+v, %v", got, err)
	}
}

func TestAnAliasIsFollowedAndStrayRecordsAreNot(t *testing.T) {
	r := resolver(t, server(t, func(_ string, q dnsmessage.Message) []dnsmessage.Message {
		m := reply(q, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("Real.example.")})
		add := func(name string, last byte) {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: 60},
				Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, last}}})
		}
		add("real.example.", 7)
		add("stray.example.", 8)
		return []dnsmessage.Message{m}
	}))
	got, err := r.Lookup(t.Context(), dns.A, "alias.example")
	if err != nil || len(got.Addrs) != 1 || got.Addrs[0].String() != "192.0.2.7" || got.TTL != time.Minute {
		t.Errorf("answer %+v, %v", got, err)
	}
}

func TestASilentServerIsATimeoutAndTheNextIsAsked(t *testing.T) {
	silent := server(t, func(string, dnsmessage.Message) []dnsmessage.Message { return nil })
	r := resolver(t, silent)
	r.timeout = 50 * time.Millisecond
	if _, err := r.Lookup(t.Context(), dns.A, "host.example"); !errors.Is(err, dns.ErrTimeout) {
		t.Errorf("error %v", err)
	}
	r = resolver(t, silent)
	r.timeout = time.Second
	r.servers = append(r.servers, server(t, func(_ string, q dnsmessage.Message) []dnsmessage.Message {
		return []dnsmessage.Message{reply(q, &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}})}
	}))
	if _, err := r.Lookup(t.Context(), dns.A, "host.example"); err != nil {
		t.Errorf("error %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := resolver(t, silent).Lookup(ended, dns.A, "host.example"); !errors.Is(err, dns.ErrTimeout) {
		t.Errorf("ended context: %v", err)
	}
}

// Whoever names dead servers in a thousand mails has them asked once in a while.
func TestAFailureIsRememberedForAWhile(t *testing.T) {
	var asked atomic.Int32
	r := resolver(t, server(t, func(_ string, q dnsmessage.Message) []dnsmessage.Message {
		asked.Add(1)
		answer := reply(q)
		answer.RCode = dnsmessage.RCodeServerFailure
		return []dnsmessage.Message{answer}
	}))
	now := time.Now()
	r.now = func() time.Time { return now }
	for range 3 {
		if _, err := r.Lookup(t.Context(), dns.TXT, "example.com"); !dns.IsTemporary(err) {
			t.Fatalf("error %v", err)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
	now = now.Add(failureTTL)
	if _, err := r.Lookup(t.Context(), dns.TXT, "example.com"); !dns.IsTemporary(err) || asked.Load() != 2 {
		t.Errorf("afterwards asked %d times, %v", asked.Load(), err)
	}
}

func TestServersAreReadFromTheSystemsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte("# x\nsearch a\nnameserver 192.0.2.53\nnameserver 2001:db8::1\nnameserver junk\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := systemServers(path)
	if err != nil || len(got) != 2 || got[0] != "192.0.2.53:53" || got[1] != "[2001:db8::1]:53" {
		t.Errorf("servers %q, %v", got, err)
	}
	if _, err := New("not-an-address", 0); err == nil || !strings.Contains(err.Error(), "host:port") {
		t.Errorf("error %v", err)
	}
}
