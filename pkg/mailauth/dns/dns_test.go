package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

const zoneText = `{
 "Example.com.": {"TXT": ["v=spf1 -all"], "A": ["192.0.2.1"], "AAAA": ["2001:db8::1"], "MX": [{"pref": 10, "host": "Mx.example.com."}]},
 "alias.example.com.": {"CNAME": "example.com."},
 "loop.example.com.": {"CNAME": "loop.example.com."},
 "slow.example.com.": {"error": "timeout"},
 "broken.example.com.": {"error": "servfail"},
 "gone.example.com.": {"error": "nxdomain"},
 "a.b.example.net.": {"TXT": ["x"]},
 "1.2.0.192.in-addr.arpa.": {"PTR": ["Host.example.com."]}
}`

func TestZoneAnswersAsTheDNSDoes(t *testing.T) {
	zone, err := ParseZone([]byte(zoneText))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind Type
		name string
		want string
		err  error
	}{
		{TXT, "EXAMPLE.com", "[v=spf1 -all] [] [] []", nil},
		{A, "example.com.", "[] [192.0.2.1] [] []", nil},
		{AAAA, "example.com", "[] [2001:db8::1] [] []", nil},
		{MX, "example.com", "[] [] [{10 mx.example.com}] []", nil},
		{PTR, "1.2.0.192.in-addr.arpa", "[] [] [] [host.example.com]", nil},
		{A, "alias.example.com", "[] [192.0.2.1] [] []", nil},
		{PTR, "example.com", "", ErrNoData},
		{TXT, "absent.example.com", "", ErrNXDomain},
		{TXT, "gone.example.com", "", ErrNXDomain},
		{TXT, "b.example.net", "", ErrNoData}, // there are names below it
		{TXT, "slow.example.com", "", ErrTimeout},
		{TXT, "broken.example.com", "", ErrTemporary},
		{TXT, "loop.example.com", "", ErrTemporary},
		{TXT, "a..example.com", "", ErrBadName},
		{TXT, strings.Repeat("a", 64) + ".example.com", "", ErrBadName},
	} {
		answer, err := zone.Lookup(context.Background(), c.kind, c.name)
		if !errors.Is(err, c.err) {
			t.Errorf("%s %s: %v, want %v", c.kind, c.name, err, c.err)
		}
		if got := fmt.Sprint(answer.Texts, answer.Addrs, answer.MX, answer.Names); c.err == nil && got != c.want {
			t.Errorf("%s %s: %s, want %s", c.kind, c.name, got, c.want)
		}
	}
	ended, end := context.WithCancel(context.Background())
	end()
	if _, err := zone.Lookup(ended, TXT, "example.com"); !errors.Is(err, ErrTimeout) {
		t.Errorf("a context that ended: %v", err)
	}
}

func TestZonesWithMistakesAreRefused(t *testing.T) {
	for _, text := range []string{"", "[]", `{"a.": {"TXTS": []}}`, `{"a.": {"A": ["2001:db8::1"]}}`, `{"a.": {"AAAA": ["192.0.2.1"]}}`, `{"a.": {"A": ["x"]}}`, `{"a.": {"error": "maybe"}}`} {
		if _, err := ParseZone([]byte(text)); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}

func TestNamesAtTheLimits(t *testing.T) {
	label := strings.Repeat("a", 63)
	name := label + "." + label + "." + label + "." + strings.Repeat("a", 61) // 253 octets
	for _, c := range []struct {
		name string
		ok   bool
	}{{label + ".b", true}, {label + "a.b", false}, {name, true}, {name + ".", true}, {name + "a", false}, {"", false}, {".", false}, {"a.", true}, {".a", false}, {"a b.c", true}, {"a\x00.b", false}, {"ä.b", false}} {
		if err := CheckName(c.name); (err == nil) != c.ok {
			t.Errorf("%q: %v", c.name, err)
		}
	}
}

// RFC 1035 §3.5 and RFC 3596 §2.5 give these.
func TestReverseNames(t *testing.T) {
	for ip, want := range map[string]string{
		"10.2.0.52":               "52.0.2.10.in-addr.arpa",
		"::ffff:10.2.0.52":        "52.0.2.10.in-addr.arpa",
		"4321:0:1:2:3:4:567:89ab": "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa",
	} {
		if got := ReverseName(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s: %s, want %s", ip, got, want)
		}
	}
}

type counting struct {
	Resolver
	asked int
}

func (c *counting) Lookup(ctx context.Context, kind Type, name string) (Answer, error) {
	c.asked++
	return c.Resolver.Lookup(ctx, kind, name)
}

func TestARecorderAsksOnceAndStopsAtItsBudget(t *testing.T) {
	zone, err := ParseZone([]byte(zoneText))
	if err != nil {
		t.Fatal(err)
	}
	below := &counting{Resolver: zone}
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	recorder := NewRecorder(below, 3, func() time.Time { return now })
	ask := func(kind Type, name string) error {
		_, err := recorder.Lookup(context.Background(), kind, name)
		return err
	}
	for range 2 {
		if err := ask(TXT, "example.com"); err != nil {
			t.Error(err)
		}
		if err := ask(TXT, "Absent.example.com."); !errors.Is(err, ErrNXDomain) {
			t.Error(err)
		}
		if err := ask(TXT, "slow.example.com"); !errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
	}
	if below.asked != 3 || recorder.Spent() {
		t.Errorf("%d asked, spent %v", below.asked, recorder.Spent())
	}
	if err := ask(A, "example.com"); !IsTemporary(err) || !recorder.Spent() {
		t.Errorf("past the budget: %v", err)
	}
	replay := NewReplay(recorder.Questions())
	for _, q := range recorder.Questions() {
		if !q.At.Equal(now) {
			t.Errorf("asked at %s", q.At)
		}
		answer, err := replay.Lookup(context.Background(), q.Type, q.Name)
		if status(err) != q.Status || len(answer.Texts) != len(q.Answer.Texts) {
			t.Errorf("%s replays as %v", q.Name, err)
		}
	}
	if _, err := replay.Lookup(context.Background(), A, "example.com"); !IsTemporary(err) {
		t.Errorf("what was not asked replays as %v", err)
	}
}

func TestOutcomesAreToldApart(t *testing.T) {
	for _, c := range []struct {
		err             error
		void, temporary bool
	}{{nil, false, false}, {ErrNXDomain, true, false}, {ErrNoData, true, false}, {ErrTemporary, false, true}, {ErrTimeout, false, true}, {ErrBadName, false, false}, {errors.New("other"), false, true}} {
		if IsVoid(c.err) != c.void || IsTemporary(c.err) != c.temporary {
			t.Errorf("%v: void %v, temporary %v", c.err, IsVoid(c.err), IsTemporary(c.err))
		}
	}
}

func FuzzParseZone(f *testing.F) {
	f.Add([]byte(zoneText))
	f.Add([]byte(`{"a": null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		zone, err := ParseZone(text)
		if err != nil {
			return
		}
		for name := range zone.names {
			zone.Lookup(context.Background(), TXT, name)
		}
	})
}
