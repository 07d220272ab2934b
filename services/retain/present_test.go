package retain_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/retain"
)

// Whatever became of a record while its keys were taken: an object whose layer is present is
// somebody's mail, and no plan that does not name it takes it along.
func TestAPlanErasesNoObjectOfALayerThatIsPresent(t *testing.T) {
	w, due, _ := expired(t)
	w.lagging = true // it stops between the taking of the keys and the certificate
	if err := w.service().Run(t.Context()); !errors.Is(err, retain.ErrPending) {
		t.Fatal(err)
	}
	w.lagging = false
	old := w.records[due[0]].Layers[0]
	object := strings.Replace(old.Object, "01jgg", "01jgh", 1)
	if _, err := w.store.Put(t.Context(), object, strings.NewReader("the whole mail, sealed"), vault.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	w.bucket("intake.raw.20260301.1", 1)
	w.records[due[0]].Layers[0] = &itemv1.Layer{
		Kind: rawKind, State: itemv1.LayerState_LAYER_STATE_PRESENT, Object: object, Bucket: "intake.raw.20260301.1",
		PastBuckets: append(old.PastBuckets, old.Bucket), KeyPacket: []byte{1},
	}
	finished(t, w)
	if !w.there(object) {
		t.Error("the object of a layer that is present is erased")
	}
	if w.there(old.Object) {
		t.Error("the object that the plan names is left")
	}
}

func TestAPlanErasesNoObjectThatItNamesWhileItsLayerIsPresentElsewhere(t *testing.T) {
	w, due, _ := expired(t)
	w.lagging = true
	if err := w.service().Run(t.Context()); !errors.Is(err, retain.ErrPending) {
		t.Fatal(err)
	}
	w.lagging = false
	l := w.records[due[1]].Layers[0]
	l.State, l.Plan, l.KeyPacket = itemv1.LayerState_LAYER_STATE_PRESENT, "", []byte{1}
	w.hold(due[1])
	if _, err := w.store.Put(t.Context(), l.Object, strings.NewReader("sealed"), vault.PutOptions{}); err != nil && !errors.Is(err, vault.ErrExists) {
		t.Fatal(err)
	}
	if err := w.service().Run(t.Context()); err == nil || !strings.Contains(err.Error(), "is present in another bucket") {
		t.Errorf("the plan ended with %v", err)
	}
	if !w.there(l.Object) {
		t.Error("the object is erased")
	}
}

// A bus that was lost had the taking of the packets, and the journal had not: the records are as before,
// their keys are gone.
func TestAPlanGoesOnWhereTheRecordsForgotThatItTookThem(t *testing.T) {
	w, due, kept := expired(t)
	w.lagging = true
	if err := w.service().Run(t.Context()); !errors.Is(err, retain.ErrPending) {
		t.Fatal(err)
	}
	w.lagging = false
	for _, item := range due {
		l := w.records[item].Layers[0]
		l.State, l.Plan, l.Erased = itemv1.LayerState_LAYER_STATE_PRESENT, "", nil
	}
	finished(t, w)
	_, certified, _ := w.plans(t)
	if got := spoken(certified, append(due, kept...)...); len(got) != len(due) {
		t.Errorf("certificates speak of %v", got)
	}
	for _, item := range due {
		if w.there(w.records[item].Layers[0].Object) {
			t.Error("an object is left")
		}
	}
}
