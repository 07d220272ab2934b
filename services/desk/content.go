package desk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/vault"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// Packets of the view layer.
const (
	cardPacket    = 0
	messagePacket = 1
)

// Bounds of what is opened into memory.
const (
	cardLimit    = 64 << 10
	messageLimit = 32 << 20
	fileLimit    = 64 << 20
	valueLimit   = 64 << 10
)

// ErrGone means that what was asked for has been destroyed.
var ErrGone = errors.New("desk: it has been destroyed")

// An Opener gives session keys; *open.Opener is one.
type Opener interface {
	Open(ctx context.Context, ask open.Ask) (*open.Key, error)
	Many(ctx context.Context, ask open.Ask, items []string) ([]open.Outcome, error)
}

// reader opens what agents see. It can ask for view and pii only: the keyring gives the
// desk nothing else.
type reader struct {
	opener Opener
	vault  vault.Store
}

// A glimpse is a card, or why there is none.
type glimpse struct {
	Card *contentv1.Card
	Gone bool
}

// cards opens the cards of rows for one person, in as few requests as there can be.
func (r reader) cards(ctx context.Context, actor string, rows []Row) (map[string]glimpse, error) {
	cards := map[string]glimpse{}
	var items []string
	byItem := map[string]Row{}
	for _, row := range rows {
		if row.layer(itemv1.LayerKind_LAYER_KIND_VIEW) == nil {
			cards[row.Ticket] = glimpse{Gone: true}
			continue
		}
		items = append(items, row.Record.GetItem())
		byItem[row.Record.GetItem()] = row
	}
	for len(items) > 0 {
		now := items[:min(len(items), open.MaxItems)]
		items = items[len(now):]
		ask := open.Ask{Purpose: keys.ForRead, Layer: itemv1.LayerKind_LAYER_KIND_VIEW, Actor: actor}
		outcomes, err := r.opener.Many(ctx, ask, now)
		if err != nil {
			return nil, err
		}
		for i, outcome := range outcomes {
			row := byItem[now[i]]
			card, err := r.card(ctx, row, outcome)
			if err != nil {
				return nil, fmt.Errorf("ticket %s: %w", row.Ticket, err)
			}
			cards[row.Ticket] = card
		}
	}
	return cards, nil
}

func (r reader) card(ctx context.Context, row Row, outcome open.Outcome) (glimpse, error) {
	if outcome.Err != nil {
		if gone(outcome.Err) {
			return glimpse{Gone: true}, nil
		}
		return glimpse{}, outcome.Err
	}
	defer outcome.Key.Clear()
	card := new(contentv1.Card)
	err := r.packet(ctx, outcome.Key.Session, row.layer(itemv1.LayerKind_LAYER_KIND_VIEW), cardPacket, cardLimit, card)
	return glimpse{Card: card}, err
}

// gone says whether the keyring refuses because the layer is no more.
func gone(err error) bool {
	code, refused := keys.RefusalOf(err)
	return refused && (code == keys.Destroyed || code == keys.NotPresent || code == keys.UnknownItem)
}

// A sheet is a ticket's card and message, opened.
type sheet struct {
	Card    *contentv1.Card
	Message *contentv1.Message
}

// sheet opens what an agent reads of a ticket.
func (r reader) sheet(ctx context.Context, actor string, row Row) (sheet, error) {
	key, layer, err := r.key(ctx, actor, row)
	if err != nil {
		return sheet{}, err
	}
	defer key.Clear()
	opened := sheet{new(contentv1.Card), new(contentv1.Message)}
	if err := r.packet(ctx, key.Session, layer, cardPacket, cardLimit, opened.Card); err != nil {
		return sheet{}, err
	}
	return opened, r.packet(ctx, key.Session, layer, messagePacket, messageLimit, opened.Message)
}

// file opens one attachment that passed, and says what it is.
func (r reader) file(ctx context.Context, actor string, row Row, index int) (*contentv1.Attachment, []byte, error) {
	key, layer, err := r.key(ctx, actor, row)
	if err != nil {
		return nil, nil, err
	}
	defer key.Clear()
	message := new(contentv1.Message)
	if err := r.packet(ctx, key.Session, layer, messagePacket, messageLimit, message); err != nil {
		return nil, nil, err
	}
	if index < 0 || index >= len(message.GetAttachments()) || message.GetAttachments()[index].GetPacket() < 0 {
		return nil, nil, vault.ErrNotFound
	}
	attached := message.GetAttachments()[index]
	content, err := r.bytes(ctx, key.Session, layer, int(attached.GetPacket()), fileLimit)
	return attached, content, err
}

func (r reader) key(ctx context.Context, actor string, row Row) (*open.Key, *itemv1.Layer, error) {
	layer := row.layer(itemv1.LayerKind_LAYER_KIND_VIEW)
	if layer == nil {
		return nil, nil, ErrGone
	}
	key, err := r.opener.Open(ctx, open.Ask{
		Purpose: keys.ForRead, Layer: itemv1.LayerKind_LAYER_KIND_VIEW,
		Item: row.Record.GetItem(), Actor: actor, Ticket: row.Ticket,
	})
	if err != nil && gone(err) {
		return nil, nil, ErrGone
	}
	return key, layer, err
}

// value reveals one masked value, with the reason sealed beside the record of it.
func (r reader) value(ctx context.Context, actor string, row Row, packet int, reason []byte) (*contentv1.Value, error) {
	layer := row.layer(itemv1.LayerKind_LAYER_KIND_PII)
	if layer == nil || packet < 0 || packet >= len(layer.GetPacketEnds()) {
		return nil, ErrGone
	}
	key, err := r.opener.Open(ctx, open.Ask{
		Purpose: keys.ForReveal, Layer: itemv1.LayerKind_LAYER_KIND_PII, Item: row.Record.GetItem(),
		Actor: actor, Ticket: row.Ticket, Value: int32(packet), Reason: reason,
	})
	if err != nil {
		if gone(err) {
			return nil, ErrGone
		}
		return nil, err
	}
	defer key.Clear()
	value := new(contentv1.Value)
	return value, r.packet(ctx, key.Session, layer, packet, valueLimit, value)
}

func (r reader) packet(ctx context.Context, session *seal.SessionKey, layer *itemv1.Layer, index int, limit int64, into proto.Message) error {
	plain, err := r.bytes(ctx, session, layer, index, limit)
	if err != nil {
		return err
	}
	if err := proto.Unmarshal(plain, into); err != nil {
		return fmt.Errorf("layer packet %d: %w", index, err)
	}
	return nil
}

// bytes opens one packet of a layer, from where its bytes are.
func (r reader) bytes(ctx context.Context, session *seal.SessionKey, layer *itemv1.Layer, index int, limit int64) ([]byte, error) {
	var source io.Reader = bytes.NewReader(layer.GetInline())
	if layer.GetObject() != "" {
		body, _, err := r.vault.Get(ctx, layer.GetObject())
		if err != nil {
			return nil, fmt.Errorf("view object: %w", err)
		}
		defer body.Close()
		source = body
	}
	section, err := open.Section(source, layer.GetPacketEnds(), index)
	if err != nil {
		return nil, err
	}
	return open.All(session, section, limit)
}
