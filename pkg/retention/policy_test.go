package retention_test

import (
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/retention"
)

func TestALayerIsDueAtTheEndOfItsPeriodAndNeverEarlier(t *testing.T) {
	policy := retention.Standard()
	received := time.Date(2026, 3, 10, 15, 4, 5, 0, time.UTC)
	dues, err := policy.Dues("customer", received)
	if err != nil {
		t.Fatal(err)
	}
	// 30 days after 10 March 15:04 is 9 April 15:04; a period of one day ends at the next midnight.
	if want := time.Date(2026, 4, 10, 0, 0, 0, 0, time.UTC); !dues.Raw.At.Equal(want) {
		t.Errorf("raw is due %v, want %v", dues.Raw.At, want)
	}
	if promised := received.AddDate(0, 0, 730); dues.View.At.Before(promised) || dues.View.At.Sub(promised) > 30*24*time.Hour {
		t.Errorf("view is due %v, want within 30 days after %v", dues.View.At, promised)
	}
}

func TestAMailThatComesOnTheBoundaryIsDueExactlyThere(t *testing.T) {
	received := time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
	dues, err := retention.Standard().Dues("customer", received)
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 4, 9, 0, 0, 0, 0, time.UTC); !dues.Raw.At.Equal(want) {
		t.Errorf("raw is due %v, want %v", dues.Raw.At, want)
	}
}

func TestTheFirstRuleThatMatchesChooses(t *testing.T) {
	policy := retention.Standard()
	policy.Rules = append(policy.Rules, retention.Rule{Mailbox: []string{"legal"}, LargerThan: 1000, Class: "dangerous"})
	for _, c := range []struct {
		facts retention.Facts
		want  string
	}{
		{retention.Facts{Kind: "person", Scan: "clean"}, "customer"},
		{retention.Facts{Kind: "bounce", Scan: "infected"}, "dangerous"},
		{retention.Facts{Kind: "bounce", Scan: "clean"}, "machine"},
		{retention.Facts{Mailbox: "legal", Kind: "person", Size: 1000}, "customer"},
		{retention.Facts{Mailbox: "legal", Kind: "person", Size: 1001}, "dangerous"},
	} {
		if got := policy.Choose(c.facts); got != c.want {
			t.Errorf("%+v is of class %s, want %s", c.facts, got, c.want)
		}
	}
}

func TestABadPolicyIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*retention.Policy)
		want   string
	}{
		"no name":       {func(p *retention.Policy) { p.Name = "" }, "name is empty"},
		"no set_aside":  {func(p *retention.Policy) { delete(p.Classes, "set_aside") }, `class "set_aside" is missing`},
		"no default":    {func(p *retention.Policy) { p.Default = "gone" }, `class "gone" is missing`},
		"rule nowhere":  {func(p *retention.Policy) { p.Rules[1].Class = "x" }, "rule 2"},
		"zero period":   {func(p *retention.Policy) { p.Classes["customer"] = retention.Class{} }, "period of at least 1"},
		"strange class": {func(p *retention.Policy) { p.Classes["a.b"] = p.Classes["customer"] }, `"a.b"`},
	} {
		policy := retention.Standard()
		c.change(&policy)
		if err := policy.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
	if err := retention.Standard().Check(); err != nil {
		t.Errorf("the standard policy: %v", err)
	}
}

func TestEveryChangeOfThePolicyChangesItsDigest(t *testing.T) {
	before := retention.Standard().Digest()
	if again := retention.Standard().Digest(); again != before {
		t.Error("the same policy has two digests")
	}
	for name, change := range map[string]func(*retention.Policy){
		"days":  func(p *retention.Policy) { c := p.Classes["customer"]; c.Raw.Days++; p.Classes["customer"] = c },
		"rule":  func(p *retention.Policy) { p.Rules[0].Scan = []string{"suspicious"} },
		"order": func(p *retention.Policy) { p.Rules[0], p.Rules[1] = p.Rules[1], p.Rules[0] },
		"name":  func(p *retention.Policy) { p.Name = "other" },
	} {
		policy := retention.Standard()
		change(&policy)
		if policy.Digest() == before {
			t.Errorf("%s: the digest did not change", name)
		}
	}
}
