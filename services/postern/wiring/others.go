package wiring

import (
	"context"
	"errors"
	"net"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/run"
	"github.com/postern-mail/postern/pkg/signet"
	"github.com/postern-mail/postern/pkg/stage"
	"github.com/postern-mail/postern/pkg/vault/s3"
	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	"github.com/postern-mail/postern/services/archive"
	"github.com/postern-mail/postern/services/audit"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/retain"
)

type (
	deskHook    = *desk.Web
	retainHook  = *retain.Schedule
	archiveHook = *archive.Keeper
)

func (p *Process) offerJournal(keeper *archive.Keeper) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hooks.archive = keeper
}

// Desk waits until the desk of this process is up.
func (p *Process) Desk(ctx context.Context) (*desk.Web, error) {
	select {
	case <-p.hooks.deskUp:
		return p.hooks.desk, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Sweep runs retention at once and gives the outcome, where this process leads.
func (p *Process) Sweep(ctx context.Context) error {
	select {
	case <-p.hooks.retainUp:
	case <-ctx.Done():
		return ctx.Err()
	}
	p.mu.Lock()
	keeper := p.hooks.archive
	p.mu.Unlock()
	if keeper != nil {
		keeper.Wake() // keys wait for the journal
	}
	return p.hooks.retain.Now(ctx)
}

func runDesk(ctx context.Context, s *service, conn *bus.Conn) error {
	client, err := s.client(conn)
	if err != nil {
		return err
	}
	opener := s.opener(client)
	board := desk.NewBoard(s.Model)
	speech := desk.NewSpeech(conn, s.Clock.Now)
	shelf := desk.NewShelf(conn, client, s.Clock.Now, s.Log, s.Registry)
	deps := desk.WebDeps{
		Log: s.Log, Now: s.Clock.Now, Short: s.Model.Short(), Tickets: board, Opener: opener, Vault: s.Vault,
		Voice: speech, Audit: desk.NewLedger(conn), Retention: desk.NewCustody(conn, client, opener, s.Vault), Asides: shelf, Changes: board,
	}
	if s.Config.Desk.Demo {
		deps.Demo = demoClock{s.Process}
	}
	web, err := desk.NewWeb(s.Config.Desk, deps)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.Config.Desk.Listen)
	if err != nil {
		return err
	}
	s.Log.Info("the desk listens", "address", listener.Addr().String(), "base_url", s.Config.Desk.BaseURL)
	s.hooks.desk = web
	close(s.hooks.deskUp)
	worker := desk.NewWorker(client, speech, s.Clock.Now)
	work := func(ctx context.Context, envelope *eventv1.Envelope, message proto.Message) ([]stage.Out, error) {
		sanitized, ok := message.(*mailv1.Sanitized)
		if !ok {
			return nil, fault.Final("unexpected_event")
		}
		return nil, worker.Open(ctx, envelope, sanitized)
	}
	recall := func(_ context.Context, _ *eventv1.Envelope, message proto.Message) ([]stage.Out, error) {
		recalled, ok := message.(*mailv1.Recalled)
		if !ok {
			return nil, fault.Final("unexpected_event")
		}
		ticket, said := worker.Recall(recalled)
		return []stage.Out{{Message: said, Subject: "tickets." + ticket}}, nil
	}
	return together(ctx,
		func(ctx context.Context) error {
			defer context.AfterFunc(ctx, web.Drain)()
			return run.ServeHTTP(ctx, listener, web.Handler(), run.DefaultHTTPLimits())
		},
		func(ctx context.Context) error { return s.runStage(ctx, conn, client, "desk", work) },
		func(ctx context.Context) error { return s.runStage(ctx, conn, client, "recall", recall) },
		desk.NewProjector(board, conn, s.Log).Run,
		shelf.Run,
	)
}

// demoClock moves the clock of this process on and lets retention see it.
type demoClock struct{ *Process }

func (d demoClock) Now() time.Time { return d.Clock.Now() }

func (d demoClock) Advance(ctx context.Context, by time.Duration) error {
	d.Clock.Advance(by)
	if d.Moved != nil {
		if err := d.Moved(); err != nil {
			return err
		}
	}
	return d.SweepWhole(ctx)
}

func runRetain(ctx context.Context, s *service, conn *bus.Conn) error {
	client, err := s.client(conn)
	if err != nil {
		return err
	}
	service, err := s.retain(conn, client)
	if err != nil {
		return err
	}
	schedule, err := retain.NewSchedule(service, retain.NewBusLeader(conn))
	if err != nil {
		return err
	}
	schedule.Measure(s.Registry)
	s.hooks.retain = schedule
	close(s.hooks.retainUp)
	calls := wished
	if s.local != nil { // in a fleet a command does the whole of what it began
		calls = func(said proto.Message) bool { return wished(said) || s.plans.strange(said) }
	}
	return together(ctx, schedule.Run, func(ctx context.Context) error { return takeOver(ctx, conn, calls, schedule.Now) })
}

// retain makes retention's logic on a connection.
func (p *Process) retain(conn *bus.Conn, client *keys.Client) (*retain.Service, error) {
	key, err := signet.Load(p.Config.Retain.Key)
	if err != nil {
		return nil, err
	}
	deps := retain.Deps{
		Log: p.Log, Clock: p.Clock, Keyring: client, Records: retain.NewStreamRecords(conn), Events: ownWords{retain.NewStreamLog(conn, p.Clock.Now), &p.plans},
		Vault: p.Vault, Policy: p.Config.Retention, Key: key, Servers: p.servers(conn),
	}
	if p.door != nil {
		deps.Eraser, deps.Projections = handedOver{}, handedOver{}
		return retain.New(p.Config.Retain, deps), nil
	}
	eraser, err := p.Config.Vault.eraser()
	if err != nil {
		return nil, err
	}
	if p.options.Eraser != nil {
		eraser = p.options.Eraser(eraser)
	}
	deps.Eraser, deps.Projections = eraser, desk.NewCaught(desk.NewBoard(p.Model), conn)
	return retain.New(p.Config.Retain, deps), nil
}

// servers are those on other machines, whose clocks can be wrong by themselves.
func (p *Process) servers(conn *bus.Conn) []retain.Server {
	servers := []retain.Server{{Name: "bus", Time: func(ctx context.Context) (time.Time, error) {
		kept, err := conn.Kept(ctx, topology.Retention)
		if err == nil && kept.Now.IsZero() {
			err = errors.New("the server does not say what time it is")
		}
		return kept.Now, err
	}}}
	if store, ok := p.Vault.(*s3.Store); ok {
		servers = append(servers, retain.Server{Name: "vault", Time: store.Time})
	}
	return servers
}

func runAudit(ctx context.Context, s *service, conn *bus.Conn) error {
	key, err := signet.Load(s.Config.Audit.Key)
	if err != nil {
		return err
	}
	return audit.New(s.Config.Audit, key, audit.Deps{Bus: conn, Clock: s.Clock, Log: s.Log, Health: s.reporter, Metrics: s.Registry}).Run(ctx)
}
