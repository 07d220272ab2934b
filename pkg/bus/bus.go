// Package bus is the one door to NATS and JetStream. It carries bytes between
// services: publishing with compare-and-swap, request and reply, reading streams,
// consuming with explicit acknowledgement, and leases. It knows nothing of what
// the bytes mean, and it grants nothing: what a service may do is decided by the
// server from the data in bus/topology.
//
// A Conn must be used with the credential of one service. All methods may be called
// from several goroutines.
package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/postern-mail/postern/pkg/bus/topology"
)

// Limits and waits that Options may change.
const (
	DefaultWindow  = 1024             // asynchronous publishes in flight
	DefaultTimeout = 10 * time.Second // of one call whose context has no deadline
	MaxPayload     = 1 << 20          // bytes, the server's limit

	// queueLen is how many messages may wait in a subscription: what one pull or one batch
	// of a scan asks for, and the words around it.
	queueLen = 1024
	maxPull  = queueLen - 24
)

var (
	// ErrWrongSequence: the subject has moved on since the caller read it.
	ErrWrongSequence = errors.New("subject has another last sequence")
	// ErrNoMessage: nothing is kept there.
	ErrNoMessage = errors.New("no such message")
	// ErrDenied: the server's permissions forbid it to this service.
	ErrDenied = errors.New("not permitted to this service")
	// ErrNobody: nobody answers on that subject, or this service cannot reach whoever does.
	ErrNobody = errors.New("nobody answers")
	// ErrConnectionLost: it is not known whether the call took effect.
	ErrConnectionLost = errors.New("connection lost before the answer")
	// ErrTooLarge: the payload is over MaxPayload.
	ErrTooLarge = errors.New("payload too large")
)

// A Local is a server in this process.
type Local interface {
	InProcessConn() (net.Conn, error)
}

// Options say who connects to what.
type Options struct {
	URL     string // of the server, comma separated for a cluster; empty with Local
	Local   Local  // the embedded server, instead of a URL
	Service string // name of the service, prefix of its inboxes
	Seed    []byte // the service's nkey seed; Connect does not keep the slice
	TLS     *tls.Config
	Log     *slog.Logger
	Window  int           // 0: DefaultWindow
	Timeout time.Duration // 0: DefaultTimeout
	Around  Around        // nil: calls go straight through
}

// A Conn is the connection of one service. It reconnects for ever.
type Conn struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	service string
	api     string // prefix of JetStream's requests
	log     *slog.Logger
	timeout time.Duration
	around  Around
	denials denials
	scans   locks
}

// Connect signs in and returns when the connection stands. It keeps trying until
// ctx ends, except where the server refuses the credential: that is ErrDenied at once.
func Connect(ctx context.Context, o Options) (*Conn, error) {
	if o.Service == "" {
		return nil, errors.New("bus: no service named")
	}
	c := &Conn{service: o.Service, api: topology.Prefix(o.Service), log: o.Log, timeout: o.Timeout, around: o.Around}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.timeout <= 0 {
		c.timeout = DefaultTimeout
	}
	if c.around == nil {
		c.around = straight
	}
	opts, err := c.options(o)
	if err != nil {
		return nil, err
	}
	if c.nc, err = dial(ctx, o.URL, opts, c.log); err != nil {
		return nil, err
	}
	window := o.Window
	if window <= 0 {
		window = DefaultWindow
	}
	c.js, err = jetstream.New(c.nc,
		jetstream.WithPublishAsyncMaxPending(window),
		jetstream.WithPublishAsyncTimeout(c.timeout),
		jetstream.WithDefaultTimeout(c.timeout))
	if err != nil {
		c.nc.Close()
		return nil, fmt.Errorf("bus: %w", err)
	}
	return c, nil
}

func (c *Conn) options(o Options) ([]nats.Option, error) {
	opts := []nats.Option{
		nats.Name("postern " + o.Service),
		nats.CustomInboxPrefix(Inbox(o.Service)),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, time.Second),
		nats.IgnoreAuthErrorAbort(),
		// Nothing waits in a buffer for a server that is away: a publish then
		// fails, and its caller knows.
		nats.ReconnectBufSize(-1),
		nats.SyncQueueLen(queueLen), // each subscription makes room for all of it at once
		nats.PingInterval(20 * time.Second),
		nats.MaxPingsOutstanding(3),
		nats.ErrorHandler(c.asyncError),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			c.denials.cut()
			if err != nil {
				c.log.Warn("bus connection lost", "service", c.service, "err", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			c.log.Info("bus connection restored", "service", c.service)
		}),
	}
	if o.Local != nil {
		opts = append(opts, nats.InProcessServer(o.Local))
	}
	if o.TLS != nil {
		opts = append(opts, nats.Secure(o.TLS))
	}
	if len(o.Seed) > 0 {
		pair, err := nkeys.FromSeed(append([]byte(nil), o.Seed...))
		if err != nil {
			return nil, fmt.Errorf("bus: nkey seed of %s: %w", o.Service, err)
		}
		public, err := pair.PublicKey()
		if err != nil {
			return nil, fmt.Errorf("bus: nkey of %s: %w", o.Service, err)
		}
		opts = append(opts, nats.Nkey(public, pair.Sign))
	}
	return opts, nil
}

func dial(ctx context.Context, url string, opts []nats.Option, log *slog.Logger) (*nats.Conn, error) {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		nc, err := nats.Connect(url, opts...)
		if err == nil {
			return nc, nil
		}
		// A server in this process closes the pipe before its refusal can be read.
		if errors.Is(err, io.ErrClosedPipe) || errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) {
			return nil, fmt.Errorf("bus: sign-in: %w: %w", ErrDenied, err)
		}
		log.Warn("bus not reached, trying again", "err", err)
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("bus: %w: %w", err, ctx.Err())
		case <-time.After(wait):
		}
	}
}

// Inbox is the prefix of the subjects on which a service receives answers.
func Inbox(service string) string { return topology.Inbox(service) }

// Service is the name that the connection was made for.
func (c *Conn) Service() string { return c.service }

// Ready returns nil while the connection stands.
func (c *Conn) Ready() error {
	if status := c.nc.Status(); status != nats.CONNECTED {
		return fmt.Errorf("bus: connection is %s", status)
	}
	return nil
}

// Close ends the connection. What is still in flight fails.
func (c *Conn) Close() { c.nc.Close() }

// asyncError hears what the server tells outside of any call. A denied publish is
// told only here; the call itself would wait until its deadline.
func (c *Conn) asyncError(_ *nats.Conn, sub *nats.Subscription, err error) {
	if subject, denied := deniedSubject(err); denied {
		c.denials.tell(subject)
		c.log.Error("bus permission denied", "service", c.service, "subject", subject)
		return
	}
	attrs := []any{"service", c.service, "err", err}
	if sub != nil {
		attrs = append(attrs, "subject", sub.Subject)
	}
	c.log.Warn("bus error", attrs...)
}

// within gives ctx the connection's timeout where it has no deadline of its own.
func (c *Conn) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.timeout)
}
