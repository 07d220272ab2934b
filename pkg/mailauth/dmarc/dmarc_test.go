package dmarc

import (
	"context"
	"encoding/json"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

func zone(t *testing.T, records map[string]string) *dns.Zone {
	t.Helper()
	entries := map[string]*dns.Entry{}
	for name, text := range records {
		switch text {
		case "servfail", "timeout", "nxdomain":
			entries[name] = &dns.Entry{Error: text}
		case "":
			entries[name] = &dns.Entry{}
		default:
			entries[name] = &dns.Entry{TXT: strings.Split(text, "|")}
		}
	}
	z, err := dns.NewZone(entries)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestDecisionTableAgrees(t *testing.T) {
	text, err := fs.ReadFile(corpora.Open(t), "dmarc/decision-table.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		HeaderFrom              json.RawMessage
		SPFDomains, DKIMDomains []json.RawMessage
		DNS                     map[string]json.RawMessage
		Test                    string
		Result                  json.RawMessage
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) != 35 {
		t.Fatalf("%d decisions, want 35", len(cases))
	}
	domainOf := func(raw json.RawMessage) string {
		var object struct{ Domain string }
		var text string
		if json.Unmarshal(raw, &text) == nil {
			return text
		}
		_ = json.Unmarshal(raw, &object)
		return object.Domain
	}
	for i, c := range cases {
		t.Run(c.Test[len("DMARC Verify Tests "):], func(t *testing.T) {
			var authors []string
			if json.Unmarshal(c.HeaderFrom, &authors) != nil {
				authors = []string{domainOf(c.HeaderFrom)}
			}
			if string(c.Result) == "false" {
				// Several authors: no decision is made here, and none is asked for
				// (mailauth: "ambiguous").
				if len(authors) < 2 {
					t.Fatal("no decision for one author")
				}
				return
			}
			records := map[string]string{}
			for name, raw := range c.DNS {
				name = strings.TrimSuffix(name, " TXT")
				var texts [][]string
				if json.Unmarshal(raw, &texts) == nil {
					var joined []string
					for _, parts := range texts {
						joined = append(joined, strings.Join(parts, ""))
					}
					records[name] = strings.Join(joined, "|")
				} else if strings.Contains(string(raw), "ETIMEOUT") {
					records[name] = "timeout"
				}
			}
			var ids []Identifier
			for _, raw := range c.SPFDomains {
				ids = append(ids, Identifier{SPF, domainOf(raw), true})
			}
			for _, raw := range c.DKIMDomains {
				ids = append(ids, Identifier{DKIM, domainOf(raw), true})
			}
			var want struct {
				Status, Policy, Domain string
				Alignment              map[string]struct{ Result string }
			}
			if err := json.Unmarshal(c.Result, &want); err != nil {
				t.Fatal(err)
			}
			author := authors[0][strings.LastIndexByte(authors[0], '@')+1:]
			got := Evaluate(context.Background(), zone(t, records), author, ids)
			if string(got.Outcome) != want.Status {
				t.Errorf("%s, want %s", got.Outcome, want.Status)
			}
			if want.Policy != "" && string(got.Policy) != want.Policy {
				t.Errorf("policy %s, want %s", got.Policy, want.Policy)
			}
			for _, mechanism := range []Mechanism{DKIM, SPF} {
				if aligned := want.Alignment[string(mechanism)].Result != ""; aligned != slices.Contains(got.Aligned, mechanism) {
					t.Errorf("%s aligned %v, want %v", mechanism, !aligned, aligned)
				}
			}
			organization := want.Domain
			if i == 14 || i == 21 || i == 32 {
				// Only the subdomain publishes: by RFC 9989 §4.10.2 it is the
				// organization, by a public suffix list its parent. docs/divergences.md.
				organization = "mail.example.com"
			}
			if got.OrgDomain != organization {
				t.Errorf("organization %s, want %s", got.OrgDomain, organization)
			}
		})
	}
}

func TestWalksAndPolicies(t *testing.T) {
	nine := "a.b.c.d.e.f.g.example.com" // nine labels
	for _, c := range []struct {
		name    string
		dns     map[string]string
		author  string
		ids     []Identifier
		outcome Outcome
		policy  Policy
		record  string
		org     string
	}{
		{"a parent without a record is passed over", map[string]string{"_dmarc.example.com": "v=DMARC1;p=reject"},
			"a.b.example.com", []Identifier{{DKIM, "c.example.com", true}}, Pass, Reject, "example.com", "example.com"},
		{"the fewest labels are the organization", map[string]string{"_dmarc.a.example.com": "v=DMARC1;p=none", "_dmarc.example.com": "v=DMARC1;p=reject"},
			"a.example.com", []Identifier{{SPF, "example.com", true}}, Pass, NoPolicy, "a.example.com", "example.com"},
		{"psd=n makes a domain an organization of its own", map[string]string{"_dmarc.a.example.com": "v=DMARC1;p=reject;psd=n", "_dmarc.example.com": "v=DMARC1;p=reject"},
			"a.example.com", []Identifier{{DKIM, "example.com", true}}, Fail, Reject, "a.example.com", "a.example.com"},
		{"psd=n below does not align with its parent", map[string]string{"_dmarc.a.example.com": "v=DMARC1;p=reject;psd=n", "_dmarc.example.com": "v=DMARC1;p=reject"},
			"example.com", []Identifier{{DKIM, "a.example.com", true}}, Fail, Reject, "example.com", "example.com"},
		{"psd=y makes the name below it the organization", map[string]string{"_dmarc.bank": "v=DMARC1;p=reject;psd=y"},
			"mail.my.bank", []Identifier{{DKIM, "other.my.bank", true}}, Pass, Reject, "bank", "my.bank"},
		{"two organizations under one psd=y do not align", map[string]string{"_dmarc.bank": "v=DMARC1;p=reject;psd=y"},
			"my.bank", []Identifier{{DKIM, "your.bank", true}}, Fail, Reject, "bank", "my.bank"},
		{"a public suffix that writes mail itself is its own organization", map[string]string{"_dmarc.bank": "v=DMARC1;p=reject;psd=y"},
			"bank", []Identifier{{DKIM, "bank", true}}, Pass, Reject, "bank", "bank"},
		{"a public suffix does not vouch for those below", map[string]string{"_dmarc.bank": "v=DMARC1;p=reject;psd=y"},
			"my.bank", []Identifier{{DKIM, "bank", true}}, Fail, Reject, "bank", "my.bank"},
		{"nine labels shrink to seven", map[string]string{"_dmarc.b.c.d.e.f.g.example.com": "v=DMARC1;p=none", "_dmarc.c.d.e.f.g.example.com": "v=DMARC1;p=quarantine"},
			nine, nil, Fail, Quarantine, "c.d.e.f.g.example.com", "c.d.e.f.g.example.com"},
		{"nine labels with a record of their own", map[string]string{"_dmarc." + nine: "v=DMARC1;p=reject"},
			nine, nil, Fail, Reject, nine, nine},
		{"sp rules those below", map[string]string{"_dmarc.example.com": "v=DMARC1;p=reject;sp=none;np=quarantine", "a.example.com": ""},
			"a.example.com", nil, Fail, NoPolicy, "example.com", "example.com"},
		{"np rules those below that do not exist", map[string]string{"_dmarc.example.com": "v=DMARC1;p=reject;sp=none;np=quarantine"},
			"a.example.com", nil, Fail, Quarantine, "example.com", "example.com"},
		{"np absent leaves sp", map[string]string{"_dmarc.example.com": "v=DMARC1;p=reject;sp=quarantine"},
			"a.example.com", nil, Fail, Quarantine, "example.com", "example.com"},
		{"t=y makes reject quarantine", map[string]string{"_dmarc.example.com": "v=DMARC1;p=reject;t=y"},
			"example.com", nil, Fail, Quarantine, "example.com", "example.com"},
		{"t=y makes quarantine none", map[string]string{"_dmarc.example.com": "v=DMARC1;p=quarantine;t=y"},
			"example.com", nil, Fail, NoPolicy, "example.com", "example.com"},
		{"pct is nothing", map[string]string{"_dmarc.example.com": "v=DMARC1;p=reject;pct=0"},
			"example.com", nil, Fail, Reject, "example.com", "example.com"},
		{"two records are none", map[string]string{"_dmarc.example.com": "v=DMARC1;p=reject|v=DMARC1;p=none"},
			"example.com", nil, None, NoPolicy, "", "example.com"},
		{"records of others are not counted", map[string]string{"_dmarc.example.com": "v=DMARC1;p=reject|v=spf1 -all|v=DMARC2;p=none"},
			"example.com", nil, Fail, Reject, "example.com", "example.com"},
		{"without p, with rua, it is none", map[string]string{"_dmarc.example.com": "v=DMARC1;rua=mailto:a@example.com"},
			"example.com", nil, Fail, NoPolicy, "example.com", "example.com"},
		{"without p and rua there is no record", map[string]string{"_dmarc.example.com": "v=DMARC1;sp=reject"},
			"example.com", nil, None, NoPolicy, "", "example.com"},
		{"an unusable record of its own stops the search for others", map[string]string{"_dmarc.a.example.com": "v=DMARC1;sp=reject", "_dmarc.example.com": "v=DMARC1;p=reject"},
			"a.example.com", nil, None, NoPolicy, "", "example.com"},
		{"a bad sp without rua spoils the record", map[string]string{"_dmarc.example.com": "v=DMARC1;p=reject;sp=maybe"},
			"example.com", nil, None, NoPolicy, "", "example.com"},
		{"an error above leaves the own record", map[string]string{"_dmarc.a.example.com": "v=DMARC1;p=reject", "_dmarc.example.com": "servfail"},
			"a.example.com", []Identifier{{DKIM, "a.example.com", true}}, Pass, Reject, "a.example.com", "a.example.com"},
		{"an error above leaves relaxed alignment open", map[string]string{"_dmarc.a.example.com": "v=DMARC1;p=reject", "_dmarc.example.com": "servfail"},
			"a.example.com", []Identifier{{DKIM, "example.com", true}}, TempError, Reject, "a.example.com", "a.example.com"},
		{"an error at the author decides nothing", map[string]string{"_dmarc.a.example.com": "timeout", "_dmarc.example.com": "v=DMARC1;p=reject"},
			"a.example.com", []Identifier{{DKIM, "a.example.com", true}}, TempError, NoPolicy, "", "a.example.com"},
		{"an identifier that could not be checked is waited for", map[string]string{"_dmarc.example.com": "v=DMARC1;p=reject"},
			"example.com", []Identifier{{DKIM, "example.com", false}}, TempError, Reject, "example.com", "example.com"},
		{"an identifier of others that could not be checked is not", map[string]string{"_dmarc.example.com": "v=DMARC1;p=reject"},
			"example.com", []Identifier{{DKIM, "example.net", false}}, Fail, Reject, "example.com", "example.com"},
		{"a name that ends alike is another", map[string]string{"_dmarc.example.com": "v=DMARC1;p=reject"},
			"example.com", []Identifier{{DKIM, "evilexample.com", true}}, Fail, Reject, "example.com", "example.com"},
		{"the empty domain is malformed", nil, "", nil, PermError, NoPolicy, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Evaluate(context.Background(), zone(t, c.dns), c.author, c.ids)
			if got.Outcome != c.outcome || got.Policy != c.policy || got.RecordDomain != c.record || got.OrgDomain != c.org {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestWalkAsksAtMostEightNames(t *testing.T) {
	recorder := dns.NewRecorder(zone(t, nil), 100, nil)
	Evaluate(context.Background(), recorder, strings.Repeat("a.", 60)+"com", nil)
	if n := len(recorder.Questions()); n != 8 {
		t.Errorf("%d questions, want 8", n)
	}
}

// The example of RFC 9989 §4.10.
func TestTheWalkOfTheStandard(t *testing.T) {
	recorder := dns.NewRecorder(zone(t, nil), 100, nil)
	Evaluate(context.Background(), recorder, "a.b.c.d.e.f.g.h.i.j.mail.example.com", nil)
	want := []string{"a.b.c.d.e.f.g.h.i.j.mail", "g.h.i.j.mail", "h.i.j.mail", "i.j.mail", "j.mail", "mail", "", "com"}
	questions := recorder.Questions()
	if len(questions) != len(want) {
		t.Fatalf("%d questions, want %d", len(questions), len(want))
	}
	for i, prefix := range want {
		name := strings.ReplaceAll("_dmarc."+prefix+".example.com", "..", ".")
		if prefix == "com" {
			name = "_dmarc.com"
		}
		if questions[i].Name != name {
			t.Errorf("question %d is %s, want %s", i, questions[i].Name, name)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	for _, seed := range []string{"v=DMARC1; p=reject; sp=none; np=quarantine; psd=n; t=y; adkim=s; aspf=r; rua=mailto:a@b.c",
		"v=DMARC1", "v=DMARC1;;=;p=", "V=dmarc1;p=reject", "v=DMARC1;p=reject;p=none"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		record, ok := ParseRecord(text)
		if ok && record.P != NoPolicy && record.P != Quarantine && record.P != Reject {
			t.Errorf("a usable record with policy %q", record.P)
		}
	})
}
