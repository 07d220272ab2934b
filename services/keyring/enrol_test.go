package keyring

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/customer"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/mailauth/alike"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	customerv1 "github.com/postern-mail/postern/proto/customer/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

func (w *world) enrolment(told proto.Message) *keyringv1.Enrol {
	w.t.Helper()
	plain, err := proto.Marshal(told)
	if err != nil {
		w.t.Fatal(err)
	}
	w.bus.mu.Lock()
	published := w.bus.published
	w.bus.mu.Unlock()
	to, err := seal.NewRecipient(published.Customers.Bucket, published.Customers.PublicKey)
	if err != nil {
		w.t.Fatal(err)
	}
	ciphertext, s, err := seal.Bytes(to, plain)
	if err != nil {
		w.t.Fatal(err)
	}
	id := event.NewCustomer()
	w.objects["inline card "+id] = ciphertext
	return &keyringv1.Enrol{Item: id, Actor: "operator:olga", Card: &itemv1.Layer{
		Kind: card, Inline: ciphertext, Size: s.Size, Digest: s.Digest, PacketEnds: s.PacketEnds, KeyPacket: s.KeyPacket,
		Bucket: s.Bucket, Attempted: timestamppb.New(w.clock.Now()),
	}}
}

func (w *world) customer(name, address string) string {
	w.t.Helper()
	told := &customerv1.Card{Names: []string{name}, Addresses: []*customerv1.Address{{Address: address}}}
	got, err := w.client("customers").Enrol(w.t.Context(), w.enrolment(told))
	if err != nil || !got.Changed {
		w.t.Fatalf("enrol: %v", err)
	}
	return got.Record.Item
}

// cardOf gives the first name that a customer's card says, to a person.
func (w *world) cardOf(id string) (string, error) {
	key, err := w.opener("customers").Open(w.t.Context(), open.Ask{Purpose: keys.ForCustomer, Layer: card, Item: id, Actor: "operator:olga"})
	if err != nil {
		return "", err
	}
	defer key.Clear()
	plain, err := open.Bytes(key.Session, w.objects["inline card "+id], customer.MaxCard)
	if err != nil {
		return "", err
	}
	told := new(customerv1.Card)
	if err := proto.Unmarshal(plain, told); err != nil {
		return "", err
	}
	return told.Names[0], nil
}

func TestACustomerIsFoundByTokensThatOnlyTheDirectorysKeyMakes(t *testing.T) {
	w := newWorld(t)
	w.start()
	id := w.customer("Anna Weber", "Anna@Example.com")
	record := w.record(id)
	if record.State != itemv1.State_STATE_KEPT || len(record.Tokens) == 0 {
		t.Fatalf("record is %v", record)
	}
	if name, err := w.cardOf(id); err != nil || name != "Anna Weber" {
		t.Errorf("got %q, %v", name, err)
	}
	key, err := w.opener("verify").Directory(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var index customer.Index
	index.Take(record)
	for form, want := range map[alike.Form]bool{
		alike.Of("anna@example.COM"): true, alike.Of("anna@example.org"): false, alike.OfDomain("example.com"): true,
		alike.Names("Weber, Anna")[0]: true, alike.Names("Anna Maier")[0]: false,
	} {
		token, ok := customer.TokenOf(key.Bytes(), form)
		if !ok || index.Has(token) != want {
			t.Errorf("%v: found %v", form, index.Has(token))
		}
	}
	other := make([]byte, customer.KeySize)
	if token, _ := customer.TokenOf(other, alike.Of("anna@example.com")); index.Has(token) {
		t.Error("found without the directory's key")
	}
}

func TestEveryLookAtACustomerIsInTheLogFirst(t *testing.T) {
	w := newWorld(t)
	w.start()
	id := w.customer("Anna Weber", "anna@example.com")
	before := len(w.entries.acts("open"))
	if _, err := w.cardOf(id); err != nil {
		t.Fatal(err)
	}
	key, err := w.opener("verify").Open(t.Context(), open.Ask{Purpose: keys.ForCard, Layer: card, Item: id})
	if err != nil {
		t.Fatal(err)
	}
	key.Clear()
	acts := w.entries.acts("open")[before:]
	if len(acts) != 2 || acts[0].Actor != "operator:olga" || acts[0].Purpose != keys.ForCustomer || acts[1].Actor != "worker:verify" || !slices.Contains(acts[1].Items, id) {
		t.Errorf("the log has %v", acts)
	}
	w.entries.refuses(true)
	defer w.entries.refuses(false)
	if _, err := w.cardOf(id); err == nil {
		t.Error("a card was handed out though it could not be recorded")
	}
}

func TestOnlyWhoMayOpensACard(t *testing.T) {
	w := newWorld(t)
	w.start()
	id := w.customer("Anna Weber", "anna@example.com")
	for _, service := range []string{"ingest", "scan", "archive", "sanitize", "desk", "retain", "audit", "rebuild", "setaside"} {
		for _, purpose := range []string{keys.ForCard, keys.ForCustomer} {
			_, err := w.opener(service).Open(t.Context(), open.Ask{Purpose: purpose, Layer: card, Item: id, Actor: "x"})
			w.mustRefuse(err, keys.Forbidden)
		}
		_, err := w.opener(service).Directory(t.Context(), "")
		w.mustRefuse(err, keys.Forbidden)
		_, err = w.client(service).Enrol(t.Context(), w.enrolment(&customerv1.Card{Names: []string{"Eve"}}))
		w.mustRefuse(err, keys.Forbidden)
	}
	_, err := w.opener("customers").Open(t.Context(), open.Ask{Purpose: keys.ForCustomer, Layer: card, Item: id})
	w.mustRefuse(err, keys.Malformed) // nobody is named
	_, err = w.opener("verify").Open(t.Context(), open.Ask{Purpose: keys.ForVerify, Layer: raw, Item: id})
	w.mustRefuse(err, keys.NotPresent)
}

func TestACustomerWhoIsRemovedIsGoneFromEveryCopyAndTheOthersAreNot(t *testing.T) {
	w := newWorld(t)
	w.start()
	anna, bert := w.customer("Anna Weber", "anna@example.com"), w.customer("Bert Maier", "bert@example.net")
	w.journalled()
	stolen := w.copyAll()
	if !w.thief(stolen)["card "+anna] {
		t.Fatal("before the removal a thief must open the card, or the test sees nothing")
	}

	if _, err := w.client("retain").Erase(t.Context(), &keyringv1.Erase{Request: "P1", Items: []string{anna}, Actor: "operator:olga"}); err != nil {
		t.Fatal(err)
	}
	if record := w.record(anna); len(record.Tokens) > 0 || customer.Present(record) {
		t.Errorf("after the erasure the record is %v", record)
	}
	_, err := w.cardOf(anna)
	w.mustRefuse(err, keys.Destroyed)
	w.forget()
	record := w.record(anna)
	if record.State != itemv1.State_STATE_TOMBSTONE || record.Layers[0].State != destroyed || len(record.Layers[0].Inline) > 0 {
		t.Errorf("after the forgetting the record is %v", record)
	}
	opened := w.thief(stolen)
	if opened["card "+anna] || !opened["card "+bert] {
		t.Errorf("a thief opens %v", opened)
	}
	if name, err := w.cardOf(bert); err != nil || name != "Bert Maier" {
		t.Errorf("the other customer: got %q, %v", name, err)
	}
	// Whoever comes next goes into the fresh bucket.
	if name, err := w.cardOf(w.customer("Carl", "carl@example.net")); err != nil || name != "Carl" {
		t.Errorf("got %q, %v", name, err)
	}
}

func TestWhoIsRecordedAnewIsFoundByTheNewCardAlone(t *testing.T) {
	w := newWorld(t)
	w.start()
	former := w.customer("Anna Weber", "anna@example.com")
	r := w.enrolment(&customerv1.Card{Names: []string{"Anna Weber-Maier"}, Addresses: []*customerv1.Address{{Address: "anna@example.com"}}})
	r.Replaces = []string{former}
	for range 2 { // a repeat changes nothing
		if _, err := w.client("customers").Enrol(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	before, after := w.record(former), w.record(r.Item)
	if before.Successor != r.Item || len(before.Tokens) > 0 || customer.Present(before) || !customer.Superseded(before) || !customer.Present(after) {
		t.Errorf("the records are %v and %v", before, after)
	}
	for _, replaced := range [][]string{{r.Item}, {strings.Repeat("a", 64)}, slices.Repeat([]string{former}, 65)} {
		bad := w.enrolment(&customerv1.Card{Names: []string{"X"}})
		if bad.Replaces = replaced; replaced[0] == r.Item {
			bad.Item = r.Item
		}
		_, err := w.client("customers").Enrol(t.Context(), bad)
		w.mustRefuse(err, keys.Malformed)
	}
}

func TestNobodyTakesThePlaceOfWhoIsThereNoMore(t *testing.T) {
	w := newWorld(t)
	w.start()
	anew := func(former string) error {
		r := w.enrolment(&customerv1.Card{Names: []string{"Anna"}, Addresses: []*customerv1.Address{{Address: "anna@example.com"}}})
		r.Replaces = []string{former}
		_, err := w.client("customers").Enrol(t.Context(), r)
		return err
	}
	replaced, removed := w.customer("Anna", "anna@example.com"), w.customer("Anna", "anna@example.com")
	if err := anew(replaced); err != nil {
		t.Fatal(err)
	}
	if _, err := w.client("retain").Erase(t.Context(), &keyringv1.Erase{Request: "P1", Items: []string{removed}, Actor: "olga"}); err != nil {
		t.Fatal(err)
	}
	for _, former := range []string{replaced, removed, event.NewCustomer()} {
		w.mustRefuse(anew(former), keys.Conflict)
	}
}

func TestOfManyWhoTakeOnesPlaceAtOnceOneDoes(t *testing.T) {
	w := newWorld(t)
	w.start()
	former := w.customer("Anna", "anna@example.com")
	const many = 8
	var all []*keyringv1.Enrol
	for range many {
		r := w.enrolment(&customerv1.Card{Names: []string{"Anna"}})
		r.Replaces = []string{former}
		all = append(all, r)
	}
	outcomes := make(chan error, many)
	for _, r := range all {
		go func() {
			_, err := w.client("customers").Enrol(t.Context(), r)
			outcomes <- err
		}()
	}
	did := 0
	for range many {
		if err := <-outcomes; err == nil {
			did++
		} else {
			w.mustRefuse(err, keys.Conflict)
		}
	}
	if did != 1 {
		t.Errorf("%d took the place of one", did)
	}
}

func TestTheDirectorysKeyOutlivesTheYearAndAHoldKeepsACard(t *testing.T) {
	w := newWorld(t)
	w.start()
	id := w.customer("Anna Weber", "anna@example.com")
	if _, err := w.client("retain").Hold(t.Context(), &keyringv1.Hold{Hold: "H1", Items: []string{id}, Actor: "pia", Reason: []byte("CASE-1")}); err != nil {
		t.Fatal(err)
	}
	_, err := w.client("retain").Erase(t.Context(), &keyringv1.Erase{Request: "P1", Items: []string{id}, Actor: "olga"})
	w.mustRefuse(err, keys.Held)
	w.pass(800 * day)
	w.forget()
	if name, err := w.cardOf(id); err != nil || name != "Anna Weber" {
		t.Errorf("held: got %q, %v", name, err)
	}
	if _, err := w.client("retain").Release(t.Context(), &keyringv1.Release{Hold: "H1", Items: []string{id}, Actor: "pia"}); err != nil {
		t.Fatal(err)
	}
	w.forget()
	if name, err := w.cardOf(id); err != nil || name != "Anna Weber" {
		t.Errorf("released: got %q, %v", name, err)
	}
	key, err := w.opener("verify").Directory(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	token, _ := customer.TokenOf(key.Bytes(), alike.Of("anna@example.com"))
	if !slices.ContainsFunc(w.record(id).Tokens, func(b []byte) bool { return string(b) == string(token[:]) }) {
		t.Error("two years later the customer is found no more")
	}
}

func TestACardThatIsNoneIsRefused(t *testing.T) {
	w := newWorld(t)
	w.start()
	good := func() *keyringv1.Enrol {
		return w.enrolment(&customerv1.Card{Names: []string{"Anna"}, Addresses: []*customerv1.Address{{Address: "anna@example.com"}}})
	}
	for name, c := range map[string]struct {
		spoil func(r *keyringv1.Enrol)
		want  keys.Refusal
	}{
		"an id of a mail":    {func(r *keyringv1.Enrol) { r.Item = strings.Repeat("a", 64) }, keys.Malformed},
		"nobody's will":      {func(r *keyringv1.Enrol) { r.Actor = "" }, keys.Malformed},
		"no card":            {func(r *keyringv1.Enrol) { r.Card = nil }, keys.WrongLayer},
		"another layer":      {func(r *keyringv1.Enrol) { r.Card.Kind = view }, keys.WrongLayer},
		"in the vault":       {func(r *keyringv1.Enrol) { r.Card.Object, r.Card.Inline = "view/x", nil }, keys.Malformed},
		"a size that lies":   {func(r *keyringv1.Enrol) { r.Card.Size++ }, keys.Malformed},
		"an old attempt":     {func(r *keyringv1.Enrol) { r.Card.Attempted = timestamppb.New(noon.Add(-2 * 3600e9)) }, keys.Late},
		"a bucket of mails":  {func(r *keyringv1.Enrol) { r.Card.Bucket = w.registration(1, "x").Raw.Bucket }, keys.WrongLayer},
		"no bucket":          {func(r *keyringv1.Enrol) { r.Card.Bucket = "customers.card.99991231.9" }, keys.ClosedBucket},
		"a packet of others": {func(r *keyringv1.Enrol) { r.Card.KeyPacket = good().Card.KeyPacket }, keys.Malformed},
		"nothing in it":      {func(r *keyringv1.Enrol) { r.Card = w.enrolment(&customerv1.Card{}).Card }, keys.Malformed},
		"an address that isn't": {func(r *keyringv1.Enrol) {
			r.Card = w.enrolment(&customerv1.Card{Addresses: []*customerv1.Address{{Address: "a b"}}}).Card
		}, keys.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			r := good()
			c.spoil(r)
			_, err := w.client("customers").Enrol(t.Context(), r)
			if got, _ := keys.RefusalOf(err); got != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	r := good()
	for range 2 {
		if got, err := w.client("customers").Enrol(t.Context(), r); err != nil || got.Record.Item != r.Item {
			t.Errorf("a repeat: %v", err)
		}
	}
}
