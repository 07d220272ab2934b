package retain_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// A mail that is erased while it is still on its way is filed, and rendered, between the
// reading of its record and the taking of its packets.
func TestWhatIsMadeOfAnItemWhileItIsErasedIsTakenAndCertifiedToo(t *testing.T) {
	w := newWorld(t)
	w.bucket("intake.raw.20260301.1", 1)
	w.bucket("customer.raw.20260401.1", 31)
	w.bucket("customer.view.20280101.1", 600)
	item := w.item(1, "intake.raw.20260301.1", "customer.view.20280101.1")
	record := w.records[item]
	raw := record.GetLayers()[0]
	rendition := "view/2026/03/01/" + item + ".01jggzzzzzzzzzzzzzzzzzzzz1"
	made := record.GetLayers()[1]
	made.Object = rendition
	record.Layers = record.Layers[:1]
	w.meanwhile = func() {
		raw.PastBuckets, raw.Bucket = []string{raw.GetBucket()}, "customer.raw.20260401.1"
		record.Layers = append(record.Layers, made)
		if _, err := w.store.Put(t.Context(), rendition, strings.NewReader("sealed"), vault.PutOptions{}); err != nil {
			t.Error(err)
		}
	}
	plan, err := w.service().EraseItems(t.Context(), wish(item))
	if err != nil {
		t.Fatal(err)
	}
	plans, certified, _ := w.plans(t)
	if len(plans) != 1 || len(plans[0].GetTargets()) != 1 {
		t.Fatalf("%d plans", len(plans))
	}
	if got := spoken(certified, item); !slices.Equal(got, []string{item + " raw", item + " view"}) {
		t.Errorf("the certificate speaks of %v", got)
	}
	var buckets []string
	for _, bucket := range certified[plan].Buckets {
		buckets = append(buckets, bucket.Bucket)
	}
	slices.Sort(buckets)
	if want := []string{"customer.raw.20260401.1", "customer.view.20280101.1", "intake.raw.20260301.1"}; !slices.Equal(buckets, want) {
		t.Errorf("the keys that were attested are %v, want %v", buckets, want)
	}
	if w.there(rendition) || w.there(raw.GetObject()) {
		t.Error("an object is left")
	}
	for _, layer := range w.records[item].GetLayers() {
		if layer.GetState() == itemv1.LayerState_LAYER_STATE_PRESENT {
			t.Errorf("%s is there", layer.GetKind())
		}
	}
}
