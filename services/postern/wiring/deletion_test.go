package wiring_test

import (
	"context"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/config"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// What the desk wishes destroyed loses its keys at once, and is certified once the keys of the
// day on which it came are given up.
func TestAMailThatIsSetAsideIsDestroyedOnTheDesksWish(t *testing.T) {
	w := newWorld(t)
	w.change = func(c *wiring.Config) { c.Ingest.MaxSize = config.Size(64 << 10) }
	r := w.start(t)
	var aside *itemv1.Record
	tickets := 0
	for _, record := range r.settled(t, len(w.box.Mails())) {
		switch record.GetState() {
		case itemv1.State_STATE_SET_ASIDE:
			aside = record
		case itemv1.State_STATE_TICKETED:
			tickets++
		}
	}
	if aside == nil {
		t.Fatal("nothing is set aside")
	}
	conn := r.tool(t, "desk").Conn
	custody := desk.NewCustody(conn, nil, nil, r.Vault)
	if err := desk.NewSpeech(conn, r.Clock.Now).Wish(t.Context(), aside.GetItem(), "lena", "spam:case-7"); err != nil {
		t.Fatal(err)
	}
	until(t, "its keys are taken", func(ctx context.Context) (bool, error) {
		record, err := custody.Record(ctx, aside.GetItem())
		if err != nil {
			return false, err
		}
		for _, layer := range record.GetLayers() {
			if layer.GetState() == itemv1.LayerState_LAYER_STATE_PRESENT {
				return false, nil
			}
		}
		return len(record.GetLayers()) > 0, nil
	})
	r.Clock.Advance(3 * 24 * time.Hour)
	certificate := ""
	until(t, "it is certified", func(ctx context.Context) (bool, error) {
		if err := r.SweepWhole(ctx); err != nil {
			return false, err
		}
		asked, err := custody.Deletions(ctx, aside.GetItem(), 1)
		if err != nil || len(asked) != 1 {
			return false, err
		}
		certificate = asked[0].Certificate
		return certificate != "", nil
	})
	if _, err := object(t.Context(), r.Vault, desk.CertificateObject(certificate)); err != nil {
		t.Errorf("certificate %s: %v", certificate, err)
	}
	records, err := r.records(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	left := 0
	for item, record := range records {
		switch state := record.GetState(); {
		case item == aside.GetItem() && state != itemv1.State_STATE_TOMBSTONE:
			t.Errorf("it is %s", state)
		case state == itemv1.State_STATE_TICKETED:
			left++
		}
	}
	if left != tickets {
		t.Errorf("%d tickets are left of %d", left, tickets)
	}
}
