package keyring

import (
	"context"
	"errors"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// A purpose says which layer may be opened for it and what must be said.
type purpose struct {
	layer itemv1.LayerKind
	// people tells whether a person's name must be given; then a worker's is not enough.
	people   bool
	reason   bool // a sealed reason
	ticket   bool
	approval bool // a second person's
	// directory is for the key of customers' tokens, not for an item's.
	directory bool
	action    string
}

var purposes = map[string]purpose{
	keys.ForVerify:     {layer: raw, action: "open"},
	keys.ForScan:       {layer: raw, action: "open"},
	keys.ForSanitize:   {layer: raw, action: "open"},
	keys.ForRescan:     {layer: view, action: "open"},
	keys.ForReplay:     {layer: raw, people: true, action: "replay"},
	keys.ForCard:       {layer: card, action: "open"},
	keys.ForCustomer:   {layer: card, people: true, action: "open"},
	keys.ForDirectory:  {directory: true, action: "open"},
	keys.ForRead:       {layer: view, people: true, action: "open"},
	keys.ForReveal:     {layer: pii, people: true, reason: true, ticket: true, action: "reveal"},
	keys.ForBreakglass: {layer: raw, people: true, reason: true, approval: true, action: "breakglass"},
	keys.ForRebuild:    {layer: itemv1.LayerKind_LAYER_KIND_JOURNAL, action: "rebuild"},
}

// open gives out session keys. The acts are on disk before the answer leaves; where they
// cannot be written no key is given.
func (s *Service) open(ctx context.Context, c *call) (proto.Message, error) {
	r, err := read(c, new(keyringv1.Open))
	if err != nil {
		return nil, err
	}
	p, err := checkOpen(c, r)
	if err != nil {
		return nil, err
	}
	if err := s.mayOpen(); err != nil {
		return nil, err
	}
	reply, err := open.NewReplySealer(r.ReplyKey, c.nonce)
	if err != nil {
		return nil, refuse(keys.Malformed, "the reply key is no X25519 key")
	}
	current := s.snap.Load()
	var found []opening
	switch {
	case p.layer == itemv1.LayerKind_LAYER_KIND_JOURNAL:
		found = openPackets(current, r)
	case p.directory:
		found, err = s.openDirectory(ctx, current)
	default:
		found, err = s.openItems(ctx, current, r, p)
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, f := range found {
			f.session.Clear()
		}
	}()

	// The record first. Not the other way round, and not at the same time.
	if err := s.scribe.append(ctx, s.openActs(c, r, p, found)...); err != nil {
		return nil, err
	}
	// A keyring that was paused while it did this must not answer with what it held.
	if err := s.mayOpen(); err != nil {
		return nil, err
	}
	out := &keyringv1.Opened{Encapsulated: reply.Encapsulated, Keys: make([]*keyringv1.Key, len(found))}
	for i, f := range found {
		out.Keys[i] = &keyringv1.Key{Item: f.item, Refusal: string(f.refusal), Layer: f.layer}
		if f.refusal != "" {
			continue
		}
		if out.Keys[i].Sealed, err = reply.Seal(f.item, f.session); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// An opening is a session key, or why there is none.
type opening struct {
	item    string
	layer   *itemv1.Layer
	session *seal.SessionKey
	refusal keys.Refusal
}

func checkOpen(c *call, r *keyringv1.Open) (purpose, error) {
	p, known := purposes[r.Purpose]
	switch {
	case !known || keys.OpOpen+r.Purpose != c.operation:
		return p, refuse(keys.Forbidden, "the purpose is not the operation's")
	case r.Layer != p.layer:
		return p, refuse(keys.WrongLayer, "the purpose does not open this layer")
	case p.people && r.Actor == "":
		return p, refuse(keys.Malformed, "nobody is named whose will it is")
	case p.reason && len(r.Reason) == 0:
		return p, refuse(keys.Malformed, "the reason is missing")
	case len(r.Reason) > maxReason || len(r.Actor) > 200 || len(r.ApprovedBy) > 200 || len(r.Ticket) > 64:
		return p, refuse(keys.Malformed, "a field is over its limit")
	case p.ticket && r.Ticket == "":
		return p, refuse(keys.Malformed, "the ticket is missing")
	case p.approval && (r.ApprovedBy == "" || r.ApprovedBy == r.Actor):
		return p, refuse(keys.Forbidden, "a second person's approval is missing")
	}
	if p.layer == itemv1.LayerKind_LAYER_KIND_JOURNAL {
		if len(r.Items) > 0 || len(r.Packets) == 0 || len(r.Packets) > maxOpen || len(r.Packets) != len(r.Buckets) {
			return p, refuse(keys.Malformed, "the packets and their buckets do not match")
		}
		return p, nil
	}
	if p.directory {
		if len(r.Items)+len(r.Packets) > 0 {
			return p, refuse(keys.Malformed, "the directory's key is of no item")
		}
		return p, nil
	}
	if len(r.Items) == 0 || len(r.Items) > maxOpen || len(r.Packets) > 0 {
		return p, refuse(keys.Malformed, "the number of items is zero or over its limit")
	}
	for _, item := range r.Items {
		if !event.IsRecord(item) {
			return p, refuse(keys.Malformed, "an item's id is not an item id")
		}
	}
	if p.approval && (len(r.Items) != 1 || r.Ticket != event.Ticket(r.Items[0])) {
		return p, refuse(keys.Malformed, "an original is handed out on its own ticket, one at a time")
	}
	if r.Purpose == keys.ForReveal && (len(r.Items) != 1 || r.Ticket != event.Ticket(r.Items[0])) {
		return p, refuse(keys.Malformed, "a value is revealed on its own ticket, one at a time")
	}
	return p, nil
}

// lookers is how many records a keyring without a cache reads at once for one request.
const lookers = 8

func (s *Service) openItems(ctx context.Context, current *snapshot, r *keyringv1.Open, p purpose) ([]opening, error) {
	found := make([]opening, len(r.Items))
	err := inParallel(ctx, lookers, len(r.Items), func(ctx context.Context, i int) error {
		item := r.Items[i]
		stored, err := s.look(ctx, item)
		if errors.Is(err, ErrNoRecord) {
			found[i] = opening{item: item, refusal: keys.UnknownItem}
			return nil
		}
		if err != nil {
			return err
		}
		if l := layerOf(stored.Record, p.layer); l != nil && l.State == present && !s.writer.Load() && current.buckets[l.Bucket] == nil && current.gone[l.Bucket] == nil {
			return errUnseen
		}
		found[i] = s.openLayer(current, stored.Record, p.layer)
		return nil
	})
	if err != nil {
		for _, f := range found {
			f.session.Clear()
		}
		return nil, err
	}
	return found, nil
}

func (s *Service) openLayer(current *snapshot, record *itemv1.Record, kind itemv1.LayerKind) opening {
	out := opening{item: record.Item}
	l := layerOf(record, kind)
	if l == nil {
		out.refusal = keys.NotPresent
		return out
	}
	if l.State != present {
		out.refusal = keys.Destroyed
		return out
	}
	b := current.buckets[l.Bucket]
	switch {
	case b == nil:
		out.refusal = keys.Destroyed
		return out
	case b.layer != kind:
		out.refusal = keys.WrongLayer
		return out
	}
	session, err := b.unwrap(l.KeyPacket)
	if err != nil {
		s.log.Error("key packet of a record does not open", "item", record.Item, "bucket", l.Bucket)
		out.refusal = keys.Malformed
		return out
	}
	out.session = session
	// The caller needs to know what to fetch, and no more: neither packet nor bytes.
	out.layer = &itemv1.Layer{
		Kind: l.Kind, State: l.State, Object: l.Object, Size: l.Size, Digest: l.Digest, PacketEnds: l.PacketEnds,
		Bucket: l.Bucket, Due: l.Due, Attempted: l.Attempted,
	}
	return out
}

// openPackets opens key packets that belong to no item: only those of the journal's buckets.
func openPackets(current *snapshot, r *keyringv1.Open) []opening {
	found := make([]opening, len(r.Packets))
	for i, packet := range r.Packets {
		b := current.buckets[r.Buckets[i]]
		switch {
		case b == nil:
			found[i].refusal = keys.Destroyed
			continue
		case b.layer != itemv1.LayerKind_LAYER_KIND_JOURNAL:
			found[i].refusal = keys.WrongLayer
			continue
		}
		session, err := b.unwrap(packet)
		if err != nil {
			found[i].refusal = keys.Malformed
			continue
		}
		found[i].session = session
	}
	return found
}

// openDirectory gives the key of customers' tokens.
func (s *Service) openDirectory(ctx context.Context, current *snapshot) ([]opening, error) {
	p := current.periods[customers]
	if p == nil && !s.writer.Load() {
		return nil, errUnseen
	}
	if p == nil {
		var err error
		if p, err = s.ensureNamed(ctx, customers); err != nil {
			return nil, err
		}
	}
	session, err := seal.SessionKeyFrom(slices.Clone(p.searchs))
	if err != nil {
		return nil, err
	}
	return []opening{{session: session}}, nil
}

// openActs are the acts of one request: one for what was allowed, one for each refusal.
func (s *Service) openActs(c *call, r *keyringv1.Open, p purpose, found []opening) []*auditv1.Act {
	byOutcome := map[keys.Refusal]*auditv1.Act{}
	var acts []*auditv1.Act
	for i, f := range found {
		a := byOutcome[f.refusal]
		if a == nil {
			a = s.act(c, p.action, r.Actor)
			a.Purpose, a.Layer, a.Ticket, a.Value, a.Reason = r.Purpose, r.Layer, r.Ticket, r.Value, r.Reason
			if f.refusal != "" {
				a.Outcome = string(f.refusal)
			}
			byOutcome[f.refusal] = a
			acts = append(acts, a)
		}
		if f.item != "" {
			a.Items = append(a.Items, f.item)
		} else if len(r.Buckets) > 0 && !slices.Contains(a.Items, r.Buckets[i]) {
			a.Items = append(a.Items, r.Buckets[i])
		}
	}
	if p.approval {
		a := s.act(c, "approve", r.ApprovedBy)
		a.Purpose, a.Layer, a.Items, a.Ticket = r.Purpose, r.Layer, r.Items, r.Ticket
		acts = append(acts, a)
	}
	return acts
}
