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
	"github.com/postern-mail/postern/pkg/readmodel"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// Bus is what the desk needs of its connection; *bus.Conn is one.
type Bus interface {
	Publish(ctx context.Context, subject string, data []byte, options ...bus.PublishOption) (uint64, error)
	Scan(ctx context.Context, stream string, from uint64, options ...bus.ScanOption) iter.Seq2[*bus.Message, error]
	Follow(ctx context.Context, stream string, from uint64, options ...bus.ScanOption) iter.Seq2[*bus.Message, error]
	LastFresh(ctx context.Context, stream, subject string) (*bus.Message, error)
	Kept(ctx context.Context, stream string) (bus.Kept, error)
}

const stageName = "desk"

// Speech is the desk's voice on the bus.
type Speech struct {
	bus Bus
	now func() time.Time
}

// NewSpeech speaks on a bus.
func NewSpeech(conn Bus, now func() time.Time) *Speech { return &Speech{conn, now} }

func (s *Speech) publish(ctx context.Context, subject string, said proto.Message) (uint64, error) {
	var drawn [16]byte
	rand.Read(drawn[:]) //nolint:errcheck // crypto/rand.Read never fails
	envelope, err := event.New(hex.EncodeToString(drawn[:]), stageName, 0, "", s.now(), said)
	if err != nil {
		return 0, err
	}
	data, err := event.Marshal(envelope)
	if err != nil {
		return 0, err
	}
	return s.bus.Publish(ctx, subject, data, bus.MsgID(envelope.GetId()))
}

// Say is Voice.Say.
func (s *Speech) Say(ctx context.Context, ticket string, said proto.Message) (uint64, error) {
	return s.publish(ctx, "tickets."+ticket, said)
}

// Record is Voice.Record.
func (s *Speech) Record(ctx context.Context, act *auditv1.Act) error {
	now := s.now()
	act.Id = ulid.MustNew(ulid.Timestamp(now), ulid.DefaultEntropy()).String()
	act.Time, act.Service = timestamppb.New(now), stageName
	_, err := s.publish(ctx, "audit.v1.Entry."+stageName, &auditv1.Entry{Acts: []*auditv1.Act{act}})
	return err
}

// Wish is Voice.Wish.
func (s *Speech) Wish(ctx context.Context, item, actor, reason string) error {
	var drawn [10]byte
	rand.Read(drawn[:]) //nolint:errcheck // crypto/rand.Read never fails
	wished := &retentionv1.Wished{Plan: "P" + hex.EncodeToString(drawn[:]), Item: item, By: actor, Reason: reason, Time: timestamppb.New(s.now())}
	_, err := s.publish(ctx, event.Name(wished), wished)
	return err
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
	for ctx.Err() == nil {
		err := p.anew(ctx)
		if err == nil {
			break
		}
		p.log.Warn("board not looked at", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(followAgain):
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.follow(ctx, auditStream, func(b *Board, m *bus.Message) error {
			return b.ApplyAct(ctx, m.Sequence, m.Subject, m.Data)
		})
	}()
	p.follow(ctx, ticketStream, func(b *Board, m *bus.Message) error {
		return b.ApplyTicket(ctx, m.Sequence, m.Subject, m.Time, m.Data)
	})
	<-done
	return ctx.Err()
}

// followAgain is how long a broken follower rests.
const followAgain = time.Second

func (p *Projector) follow(ctx context.Context, stream string, apply func(*Board, *bus.Message) error) {
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

func (p *Projector) turn(ctx context.Context, stream string, apply func(*Board, *bus.Message) error) error {
	from, err := p.board.model.Position(ctx, stream)
	if err != nil {
		return err
	}
	steps := &inOrder{p.board.model, from}
	board := &Board{steps, p.board.acts}
	for message, err := range p.bus.Follow(ctx, stream, from+1) {
		if err != nil {
			return err
		}
		err := apply(board, message)
		if errors.Is(err, errFold) || errors.Is(err, readmodel.ErrKey) || errors.Is(err, readmodel.ErrTooLarge) {
			p.log.Error("message not folded", "stream", stream, "sequence", message.Sequence, "err", err)
			err = steps.Apply(ctx, stream, message.Sequence, func(readmodel.Tx) error { return nil })
		}
		if err != nil {
			return fmt.Errorf("message %d: %w", message.Sequence, err)
		}
		steps.before = message.Sequence
	}
	return ctx.Err()
}
