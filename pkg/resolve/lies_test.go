package resolve

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// liar answers on loopback with whatever bytes it likes, over UDP and TCP on one port.
func liar(t *testing.T, says func(network string, question []byte) [][]byte) string {
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
			for _, out := range says("udp", buffer[:n]) {
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
					for _, out := range says("tcp", buffer) {
						_, _ = conn.Write(out)
					}
				}
			}
			conn.Close()
		}
	}()
	return packets.LocalAddr().String()
}

// patient asks a server that will answer, however busy the machine is.
func patient(t *testing.T, address string) *Resolver {
	r := resolver(t, address)
	r.timeout = time.Minute
	return r
}

func packed(m dnsmessage.Message) []byte {
	raw, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return raw
}

func asked(raw []byte) dnsmessage.Message {
	var q dnsmessage.Message
	if err := q.Unpack(raw); err != nil {
		panic(err)
	}
	return q
}

func alias(from, to string) dnsmessage.Resource {
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(from), Class: dnsmessage.ClassINET, TTL: 300},
		Body:   &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(to)},
	}
}

// Whatever a server says that is no answer decides nothing: it is a temporary failure, in time.
func TestAServerThatLiesInTheProtocolDecidesNothing(t *testing.T) {
	record := &dnsmessage.TXTResource{TXT: []string{"v=spf1 -all"}}
	framed := func(raw []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(raw))), raw...) }
	for name, says := range map[string]func(network string, raw []byte) [][]byte{
		"garbage":           func(string, []byte) [][]byte { return [][]byte{[]byte("nothing of the kind \x00\xff")} },
		"an empty datagram": func(string, []byte) [][]byte { return [][]byte{{}} },
		"only a header": func(_ string, raw []byte) [][]byte {
			return [][]byte{append(raw[:2:2], 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0)}
		},
		"silence":            func(string, []byte) [][]byte { return nil },
		"the question again": func(_ string, raw []byte) [][]byte { return [][]byte{raw} },
		"another id": func(_ string, raw []byte) [][]byte {
			m := reply(asked(raw), record)
			m.ID++
			return [][]byte{packed(m)}
		},
		"another id without end": func(_ string, raw []byte) (out [][]byte) {
			m := reply(asked(raw), record)
			for range 100 {
				m.ID++
				out = append(out, packed(m))
			}
			return out
		},
		"another name": func(_ string, raw []byte) [][]byte {
			m := reply(asked(raw), record)
			m.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName("other.example."), Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET}}
			return [][]byte{packed(m)}
		},
		"another type": func(_ string, raw []byte) [][]byte {
			m := reply(asked(raw))
			m.Questions = []dnsmessage.Question{{Name: m.Questions[0].Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}
			return [][]byte{packed(m)}
		},
		"another class": func(_ string, raw []byte) [][]byte {
			m := reply(asked(raw))
			m.Questions = []dnsmessage.Question{{Name: m.Questions[0].Name, Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassCHAOS}}
			return [][]byte{packed(m)}
		},
		"two questions": func(_ string, raw []byte) [][]byte {
			m := reply(asked(raw), record)
			m.Questions = append(m.Questions, m.Questions[0])
			return [][]byte{packed(m)}
		},
		"counts that are not there": func(_ string, raw []byte) [][]byte {
			out := packed(reply(asked(raw)))
			binary.BigEndian.PutUint16(out[6:], 60000)
			return [][]byte{out}
		},
		"a name that points at itself": func(_ string, raw []byte) [][]byte {
			out := packed(reply(asked(raw)))
			binary.BigEndian.PutUint16(out[6:], 1)
			at := len(out)
			return [][]byte{append(out, 0xc0|byte(at>>8), byte(at), 0, 16, 0, 1, 0, 0, 1, 0, 0, 2, 1, 'x')}
		},
		"refused": func(_ string, raw []byte) [][]byte {
			m := reply(asked(raw))
			m.RCode = dnsmessage.RCodeRefused
			return [][]byte{packed(m)}
		},
		"an alias of itself": func(_ string, raw []byte) [][]byte {
			m := reply(asked(raw))
			m.Answers = []dnsmessage.Resource{alias("a.example.", "a.example.")}
			return [][]byte{packed(m)}
		},
		"aliases in a circle": func(_ string, raw []byte) [][]byte {
			m := reply(asked(raw))
			m.Answers = []dnsmessage.Resource{alias("a.example.", "b.example."), alias("b.example.", "A.example.")}
			return [][]byte{packed(m)}
		},
		"cut, and cut over tcp": func(network string, raw []byte) [][]byte {
			m := reply(asked(raw))
			m.Truncated = true
			if network == "tcp" {
				return [][]byte{framed(packed(m))}
			}
			return [][]byte{packed(m)}
		},
		"cut, and nothing over tcp": func(network string, raw []byte) [][]byte {
			m := reply(asked(raw))
			m.Truncated = true
			if network == "tcp" {
				return nil
			}
			return [][]byte{packed(m)}
		},
		"cut, and half over tcp": func(network string, raw []byte) [][]byte {
			m := reply(asked(raw))
			m.Truncated = true
			if network == "tcp" {
				return [][]byte{framed(packed(reply(asked(raw), record)))[:20]}
			}
			return [][]byte{packed(m)}
		},
		"a datagram over the size": func(_ string, raw []byte) [][]byte {
			return [][]byte{packed(reply(asked(raw), &dnsmessage.TXTResource{TXT: many(20)}))}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := resolver(t, liar(t, says))
			r.timeout = 300 * time.Millisecond
			answer, err := r.Lookup(t.Context(), dns.TXT, "a.example")
			if !dns.IsTemporary(err) || len(answer.Texts) > 0 {
				t.Errorf("%v, %v", answer, err)
			}
		})
	}
}

func many(n int) (texts []string) {
	for range n {
		texts = append(texts, strings.Repeat("x", 250))
	}
	return texts
}

func TestAnAnswerAmongLiesIsFound(t *testing.T) {
	r := patient(t, liar(t, func(_ string, raw []byte) [][]byte {
		good := reply(asked(raw), &dnsmessage.TXTResource{TXT: []string{"good"}})
		wrong := good
		wrong.ID++
		return [][]byte{[]byte("garbage"), packed(wrong), {}, packed(good)}
	}))
	if answer, err := r.Lookup(t.Context(), dns.TXT, "a.example"); err != nil || answer.Texts[0] != "good" {
		t.Errorf("%v, %v", answer, err)
	}
}

// As large as an answer can be (RFC 1035 §4.2.2).
func TestAHugeAnswerIsRead(t *testing.T) {
	r := patient(t, liar(t, func(network string, raw []byte) [][]byte {
		m := reply(asked(raw))
		if network == "udp" {
			m.Truncated = true
			return [][]byte{packed(m)}
		}
		for range 250 {
			one := reply(asked(raw), &dnsmessage.TXTResource{TXT: []string{strings.Repeat("x", 240)}})
			m.Answers = append(m.Answers, one.Answers...)
		}
		out := packed(m)
		return [][]byte{append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...)}
	}))
	if answer, err := r.Lookup(t.Context(), dns.TXT, "a.example"); err != nil || len(answer.Texts) != 250 {
		t.Errorf("%d texts, %v", len(answer.Texts), err)
	}
}

// Each bound of a chain of aliases, at it and one past it.
func TestAChainOfAliasesEnds(t *testing.T) {
	for links, want := range map[int]error{maxAliases: nil, maxAliases + 1: dns.ErrTemporary} {
		r := patient(t, server(t, func(_ string, q dnsmessage.Message) []dnsmessage.Message {
			m := reply(q)
			name := "a.example."
			for i := range links {
				next := fmt.Sprintf("n%d.example.", i)
				m.Answers = append(m.Answers, alias(name, next))
				name = next
			}
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: 300}, Body: &dnsmessage.TXTResource{TXT: []string{"x"}},
			})
			return []dnsmessage.Message{m}
		}))
		if _, err := r.Lookup(t.Context(), dns.TXT, "a.example"); !errors.Is(err, want) {
			t.Errorf("%d links: %v", links, err)
		}
	}
}

// An answer holds what was asked for and nothing else.
func TestRecordsOfAnotherTypeAreLeftOut(t *testing.T) {
	r := patient(t, server(t, func(_ string, q dnsmessage.Message) []dnsmessage.Message {
		return []dnsmessage.Message{reply(q, &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}, &dnsmessage.AAAAResource{AAAA: [16]byte{0x20, 1}},
			&dnsmessage.TXTResource{TXT: []string{"x"}}, &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName("p.example.")}, &dnsmessage.MXResource{MX: dnsmessage.MustNewName("m.example.")})}
	}))
	for kind, want := range map[dns.Type][4]int{dns.A: {1, 0, 0, 0}, dns.AAAA: {1, 0, 0, 0}, dns.TXT: {0, 1, 0, 0}, dns.MX: {0, 0, 1, 0}, dns.PTR: {0, 0, 0, 1}} {
		a, err := r.Lookup(t.Context(), kind, "a.example")
		if got := [4]int{len(a.Addrs), len(a.Texts), len(a.MX), len(a.Names)}; err != nil || got != want {
			t.Errorf("%s: %v, %v", kind, got, err)
		}
	}
}

// Those who ask the same at the same time share one look-up; who gives up ends his own waiting alone.
func TestManyWhoAskTheSameShareOneLookUp(t *testing.T) {
	var questions atomic.Int32
	arrived, release := make(chan struct{}, 100), make(chan struct{})
	r := patient(t, server(t, func(_ string, q dnsmessage.Message) []dnsmessage.Message {
		questions.Add(1)
		arrived <- struct{}{}
		<-release
		return []dnsmessage.Message{reply(q, &dnsmessage.TXTResource{TXT: []string{"x"}})}
	}))
	impatient, giveUp := context.WithCancel(t.Context())
	gaveUp := make(chan error, 1)
	go func() { _, err := r.Lookup(impatient, dns.TXT, "a.example"); gaveUp <- err }()
	<-arrived // the one look-up is under way
	giveUp()
	if err := <-gaveUp; !errors.Is(err, dns.ErrTimeout) {
		t.Errorf("who gave up has %v", err)
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if a, err := r.Lookup(t.Context(), dns.TXT, "A.example."); err != nil || len(a.Texts) != 1 {
				t.Errorf("%v, %v", a, err)
			}
		})
	}
	close(release)
	all.Wait()
	if n := questions.Load(); n != 1 {
		t.Errorf("%d questions", n)
	}
}

func FuzzRead(f *testing.F) {
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: 1}, Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("a.example."), Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET}}}
	f.Add(packed(reply(q, &dnsmessage.TXTResource{TXT: []string{"v=spf1 -all", "x"}})))
	loop := reply(q)
	loop.Answers = []dnsmessage.Resource{alias("a.example.", "b.example."), alias("b.example.", "a.example.")}
	f.Add(packed(loop))
	f.Add([]byte("garbage"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var m dnsmessage.Message
		if m.Unpack(raw) != nil || len(m.Questions) != 1 {
			return
		}
		for kind := range kinds {
			answer, ttl, err := read(m, kind)
			if ttl < 0 || ttl > maxTTL {
				t.Errorf("good for %s", ttl)
			}
			if err == nil && len(answer.Texts)+len(answer.Addrs)+len(answer.MX)+len(answer.Names) == 0 {
				t.Error("an answer of nothing")
			}
		}
	})
}
