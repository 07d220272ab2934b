package customer_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/customer"
	"github.com/postern-mail/postern/pkg/mailauth/alike"
	customerv1 "github.com/postern-mail/postern/proto/customer/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

func card(change func(*customerv1.Card)) *customerv1.Card {
	c := &customerv1.Card{
		Number: "K-1001", Names: []string{"Anna Weber", "Weber GmbH"}, Language: "de-CH", Notes: "prefers\nletters",
		Addresses: []*customerv1.Address{{Address: "anna@example.com"}, {Address: "Büro@müller.example"}},
	}
	if change != nil {
		change(c)
	}
	return c
}

func TestEveryThingThatIsWrongWithACardIsNamed(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*customerv1.Card)
		want   string // "" for nothing
	}{
		{"a whole card", nil, ""},
		{"a number alone", func(c *customerv1.Card) { *c = customerv1.Card{Number: "7"} }, ""},
		{"nothing", func(c *customerv1.Card) { c.Number, c.Names, c.Addresses = "", nil, nil }, "there is none"},
		{"an empty name", func(c *customerv1.Card) { c.Names[0] = "" }, "a name is empty"},
		{"a name of 200 letters", func(c *customerv1.Card) { c.Names[0] = strings.Repeat("ä", 200) }, ""},
		{"a name of 201 letters", func(c *customerv1.Card) { c.Names[0] = strings.Repeat("ä", 201) }, "more than 200"},
		{"a name on two lines", func(c *customerv1.Card) { c.Names[0] = "a\nb" }, "line break"},
		{"a name in Latin-1", func(c *customerv1.Card) { c.Names[0] = "M\xfcller" }, "not UTF-8"},
		{"ten names", func(c *customerv1.Card) { c.Names = strings.Split("a b c d e f g h i j", " ") }, ""},
		{"eleven names", func(c *customerv1.Card) { c.Names = strings.Split("a b c d e f g h i j k", " ") }, "at most 10"},
		{"an address without a domain", func(c *customerv1.Card) { c.Addresses[0].Address = "anna" }, "is no address"},
		{"an address with a name", func(c *customerv1.Card) { c.Addresses[0].Address = "Anna <anna@example.com>" }, "is no address"},
		{"two addresses in one", func(c *customerv1.Card) { c.Addresses[0].Address = "a@example.com,b@example.com" }, "is no address"},
		{"an address of this machine", func(c *customerv1.Card) { c.Addresses[0].Address = "root@localhost" }, "is no address"},
		{"an address twice", func(c *customerv1.Card) { c.Addresses[1].Address = "ANNA@EXAMPLE.com" }, "twice"},
		{"a language that is none", func(c *customerv1.Card) { c.Language = "german" }, "language"},
		{"notes of 4001 letters", func(c *customerv1.Card) { c.Notes = strings.Repeat("x", 4001) }, "4001"},
		{"a confirmation", func(c *customerv1.Card) {
			c.Addresses[0].Confirmed = &customerv1.Confirmation{When: timestamppb.Now(), How: "called_back"}
		}, ""},
		{"a confirmation without a time", func(c *customerv1.Card) { c.Addresses[0].Confirmed = &customerv1.Confirmation{How: "called_back"} }, "without a time"},
		{"a confirmation in a sentence", func(c *customerv1.Card) {
			c.Addresses[0].Confirmed = &customerv1.Confirmation{When: timestamppb.Now(), How: "Called Anna back"}
		}, "without a time or a word"},
		{"a key that is none", func(c *customerv1.Card) { c.Openpgp = [][]byte{[]byte("x")} }, "OpenPGP key"},
		{"a certificate that is none", func(c *customerv1.Card) { c.Certificates = [][]byte{[]byte("x")} }, "certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := customer.Check(card(c.change))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A token is the sort's letter and the first 15 bytes of HMAC-SHA256 (RFC 2104) over the letter and the form.
func TestATokenIsAKeyedDigestOfAForm(t *testing.T) {
	key := bytes.Repeat([]byte{7}, customer.KeySize)
	token, ok := customer.TokenOf(key, alike.Of("Anna@Example.com"))
	h := hmac.New(sha256.New, key)
	fmt.Fprint(h, "aanna@example.com")
	if want := "a" + string(h.Sum(nil)[:15]); !ok || string(token[:]) != want {
		t.Errorf("got %x, want %x", token, want)
	}
	if _, ok := customer.TokenOf(key[:31], alike.Of("a@example.com")); ok {
		t.Error("a short key made a token")
	}
	if _, ok := customer.TokenOf(key, alike.Form{Kind: "other", Value: "x"}); ok {
		t.Error("a form of a kind that is not known has a token")
	}
}

func record(id string, state itemv1.LayerState, tokens [][]byte) *itemv1.Record {
	return &itemv1.Record{Item: id, Tokens: tokens, Layers: []*itemv1.Layer{{Kind: itemv1.LayerKind_LAYER_KIND_CARD, State: state}}}
}

func TestTheIndexKnowsWhoIsThereNow(t *testing.T) {
	key := bytes.Repeat([]byte{7}, customer.KeySize)
	tokens := func(address string) [][]byte {
		return customer.Tokens(key, &customerv1.Card{Names: []string{"Anna Weber"}, Addresses: []*customerv1.Address{{Address: address}}})
	}
	has := func(x *customer.Index, form alike.Form) bool {
		token, _ := customer.TokenOf(key, form)
		return x.Has(token)
	}
	var x customer.Index
	x.Take(record("C1", itemv1.LayerState_LAYER_STATE_PRESENT, tokens("a@example.com")))
	x.Take(record("C2", itemv1.LayerState_LAYER_STATE_PRESENT, tokens("b@example.com")))
	x.Take(record("C2", itemv1.LayerState_LAYER_STATE_PRESENT, tokens("b@example.com"))) // re-wrapped
	token, _ := customer.TokenOf(key, alike.Of("b@example.com"))
	if who := x.Who(token); len(who) != 1 || who[0] != "C2" || x.Count() != 2 {
		t.Errorf("got %v of %d", who, x.Count())
	}
	x.Take(record("C2", itemv1.LayerState_LAYER_STATE_ERASED, nil))
	if len(x.Who(token)) > 0 || x.Count() != 1 || !has(&x, alike.OfDomain("example.com")) || !has(&x, alike.Names("Anna Weber")[0]) {
		t.Error("with one of two gone, the other's forms must stay and no other")
	}
	x.Take(record("C1", itemv1.LayerState_LAYER_STATE_DESTROYED, nil))
	if x.Count() != 0 || has(&x, alike.OfDomain("example.com")) || has(&x, alike.Of("a@example.com")) {
		t.Error("those who are gone are found")
	}
}

func TestALookAlikeOfACustomerIsFound(t *testing.T) {
	key := bytes.Repeat([]byte{7}, customer.KeySize)
	var x customer.Index
	x.Take(record("C1", itemv1.LayerState_LAYER_STATE_PRESENT, customer.Tokens(key, card(nil))))
	for _, form := range []alike.Form{alike.OfDomain("example.com"), alike.Looks("exаmple.com")[0], alike.Names("WEBER anna")[0], customer.OfNumber(" k-1001 ")} {
		if token, ok := customer.TokenOf(key, form); !ok || !x.Has(token) {
			t.Errorf("%v is not found", form)
		}
	}
	near := false
	for _, form := range alike.Nears("exampel.com") {
		token, _ := customer.TokenOf(key, form)
		near = near || x.Has(token)
	}
	if !near {
		t.Error("a domain one slip away is not found")
	}
}

func BenchmarkTokensOfACard(b *testing.B) {
	key := bytes.Repeat([]byte{7}, customer.KeySize)
	for b.Loop() {
		customer.Tokens(key, card(nil))
	}
}

// Everything that is asked of a directory of 50,000 about an author whom it does not know.
func BenchmarkHas(b *testing.B) {
	key := bytes.Repeat([]byte{7}, customer.KeySize)
	var x customer.Index
	for i := range 50_000 {
		address := fmt.Sprintf("person%d@firm%d.example", i, i%3000)
		c := &customerv1.Card{Number: fmt.Sprint(i), Names: []string{fmt.Sprintf("Person%d Family%d", i, i%977)}, Addresses: []*customerv1.Address{{Address: address}}}
		x.Take(record(fmt.Sprint(i), itemv1.LayerState_LAYER_STATE_PRESENT, customer.Tokens(key, c)))
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, form := range alike.Person([]string{"Zoe Stranger"}, []string{"zoe@mail.stranger-of-everybody.example"}) {
			if token, ok := customer.TokenOf(key, form); ok && x.Has(token) {
				b.Fatalf("%v is known", form)
			}
		}
	}
}
