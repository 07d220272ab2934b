package desk

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// Custody is the desk's part in retention: it shows what was said, and asks for holds.
type Custody struct {
	bus     Bus
	keyring Holder
	opener  Opener
	vault   vault.Store
}

// Holder is the keyring's part in holds.
type Holder interface {
	Hold(ctx context.Context, request *keyringv1.Hold) (*keyringv1.Forgotten, error)
	Release(ctx context.Context, request *keyringv1.Release) (*keyringv1.Forgotten, error)
}

// NewCustody reads retention from a bus, and what is too long for it from the vault.
func NewCustody(conn Bus, keyring Holder, opener Opener, store vault.Store) *Custody {
	return &Custody{conn, keyring, opener, store}
}

// said reads the events of one type.
func said[E proto.Message](ctx context.Context, c *Custody, each func(E)) error {
	var kind E
	for message, err := range c.bus.Scan(ctx, topology.Retention, 1, bus.Matching(event.Name(kind))) {
		if err != nil {
			return fmt.Errorf("retention log: %w", err)
		}
		_, said, err := event.Open(message.Subject, message.Data)
		if err != nil {
			return fmt.Errorf("retention log: message %d: %w", message.Sequence, err)
		}
		if one, ok := said.(E); ok {
			each(one)
		}
	}
	return nil
}

// newest reads the last events of one type, newest first, and keeps no more in memory.
func newest[E proto.Message](ctx context.Context, c *Custody, limit int) ([]E, error) {
	var last []E
	err := said(ctx, c, func(one E) {
		if last = append(last, one); len(last) > limit {
			last = slices.Delete(last, 0, 1)
		}
	})
	slices.Reverse(last)
	return last, err
}

// Certificates is Retention.Certificates.
func (c *Custody) Certificates(ctx context.Context, limit int) ([]*retentionv1.Certified, error) {
	return newest[*retentionv1.Certified](ctx, c, limit)
}

// Certificate is Retention.Certificate.
func (c *Custody) Certificate(ctx context.Context, id string) (*retentionv1.Certified, bool, error) {
	var found *retentionv1.Certified
	err := said(ctx, c, func(certified *retentionv1.Certified) {
		if certified.GetCertificate() == id {
			found = certified
		}
	})
	return found, found != nil, err
}

// Document is Retention.Document.
func (c *Custody) Document(ctx context.Context, certified *retentionv1.Certified) (io.ReadCloser, int64, error) {
	if document := certified.GetDocument(); len(document) > 0 {
		return io.NopCloser(bytes.NewReader(document)), int64(len(document)), nil
	}
	body, object, err := c.vault.Get(ctx, CertificateObject(certified.GetCertificate()))
	if err != nil {
		return nil, 0, fmt.Errorf("certificate %s: %w", certified.GetCertificate(), err)
	}
	if object.Size > certificateMost {
		body.Close()
		return nil, 0, fmt.Errorf("certificate %s: it is over %d bytes", certified.GetCertificate(), certificateMost)
	}
	return body, object.Size, nil
}

// Plans is Retention.Plans.
func (c *Custody) Plans(ctx context.Context, limit int) ([]*retentionv1.Planned, error) {
	return newest[*retentionv1.Planned](ctx, c, limit)
}

// Record is Retention.Record.
func (c *Custody) Record(ctx context.Context, item string) (*itemv1.Record, error) {
	message, err := c.bus.LastFresh(ctx, topology.Items, "items."+item)
	if errors.Is(err, bus.ErrNoMessage) {
		return nil, vault.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("item %s: %w", item, err)
	}
	record := new(itemv1.Record)
	if err := proto.Unmarshal(message.Data, record); err != nil {
		return nil, fmt.Errorf("item %s: %w", item, err)
	}
	return record, nil
}

// Hold is Retention.Hold. The reason is sealed under the view's key where there is a view.
func (c *Custody) Hold(ctx context.Context, item, actor, reason string) error {
	var drawn [8]byte
	rand.Read(drawn[:]) //nolint:errcheck // crypto/rand.Read never fails
	sealed, err := c.seal(ctx, item, actor, reason)
	if err != nil {
		return err
	}
	_, err = c.keyring.Hold(ctx, &keyringv1.Hold{Hold: "H" + hex.EncodeToString(drawn[:]), Items: []string{item}, Actor: actor, Reason: sealed})
	return err
}

func (c *Custody) seal(ctx context.Context, item, actor, reason string) ([]byte, error) {
	key, err := c.opener.Open(ctx, open.Ask{Purpose: keys.ForRead, Layer: itemv1.LayerKind_LAYER_KIND_VIEW, Item: item, Ticket: event.Ticket(item), Actor: actor})
	if err != nil {
		if gone(err) {
			return nil, ErrGone
		}
		return nil, err
	}
	defer key.Clear()
	return seal.Under(key.Session, []byte(reason))
}

// Release is Retention.Release.
func (c *Custody) Release(ctx context.Context, item, hold, actor string) error {
	_, err := c.keyring.Release(ctx, &keyringv1.Release{Hold: hold, Items: []string{item}, Actor: actor})
	return err
}
