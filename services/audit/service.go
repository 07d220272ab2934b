package audit

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
)

const checkpointSubject = "audit.v1.Checkpoint"

// Bus is what the service needs of its connection; *bus.Conn is one.
type Bus interface {
	Scan(ctx context.Context, stream string, from uint64, options ...bus.ScanOption) iter.Seq2[*bus.Message, error]
	Follow(ctx context.Context, stream string, from uint64, options ...bus.ScanOption) iter.Seq2[*bus.Message, error]
	Publish(ctx context.Context, subject string, data []byte, options ...bus.PublishOption) (uint64, error)
	Lease(ctx context.Context, name string) (*bus.Lease, error)
}

// Clock tells the time.
type Clock interface{ Now() time.Time }

// Health hears whether the service can work.
type Health interface {
	Waiting(forWhat string)
	Ready()
}

// Deps are what the service works with.
type Deps struct {
	Bus     Bus
	Clock   Clock
	Log     *slog.Logger
	Health  Health
	Metrics prometheus.Registerer
}

// A Service links the log and signs where it stands.
type Service struct {
	config Config
	key    ed25519.PrivateKey
	Deps
	linked, alerts prometheus.Gauge
}

// New makes a service that signs with a key.
func New(config Config, key ed25519.PrivateKey, deps Deps) *Service {
	s := &Service{
		config: config, key: key, Deps: deps,
		linked: prometheus.NewGauge(prometheus.GaugeOpts{Name: "postern_audit_entries_linked", Help: "Messages of the audit log that are linked into the chain."}),
		alerts: prometheus.NewGauge(prometheus.GaugeOpts{Name: "postern_audit_alert", Help: "1 while the audit log is not the one that was signed."}),
	}
	if deps.Metrics != nil {
		deps.Metrics.MustRegister(s.linked, s.alerts)
	}
	return s
}

// Run signs while this process has the lease. A log that is not the one that was
// signed is never signed again: that is an alert for a person.
func (s *Service) Run(ctx context.Context) error {
	s.Health.Waiting("the lease of the log's signer")
	for ctx.Err() == nil {
		lease, err := s.Bus.Lease(ctx, "signer")
		if err == nil {
			err = s.sign(lease.Context())
			lease.Release()
		}
		switch {
		case ctx.Err() != nil:
		case errors.Is(err, ErrAltered), errors.Is(err, ErrGap), errors.Is(err, ErrSignature):
			s.alerts.Set(1)
			s.Log.Error("audit log is not the one that was signed", "err", err)
			s.Health.Waiting("a person: the audit log was altered; run postern audit verify")
		case errors.Is(err, bus.ErrHeld):
			s.Health.Waiting("the lease of the log's signer")
		case err != nil:
			s.Log.Warn("audit log not read", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(3 * time.Second):
		}
	}
	return ctx.Err()
}

// sign checks what was signed so far, then follows the log.
func (s *Service) sign(ctx context.Context) error {
	public, _ := s.key.Public().(ed25519.PublicKey)
	checkpoints, last, err := readCheckpoints(ctx, s.Bus)
	if err != nil {
		return err
	}
	remembered := checkpoints
	if s.config.Key != "" {
		if remembered, err = MarkOf(s.config.Key).With(checkpoints, public); err != nil {
			return err
		}
	}
	chain, err := s.resume(ctx, remembered, public)
	if err != nil {
		return err
	}
	s.alerts.Set(0)
	s.Health.Ready()
	var signed uint64 // what came after the last signature waits for the next, however quiet the log is
	if len(checkpoints) > 0 {
		signed = checkpoints[len(checkpoints)-1].GetSequence()
	}
	heads := make(chan Chain)
	failed := make(chan error, 1)
	following, stop := context.WithCancel(ctx)
	defer stop()
	go func() { failed <- s.follow(following, chain, heads) }()
	ticker := time.NewTicker(s.config.CheckpointEvery.Std())
	defer ticker.Stop()
	for {
		select {
		case chain = <-heads:
			s.linked.Set(float64(chain.Sequence))
		case err := <-failed:
			return err
		case <-ticker.C:
			if chain.Sequence == signed {
				continue
			}
			if last, err = s.publish(ctx, chain, last); err != nil {
				return err
			}
			signed = chain.Sequence
		}
	}
}

// resume links everything up to the end of the log, comparing with every checkpoint.
func (s *Service) resume(ctx context.Context, checkpoints []*auditv1.Checkpoint, key ed25519.PublicKey) (Chain, error) {
	chain := NewChain()
	linked := func(yield func(Message, error) bool) {
		for message, err := range Messages(ctx, s.Bus) {
			if err == nil {
				// The verification links its own chain; this one is kept for going on.
				err = chain.Link(message)
			}
			if !yield(message, err) {
				return
			}
		}
	}
	_, err := Verify(linked, checkpoints, key)
	return chain, err
}

func (s *Service) follow(ctx context.Context, chain Chain, heads chan<- Chain) error {
	for message, err := range s.Bus.Follow(ctx, topology.Audit, chain.Sequence+1) {
		if err != nil {
			return err
		}
		if err := chain.Link(Message{message.Sequence, message.Subject, message.Data}); err != nil {
			return err
		}
		select {
		case heads <- chain:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}

func (s *Service) publish(ctx context.Context, chain Chain, after uint64) (uint64, error) {
	checkpoint := Sign(chain, s.Clock.Now(), s.key)
	envelope, err := event.New(event.ID("audit", "audit", int(chain.Sequence)), "audit", 0, "", s.Clock.Now(), checkpoint)
	if err != nil {
		return 0, err
	}
	data, err := event.Marshal(envelope)
	if err != nil {
		return 0, err
	}
	stored, err := s.Bus.Publish(ctx, checkpointSubject, data, bus.MsgID(envelope.GetId()), bus.ExpectLastSubjectSeq(after))
	if err != nil || s.config.Key == "" {
		return stored, err
	}
	return stored, MarkOf(s.config.Key).Keep(checkpoint)
}

// Scanner reads streams; *bus.Conn is one.
type Scanner interface {
	Scan(ctx context.Context, stream string, from uint64, options ...bus.ScanOption) iter.Seq2[*bus.Message, error]
}

// Messages reads the whole log.
func Messages(ctx context.Context, from Scanner) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for message, err := range from.Scan(ctx, topology.Audit, 1) {
			if err != nil {
				yield(Message{}, err)
				return
			}
			if !yield(Message{message.Sequence, message.Subject, message.Data}, nil) {
				return
			}
		}
	}
}

// Checkpoints reads all signed checkpoints, in order.
func Checkpoints(ctx context.Context, from Scanner) ([]*auditv1.Checkpoint, error) {
	all, _, err := readCheckpoints(ctx, from)
	return all, err
}

// readCheckpoints gives the number of the last one's message as well.
func readCheckpoints(ctx context.Context, from Scanner) (all []*auditv1.Checkpoint, last uint64, err error) {
	for message, err := range from.Scan(ctx, topology.Checkpoints, 1) {
		if err != nil {
			return nil, 0, fmt.Errorf("audit checkpoints: %w", err)
		}
		_, said, err := event.Open(message.Subject, message.Data)
		if err != nil {
			return nil, 0, fmt.Errorf("%w: message %d is no checkpoint: %w", ErrSignature, message.Sequence, err)
		}
		checkpoint, ok := said.(*auditv1.Checkpoint)
		if !ok {
			return nil, 0, fmt.Errorf("%w: message %d is no checkpoint", ErrSignature, message.Sequence)
		}
		all, last = append(all, checkpoint), message.Sequence
	}
	return all, last, nil
}
