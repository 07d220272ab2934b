package retain_test

import (
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	"github.com/postern-mail/postern/services/retain"
)

// plans gives the plans that were said, and how each ended.
func (w *world) plans(t *testing.T) (plans []*retentionv1.Planned, certified map[string]retain.Certificate, withdrawn map[string]string) {
	t.Helper()
	certified, withdrawn = map[string]retain.Certificate{}, map[string]string{}
	for _, said := range w.said {
		switch e := said.(type) {
		case *retentionv1.Planned:
			plans = append(plans, e)
		case *retentionv1.Withdrawn:
			withdrawn[e.GetPlan()] = e.GetCode()
		case *retentionv1.Certified:
			if _, twice := certified[e.GetPlan()]; twice {
				t.Errorf("plan %s is certified twice", e.GetPlan())
			}
			certificate, err := retain.Verify(e.GetDocument(), signer.Public().(ed25519.PublicKey))
			if err != nil {
				t.Fatal(err)
			}
			certified[e.GetPlan()] = certificate
		}
	}
	return plans, certified, withdrawn
}

// spoken gives the layers that certificates speak of, as "item layer".
func spoken(certified map[string]retain.Certificate, items ...string) []string {
	var all []string
	for _, certificate := range certified {
		for _, line := range certificate.Items {
			for _, item := range items {
				if certificate.Speaks(line, item) {
					all = append(all, item+" "+line.Layer)
				}
			}
		}
	}
	slices.Sort(all)
	return all
}

// A destruction takes some packets and dies; then somebody holds an item of the rest. The
// plan cannot be carried out any more, and what it took must be seen to its certificate.
func TestWhatAnOvertakenPlanHadTakenIsCertifiedAllTheSame(t *testing.T) {
	for _, interrupted := range []bool{false, true} {
		w, due, kept := expired(t)
		w.behind.Store(true) // it stops between plan and destruction
		if err := w.service().Run(t.Context()); !errors.Is(err, retain.ErrPending) {
			t.Fatal(err)
		}
		plans, _, _ := w.plans(t)
		if len(plans) != 1 {
			t.Fatalf("%d plans", len(plans))
		}
		w.take(due[0], rawKind, plans[0].GetPlan())
		w.hold(due[1])
		w.behind.Store(false)
		if interrupted {
			w.fail, w.after = w.calls+12, true // somewhere in the withdrawal
		}
		finished(t, w)
		all, certified, withdrawn := w.plans(t)
		if withdrawn[plans[0].GetPlan()] != "plan_differs" || certified[plans[0].GetPlan()].ID != "" {
			t.Errorf("the overtaken plan: withdrawn %q", withdrawn[plans[0].GetPlan()])
		}
		if got := spoken(certified, append(due, kept...)...); !slices.Equal(got, []string{due[0] + " raw"}) {
			t.Errorf("certificates speak of %v, want the original that was taken, once", got)
		}
		remainders := 0
		for _, plan := range all {
			if plan.GetCause() == retain.Remainder {
				remainders++
			}
		}
		if remainders != 1 {
			t.Errorf("%d remainders", remainders)
		}
		if w.there(w.records[due[0]].GetLayers()[0].GetObject()) || !w.there(w.records[due[1]].GetLayers()[0].GetObject()) {
			t.Error("the object of what was taken must be gone, that of what is held must not")
		}
	}
}

// hold moves an item's original into a hold's bucket, as the keyring does.
func (w *world) hold(item string) {
	w.open["hold-H2.raw.99991231.1"], w.last["hold-H2.raw.99991231.1"] = true, start.AddDate(7000, 0, 0)
	layer := w.records[item].GetLayers()[0]
	layer.PastBuckets = append(layer.PastBuckets, layer.GetBucket())
	layer.Bucket = "hold-H2.raw.99991231.1"
	w.records[item].Holds = []*itemv1.Hold{{Id: "H2"}}
}

func TestAnOvertakenPlanThatTookNothingLeavesNoCertificate(t *testing.T) {
	w, due, _ := expired(t)
	w.behind.Store(true)
	if err := w.service().Run(t.Context()); !errors.Is(err, retain.ErrPending) {
		t.Fatal(err)
	}
	w.hold(due[1])
	w.behind.Store(false)
	finished(t, w)
	plans, certified, withdrawn := w.plans(t)
	if len(plans) != 2 || len(withdrawn) != 1 || len(certified) != 1 {
		t.Fatalf("%d plans, %d withdrawn, %d certified", len(plans), len(withdrawn), len(certified))
	}
	if got := spoken(certified, due...); !slices.Equal(got, []string{due[0] + " raw"}) {
		t.Errorf("certificates speak of %v", got)
	}
}

// A hurried is a service beside which another plans, between its reading and its planning.
func TestOfTwoWhoPlanAtOnceOneIsRefused(t *testing.T) {
	w, due, kept := expired(t)
	other := w.service()
	w.between = func() {
		w.between = nil
		if err := other.Run(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := w.service().Run(t.Context()); !errors.Is(err, retain.ErrPending) {
		t.Errorf("the later one: %v", err)
	}
	finished(t, w)
	check(t, w, due, kept) // one plan, one certificate
}

func TestAPlanWhoseListIsLostKeepsNoOtherFromItsEnd(t *testing.T) {
	w := newWorld(t)
	w.bucket("customer.raw.20260227.1", -2)
	w.bucket("customer.raw.20260228.1", 0)
	w.bucket("customer.view.20280101.1", 600)
	for i := range 2001 {
		w.item(i+1, "customer.raw.20260227.1", "customer.view.20280101.1")
	}
	w.lagging = true
	if err := w.service().Run(t.Context()); !errors.Is(err, retain.ErrPending) {
		t.Fatal(err)
	}
	w.lagging = false
	plans, _, _ := w.plans(t)
	if _, err := w.eraser.Erase(t.Context(), plans[0].GetObject()); err != nil {
		t.Fatal(err)
	}
	next := w.item(2002, "customer.raw.20260228.1", "customer.view.20280101.1")
	w.now = start.AddDate(0, 0, 1)
	err := w.service().Run(t.Context())
	if !errors.Is(err, vault.ErrNotFound) || !strings.Contains(err.Error(), plans[0].GetPlan()) {
		t.Errorf("the lost list is not told: %v", err)
	}
	if _, certified, _ := w.plans(t); !slices.Equal(spoken(certified, next), []string{next + " raw"}) {
		t.Error("the other plan was not carried out")
	}
}

func TestManyLayersGoInSeveralPlansOfOneNight(t *testing.T) {
	w := newWorld(t)
	w.config.MaxTargets = 3
	w.bucket("customer.view.20280101.1", 600)
	var due []string
	for n, bucket := range []string{"a.raw.20260220.1", "b.raw.20260220.1", "c.raw.20260220.1"} {
		w.bucket(bucket, -9)
		for i := range []int{2, 1, 4}[n] { // a and b are three, at the limit; c alone is over it and is not parted
			due = append(due, w.item(10*n+i+1, bucket, "customer.view.20280101.1"))
		}
	}
	if err := w.service().Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	plans, certified, _ := w.plans(t)
	if len(plans) != 2 || len(plans[0].GetTargets()) != 3 || len(plans[1].GetTargets()) != 4 || len(certified) != 2 {
		t.Fatalf("%d plans, %d certificates", len(plans), len(certified))
	}
	if got := spoken(certified, due...); len(got) != 7 || len(slices.Compact(got)) != 7 {
		t.Errorf("certificates speak of %d layers, want each of 7 once", len(got))
	}
}
