package keyring

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/customer"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// customers names the period whose search key makes customers' tokens. It lives for as long
// as the directory does.
const customers = "customers"

// enrol makes the record of a customer out of their sealed card. The tokens by which they are
// found are made here, of what the card says, and nowhere else.
func (s *Service) enrol(ctx context.Context, c *call) (proto.Message, error) {
	r, err := read(c, new(keyringv1.Enrol))
	if err != nil {
		return nil, err
	}
	if err := checkEnrol(r); err != nil {
		return nil, err
	}
	if !s.replacing.take(r.Replaces) {
		return nil, errReplaced
	}
	defer s.replacing.leave(r.Replaces)
	answer, err := s.enrolOne(ctx, c, r)
	if err != nil {
		return nil, err
	}
	// A death before this leaves two records of one customer, which the next import makes one.
	for _, former := range r.Replaces {
		_, _, err := s.update(ctx, former, func(record *itemv1.Record) (bool, error) {
			if record.State != itemv1.State_STATE_KEPT || record.Successor != "" {
				return false, nil
			}
			record.Successor, record.Tokens = r.Item, nil
			return true, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return answer, nil
}

func (s *Service) enrolOne(ctx context.Context, c *call, r *keyringv1.Enrol) (proto.Message, error) {
	defer s.stripe(r.Item)()
	there, err := s.deps.Records.Get(ctx, r.Item)
	if err == nil {
		return recorded(there, false), nil // a repeat: ids are drawn
	}
	if !errors.Is(err, ErrNoRecord) {
		return nil, err
	}
	if err := s.stillThere(ctx, r.Replaces); err != nil {
		return nil, err
	}
	record, err := s.cardRecord(ctx, r)
	if err != nil {
		return nil, err
	}
	a := s.act(c, "enrol", r.Actor)
	a.Items, a.Layer = append([]string{r.Item}, r.Replaces...), card
	if err := s.scribe.append(ctx, a); err != nil {
		return nil, err
	}
	stored, err := s.put(ctx, record, 0)
	if err != nil {
		return nil, err
	}
	return recorded(stored, true), nil
}

// errReplaced keeps somebody who was removed from coming back, and one who is changed twice at
// once from becoming two.
var errReplaced = refuse(keys.Conflict, "one of those whose place it takes was removed or replaced meanwhile")

// stillThere refuses to take the place of those who are not in the directory any more.
func (s *Service) stillThere(ctx context.Context, formers []string) error {
	for _, former := range formers {
		stored, err := s.look(ctx, former)
		if errors.Is(err, ErrNoRecord) || err == nil && !customer.Present(stored.Record) {
			return errReplaced
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// claims are what is being done to some by one at a time. It may be used by many goroutines.
type claims struct {
	mu  sync.Mutex
	ids map[string]bool
}

// take claims all, or none where somebody else has one of them.
func (c *claims) take(ids []string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.ContainsFunc(ids, func(id string) bool { return c.ids[id] }) {
		return false
	}
	if c.ids == nil {
		c.ids = map[string]bool{}
	}
	for _, id := range ids {
		c.ids[id] = true
	}
	return true
}

func (c *claims) leave(ids []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		delete(c.ids, id)
	}
}

func checkEnrol(r *keyringv1.Enrol) error {
	l := r.Card
	switch {
	case !event.IsCustomer(r.Item):
		return refuse(keys.Malformed, "the item's id is not a customer's")
	case r.Actor == "" || len(r.Actor) > 200:
		return refuse(keys.Malformed, "nobody is named whose will it is")
	case l == nil || l.Kind != card:
		return refuse(keys.WrongLayer, "a customer has a card and nothing else")
	case l.Object != "" || len(l.Inline) == 0 || len(l.Inline) > inlineLimit || int64(len(l.Inline)) != l.Size:
		return refuse(keys.Malformed, "a card stands inline, in its size, within its limit")
	}
	if len(r.Replaces) > maxReplaced || slices.Contains(r.Replaces, r.Item) || slices.ContainsFunc(r.Replaces, func(id string) bool { return !event.IsCustomer(id) }) {
		return refuse(keys.Malformed, "what it takes the place of are no other customers, or too many")
	}
	return checkSealed(l)
}

// maxReplaced is how many records of one customer another takes the place of.
const maxReplaced = 64

// cardRecord makes a customer's record.
func (s *Service) cardRecord(ctx context.Context, r *keyringv1.Enrol) (*itemv1.Record, error) {
	now := s.now()
	if age := now.Sub(r.Card.Attempted.AsTime()); age > s.cfg.LateAfter.Std() || age < -s.cfg.RequestSkew.Std() {
		return nil, refuse(keys.Late, "the attempt began too long ago, or ahead of the clock")
	}
	b, err := s.bucketFor(r.Card.Bucket, card)
	if err != nil {
		return nil, err
	}
	if b.class != classCustomer {
		return nil, refuse(keys.WrongLayer, "a card goes into the customers' bucket")
	}
	directory, err := s.ensureNamed(ctx, customers)
	if err != nil {
		return nil, err
	}
	l := &itemv1.Layer{
		Kind: card, State: present, Inline: r.Card.Inline, Size: r.Card.Size, Digest: r.Card.Digest, PacketEnds: r.Card.PacketEnds,
		KeyPacket: r.Card.KeyPacket, Bucket: r.Card.Bucket, Attempted: r.Card.Attempted,
	}
	record := &itemv1.Record{
		Item: r.Item, Size: l.Size, Received: timestamppb.New(now), InternalDate: timestamppb.New(time.Unix(0, 0)),
		State: itemv1.State_STATE_KEPT, Class: classCustomer, Layers: []*itemv1.Layer{l},
	}
	err = s.withSession(l, func(session *seal.SessionKey) error {
		plain, err := open.Bytes(session, l.Inline, customer.MaxCard)
		if err != nil {
			return refuse(keys.Malformed, "the card does not open with its key, or is over its limit")
		}
		defer clear(plain)
		told, err := customer.Read(plain)
		if err != nil {
			return refuse(keys.Malformed, "the card is not as a customer's must be")
		}
		record.Tokens = customer.Tokens(directory.searchs, told)
		return nil
	})
	if _, refused := keys.RefusalOf(err); err != nil && !refused {
		err = refuse(keys.Malformed, "the key packet does not open with its bucket")
	}
	return record, err
}
