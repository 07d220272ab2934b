package retain_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	"github.com/postern-mail/postern/services/retain"
)

// expired is a world in which the originals of two items are due, one is held in its
// hold's bucket, and one is not due. Views are kept.
func expired(t *testing.T) (w *world, due []string, kept []string) {
	w = newWorld(t)
	w.bucket("customer.raw.20260227.1", -2)
	w.bucket("customer.raw.20260401.1", 31)
	w.bucket("customer.view.20280101.1", 600)
	w.bucket("hold-H1.raw.99991231.1", 10000)
	w.bucket("machine.pii.20260220.1", -9) // due, and nothing is in it
	w.gone["intake.raw.20260128.1"] = 3
	due = []string{
		w.item(1, "customer.raw.20260227.1", "customer.view.20280101.1", "intake.raw.20260128.1"),
		w.item(2, "customer.raw.20260227.1", "customer.view.20280101.1", "intake.raw.20260128.1"),
	}
	kept = []string{
		w.item(3, "hold-H1.raw.99991231.1", "customer.view.20280101.1"),
		w.item(4, "customer.raw.20260401.1", "customer.view.20280101.1"),
	}
	w.records[kept[0]].Holds = []*itemv1.Hold{{Id: "H1"}}
	return w, due, kept
}

// finished repeats Run until it ends, as the schedule does.
func finished(t *testing.T, w *world) {
	t.Helper()
	for range 20 {
		err := w.service().Run(t.Context())
		if err == nil {
			return
		}
		if !errors.Is(err, errInjected) && !errors.Is(err, retain.ErrPending) {
			t.Fatal(err)
		}
	}
	t.Fatal("twenty runs did not end it")
}

// check looks at what must be so after everything, however often it was interrupted.
func check(t *testing.T, w *world, due, kept []string) {
	t.Helper()
	var plans []*retentionv1.Planned
	var certified []*retentionv1.Certified
	for _, said := range w.said {
		switch e := said.(type) {
		case *retentionv1.Planned:
			plans = append(plans, e)
		case *retentionv1.Certified:
			certified = append(certified, e)
		}
	}
	if len(plans) != 1 || len(certified) != 1 || certified[0].GetPlan() != plans[0].GetPlan() {
		t.Fatalf("%d plans and %d certificates, want one each", len(plans), len(certified))
	}
	if len(w.taken) != len(due) {
		t.Errorf("%d layers lost their keys, want %d: %v", len(w.taken), len(due), w.taken)
	}
	for _, item := range due {
		if w.taken[item+" LAYER_KIND_RAW"] != plans[0].GetPlan() {
			t.Errorf("item %s is due and was not taken by the plan", item)
		}
		object := w.records[item].GetLayers()[0].GetObject()
		if _, err := w.store.Stat(t.Context(), object); !errors.Is(err, vault.ErrNotFound) {
			t.Errorf("item %s: its object: %v", item, err)
		}
		if n := len(w.tickets[w.records[item].GetTicket()]); n != 1 {
			t.Errorf("item %s: its ticket was told %d times", item, n)
		}
	}
	for _, item := range kept {
		if _, err := w.store.Stat(t.Context(), w.records[item].GetLayers()[0].GetObject()); err != nil {
			t.Errorf("item %s is kept and its object is not: %v", item, err)
		}
	}
	certificate, err := retain.Verify(certified[0].GetDocument(), signer.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	stored, _, err := w.store.Get(t.Context(), "certificates/"+strings.ToLower(certificate.ID)+".json")
	if err != nil {
		t.Errorf("the vault's copy: %v", err)
	} else {
		_ = stored.Close()
	}
	var spoken []string
	for _, line := range certificate.Items {
		for _, item := range append(slices.Clone(due), kept...) {
			if certificate.Speaks(line, item) {
				spoken = append(spoken, item)
			}
		}
	}
	slices.Sort(spoken)
	want := slices.Sorted(slices.Values(due))
	if !slices.Equal(spoken, want) {
		t.Errorf("the certificate speaks of %v, want %v", spoken, want)
	}
}

func TestWhatIsDueIsPlannedDestroyedCheckedAndCertified(t *testing.T) {
	w, due, kept := expired(t)
	finished(t, w)
	check(t, w, due, kept)
	if !slices.Contains(w.acts, "certify worker:retain allowed") {
		t.Errorf("acts %v", w.acts)
	}
	calls := w.calls
	finished(t, w)
	if len(w.said) != 3 || w.calls-calls > 6 {
		t.Errorf("a run with nothing to do said %d events and made %d calls", len(w.said)-3, w.calls-calls)
	}
}

func TestARunMayBeInterruptedAnywhere(t *testing.T) {
	good, _, _ := expired(t)
	finished(t, good)
	if good.calls < 15 {
		t.Fatalf("a good run makes %d calls", good.calls)
	}
	for _, after := range []bool{false, true} {
		for i := 1; i <= good.calls; i++ {
			t.Run(fmt.Sprintf("call %d, after it took effect %v", i, after), func(t *testing.T) {
				w, due, kept := expired(t)
				w.fail, w.after = i, after
				finished(t, w)
				if !w.fired {
					t.Fatalf("only %d calls were made", w.calls)
				}
				check(t, w, due, kept)
			})
		}
	}
}

func TestADestructionWaitsForWhatComesWithTime(t *testing.T) {
	for name, c := range map[string]struct{ set, clear func(*world) }{
		"the journal is behind":  {func(w *world) { w.behind.Store(true) }, func(w *world) { w.behind.Store(false) }},
		"another keyring has it": {func(w *world) { w.readerHolds = true }, func(w *world) { w.readerHolds = false }},
		"a read model lags":      {func(w *world) { w.lagging = true }, func(w *world) { w.lagging = false }},
		"a past bucket is not empty": {func(w *world) {
			delete(w.gone, "intake.raw.20260128.1")
			w.open["intake.raw.20260128.1"], w.last["intake.raw.20260128.1"], w.stays = true, start.AddDate(0, 0, 9), "intake.raw.20260128.1"
		}, func(w *world) { w.stays = "" }},
	} {
		t.Run(name, func(t *testing.T) {
			w, due, kept := expired(t)
			c.set(w)
			for range 3 {
				if err := w.service().Run(t.Context()); !errors.Is(err, retain.ErrPending) {
					t.Fatalf("error %v, want that it waits", err)
				}
			}
			for _, said := range w.said {
				if _, certified := said.(*retentionv1.Certified); certified {
					t.Error("it was certified while it waits")
				}
			}
			c.clear(w)
			finished(t, w)
			check(t, w, due, kept)
		})
	}
}

func TestAPlanOverItsShareIsRefused(t *testing.T) {
	w, due, kept := expired(t)
	w.config.AlwaysAllowed = 1
	w.config.MaxShare = 0.2 // two of eight layers are a quarter
	err := w.service().Run(t.Context())
	if !errors.Is(err, retain.ErrShare) || len(w.taken) > 0 || len(w.said) > 0 {
		t.Fatalf("error %v, %d layers taken, %d events", err, len(w.taken), len(w.said))
	}
	w.config.MaxShare = 0.25 // exactly a quarter
	finished(t, w)
	check(t, w, due, kept)
}

func TestAFewLayersMayAlwaysGo(t *testing.T) {
	w, due, kept := expired(t)
	w.config.MaxShare = 0.01
	w.config.AlwaysAllowed = 2
	finished(t, w)
	check(t, w, due, kept)
}

func TestNothingIsDestroyedOnAWrongClock(t *testing.T) {
	for _, skew := range []time.Duration{time.Minute + time.Second, -time.Minute - time.Second} {
		w, _, _ := expired(t)
		w.skew = skew
		if err := w.service().Run(t.Context()); !errors.Is(err, retain.ErrClocks) || len(w.taken) > 0 || len(w.said) > 0 {
			t.Errorf("skew %v: error %v, %d layers taken", skew, err, len(w.taken))
		}
	}
	for _, skew := range []time.Duration{2 * time.Minute, -2 * time.Minute} {
		w, _, _ := expired(t)
		w.servers = []retain.Server{{Name: "bus", Time: func(context.Context) (time.Time, error) { return time.Now(), nil }},
			{Name: "vault", Time: func(context.Context) (time.Time, error) { return time.Now().Add(skew), nil }}}
		if err := w.service().Run(t.Context()); !errors.Is(err, retain.ErrClocks) || !strings.Contains(err.Error(), "vault") || len(w.taken) > 0 || len(w.said) > 0 {
			t.Errorf("vault's skew %v: error %v, %d layers taken", skew, err, len(w.taken))
		}
	}
	w, _, _ := expired(t)
	w.servers = []retain.Server{{Name: "bus", Time: func(context.Context) (time.Time, error) { return time.Time{}, errInjected }}}
	if err := w.service().Run(t.Context()); !errors.Is(err, errInjected) || len(w.taken) > 0 || len(w.said) > 0 {
		t.Errorf("a server that does not say what time it is: error %v, %d layers taken", err, len(w.taken))
	}
	w, due, kept := expired(t)
	w.skew = time.Minute
	finished(t, w)
	check(t, w, due, kept)
}

func TestALongPlanGoesToTheVault(t *testing.T) {
	w := newWorld(t)
	w.bucket("customer.raw.20260227.1", -2)
	w.bucket("customer.view.20280101.1", 600)
	var due []string
	for i := range 2001 {
		due = append(due, w.item(i+1, "customer.raw.20260227.1", "customer.view.20280101.1"))
	}
	w.lagging = true
	if err := w.service().Run(t.Context()); !errors.Is(err, retain.ErrPending) {
		t.Fatal(err)
	}
	planned := w.said[0].(*retentionv1.Planned)
	if len(planned.GetTargets()) != 0 || planned.GetObject() == "" {
		t.Fatalf("%d targets ride in the event, the object is %q", len(planned.GetTargets()), planned.GetObject())
	}
	w.lagging = false
	finished(t, w) // from the vault's list
	check(t, w, due, nil)
}

func TestALockedObjectIsCertifiedAsLocked(t *testing.T) {
	w, due, _ := expired(t)
	lockStore(t, w)
	object := w.records[due[0]].GetLayers()[0].GetObject()
	until := time.Now().AddDate(0, 1, 0).UTC()
	if err := w.store.Retain(t.Context(), object, until); err != nil {
		t.Fatal(err)
	}
	finished(t, w)
	var certificate retain.Certificate
	for _, said := range w.said {
		if e, ok := said.(*retentionv1.Certified); ok {
			var err error
			if certificate, err = retain.Verify(e.GetDocument(), signer.Public().(ed25519.PublicKey)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, line := range certificate.Items {
		ciphertext, day := "gone", ""
		if certificate.Speaks(line, due[0]) {
			ciphertext, day = "locked", until.Format(time.DateOnly)
		}
		if line.Keys != "gone" || line.Ciphertext != ciphertext || line.LockedUntil != day {
			t.Errorf("line %+v, want %s until %q", line, ciphertext, day)
		}
	}
	counts := map[string]int{}
	for _, c := range certificate.Checks {
		counts[c.Code] = c.Count
	}
	if counts["objects_listed"] != 1 || counts["objects_locked"] != 1 {
		t.Errorf("checks %v", counts)
	}
}

func TestErasingTakesTheItemAndRekeysItsNeighbours(t *testing.T) {
	w, due, kept := expired(t)
	w.now = start.AddDate(0, 0, -10) // nothing is due yet
	w.last["machine.pii.20260220.1"] = start
	item := kept[1]
	plan, err := w.service().EraseItems(t.Context(), wish([]string{item}...))
	if plan == "" || err != nil {
		t.Fatalf("plan %q: %v", plan, err)
	}
	if w.taken[item+" LAYER_KIND_RAW"] != plan || w.taken[item+" LAYER_KIND_VIEW"] != plan || len(w.taken) != 2 {
		t.Errorf("taken %v", w.taken)
	}
	for _, other := range due {
		if layer := w.records[other].GetLayers()[1]; layer.GetBucket() != "customer.view.20280101.1+" || layer.GetState() != itemv1.LayerState_LAYER_STATE_PRESENT {
			t.Errorf("a neighbour's view is in %s, %s", layer.GetBucket(), layer.GetState())
		}
	}
	if !slices.Contains(w.acts, "erase ida allowed case-7") {
		t.Errorf("acts %v", w.acts)
	}
	if last, ok := w.said[len(w.said)-1].(*retentionv1.Certified); !ok || last.GetPlan() != plan {
		t.Errorf("the last event is %T", w.said[len(w.said)-1])
	}
}

func TestErasingMayBeInterruptedAnywhere(t *testing.T) {
	erase := func(w *world, item string) error {
		w.now = start.AddDate(0, 0, -10)
		w.last["machine.pii.20260220.1"] = start
		_, err := w.service().EraseItems(context.Background(), wish([]string{item}...))
		return err
	}
	good, _, kept := expired(t)
	if err := erase(good, kept[1]); err != nil {
		t.Fatal(err)
	}
	for _, after := range []bool{false, true} {
		for i := 1; i <= good.calls; i++ {
			w, _, kept := expired(t)
			w.fail, w.after = i, after
			if err := erase(w, kept[1]); !errors.Is(err, errInjected) {
				t.Fatalf("call %d: error %v", i, err)
			}
			planned := len(w.said) > 0
			finished(t, w)
			certificates := 0
			for _, said := range w.said {
				if _, ok := said.(*retentionv1.Certified); ok {
					certificates++
				}
			}
			// What was planned is finished; what was not is as if it had not been asked.
			if want := map[bool]int{true: 1}[planned]; certificates != want || len(w.taken) != 2*want {
				t.Errorf("call %d after %v: %d certificates, %d layers taken, planned %v", i, after, certificates, len(w.taken), planned)
			}
		}
	}
}

func TestAHeldItemIsNotErased(t *testing.T) {
	w, _, kept := expired(t)
	if _, err := w.service().EraseItems(t.Context(), wish(kept[:1]...)); !errors.Is(err, keys.Held) || len(w.taken) > 0 || len(w.said) > 0 {
		t.Errorf("error %v, %d layers taken", err, len(w.taken))
	}
}

func TestAnItemThatIsNotThereIsNotErased(t *testing.T) {
	w, _, _ := expired(t)
	if _, err := w.service().EraseItems(t.Context(), wish([]string{strings.Repeat("0", 64)}...)); !errors.Is(err, keys.NotPresent) || len(w.said) > 0 {
		t.Errorf("error %v", err)
	}
}

func wish(items ...string) retain.Wish {
	return retain.Wish{Items: items, Actor: "ida", Reason: "case-7"}
}

func TestAnErasureNeedsAReasonThatNamesNobody(t *testing.T) {
	for reason, good := range map[string]bool{
		"": false, " ": false, "case-7": true, "AZ 12/26": false, "GDPR:17#4": true, "/7": false, "a\nb": false, "a\n": false, "marge@postbox.example": false,
		strings.Repeat("a", 64): true, strings.Repeat("a", 65): false,
	} {
		w, _, kept := expired(t)
		w.now = start.AddDate(0, 0, -10)
		_, err := w.service().EraseItems(t.Context(), retain.Wish{Items: []string{kept[1]}, Actor: "ida", Reason: reason})
		if good != (err == nil) || !good && (!errors.Is(err, retain.ErrReason) || w.calls > 0) {
			t.Errorf("reason %q: %v after %d calls", reason, err, w.calls)
		}
	}
}

func TestAWishNamesAsManyItemsAsTheKeyringTakes(t *testing.T) {
	w := newWorld(t)
	items := slices.Repeat([]string{strings.Repeat("0", 64)}, 8001)
	if _, err := w.service().EraseItems(t.Context(), wish(items...)); !errors.Is(err, retain.ErrWish) || w.calls > 0 {
		t.Errorf("8,001 items: %v", err)
	}
	if _, err := w.service().EraseItems(t.Context(), wish(items[:8000]...)); !errors.Is(err, keys.NotPresent) {
		t.Errorf("8,000 items: %v", err)
	}
}
