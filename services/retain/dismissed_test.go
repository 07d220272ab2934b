package retain_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	"github.com/postern-mail/postern/services/retain"
)

const cardsBucket = "customers.card.99991231.1"

// customer records one, whose card is inline.
func (w *world) customer(n int) string {
	w.bucket(cardsBucket, 100_000)
	id := fmt.Sprintf("C%032x", n)
	w.records[id] = &itemv1.Record{Item: id, State: itemv1.State_STATE_KEPT, Layers: []*itemv1.Layer{{
		Kind: itemv1.LayerKind_LAYER_KIND_CARD, State: itemv1.LayerState_LAYER_STATE_PRESENT, Bucket: cardsBucket, KeyPacket: []byte{1}, Inline: []byte("sealed"),
	}}}
	return id
}

func (w *world) dismissed(n int, ids ...string) *retentionv1.Dismissed {
	said := &retentionv1.Dismissed{Plan: fmt.Sprintf("P%020x", 1000+n), Items: ids, By: "operator:olga", Reason: "case-7", Time: timestamppb.New(w.now)}
	w.said = append(w.said, said)
	return said
}

func TestCardsOfDismissedCustomersAreDestroyedTogetherAndNoOthers(t *testing.T) {
	w := shelved(t)
	anna, bert, carl := w.customer(1), w.customer(2), w.customer(3)
	said := w.dismissed(1, anna, bert)
	for range 2 {
		finished(t, w)
	}
	plans, certified := eventsOf[*retentionv1.Planned](w), eventsOf[*retentionv1.Certified](w)
	if len(plans) != 1 || plans[0].GetPlan() != said.GetPlan() || plans[0].GetCause() != retain.Erasure || len(plans[0].GetTargets()) != 2 || len(certified) != 1 {
		t.Errorf("plans %v, certificates %v", plans, certified)
	}
	if w.taken[anna+" LAYER_KIND_CARD"] != said.GetPlan() || w.taken[bert+" LAYER_KIND_CARD"] != said.GetPlan() || len(w.taken) != 2 {
		t.Errorf("taken %v", w.taken)
	}
	if got := w.records[carl].GetLayers()[0].GetState(); got != itemv1.LayerState_LAYER_STATE_PRESENT {
		t.Errorf("another customer is %s", got)
	}
	if !slices.Contains(w.acts, "erase operator:olga allowed case-7") {
		t.Errorf("acts %v", w.acts)
	}
}

// Who keeps the directory can say what they like, and so can the desk: no mail is destroyed on
// the word of the one, and no card on that of the other.
func TestNobodyHasDestroyedWhatIsNotTheirs(t *testing.T) {
	for name, c := range map[string]struct {
		ask  func(w *world, card, mail string)
		code string
	}{
		"a mail by who keeps the directory": {func(w *world, _, mail string) { w.dismissed(1, mail) }, "malformed"},
		"a mail among customers":            {func(w *world, card, mail string) { w.dismissed(1, card, mail) }, "malformed"},
		"nobody":                            {func(w *world, _, _ string) { w.dismissed(1) }, "malformed"},
		"a reason in words":                 {func(w *world, card, _ string) { w.dismissed(1, card).Reason = "Anna asked for it" }, "malformed"},
		"by nobody":                         {func(w *world, card, _ string) { w.dismissed(1, card).By = "" }, "malformed"},
		"one who is not recorded":           {func(w *world, card, _ string) { w.dismissed(1, card, "C"+strings.Repeat("0", 32)) }, "unknown_item"},
		"one who is on hold": {func(w *world, card, _ string) {
			w.records[card].Holds = []*itemv1.Hold{{Id: "H1"}}
			w.dismissed(1, card)
		}, "held"},
		"one who is gone": {func(w *world, card, _ string) {
			w.records[card].Layers[0].State = itemv1.LayerState_LAYER_STATE_ERASED
			w.dismissed(1, card)
		}, "not_present"},
		"a card by the desk": {func(w *world, card, _ string) {
			_, wish := w.aside(5)
			wish.Item = card
		}, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := shelved(t)
			card := w.customer(1)
			c.ask(w, card, w.item(1, "set_aside.raw.20261231.1", "customer.view.20280101.1"))
			for range 2 {
				finished(t, w)
			}
			withdrawn := eventsOf[*retentionv1.Withdrawn](w)
			if len(withdrawn) != 1 || withdrawn[0].GetCode() != c.code || len(w.taken) > 0 || len(eventsOf[*retentionv1.Planned](w)) > 0 {
				t.Errorf("answered %v, taken %v", withdrawn, w.taken)
			}
		})
	}
}

func TestCustomersDoNotWaitForTheWishesOfTheDesk(t *testing.T) {
	w := shelved(t)
	w.config.WishesADay = 1
	w.aside(1)
	w.aside(2)
	card := w.customer(1)
	w.dismissed(1, card)
	_ = w.service().Run(t.Context()) // what of the desk's is over its number waits
	if w.taken[card+" LAYER_KIND_CARD"] == "" || len(eventsOf[*retentionv1.Planned](w)) != 2 {
		t.Errorf("taken %v", w.taken)
	}
}
