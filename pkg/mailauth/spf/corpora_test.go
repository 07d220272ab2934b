package spf

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

type scenario struct {
	Description string
	Tests       map[string]struct {
		Helo, Host, MailFrom string
		Result               yaml.Node
		Explanation          string
	}
	ZoneData map[string][]yaml.Node
}

// zoneOf follows the suite's schema: SPF records stand for TXT ones too unless
// the name has TXT records of its own; TIMEOUT makes every type not yet given
// time out.
func zoneOf(t *testing.T, data map[string][]yaml.Node) dns.Resolver {
	t.Helper()
	zone := suiteZone{}
	for name, nodes := range data {
		name = dns.Clean(name)
		held := &suiteEntry{answers: map[dns.Type]dns.Answer{}}
		zone[name] = held
		var spf []string
		ownTXT := false
		for _, node := range nodes {
			if node.Kind == yaml.ScalarNode {
				if node.Value != "TIMEOUT" {
					t.Fatalf("entry %q", node.Value)
				}
				held.timeout = true
				continue
			}
			kind, value := node.Content[0].Value, node.Content[1]
			switch kind {
			case "SPF":
				spf = append(spf, joined(value))
			case "TXT":
				ownTXT = true
				if value.Value == "NONE" {
					continue
				}
				held.add(dns.TXT, dns.Answer{Texts: []string{joined(value)}})
			case "A":
				held.add(dns.A, dns.Answer{Addrs: []netip.Addr{netip.MustParseAddr(value.Value)}})
			case "AAAA":
				held.add(dns.AAAA, dns.Answer{Addrs: []netip.Addr{netip.MustParseAddr(value.Value)}})
			case "MX":
				var pref uint16
				fmt.Sscan(value.Content[0].Value, &pref)
				held.add(dns.MX, dns.Answer{MX: []dns.Exchange{{Pref: pref, Host: dns.Clean(value.Content[1].Value)}}})
			case "PTR":
				held.add(dns.PTR, dns.Answer{Names: []string{value.Value}})
			case "CNAME":
				held.alias = dns.Clean(value.Value)
			case "TIMEOUT":
				held.timeout = true
			case "SERVFAIL":
				held.servfail = true
			default:
				t.Fatalf("record type %q", kind)
			}
		}
		if !ownTXT {
			for _, text := range spf {
				held.add(dns.TXT, dns.Answer{Texts: []string{text}})
			}
		}
	}
	return zone
}

func joined(node *yaml.Node) string {
	if node.Kind != yaml.SequenceNode {
		return node.Value
	}
	var b strings.Builder
	for _, item := range node.Content {
		b.WriteString(item.Value)
	}
	return b.String()
}

type suiteEntry struct {
	answers           map[dns.Type]dns.Answer
	alias             string
	timeout, servfail bool
}

func (e *suiteEntry) add(kind dns.Type, answer dns.Answer) {
	held := e.answers[kind]
	held.Texts = append(held.Texts, answer.Texts...)
	held.Addrs = append(held.Addrs, answer.Addrs...)
	held.MX = append(held.MX, answer.MX...)
	held.Names = append(held.Names, answer.Names...)
	e.answers[kind] = held
}

type suiteZone map[string]*suiteEntry

func (z suiteZone) Lookup(_ context.Context, kind dns.Type, name string) (dns.Answer, error) {
	name = dns.Clean(name)
	if err := dns.CheckName(name); err != nil {
		return dns.Answer{}, err
	}
	for range 8 {
		entry := z[name]
		if entry == nil {
			return dns.Answer{}, dns.ErrNXDomain
		}
		if entry.alias != "" {
			name = entry.alias
			continue
		}
		if answer, held := entry.answers[kind]; held {
			return answer, nil
		}
		if entry.timeout {
			return dns.Answer{}, dns.ErrTimeout
		}
		if entry.servfail {
			return dns.Answer{}, dns.ErrTemporary
		}
		return dns.Answer{}, dns.ErrNoData
	}
	return dns.Answer{}, dns.ErrTemporary
}

func TestSuites(t *testing.T) {
	for _, suite := range []struct {
		file  string
		cases int
		// Only the first suite's explanations are normative.
		explanations bool
		// The second suite's domains have one label.
		singleLabels bool
	}{
		{"spf/rfc7208-tests.yml", 203, true, false},
		{"spf/blitirispf-tests.yml", 83, false, true},
	} {
		text, err := fs.ReadFile(corpora.Open(t), suite.file)
		if err != nil {
			t.Fatal(err)
		}
		ran := 0
		decoder := yaml.NewDecoder(bytes.NewReader(text))
		for {
			var s scenario
			err := decoder.Decode(&s)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			resolver := zoneOf(t, s.ZoneData)
			for name, test := range s.Tests {
				ran++
				t.Run(s.Description+"/"+name, func(t *testing.T) {
					result := Check(context.Background(), Query{
						IP: netip.MustParseAddr(test.Host), Helo: test.Helo, Sender: test.MailFrom,
					}, Options{Resolver: resolver, At: time.Unix(1500000000, 0), SingleLabels: suite.singleLabels})
					accepted := []string{test.Result.Value}
					if test.Result.Kind == yaml.SequenceNode {
						accepted = nil
						for _, item := range test.Result.Content {
							accepted = append(accepted, item.Value)
						}
					}
					if !slices.Contains(accepted, string(result.Outcome)) {
						t.Errorf("%s %s, want %v", result.Outcome, result.Reason, accepted)
					}
					want := test.Explanation
					if want == "DEFAULT" {
						want = ""
					}
					if suite.explanations && test.Explanation != "" && result.Explanation != want {
						t.Errorf("explanation %q, want %q", result.Explanation, want)
					}
				})
			}
		}
		if ran != suite.cases {
			t.Errorf("%s: %d cases ran, want %d", suite.file, ran, suite.cases)
		}
	}
}
