package desktest

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal/open"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/desk"
)

var (
	_ desk.Opener    = (*World)(nil)
	_ desk.Voice     = (*World)(nil)
	_ desk.Demo      = (*World)(nil)
	_ desk.Retention = retention{}
)

// Say is desk.Voice.Say.
func (w *World) Say(ctx context.Context, ticket string, said proto.Message) (uint64, error) {
	return w.say(ctx, ticket, "", said)
}

func (w *World) say(ctx context.Context, ticket, item string, said proto.Message) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mute != nil {
		return 0, w.mute
	}
	w.tickets++
	data, err := enveloped(w, w.tickets, "desk", item, said)
	if err != nil {
		return 0, err
	}
	return w.tickets, w.Board.ApplyTicket(ctx, w.tickets, "tickets."+ticket, w.now, data)
}

func enveloped(w *World, number uint64, service, item string, said proto.Message) ([]byte, error) {
	envelope, err := event.New(fmt.Sprintf("%032x", number), service, 0, item, w.now, said)
	if err != nil {
		return nil, err
	}
	return event.Marshal(envelope)
}

// Record is desk.Voice.Record.
func (w *World) Record(ctx context.Context, act *auditv1.Act) error {
	w.mu.Lock()
	err, then := w.record(ctx, "desk", act), w.recorded
	w.recorded = nil
	w.mu.Unlock()
	if then != nil {
		then()
	}
	return err
}

// RecordAs is Record of another service's log.
func (w *World) RecordAs(ctx context.Context, service string, act *auditv1.Act) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.record(ctx, service, act)
}

func (w *World) record(ctx context.Context, service string, act *auditv1.Act) error {
	if w.mute != nil {
		return w.mute
	}
	act.Id = ulid.MustNew(ulid.Timestamp(w.now), ulid.DefaultEntropy()).String()
	act.Time, act.Service = timestamppb.New(w.now), service
	w.acts = append(w.acts, act)
	w.audit++
	data, err := enveloped(w, w.audit, service, "", &auditv1.Entry{Acts: []*auditv1.Act{act}})
	if err != nil {
		return err
	}
	w.log = append(w.log, &bus.Message{Subject: "audit.v1.Entry." + service, Data: data, Sequence: w.audit, Time: w.now})
	return w.Board.ApplyAct(ctx, w.audit, "audit.v1.Entry."+service, data)
}

// auditLog is AUDIT as the world has it.
type auditLog struct{ world *World }

// Scan is desk.AuditBus.Scan.
func (a auditLog) Scan(_ context.Context, _ string, from uint64, _ ...bus.ScanOption) iter.Seq2[*bus.Message, error] {
	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	kept := slices.Clone(a.world.log[from-1:])
	return func(yield func(*bus.Message, error) bool) {
		for _, message := range kept {
			if !yield(message, nil) {
				return
			}
		}
	}
}

// Kept is desk.AuditBus.Kept.
func (a auditLog) Kept(context.Context, string) (bus.Kept, error) {
	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	return bus.Kept{Messages: uint64(len(a.world.log)), Last: uint64(len(a.world.log))}, nil
}

// A purpose is what the keyring opens for it and asks for it.
type purpose struct {
	layer    itemv1.LayerKind
	action   string
	reason   bool
	approval bool
}

var purposes = map[string]purpose{
	keys.ForRead:       {layer: itemv1.LayerKind_LAYER_KIND_VIEW, action: "open"},
	keys.ForReveal:     {layer: itemv1.LayerKind_LAYER_KIND_PII, action: "reveal", reason: true},
	keys.ForBreakglass: {layer: itemv1.LayerKind_LAYER_KIND_RAW, action: "breakglass", reason: true, approval: true},
}

// Open is desk.Opener.Open.
func (w *World) Open(ctx context.Context, ask open.Ask) (*open.Key, error) {
	outcomes, err := w.Many(ctx, ask, []string{ask.Item})
	if err != nil {
		return nil, err
	}
	return outcomes[0].Key, outcomes[0].Err
}

// Many is desk.Opener.Many. It holds to the keyring's rules and records before it gives.
func (w *World) Many(ctx context.Context, ask open.Ask, items []string) ([]open.Outcome, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests++
	if w.shut != nil {
		return nil, w.shut
	}
	p, known := purposes[ask.Purpose]
	switch {
	case !known, len(items) == 0, len(items) > open.MaxItems, ask.Actor == "":
		return nil, keys.Malformed
	case p.layer != ask.Layer:
		return nil, keys.WrongLayer
	case p.reason && (len(ask.Reason) == 0 || ask.Ticket != event.Ticket(items[0])):
		return nil, keys.Malformed
	case p.approval && (ask.ApprovedBy == "" || ask.ApprovedBy == ask.Actor):
		return nil, keys.Forbidden
	}
	act := &auditv1.Act{
		Actor: ask.Actor, Action: p.action, Purpose: ask.Purpose, Items: items, Layer: ask.Layer, Ticket: ask.Ticket,
		Value: ask.Value, Outcome: "allowed", Reason: ask.Reason,
	}
	if err := w.record(ctx, "keyring", act); err != nil {
		return nil, err
	}
	outcomes := make([]open.Outcome, len(items))
	for i, item := range items {
		outcomes[i] = w.outcome(item, ask.Layer)
	}
	return outcomes, nil
}

func (w *World) outcome(item string, kind itemv1.LayerKind) open.Outcome {
	record, known := w.records[item]
	if !known {
		return open.Outcome{Err: keys.UnknownItem}
	}
	if refusal, refused := w.gone[fmt.Sprint(item, kind)]; refused {
		return open.Outcome{Err: refusal}
	}
	for _, layer := range record.GetLayers() {
		if layer.GetKind() != kind {
			continue
		}
		session, err := w.bucket.Unwrap(layer.GetKeyPacket())
		if err != nil {
			return open.Outcome{Err: err}
		}
		return open.Outcome{Key: &open.Key{Item: item, Session: session, Layer: layer}}
	}
	return open.Outcome{Err: keys.NotPresent}
}
