package retain_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	"github.com/postern-mail/postern/services/retain"
)

// aside sets an item aside and has the desk wish that it be erased.
func (w *world) aside(n int) (item string, wish *retentionv1.Wished) {
	item = w.item(n, "set_aside.raw.20261231.1", "customer.view.20280101.1")
	w.records[item].State, w.records[item].Ticket = itemv1.State_STATE_SET_ASIDE, ""
	wish = &retentionv1.Wished{Plan: fmt.Sprintf("P%020x", n), Item: item, By: "lena", Reason: "spam:case-7", Time: timestamppb.New(w.now)}
	w.said = append(w.said, wish)
	return item, wish
}

// shelved is a world in which nothing is due.
func shelved(t *testing.T) *world {
	w := newWorld(t)
	w.bucket("set_aside.raw.20261231.1", 300)
	w.bucket("customer.view.20280101.1", 600)
	return w
}

func eventsOf[E any](w *world) (found []E) {
	for _, said := range w.said {
		if one, ok := said.(E); ok {
			found = append(found, one)
		}
	}
	return found
}

func TestWhatTheDeskWishesErasedIsErasedOnceAndCertified(t *testing.T) {
	w := shelved(t)
	item, wish := w.aside(1)
	neighbour := w.item(2, "set_aside.raw.20261231.1", "customer.view.20280101.1")
	for range 3 {
		finished(t, w)
	}
	plans, certified := eventsOf[*retentionv1.Planned](w), eventsOf[*retentionv1.Certified](w)
	if len(plans) != 1 || plans[0].GetPlan() != wish.GetPlan() || plans[0].GetCause() != retain.Erasure || len(plans[0].GetTargets()) != 2 {
		t.Errorf("plans %v", plans)
	}
	if len(certified) != 1 || certified[0].GetPlan() != wish.GetPlan() {
		t.Errorf("certificates %v", certified)
	}
	if w.taken[item+" LAYER_KIND_RAW"] != wish.GetPlan() || w.taken[item+" LAYER_KIND_VIEW"] != wish.GetPlan() || len(w.taken) != 2 {
		t.Errorf("taken %v", w.taken)
	}
	if got := w.records[neighbour].GetLayers()[0].GetState(); got != itemv1.LayerState_LAYER_STATE_PRESENT {
		t.Errorf("a neighbour is %s", got)
	}
	if !slices.Contains(w.acts, "erase lena allowed spam:case-7") {
		t.Errorf("acts %v", w.acts)
	}
}

// The desk can say what it likes: only what is set aside is erased on its word.
func TestAWishOfTheDeskThatCannotBeGrantedIsDeclined(t *testing.T) {
	for code, spoil := range map[string]func(w *world, item string, wish *retentionv1.Wished){
		"not_set_aside": func(w *world, item string, _ *retentionv1.Wished) {
			w.records[item].State = itemv1.State_STATE_TICKETED
		},
		"held": func(w *world, item string, _ *retentionv1.Wished) {
			w.records[item].Holds = []*itemv1.Hold{{Id: "H1"}}
		},
		"not_present": func(w *world, item string, _ *retentionv1.Wished) {
			for _, layer := range w.records[item].GetLayers() {
				layer.State = itemv1.LayerState_LAYER_STATE_ERASED
			}
		},
		"unknown_item": func(_ *world, _ string, wish *retentionv1.Wished) { wish.Item = strings.Repeat("0", 64) },
		"malformed":    func(_ *world, _ string, wish *retentionv1.Wished) { wish.Reason = "Erika asked for it" },
	} {
		w := shelved(t)
		item, wish := w.aside(1)
		spoil(w, item, wish)
		for range 2 {
			finished(t, w)
		}
		withdrawn := eventsOf[*retentionv1.Withdrawn](w)
		if len(withdrawn) != 1 || withdrawn[0].GetPlan() != wish.GetPlan() || withdrawn[0].GetCode() != code {
			t.Errorf("%s: answered %v", code, withdrawn)
		}
		if len(w.taken) > 0 || len(eventsOf[*retentionv1.Planned](w)) > 0 || len(w.acts) > 0 {
			t.Errorf("%s: taken %v, acts %v", code, w.taken, w.acts)
		}
	}
}

func TestAWishThatTakesAPlansNameOrHasNoneComesToNothing(t *testing.T) {
	w := shelved(t)
	first, wish := w.aside(1)
	finished(t, w)
	second, again := w.aside(2)
	again.Plan = wish.GetPlan()
	third, nameless := w.aside(3)
	nameless.Plan = "plans/1"
	finished(t, w)
	if w.taken[first+" LAYER_KIND_RAW"] == "" || w.taken[second+" LAYER_KIND_RAW"] != "" || w.taken[third+" LAYER_KIND_RAW"] != "" {
		t.Errorf("taken %v", w.taken)
	}
}

func TestMoreWishesThanADayMayHaveWait(t *testing.T) {
	w := shelved(t)
	w.config.WishesADay = 2
	for n := range 3 {
		w.aside(n + 1)
	}
	erased := func(want int) {
		t.Helper()
		if got := len(eventsOf[*retentionv1.Certified](w)); got != want {
			t.Errorf("%d are erased, want %d", got, want)
		}
	}
	waits := func() {
		t.Helper()
		if err := w.service().Run(t.Context()); !errors.Is(err, retain.ErrPending) {
			t.Errorf("%v", err)
		}
	}
	waits()
	erased(2)
	w.now = w.now.Add(24*time.Hour - time.Second)
	waits()
	erased(2)
	w.now = w.now.Add(time.Second)
	finished(t, w)
	erased(3)
}

func TestAWishOfTheDeskMayBeInterruptedAnywhere(t *testing.T) {
	good := shelved(t)
	good.aside(1)
	if err := good.service().Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, after := range []bool{false, true} {
		for i := 1; i <= good.calls; i++ {
			w := shelved(t)
			w.aside(1)
			w.fail, w.after = i, after
			if err := w.service().Run(t.Context()); !errors.Is(err, errInjected) {
				t.Fatalf("call %d after %v: error %v", i, after, err)
			}
			finished(t, w)
			if plans, certified := eventsOf[*retentionv1.Planned](w), eventsOf[*retentionv1.Certified](w); len(plans) != 1 || len(certified) != 1 || len(w.taken) != 2 {
				t.Errorf("call %d after %v: %d plans, %d certificates, %d layers taken", i, after, len(plans), len(certified), len(w.taken))
			}
		}
	}
}
