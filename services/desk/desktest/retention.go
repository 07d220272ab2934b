package desktest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/vault"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	"github.com/postern-mail/postern/services/desk"
)

// retention is a World's other half: desk.Retention and desk.Voice both have a Record.
type retention struct{ world *World }

// Certify has retention say a certificate; one without a document is in the vault.
func (w *World) Certify(id, document string) {
	w.CertifyPlan(&retentionv1.Certified{Certificate: id, Document: []byte(document)})
}

// CertifyPlan has retention say a certificate as it stands.
func (w *World) CertifyPlan(certified *retentionv1.Certified) {
	w.set(func() { w.certified = append(w.certified, certified) })
}

// Plan has retention say a plan.
func (w *World) Plan(plan *retentionv1.Planned) {
	w.set(func() { w.planned = append(w.planned, plan) })
}

// SetAside has a new mail be set aside, and gives its item.
func (w *World) SetAside(code, stage string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	number := uint32(len(w.records) + 1)
	item := itemOf(number)
	record := &itemv1.Record{
		Item: item, Mailbox: "support", Folder: "INBOX", Uid: number, State: itemv1.State_STATE_SET_ASIDE,
		Received: timestamppb.New(w.now.Add(-time.Minute)), Size: 61 << 20, HeadersOnly: code == "oversize",
		SetAside: &itemv1.SetAside{Code: code, Stage: stage, Time: timestamppb.New(w.now)},
	}
	record.Layers = []*itemv1.Layer{w.layer(record, itemv1.LayerKind_LAYER_KIND_RAW, true, []byte(AsideRaw))}
	w.records[item] = record
	return item
}

// AsideRaw is what a mail that SetAside makes has as its original.
const AsideRaw = "From: ida@example.org\r\nSubject: set aside\r\n\r\nas it came\r\n"

// Wish is desk.Voice.Wish.
func (w *World) Wish(_ context.Context, item, actor, reason string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mute != nil {
		return w.mute
	}
	w.deletions = append(w.deletions, &desk.Deletion{Plan: fmt.Sprintf("P%020x", len(w.deletions)+1), Item: item, By: actor, Reason: reason, Time: w.now})
	return nil
}

// Answer has retention answer the newest wish: decline it with a code, or take the item's keys
// and, where a certificate is named, certify.
func (w *World) Answer(declined, certificate string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := w.deletions[len(w.deletions)-1]
	one.Declined, one.Certificate = declined, certificate
	if declined != "" {
		return
	}
	one.Planned = true
	record := w.records[one.Item]
	for _, layer := range record.GetLayers() {
		layer.State, layer.KeyPacket, layer.Plan = itemv1.LayerState_LAYER_STATE_ERASED, nil, one.Plan
	}
	if certificate != "" {
		record.State = itemv1.State_STATE_TOMBSTONE
	}
}

// Deletions is desk.Retention.Deletions.
func (r retention) Deletions(_ context.Context, item string, limit int) ([]desk.Deletion, error) {
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	var found []desk.Deletion
	for _, one := range slices.Backward(r.world.deletions) {
		if (item == "" || one.Item == item) && len(found) < limit {
			found = append(found, *one)
		}
	}
	return found, nil
}

// CertificateOf is desk.Retention.CertificateOf.
func (r retention) CertificateOf(_ context.Context, plan string) (string, error) {
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	for _, one := range r.world.deletions {
		if one.Plan == plan {
			return one.Certificate, nil
		}
	}
	return "", nil
}

// Certificates is desk.Retention.Certificates.
func (r retention) Certificates(_ context.Context, limit int) ([]*retentionv1.Certified, error) {
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	return newest(r.world.certified, limit), nil
}

// Certificate is desk.Retention.Certificate.
func (r retention) Certificate(_ context.Context, id string) (*retentionv1.Certified, bool, error) {
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	for _, one := range r.world.certified {
		if one.GetCertificate() == id {
			return one, true, nil
		}
	}
	return nil, false, nil
}

// Document is desk.Retention.Document: what stands in the event, or else in the vault.
func (r retention) Document(ctx context.Context, certified *retentionv1.Certified) (io.ReadCloser, int64, error) {
	return desk.NewCustody(nil, nil, nil, r.world.Vault).Document(ctx, certified)
}

// Plans is desk.Retention.Plans.
func (r retention) Plans(_ context.Context, limit int) ([]*retentionv1.Planned, error) {
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	return newest(r.world.planned, limit), nil
}

// Record is desk.Retention.Record.
func (r retention) Record(_ context.Context, item string) (*itemv1.Record, error) {
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	record, known := r.world.records[item]
	if !known {
		return nil, vault.ErrNotFound
	}
	return proto.CloneOf(record), nil
}

// asides is what is set aside in a World.
type asides struct{ world *World }

// Aside is desk.Asides.Aside.
func (a asides) Aside(context.Context) ([]desk.Aside, error) {
	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	var all []desk.Aside
	for _, record := range a.world.records {
		if aside := record.GetSetAside(); record.GetState() == itemv1.State_STATE_SET_ASIDE {
			all = append(all, desk.Aside{
				Item: record.GetItem(), Mailbox: record.GetMailbox(), Folder: record.GetFolder(), UID: record.GetUid(),
				Code: aside.GetCode(), Stage: aside.GetStage(), Since: aside.GetTime().AsTime(),
				Leaving: record.GetLayers()[0].GetState() != itemv1.LayerState_LAYER_STATE_PRESENT,
			})
		}
	}
	slices.SortFunc(all, func(a, b desk.Aside) int { return cmp.Or(b.Since.Compare(a.Since), int(b.UID)-int(a.UID)) })
	return all, nil
}

// Waiting is desk.Asides.Waiting.
func (a asides) Waiting() int {
	all, _ := a.Aside(context.Background()) //nolint:errcheck // it has none
	return len(slices.DeleteFunc(all, func(one desk.Aside) bool { return one.Leaving }))
}

// Refuse has the keyring not take up an item again.
func (w *World) Refuse(item string, refusal keys.Refusal) { w.set(func() { w.gone[item] = refusal }) }

// Retry is desk.Asides.Retry.
func (a asides) Retry(ctx context.Context, item, actor string, limit int64) (bool, error) {
	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	record := a.world.records[item]
	if record == nil {
		return false, keys.UnknownItem
	}
	if a.world.shut != nil {
		return false, a.world.shut
	}
	if refusal, refused := a.world.gone[item]; refused {
		return false, refusal
	}
	aside := record.GetSetAside()
	if record.GetState() != itemv1.State_STATE_SET_ASIDE {
		return false, nil
	}
	act := &auditv1.Act{Actor: actor, Action: "retry", Items: []string{item}, Purpose: aside.GetCode(), Outcome: "allowed"}
	if err := a.world.record(ctx, "keyring", act); err != nil {
		return false, err
	}
	aside.Retried = timestamppb.New(a.world.now)
	record.PastAsides = append(record.PastAsides, aside)
	record.State, record.SetAside, record.FetchLimit = itemv1.State_STATE_REGISTERED, nil, limit
	return true, nil
}

// Hold is desk.Retention.Hold.
func (r retention) Hold(ctx context.Context, item, actor, _ string) error {
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	if err := r.world.record(ctx, "keyring", &auditv1.Act{Actor: actor, Action: "hold", Items: []string{item}, Outcome: "allowed"}); err != nil {
		return err
	}
	record := r.world.records[item]
	record.Holds = append(record.Holds, &itemv1.Hold{Id: "H1", Placed: timestamppb.New(r.world.now), PlacedBy: actor})
	return nil
}

// HoldItem has an item be on hold.
func (w *World) HoldItem(item string) {
	w.set(func() { w.records[item].Holds = append(w.records[item].Holds, &itemv1.Hold{Id: "H2"}) })
}

// Release is desk.Retention.Release.
func (r retention) Release(ctx context.Context, item, hold, actor string) error {
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	if err := r.world.record(ctx, "keyring", &auditv1.Act{Actor: actor, Action: "release", Items: []string{item}, Outcome: "allowed"}); err != nil {
		return err
	}
	record := r.world.records[item]
	record.Holds = slices.DeleteFunc(record.Holds, func(h *itemv1.Hold) bool { return h.GetId() == hold })
	return nil
}

// Advance is desk.Demo.Advance.
func (w *World) Advance(_ context.Context, by time.Duration) error {
	w.set(func() { w.now = w.now.Add(by) })
	return nil
}

func newest[T any](all []T, limit int) []T {
	last := slices.Clone(all)
	slices.Reverse(last)
	return last[:min(limit, len(last))]
}
