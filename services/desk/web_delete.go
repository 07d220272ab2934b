package desk

import (
	"net/http"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/vault"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// wishedErasure is the act of asking retention to destroy what is set aside. Retention and
// the keyring record theirs when they do it.
const wishedErasure = "ask_erase"

// deletionsShown is how many deletions the shelf tells of.
const deletionsShown = 20

// asideRecord gives the record of a mail that is, or was, set aside.
func (web *Web) asideRecord(v *visit) (*itemv1.Record, error) {
	item := v.PathValue("item")
	if !event.IsItem(item) {
		return nil, vault.ErrNotFound
	}
	record, err := web.retention.Record(v.Context(), item)
	if err != nil {
		return nil, err
	}
	if record.GetSetAside() == nil && len(record.GetPastAsides()) == 0 {
		return nil, vault.ErrNotFound
	}
	return record, nil
}

// deletable says why a mail cannot be deleted here, nil where it can.
func (web *Web) deletable(v *visit, record *itemv1.Record) error {
	switch {
	case record.GetState() != itemv1.State_STATE_SET_ASIDE:
		return errRetried
	case len(record.GetHolds()) > 0:
		return wrong(http.StatusConflict, "It is on hold and must be kept. Nothing was done.")
	case !hasLayers(record):
		return wrong(http.StatusConflict, "Its keys are taken already.")
	}
	before, err := web.retention.Deletions(v.Context(), record.GetItem(), 1)
	if err != nil {
		return err
	}
	if len(before) > 0 && before[0].Open() {
		return wrong(http.StatusConflict, before[0].By+" has asked for it already. It is on its way.")
	}
	return nil
}

func hasLayers(record *itemv1.Record) bool {
	for _, layer := range record.GetLayers() {
		if layer.GetState() == itemv1.LayerState_LAYER_STATE_PRESENT {
			return true
		}
	}
	return false
}

// deletePage asks whether somebody means it, and why.
func (web *Web) deletePage(v *visit) error {
	record, err := web.asideRecord(v)
	if err != nil {
		return err
	}
	if err := web.deletable(v, record); err != nil {
		return err
	}
	return web.render(v, "aside_delete.html", map[string]any{"Title": "Delete a mail", "Record": record, "Choices": deleteChoices})
}

// deleteAside has retention destroy a mail that is set aside. It is recorded before it is
// asked for: without a record nothing is asked.
func (web *Web) deleteAside(v *visit) error {
	record, err := web.asideRecord(v)
	if err != nil {
		return err
	}
	if v.PostFormValue("sure") != "yes" {
		return wrong(http.StatusBadRequest, "Say that you know that it cannot be brought back.")
	}
	reason, err := reference(v, deleteChoices)
	if err != nil {
		return err
	}
	if err := web.deletable(v, record); err != nil {
		return err
	}
	act := &auditv1.Act{Actor: v.user.Name, Action: wishedErasure, Items: []string{record.GetItem()}, Purpose: record.GetSetAside().GetCode(), Reason: []byte(reason), Outcome: "allowed"}
	if err := web.voice.Record(v.Context(), act); err != nil {
		return err
	}
	if err := web.voice.Wish(v.Context(), record.GetItem(), v.user.Name, reason); err != nil {
		return err
	}
	return redirect(v, "/aside/"+record.GetItem())
}
