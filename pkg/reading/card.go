package reading

import (
	"context"
	"errors"
	"fmt"

	"github.com/postern-mail/postern/pkg/customer"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal/open"
	customerv1 "github.com/postern-mail/postern/proto/customer/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// Card opens a customer's card out of their record, with the key that the opener gives for a
// purpose and in a name.
func Card(ctx context.Context, opener Opener, record *itemv1.Record, ask open.Ask) (*customerv1.Card, error) {
	if !customer.Present(record) {
		return nil, keys.Destroyed
	}
	ask.Item, ask.Layer = record.GetItem(), itemv1.LayerKind_LAYER_KIND_CARD
	key, err := opener.Open(ctx, ask)
	if err != nil {
		return nil, err
	}
	defer key.Clear()
	return CardWith(key, record)
}

// ErrCard says that a card is not what its record says.
var ErrCard = errors.New("card")

// CardWith opens a card with a key that is at hand.
func CardWith(key *open.Key, record *itemv1.Record) (*customerv1.Card, error) {
	plain, err := open.Bytes(key.Session, customer.CardOf(record).GetInline(), customer.MaxCard)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCard, err)
	}
	defer clear(plain)
	return customer.Read(plain)
}
