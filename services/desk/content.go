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

// Layers that the desk speaks of.
const (
	rawLayer  = itemv1.LayerKind_LAYER_KIND_RAW
	viewLayer = itemv1.LayerKind_LAYER_KIND_VIEW
	piiLayer  = itemv1.LayerKind_LAYER_KIND_PII
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
	valueLimit   = 64 << 10
	reasonLimit  = 16 << 10
)

// ErrGone means that what was asked for has been destroyed.
var ErrGone = errors.New("desk: it has been destroyed")

// An Opener gives session keys; *open.Opener is one.
type Opener interface {
	Open(ctx context.Context, ask open.Ask) (*open.Key, error)
	Many(ctx context.Context, ask open.Ask, items []string) ([]open.Outcome, error)
}

// reader opens what people see, each time through the keyring, which writes down who saw
// what before it gives a key.
type reader struct {
	opener Opener
	vault  vault.Store
}

// A glimpse is a card, or why there is none.
type glimpse struct {
	Card   *contentv1.Card
	Gone   bool
	Broken error // it is there and cannot be opened now
}

// cards opens the cards of rows for one person, in as few requests as there can be. One
// that cannot be opened does not hide the others.
func (r reader) cards(ctx context.Context, actor string, rows []Row) (map[string]glimpse, error) {
	cards := map[string]glimpse{}
	var items []string
	byItem := map[string]Row{}
	for _, row := range rows {
		if row.layer(viewLayer) == nil {
			cards[row.Ticket] = glimpse{Gone: true}
			continue
		}
		items = append(items, row.Record.GetItem())
		byItem[row.Record.GetItem()] = row
	}
	for len(items) > 0 {
		now := items[:min(len(items), open.MaxItems)]
		items = items[len(now):]
		outcomes, err := r.opener.Many(ctx, open.Ask{Purpose: keys.ForRead, Layer: viewLayer, Actor: actor}, now)
		if err != nil {
			return nil, err
		}
		for i, outcome := range outcomes {
			row := byItem[now[i]]
			cards[row.Ticket] = r.card(ctx, row, outcome)
		}
	}
	return cards, nil
}

func (r reader) card(ctx context.Context, row Row, outcome open.Outcome) glimpse {
	if outcome.Err != nil {
		if gone(outcome.Err) {
			return glimpse{Gone: true}
		}
		return glimpse{Broken: outcome.Err}
	}
	defer outcome.Key.Clear()
	card := new(contentv1.Card)
	err := r.message(ctx, outcome.Key.Session, row.layer(viewLayer), cardPacket, cardLimit, card)
	switch {
	case errors.Is(err, ErrGone):
		return glimpse{Gone: true}
	case err != nil:
		return glimpse{Broken: err}
	}
	return glimpse{Card: card}
}

// gone says whether the keyring refuses because the layer is no more.
func gone(err error) bool {
	code, refused := keys.RefusalOf(err)
	return refused && (code == keys.Destroyed || code == keys.NotPresent || code == keys.UnknownItem)
}

// An opened layer: its session key, and where its bytes are. Whoever has one closes it.
type opened struct {
	reader reader
	key    *open.Key
	layer  *itemv1.Layer
}

func (o *opened) close() { o.key.Clear() }

// view opens what agents read of a ticket.
func (r reader) view(ctx context.Context, actor string, row Row) (*opened, error) {
	return r.open(ctx, row, row.layer(viewLayer), open.Ask{Purpose: keys.ForRead, Layer: viewLayer, Actor: actor})
}

func (r reader) open(ctx context.Context, row Row, layer *itemv1.Layer, ask open.Ask) (*opened, error) {
	if layer == nil {
		return nil, ErrGone
	}
	ask.Item, ask.Ticket = row.Record.GetItem(), row.Ticket
	key, err := r.opener.Open(ctx, ask)
	if err != nil {
		if gone(err) {
			return nil, ErrGone
		}
		return nil, err
	}
	return &opened{r, key, layer}, nil
}

// A sheet is a ticket's card and message.
type sheet struct {
	Card    *contentv1.Card
	Message *contentv1.Message
	layer   *opened // for as long as it is open
}

func (o *opened) sheet(ctx context.Context) (sheet, error) {
	s := sheet{Card: new(contentv1.Card), Message: new(contentv1.Message), layer: o}
	if err := o.reader.message(ctx, o.key.Session, o.layer, cardPacket, cardLimit, s.Card); err != nil {
		return sheet{}, err
	}
	return s, o.reader.message(ctx, o.key.Session, o.layer, messagePacket, messageLimit, s.Message)
}

// file finds an attachment that passed.
func (o *opened) file(ctx context.Context, index int) (*contentv1.Attachment, error) {
	message := new(contentv1.Message)
	if err := o.reader.message(ctx, o.key.Session, o.layer, messagePacket, messageLimit, message); err != nil {
		return nil, err
	}
	if index < 0 || index >= len(message.GetAttachments()) {
		return nil, vault.ErrNotFound
	}
	attached := message.GetAttachments()[index]
	// A packet before the files would be the message itself; -1 is withheld.
	if attached.GetPacket() <= messagePacket {
		return nil, vault.ErrNotFound
	}
	return attached, nil
}

// seal seals a person's words under the layer's key: they may name the customer, and are
// readable for as long as the layer is.
func (o *opened) seal(words string) ([]byte, error) { return seal.Under(o.key.Session, []byte(words)) }

// unseal opens such words.
func (o *opened) unseal(sealed []byte) (string, error) {
	words, err := open.Bytes(o.key.Session, sealed, reasonLimit)
	return string(words), err
}

// value reveals one masked value, with the reason sealed beside the record of it.
func (r reader) value(ctx context.Context, actor string, row Row, packet int, reason []byte) (*contentv1.Value, error) {
	layer := row.layer(piiLayer)
	if layer != nil && (packet < 0 || packet >= len(layer.GetPacketEnds())) {
		return nil, vault.ErrNotFound
	}
	pii, err := r.open(ctx, row, layer, open.Ask{
		Purpose: keys.ForReveal, Layer: piiLayer, Actor: actor, Value: int32(packet), Reason: reason,
	})
	if err != nil {
		return nil, err
	}
	defer pii.close()
	value := new(contentv1.Value)
	return value, r.message(ctx, pii.key.Session, layer, packet, valueLimit, value)
}

// original opens the mail as it came, for a reason and with a second person's approval.
func (r reader) original(ctx context.Context, actor string, row Row, reason []byte, approvedBy string) (*opened, error) {
	raw, err := r.open(ctx, row, row.layer(rawLayer), open.Ask{
		Purpose: keys.ForBreakglass, Layer: rawLayer, Actor: actor, Reason: reason, ApprovedBy: approvedBy,
	})
	if err == nil && raw.key.Layer != nil {
		raw.layer = raw.key.Layer
	}
	return raw, err
}

// copy checks a whole packet, and only then has begin say its length and writes it, or refuse it: what
// cannot wait in memory is read twice.
func (o *opened) copy(ctx context.Context, index int, begin func(size int64) (io.Writer, error)) error {
	size, err := o.pass(ctx, index, io.Discard)
	if err != nil {
		return err
	}
	out, err := begin(size)
	if err != nil {
		return err
	}
	_, err = o.pass(ctx, index, out)
	return err
}

func (o *opened) pass(ctx context.Context, index int, out io.Writer) (int64, error) {
	section, done, err := o.reader.section(ctx, o.layer, index)
	if err != nil {
		return 0, err
	}
	defer done()
	plain, err := open.NewReader(o.key.Session, section)
	if err != nil {
		return 0, err
	}
	return io.Copy(out, plain)
}

// message opens one packet that is a message of content.v1.
func (r reader) message(ctx context.Context, session *seal.SessionKey, layer *itemv1.Layer, index int, limit int64, into proto.Message) error {
	section, done, err := r.section(ctx, layer, index)
	if err != nil {
		return err
	}
	defer done()
	plain, err := open.All(session, section, limit)
	if err != nil {
		return fmt.Errorf("layer packet %d: %w", index, err)
	}
	if proto.Unmarshal(plain, into) != nil {
		return fmt.Errorf("layer packet %d: it is no %s", index, into.ProtoReflect().Descriptor().FullName())
	}
	return nil
}

// section gives the ciphertext of one packet, from where its bytes are.
func (r reader) section(ctx context.Context, layer *itemv1.Layer, index int) (io.Reader, func(), error) {
	if layer.GetObject() == "" {
		section, err := open.Section(bytes.NewReader(layer.GetInline()), layer.GetPacketEnds(), index)
		return section, func() {}, err
	}
	body, _, err := r.vault.Get(ctx, layer.GetObject())
	if errors.Is(err, vault.ErrNotFound) {
		return nil, nil, ErrGone // its bytes are gone, though somebody could still give the key
	}
	if err != nil {
		return nil, nil, fmt.Errorf("layer object: %w", err)
	}
	section, err := open.Section(body, layer.GetPacketEnds(), index)
	if err != nil {
		body.Close()
		return nil, nil, err
	}
	return section, func() { body.Close() }, nil
}
