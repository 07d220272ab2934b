package alike_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/mailauth/alike"
)

func share(a, b []alike.Form) bool {
	return slices.ContainsFunc(a, func(form alike.Form) bool { return slices.Contains(b, form) })
}

// Pairs from the text of UTS #39 and from registrations that were in the news.
func TestDomainsThatLookTheSame(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"paypal.com", "раураl.com", true},        // Cyrillic, UTS #39 §4
		{"apple.com", "xn--80ak6aa92e.com", true}, // all Cyrillic, 2017
		{"microsoft.com", "rnicrosoft.com", true},
		{"example.com", "examp1e.com", true},
		{"example.com", "EXAMPLE.COM.", true},
		{"google.com", "g00gle.com", true},
		{"scope.example", "ѕсоре.example", true}, // UTS #39 §4, whole-script
		{"example.com", "example.net", false},
		{"example.com", "exampel.com", false},
		{"bücher.example", "bucher.example", false},
		{"bücher.example", "xn--bcher-kva.example", true},
	} {
		if got := share(alike.Looks(c.a), alike.Looks(c.b)); got != c.want {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
	}
}

// Cases are those of UnicodeData.txt: İ (U+0130) has the small letter i, whose large one is I, and a
// Kelvin sign has k. UTS #46 maps the one to i and a dot above, the other to k.
func TestAddressesAreTheSameInAnyCaseAndInNothingElse(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"anna@example.com", "ANNA@Example.COM.", true},
		{"BÜRO@MÜLLER.example", "büro@xn--mller-kva.example", true},
		{"anni@example.com", "annİ@example.com", false},
		{"kim@example.com", "\u212aim@example.com", false},
		{"anna@limit.example", "anna@lİmit.example", false},
		{"anna@li\u0307mit.example", "anna@lİmit.example", true},
		{"anna@kim.example", "anna@\u212aim.example", true},
		{"anna@a_b.example", "anna@A_B.example", true},
	} {
		if got := alike.Of(c.a) == alike.Of(c.b); got != c.want {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
	}
}

func TestDomainsThatAreOneSlipApart(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"example.com", "exmple.com", true},   // less
		{"example.com", "exxample.com", true}, // more
		{"example.com", "exanple.com", true},  // another
		{"example.com", "exmaple.com", true},  // changed places
		{"example.com", "example.co", true},
		{"example.com", "example.org", false},
		{"example.com", "exnple.com", false},
		{"gmail.com", "mail.com", false}, // four letters have neighbours of their own
		{"web.de", "wab.de", false},
		{"bücher.example", "büchar.example", true},
	} {
		if got := share(alike.Nears(c.a), alike.Nears(c.b)); got != c.want {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
	}
}

func TestNamesThatLookTheSame(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"Anna Weber", "anna weber", true},
		{"Anna Weber", "Weber, Anna", true},
		{"Anna Weber", "Аnna Wеbеr", true}, // Cyrillic
		{"Anna Weber", "  Anna   \"Weber\" ", true},
		{"PayPal Support", "PayPaI support", true},
		{"Müller GmbH", "Mu\u0308ller GMBH", true}, // decomposed
		{"Ａｃｍｅ Service", "Acme Service", true},     // full width
		{"Anna Weber", "Anne Weber", false},
		{"Al", "Al", false}, // initials are anybody's
		{"", "", false},
	} {
		if got := share(alike.Names(c.a), alike.Names(c.b)); got != c.want {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
}

func TestAnAddressIsOneHoweverItIsWritten(t *testing.T) {
	for _, address := range []string{"anna@bücher.example", "Anna@BÜCHER.example", "anna@xn--bcher-kva.example", "ANNA@xn--bcher-kva.example."} {
		if got := alike.Of(address).Value; got != "anna@xn--bcher-kva.example" {
			t.Errorf("%s: %s", address, got)
		}
	}
}

func TestADirectoryFindsItsPeopleByEveryForm(t *testing.T) {
	set := alike.NewSet(alike.Person([]string{"Anna Weber"}, []string{"anna@customer.example"})...)
	for _, form := range slices.Concat([]alike.Form{alike.Of("Anna@customer.example"), alike.OfDomain("customer.example")},
		alike.Looks("сustomer.example"), alike.Names("WEBER Anna")) {
		if has, err := set.Has(t.Context(), form); err != nil || !has {
			t.Errorf("%v is not there (%v)", form, err)
		}
	}
}

// Whatever a stranger writes into From comes here.
func FuzzForms(f *testing.F) {
	for _, seed := range []string{"", "@", "@..", "anna@example.com", "xn--", "xn--a.xn--", strings.Repeat("a.", 130), "\xff\xfe", "Аnna Wеbеr", "١٢٣"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, forms := range [][]alike.Form{alike.Names(s), alike.Looks(s), alike.Nears(s), {alike.Of(s)}, alike.Person([]string{s}, []string{s})} {
			for _, form := range forms {
				if form.Kind == "" {
					t.Fatal("a form of no kind")
				}
			}
		}
		// The one dot of the root is left out of a domain; what ends in two is none, and no customer's.
		if again := alike.Of(alike.Of(s).Value); again != alike.Of(s) && strings.Count(s, "@") == 1 && isASCII(s) && !strings.HasSuffix(s, "..") {
			t.Errorf("%q: %q and then %q", s, alike.Of(s).Value, again.Value)
		}
	})
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}

func BenchmarkPerson(b *testing.B) {
	for b.Loop() {
		alike.Person([]string{"Anna Weber"}, []string{"anna.weber@customer.example"})
	}
}
