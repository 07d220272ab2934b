package dmarc

import (
	"context"
	"slices"
	"testing"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// The examples of RFC 9989, Appendix B.
func TestExamplesOfTheStandard(t *testing.T) {
	relaxed := map[string]string{"_dmarc.example.com": "v=DMARC1; p=reject"}
	deep := map[string]string{"_dmarc.example.com": "v=DMARC1; p=reject", "_dmarc.signing.example.com": "v=DMARC1; p=reject"}
	suffix := map[string]string{"_dmarc.bank.example": "v=DMARC1; p=reject; psd=y", "_dmarc.giant.bank.example": "v=DMARC1; p=quarantine"}
	for _, c := range []struct {
		example string
		dns     map[string]string
		author  string
		id      Identifier
		aligned bool
		org     string
		record  string
	}{
		{"B.1.1, 1: the same domain", relaxed, "example.com", Identifier{SPF, "example.com", true}, true, "example.com", "example.com"},
		{"B.1.1, 2: below the author", relaxed, "example.com", Identifier{SPF, "child.example.com", true}, true, "example.com", "example.com"},
		{"B.1.1, 3: another domain", relaxed, "child.example.com", Identifier{SPF, "example.net", true}, false, "example.com", "example.com"},
		{"B.1.2, 1: the same domain", relaxed, "example.com", Identifier{DKIM, "example.com", true}, true, "example.com", "example.com"},
		{"B.1.2, 2: the author's parent", relaxed, "child.example.com", Identifier{DKIM, "example.com", true}, true, "example.com", "example.com"},
		{"B.1.2, 3: another domain", relaxed, "child.example.com", Identifier{DKIM, "example.net", true}, false, "example.com", "example.com"},
		{"B.4.1: envelope", deep, "example.com", Identifier{SPF, "example.com", true}, true, "example.com", "example.com"},
		{"B.4.1: signature", deep, "example.com", Identifier{DKIM, "signing.example.com", true}, true, "example.com", "example.com"},
		{"B.4.2: envelope", deep, "a.b.c.d.e.f.g.h.i.j.k.example.com", Identifier{SPF, "example.com", true}, true, "example.com", "example.com"},
		{"B.4.2: signature", deep, "a.b.c.d.e.f.g.h.i.j.k.example.com", Identifier{DKIM, "signing.example.com", true}, true, "example.com", "example.com"},
		{"B.4.3: envelope", suffix, "giant.bank.example", Identifier{SPF, "mail.giant.bank.example", true}, true, "giant.bank.example", "giant.bank.example"},
		{"B.4.3: signature", suffix, "giant.bank.example", Identifier{DKIM, "mail.mega.bank.example", true}, false, "giant.bank.example", "giant.bank.example"},
	} {
		got := Evaluate(context.Background(), zone(t, c.dns), c.author, []Identifier{c.id})
		want := Fail
		if c.aligned {
			want = Pass
		}
		if got.Outcome != want || slices.Contains(got.Aligned, c.id.Mechanism) != c.aligned || got.OrgDomain != c.org || got.RecordDomain != c.record {
			t.Errorf("%s: %+v", c.example, got)
		}
	}
}

// What the standard says of records that ask for nothing, of names at the limit of a walk, and of
// look-ups that fail, by section.
func TestSentencesOfTheStandard(t *testing.T) {
	eight, seven := "a.b.c.d.e.f.example.com", "b.c.d.e.f.example.com"
	for _, c := range []struct {
		section string
		says    string
		dns     map[string]string
		author  string
		ids     []Identifier
		outcome Outcome
		policy  Policy
		org     string
	}{
		{"4.10.1", "the policy of a public suffix is not used for an organization that has published a record, usable or not",
			map[string]string{"_dmarc.example.com": "v=DMARC1; sp=reject", "_dmarc.com": "v=DMARC1; p=reject; psd=y"},
			"a.example.com", nil, None, NoPolicy, "example.com"},
		{"4.10.1", "a record of a public suffix that asks for nothing makes nobody fail",
			map[string]string{"_dmarc.com": "v=DMARC1; psd=y"}, "example.com", nil, None, NoPolicy, "example.com"},
		{"4.10.2", "psd=n ends the walk also where the record asks for nothing",
			map[string]string{"_dmarc.a.example.com": "v=DMARC1; psd=n", "_dmarc.example.com": "v=DMARC1; p=reject"},
			"example.com", []Identifier{{DKIM, "a.example.com", true}}, Fail, Reject, "example.com"},
		{"4.10.2", "a record that asks for nothing is nobody's organization",
			map[string]string{"_dmarc.com": "v=DMARC1", "_dmarc.example.com": "v=DMARC1; p=reject"},
			"example.com", []Identifier{{DKIM, "example.net", true}, {DKIM, "evil.com", true}}, Fail, Reject, "example.com"},
		{"4.10, step 4", "of eight labels one goes",
			map[string]string{"_dmarc." + seven: "v=DMARC1; p=quarantine; psd=n"}, eight, nil, Fail, Quarantine, seven},
		{"4.10, step 4", "of nine labels two go",
			map[string]string{"_dmarc." + eight: "v=DMARC1; p=reject; psd=n", "_dmarc." + seven: "v=DMARC1; p=quarantine; psd=n"},
			"x." + eight, nil, Fail, Quarantine, seven},
		{"4.10, step 2", "of several records at the author each is discarded, and the walk goes on",
			map[string]string{"_dmarc.a.example.com": "v=DMARC1; p=none|v=DMARC1; p=none", "_dmarc.example.com": "v=DMARC1; p=reject"},
			"a.example.com", nil, Fail, Reject, "example.com"},
		{"4.10, step 6", "of several records above the author each is discarded, and the walk goes on",
			map[string]string{"_dmarc.b.example.com": "v=DMARC1; p=none; psd=n|v=DMARC1; p=none", "_dmarc.example.com": "v=DMARC1; p=reject"},
			"a.b.example.com", nil, Fail, Reject, "example.com"},
		{"4.10.1", "no record anywhere: the mechanism is not applied, aligned or not",
			nil, "example.com", []Identifier{{DKIM, "example.com", true}}, None, NoPolicy, "example.com"},
		{"4.8", "the name of v may be written large, its value not otherwise",
			map[string]string{"_dmarc.example.com": "V = DMARC1 ; P=Reject"}, "example.com", nil, Fail, Reject, "example.com"},
		{"4.7, v", "another spelling of the value is no record",
			map[string]string{"_dmarc.example.com": "v=dmarc1; p=reject"}, "example.com", nil, None, NoPolicy, "example.com"},
		{"4.7, v", "v anywhere but first is no record",
			map[string]string{"_dmarc.example.com": "p=reject; v=DMARC1"}, "example.com", nil, None, NoPolicy, "example.com"},
		{"5.3.6", "sp or np is not chosen for a domain of which it is not known whether it exists",
			map[string]string{"_dmarc.example.com": "v=DMARC1; p=none; sp=reject; np=none", "a.example.com": "timeout"},
			"a.example.com", nil, TempError, NoPolicy, "example.com"},
		{"5.3.6", "where sp and np ask for the same, it does not matter",
			map[string]string{"_dmarc.example.com": "v=DMARC1; p=none; sp=reject; np=reject", "a.example.com": "timeout"},
			"a.example.com", nil, Fail, Reject, "example.com"},
		{"5.3.5", "nor does it where an identifier is aligned",
			map[string]string{"_dmarc.example.com": "v=DMARC1; p=none; sp=reject; np=none", "a.example.com": "timeout"},
			"a.example.com", []Identifier{{SPF, "example.com", true}}, Pass, NoPolicy, "example.com"},
		{"5.3.6", "a look-up above an author without a record decides nothing",
			map[string]string{"_dmarc.example.com": "servfail"}, "a.example.com", nil, TempError, NoPolicy, "a.example.com"},
		{"5.3.6", "an organization of an identifier that cannot be found decides nothing",
			map[string]string{"_dmarc.example.com": "v=DMARC1; p=reject", "_dmarc.b.example.com": "servfail"},
			"example.com", []Identifier{{DKIM, "b.example.com", true}}, TempError, Reject, "example.com"},
	} {
		got := Evaluate(context.Background(), zone(t, c.dns), c.author, c.ids)
		if got.Outcome != c.outcome || got.Policy != c.policy || got.OrgDomain != c.org {
			t.Errorf("RFC 9989 §%s, %s: %+v", c.section, c.says, got)
		}
	}
}

// Eight questions at most, for a name of each number of labels (RFC 9989 §4.10).
func TestNamesOfEachLengthAskAtMostEightQuestions(t *testing.T) {
	name := "com"
	for labels := 1; labels <= 40; labels++ {
		recorder := dns.NewRecorder(zone(t, nil), 100, nil)
		Evaluate(context.Background(), recorder, name, nil)
		if n := len(recorder.Questions()); n != min(labels, 8) {
			t.Errorf("%d labels: %d questions", labels, n)
		}
		name = "a." + name
	}
}
