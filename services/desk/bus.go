package desk

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// Bus is what the desk needs of its connection; *bus.Conn is one.
type Bus interface {
	Publish(ctx context.Context, subject string, data []byte, options ...bus.PublishOption) (uint64, error)
	Scan(ctx context.Context, stream string, from uint64, options ...bus.ScanOption) iter.Seq2[*bus.Message, error]
	Follow(ctx context.Context, stream string, from uint64, options ...bus.ScanOption) iter.Seq2[*bus.Message, error]
	LastFresh(ctx context.Context, stream, subject string) (*bus.Message, error)
}

const stageName = "desk"

// Speech is the desk's voice on the bus.
type Speech struct {
	bus Bus
	now func() time.Time
}

// NewSpeech speaks on a bus.
func NewSpeech(conn Bus, now func() time.Time) *Speech { return &Speech{conn, now} }

func (s *Speech) publish(ctx context.Context, subject, item string, said proto.Message, options ...bus.PublishOption) error {
	var drawn [16]byte
	rand.Read(drawn[:]) //nolint:errcheck // crypto/rand.Read never fails
	envelope, err := event.New(hex.EncodeToString(drawn[:]), stageName, 0, item, s.now(), said)
	if err != nil {
		return err
	}
	data, err := event.Marshal(envelope)
	if err != nil {
		return err
	}
	_, err = s.bus.Publish(ctx, subject, data, append(options, bus.MsgID(envelope.GetId()))...)
	return err
}

// Say is Voice.Say.
func (s *Speech) Say(ctx context.Context, ticket string, said proto.Message) error {
	return s.publish(ctx, "tickets."+ticket, "", said)
}

// Record is Voice.Record.
func (s *Speech) Record(ctx context.Context, act *auditv1.Act) error {
	now := s.now()
	act.Id = ulid.MustNew(ulid.Timestamp(now), ulid.DefaultEntropy()).String()
	act.Time, act.Service = timestamppb.New(now), stageName
	return s.publish(ctx, "audit.v1.Entry."+stageName, "", &auditv1.Entry{Acts: []*auditv1.Act{act}})
}

// OpenTicket is Opening.OpenTicket.
func (s *Speech) OpenTicket(ctx context.Context, ticket string, first *eventv1.Envelope) error {
	data, err := event.Marshal(first)
	if err != nil {
		return err
	}
	_, err = s.bus.Publish(ctx, "tickets."+ticket, data, bus.ExpectLastSubjectSeq(0))
	if !errors.Is(err, bus.ErrWrongSequence) {
		return err
	}
	// Somebody was here. That the subject's first event stands there is what matters;
	// a subject whose last event can be read has one.
	if _, err := s.bus.LastFresh(ctx, topology.Tickets, "tickets."+ticket); err != nil {
		return err
	}
	return nil
}

// A Projector keeps the board as new as the streams.
type Projector struct {
	board *Board
	bus   Bus
	log   *slog.Logger
}

// NewProjector folds streams into a board.
func NewProjector(board *Board, conn Bus, log *slog.Logger) *Projector {
	return &Projector{board, conn, log}
}

// Run follows TICKETS and AUDIT until the context ends. A message that cannot be folded
// is told and passed over: the board is for looking, and one broken event must not stop it.
func (p *Projector) Run(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.follow(ctx, auditStream, func(m *bus.Message) error {
			return p.board.ApplyAct(ctx, m.Sequence, m.Subject, m.Data)
		})
	}()
	p.follow(ctx, ticketStream, func(m *bus.Message) error {
		return p.board.ApplyTicket(ctx, m.Sequence, m.Subject, m.Time, m.Data)
	})
	<-done
	return ctx.Err()
}

// followAgain is how long a broken follower rests.
const followAgain = time.Second

func (p *Projector) follow(ctx context.Context, stream string, apply func(*bus.Message) error) {
	for ctx.Err() == nil {
		if err := p.turn(ctx, stream, apply); err != nil && ctx.Err() == nil {
			p.log.Warn("board not kept", "stream", stream, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(followAgain):
		}
	}
}

func (p *Projector) turn(ctx context.Context, stream string, apply func(*bus.Message) error) error {
	from, err := p.board.model.Position(ctx, stream)
	if err != nil {
		return err
	}
	for message, err := range p.bus.Follow(ctx, stream, from+1) {
		if err != nil {
			return err
		}
		if err := apply(message); err != nil {
			if !errors.Is(err, errFold) {
				return fmt.Errorf("message %d: %w", message.Sequence, err)
			}
			p.log.Error("message not folded", "stream", stream, "sequence", message.Sequence, "err", err)
		}
	}
	return ctx.Err()
}

// Custody is the desk's part in retention: it shows what was said, and asks for holds.
type Custody struct {
	bus     Bus
	keyring Holder
	opener  Opener
}

// Holder is the keyring's part in holds.
type Holder interface {
	Hold(ctx context.Context, request *keyringv1.Hold) (*keyringv1.Forgotten, error)
	Release(ctx context.Context, request *keyringv1.Release) (*keyringv1.Forgotten, error)
}

// NewCustody reads retention from a bus.
func NewCustody(conn Bus, keyring Holder, opener Opener) *Custody {
	return &Custody{conn, keyring, opener}
}

func (c *Custody) said(ctx context.Context, each func(proto.Message)) error {
	for message, err := range c.bus.Scan(ctx, topology.Retention, 1) {
		if err != nil {
			return fmt.Errorf("retention log: %w", err)
		}
		_, said, err := event.Open(message.Subject, message.Data)
		if err != nil {
			return fmt.Errorf("retention log: message %d: %w", message.Sequence, err)
		}
		each(said)
	}
	return nil
}

// Certificates is Retention.Certificates.
func (c *Custody) Certificates(ctx context.Context, limit int) ([]*retentionv1.Certified, error) {
	var all []*retentionv1.Certified
	err := c.said(ctx, func(said proto.Message) {
		if certified, ok := said.(*retentionv1.Certified); ok {
			all = append(all, certified)
		}
	})
	return newest(all, limit), err
}

// Certificate is Retention.Certificate.
func (c *Custody) Certificate(ctx context.Context, id string) (*retentionv1.Certified, bool, error) {
	var found *retentionv1.Certified
	err := c.said(ctx, func(said proto.Message) {
		if certified, ok := said.(*retentionv1.Certified); ok && certified.GetCertificate() == id {
			found = certified
		}
	})
	return found, found != nil, err
}

// Plans is Retention.Plans.
func (c *Custody) Plans(ctx context.Context, limit int) ([]*retentionv1.Planned, error) {
	var all []*retentionv1.Planned
	err := c.said(ctx, func(said proto.Message) {
		if planned, ok := said.(*retentionv1.Planned); ok {
			all = append(all, planned)
		}
	})
	return newest(all, limit), err
}

func newest[T any](all []T, limit int) []T {
	var last []T
	for i := len(all) - 1; i >= 0 && len(last) < limit; i-- {
		last = append(last, all[i])
	}
	return last
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
	key, err := c.opener.Open(ctx, open.Ask{Purpose: keys.ForRead, Layer: itemv1.LayerKind_LAYER_KIND_VIEW, Item: item, Actor: actor})
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
