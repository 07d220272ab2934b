package wiring

import (
	"context"
	"errors"
	"net"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/embedded"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/run"
	"github.com/postern-mail/postern/pkg/seal/open"
)

// A service connects with its own credential, waits until what it needs is there, and works.
type service struct {
	*Process
	name     string
	reporter *run.Reporter
}

// again is how often a service looks whether its streams are there.
const again = time.Second

func (s *service) Run(ctx context.Context) (err error) {
	named(ctx, s.name, func(ctx context.Context) { err = s.work(ctx) })
	return err
}

// named does something in a service's name: profiles tell by it whose work is whose, in all
// that it starts.
func named(ctx context.Context, service string, do func(context.Context)) {
	pprof.Do(ctx, pprof.Labels("service", service), do)
}

// A doorman lets services in at the server of this process, whose work stays its own.
type doorman struct{ server *embedded.Server }

func (d doorman) InProcessConn() (conn net.Conn, err error) {
	done := make(chan struct{})
	go func() { // not to take the caller's name away from it
		defer close(done)
		named(context.Background(), "bus", func(context.Context) { conn, err = d.server.InProcessConn() })
	}()
	<-done
	return conn, err
}

func (s *service) work(ctx context.Context) error {
	s.reporter.Waiting("the bus")
	conn, err := s.Connect(ctx, s.name)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer conn.Close()
	for {
		err := conn.Check(ctx)
		if err == nil {
			break
		}
		s.reporter.Waiting("the bus: " + err.Error())
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(again):
		}
	}
	if err := s.awaitKeyring(ctx, conn); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	s.reporter.Ready()
	return together(ctx,
		func(ctx context.Context) error { return builders[s.name](ctx, s, conn) },
		func(ctx context.Context) error { return s.meters.measure(ctx, s.name, conn) },
	)
}

// soon is the first pause of a service that waits for the keyring; they double up to again.
const soon = 50 * time.Millisecond

// awaitKeyring returns when a keyring answers, for those who need one. Work that began
// before would fail, and a mail that has been tried before would rest for long.
func (s *service) awaitKeyring(ctx context.Context, conn *bus.Conn) error {
	if service, _ := topology.ServiceNamed(s.name); !slices.Contains(service.Asks, keys.OpStatus) {
		return nil
	}
	client, err := s.client(conn)
	if err != nil {
		return err
	}
	for pause := soon; ; pause = min(2*pause, again) {
		if _, err := client.Status(ctx); err == nil {
			return nil
		}
		s.reporter.Waiting("the keyring")
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// builders make and run each service.
var builders = map[string]func(ctx context.Context, s *service, conn *bus.Conn) error{
	"ingest": runIngest, "verify": runVerify, "scan": runScan, "archive": runArchive, "sanitize": runSanitize,
	"desk": runDesk, "retain": runRetain, "audit": runAudit, "keyring": runKeyring,
}

// client gives a service its voice before the keyring.
func (s *service) client(conn *bus.Conn) (*keys.Client, error) {
	seed, err := Seed(s.Config.NATS.Nkeys, s.name)
	if err != nil {
		return nil, err
	}
	signer, err := keys.NewSigner(seed)
	if err != nil {
		return nil, err
	}
	return keys.NewClient(requester{conn, comingUp}, signer, s.Clock), nil
}

// requester asks over a bus. A keyring that is just coming up is waited for: nobody heard the
// request, so that asking again asks once. Who asks how the keyring is wants to know that.
type requester struct {
	conn interface {
		Request(ctx context.Context, subject string, data []byte, opts ...bus.PublishOption) ([]byte, error)
	}
	patience time.Duration
}

// comingUp is how long a keyring may take from its start to its first answer.
const comingUp = 5 * time.Second

func (r requester) Request(ctx context.Context, subject string, body []byte) ([]byte, error) {
	within, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	for pause := soon; ; pause = min(2*pause, again) {
		answer, err := r.conn.Request(ctx, subject, body)
		if !errors.Is(err, bus.ErrNobody) || subject == keys.Subject+keys.OpStatus {
			return answer, err
		}
		select {
		case <-within.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
}

func (s *service) opener(client *keys.Client) *open.Opener {
	return open.NewOpener(client, open.OpenerOptions{})
}
