package spf

import (
	"context"
	"net/netip"
	"testing"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// everything answers every question with the same record, the worst a domain can
// do.
type everything struct{ text string }

func (e everything) Lookup(_ context.Context, kind dns.Type, name string) (dns.Answer, error) {
	if err := dns.CheckName(name); err != nil {
		return dns.Answer{}, err
	}
	switch kind {
	case dns.TXT:
		return dns.Answer{Texts: []string{e.text}}, nil
	case dns.MX:
		return dns.Answer{MX: []dns.Exchange{{Host: "mx.example"}}}, nil
	case dns.PTR:
		return dns.Answer{Names: []string{"ptr.example"}}, nil
	}
	return dns.Answer{}, dns.ErrNoData
}

func FuzzRecord(f *testing.F) {
	for _, seed := range []string{"v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 a:%{d}/24//64 mx ptr:x.example exists:%{ir}.%{l1r-}.%{o2}.x.example include:y.example ?all",
		"v=spf1 redirect=%{d}", "v=spf1 exp=%{d2}.x.example -all", "v=spf1 a/33", "v=spf1 include:x.example include:x.example"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, ip := range []string{"192.0.2.1", "2001:db8::1"} {
			recorder := dns.NewRecorder(everything{text}, 10_000, nil)
			got := Check(context.Background(), Query{IP: netip.MustParseAddr(ip), Helo: "h.example", Sender: "l+x@s.example"}, Options{Resolver: recorder})
			if !got.Outcome.Known() {
				t.Errorf("outcome %q", got.Outcome)
			}
			// RFC 7208 §11.1: 10 terms, each one question and at most 10 more, the
			// records themselves, and the explanation.
			if n := len(recorder.Questions()); n > 10*11+12+12 {
				t.Errorf("%d questions", n)
			}
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	zone, err := dns.NewZone(map[string]*dns.Entry{
		"example.com":     {TXT: []string{"v=spf1 include:out.example mx a -all"}},
		"out.example":     {TXT: []string{"v=spf1 ip4:198.51.100.0/24 ip4:203.0.113.0/24 ~all"}},
		"mx1.example.com": {A: []netip.Addr{netip.MustParseAddr("192.0.2.1")}},
	})
	if err != nil {
		b.Fatal(err)
	}
	query := Query{IP: netip.MustParseAddr("203.0.113.7"), Helo: "h.example", Sender: "a@example.com"}
	b.ReportAllocs()
	for b.Loop() {
		if r := Check(context.Background(), query, Options{Resolver: zone}); r.Outcome != Pass {
			b.Fatal(r)
		}
	}
}
