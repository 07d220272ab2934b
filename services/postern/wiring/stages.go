package wiring

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/pii"
	"github.com/postern-mail/postern/pkg/stage"
	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"
	verifyv1 "github.com/postern-mail/postern/proto/verify/v1"
	"github.com/postern-mail/postern/services/archive"
	"github.com/postern-mail/postern/services/sanitize"
	"github.com/postern-mail/postern/services/scan"
	"github.com/postern-mail/postern/services/verify"
)

// asider sets items aside through the keyring.
type asider struct{ client *keys.Client }

func (a asider) SetAside(ctx context.Context, item, code, stage string) (*itemv1.Record, error) {
	recorded, err := a.client.SetAside(ctx, &keyringv1.SetAside{Item: item, Code: code, Stage: stage})
	if refusal, refused := keys.RefusalOf(err); refused && !refusal.Passing() {
		return nil, fault.FinalFor(err, string(refusal))
	}
	return recorded.GetRecord(), err
}

// runStage runs one stage of the topology.
func (s *service) runStage(ctx context.Context, conn *bus.Conn, client *keys.Client, name string, work stage.Work) error {
	var ends stage.SetAsider = asider{client}
	if name == "desk" {
		ends = opened{ends, conn, client}
	}
	return s.runStageTo(ctx, conn, name, work, ends)
}

// runStageTo runs one whose mails end otherwise than by being set aside.
func (s *service) runStageTo(ctx context.Context, conn *bus.Conn, name string, work stage.Work, ends stage.SetAsider) error {
	consumer, ok := topology.ConsumerOf(name)
	if !ok {
		return fmt.Errorf("stage %s is not in the topology", name)
	}
	deps := stage.OnBus(conn, consumer)
	deps.SetAsider = ends
	deps.Process = s.stage
	deps.Clock = s.Clock
	deps.Log = s.Log
	deps.Tracer = s.tracer
	deps.Metrics = s.Registry
	return stage.Run(ctx, deps, stage.Of(consumer, work))
}

// runSweep says again what the service says of items in a state, where they stand still.
func (s *service) runSweep(ctx context.Context, conn *bus.Conn, state itemv1.State, event func(*itemv1.Record) proto.Message) error {
	deps := stage.SweepOnBus(conn)
	deps.Clock, deps.Log = s.Clock, s.Log
	return stage.Sweep(ctx, deps, stage.SweepSpec{Service: s.name, State: state, Event: event})
}

// typed makes Work of a function from one event to at most one other.
func typed[In, Out any, PIn interface {
	*In
	proto.Message
}, POut interface {
	*Out
	proto.Message
}](work func(context.Context, PIn) (POut, error)) stage.Work {
	return func(ctx context.Context, _ *eventv1.Envelope, message proto.Message) ([]stage.Out, error) {
		in, ok := message.(PIn)
		if !ok {
			return nil, fault.Final("unexpected_event")
		}
		out, err := work(ctx, in)
		if err != nil || out == nil {
			return nil, err
		}
		return []stage.Out{{Message: out}}, nil
	}
}

func runVerify(ctx context.Context, s *service, conn *bus.Conn) error {
	client, err := s.client(conn)
	if err != nil {
		return err
	}
	dns, started := s.Config.Verify.DNS, s.Clock.Now()
	young := func(record *itemv1.Record) bool {
		since := event.Taken(record)
		if started.After(since) {
			since = started
		}
		return s.Clock.Now().Sub(since) < dns.Patience.Std()
	}
	authors, err := verify.OpenKeys(s.Config.Verify.Keys, s.Clock.Now, s.Log)
	if err != nil {
		return err
	}
	opener := s.opener(client)
	directory := verify.NewDirectory(conn, opener, s.Log)
	s.reporter.Waiting("the customers' records and the key of their tokens")
	if err := directory.Await(ctx); err != nil {
		return nil // it ends
	}
	s.reporter.Ready()
	worker := verify.NewWorker(s.Config.Verify, s.reading, opener, s.Resolver, young, authors, directory)
	return together(ctx,
		directory.Run,
		func(ctx context.Context) error {
			return s.runStage(ctx, conn, client, "verify", typed[mailv1.Received, mailv1.Verified](worker.Verify))
		},
		func(ctx context.Context) error { return serveReplays(ctx, conn, worker) },
	)
}

// replaysAtOnce bounds the verdicts that are repeated at a time, beside the mails in work.
const replaysAtOnce = 2

// serveReplays repeats verdicts for whoever may ask.
func serveReplays(ctx context.Context, conn *bus.Conn, worker *verify.Worker) error {
	served, err := conn.Serve(ctx, topology.Replay, replaysAtOnce, func(ctx context.Context, request bus.Request) ([]byte, error) {
		replay := new(verifyv1.Replay)
		if err := proto.Unmarshal(request.Data, replay); err != nil {
			return nil, fault.Final(verify.EvidenceMalformed)
		}
		replayed, err := worker.Replay(ctx, replay)
		if err != nil {
			return nil, err
		}
		return proto.Marshal(replayed)
	})
	if err != nil {
		return err
	}
	<-ctx.Done()
	return served.Stop(context.WithoutCancel(ctx))
}

func runScan(ctx context.Context, s *service, conn *bus.Conn) error {
	client, err := s.client(conn)
	if err != nil {
		return err
	}
	young := func(record *itemv1.Record) bool {
		return s.Clock.Now().Sub(event.Waiting(record)) < s.Config.Scan.Patience.Std()
	}
	pool, err := s.pool(ctx)
	if pool == nil {
		return err
	}
	source, _ := s.SecondOpinion.(scan.Source)
	signatures := scan.NewSignatures(source, s.Log, s.Registry)
	second := s.SecondOpinion
	if second != nil {
		second = scan.NewOpinions(second, signatures, s.Config.Scan.Opinions, s.Registry)
	}
	judge := scan.Confined(pool, attachment.Options{SecondOpinion: second}, mail.DefaultLimits)
	opener := s.opener(client)
	worker := scan.NewWorker(s.reading, opener, judge, young).Noting(signatures, s.Clock.Now)
	deps := stage.SweepOnBus(conn)
	deps.Clock, deps.Log = s.Clock, s.Log
	anew := &scan.Rescanner{
		Records: deps.Records, Views: views{conn}, Vault: s.Vault, Opener: opener, Keyring: client, Second: second,
		Versions: signatures, Now: s.Clock.Now, Patience: s.Config.Scan.Patience.Std(),
	}
	waiting := func(ctx context.Context) (uint64, error) { return conn.Undone(ctx, topology.Mail, "rescan") }
	return together(ctx,
		signatures.Run,
		func(ctx context.Context) error {
			return s.runStage(ctx, conn, client, "scan", typed[mailv1.Verified, mailv1.Scanned](worker.Scan))
		},
		func(ctx context.Context) error {
			return s.runStageTo(ctx, conn, "rescan", typed[mailv1.Outdated, mailv1.Recalled](anew.Rescan), anew)
		},
		scan.NewOutdated(deps, signatures, waiting, s.Config.Scan.Pace, s.Registry).Run,
	)
}

// views are the sealed views that rode in their tickets' first events.
type views struct{ conn *bus.Conn }

func (v views) Inline(ctx context.Context, ticket string) ([]byte, error) {
	for message, err := range v.conn.Scan(ctx, topology.Tickets, 1, bus.Matching("tickets."+ticket)) {
		if err != nil {
			return nil, err
		}
		_, said, err := event.Open(message.Subject, message.Data)
		if err != nil {
			return nil, err
		}
		first, _ := said.(*ticketv1.Opened)
		for _, layer := range first.GetRecord().GetLayers() {
			if layer.GetKind() == itemv1.LayerKind_LAYER_KIND_VIEW {
				return layer.GetInline(), nil
			}
		}
		break
	}
	return nil, bus.ErrNoMessage
}

func runArchive(ctx context.Context, s *service, conn *bus.Conn) error {
	client, err := s.client(conn)
	if err != nil {
		return err
	}
	config := s.Config.Archive
	config.Tags = config.Tags.For(s.Config.Vault.Kind == "s3")
	config.ObjectLock = config.ObjectLock && s.Config.Vault.S3.Lock != ""
	files := archive.New(config, client, s.Vault)
	keeper := archive.NewKeeper(s.Config.Archive, conn, s.Vault, client, s.Clock.Now, s.Log, s.Registry)
	s.offerJournal(keeper)
	return together(ctx,
		func(ctx context.Context) error {
			return s.runStage(ctx, conn, client, "archive", typed[mailv1.Scanned, mailv1.Archived](files.File))
		},
		keeper.Run,
		func(ctx context.Context) error {
			return s.runSweep(ctx, conn, itemv1.State_STATE_FILED, func(r *itemv1.Record) proto.Message { return &mailv1.Archived{Record: r} })
		},
	)
}

func runSanitize(ctx context.Context, s *service, conn *bus.Conn) error {
	client, err := s.client(conn)
	if err != nil {
		return err
	}
	worker := sanitize.NewWorker(s.reading, s.opener(client), client, s.Vault, s.Config.Sanitize.options(), s.Clock.Now)
	return together(ctx,
		func(ctx context.Context) error {
			gallery, err := s.gallery(ctx)
			if gallery.Pool == nil {
				return err
			}
			worker.DrawIn(gallery)
			return s.runStage(ctx, conn, client, "sanitize", typed[mailv1.Archived, mailv1.Sanitized](worker.Sanitize))
		},
		func(ctx context.Context) error {
			return s.runSweep(ctx, conn, itemv1.State_STATE_RENDERED, func(r *itemv1.Record) proto.Message { return &mailv1.Sanitized{Record: r} })
		},
	)
}

func (c SanitizeConfig) options() sanitize.Options {
	actions := map[pii.Kind]pii.Action{}
	for kind, action := range c.Masks {
		actions[pii.Kind(kind)] = pii.Action(action)
	}
	for _, kind := range c.Leave {
		actions[pii.Kind(kind)] = pii.Leave
	}
	return sanitize.Options{Mask: pii.Options{Actions: actions}, Regions: slices.Clone(c.Regions)}
}

// guarded turns a panic of a part, which has a goroutine of its own, into an error that tells only
// its place: what was thrown may hold a customer's words.
func guarded(ctx context.Context, part func(context.Context) error) (err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("panic at\n%s", debug.Stack())
		}
	}()
	return part(ctx)
}

// together runs parts of one service until all have ended; the first that fails ends the rest.
func together(ctx context.Context, parts ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(parts))
	for _, part := range parts {
		go func() { ended <- guarded(ctx, part) }()
	}
	var result error
	for range parts {
		err := <-ended
		if err != nil && !errors.Is(err, context.Canceled) {
			result = errors.Join(result, err)
		}
		cancel()
	}
	return result
}
