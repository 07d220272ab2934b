package wiring

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sys/unix"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/embedded"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/confine"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/readmodel"
	"github.com/postern-mail/postern/pkg/run"
	"github.com/postern-mail/postern/pkg/stage"
	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/erase"
	"github.com/postern-mail/postern/services/keyring"
)

// Order is in which services stop: sources first, then the stages as mail flows, then
// where people are, then what everything else needs.
var Order = []string{"ingest", "verify", "scan", "archive", "sanitize", "desk", "retain", "audit", "keyring"}

// A Process is one process of Postern: some services and what they share.
type Process struct {
	Config   Config
	Clock    *run.Clock
	Log      *slog.Logger
	Registry *prometheus.Registry
	Health   *run.Health
	Vault    vault.Store
	Model    *readmodel.Redis

	// Resolver and SecondOpinion can be put in place before Run, for demonstrations.
	Resolver      mailauth.Resolver
	SecondOpinion attachment.SecondOpinion

	// Moved is called when the desk has moved the clock, for demonstrations; nil: nobody is told.
	Moved func() error

	tracer  trace.Tracer
	local   *embedded.Server
	door    bus.Local // to the server of another process, for a command; nil: none
	reading *reading.Desk
	stage   *stage.Process
	options Options
	public  map[string]string
	meters  busMeters
	closers []func()

	plans    ownPlans
	mu       sync.Mutex
	hooks    hooks
	confined *confine.Pool // nil until a service needs it
	confines *prometheus.CounterVec
}

// hooks are parts that other parts of the same process reach for.
type hooks struct {
	desk     deskHook
	retain   retainHook
	archive  archiveHook
	deskUp   chan struct{}
	retainUp chan struct{}
}

// Options are for those who look at a process from outside: tests and demonstrations.
type Options struct {
	Log    *slog.Logger                    // in place of the configuration's
	Around func(service string) bus.Around // stands between a service and the bus
	Vault  func(vault.Store) vault.Store   // stands before the store of sealed mail
	Eraser func(erase.Eraser) erase.Eraser // stands before what destroys in it
	Disk   func(keyring.Disk) keyring.Disk // stands between the keyring and its own files
	Beside *Process                        // has this one's bus, read model and clock: as if both were of one fleet
	For    []string                        // services that are to run; no other's secrets are read. Empty: all
}

// A process reads the secrets of its own services and opens nothing else.
var (
	ofVault = []string{"ingest", "verify", "scan", "archive", "sanitize", "desk", "retain", "keyring"}
	ofRedis = []string{"desk", "retain"}
	ofMail  = []string{"verify", "scan", "sanitize"} // who read what customers wrote, and so the company's private keys
)

// Needs says what a service opens beside the bus.
func Needs(service string) (vault, redis bool) {
	return slices.Contains(ofVault, service), slices.Contains(ofRedis, service)
}

// Confines says whether a service looks into what strangers sent, in processes that it shuts in.
func Confines(service string) bool { return service == "scan" || service == "sanitize" }

// Decrypts says whether a service reads the company's private keys.
func Decrypts(service string) bool { return slices.Contains(ofMail, service) }

// opens tells whether the process is for one of some services.
func (o Options) opens(services ...string) bool {
	return len(o.For) == 0 || slices.ContainsFunc(o.For, func(name string) bool { return slices.Contains(services, name) })
}

// New opens what the services share. Close must be called.
func New(ctx context.Context, config Config, options Options) (*Process, error) {
	p := &Process{
		Config: config, Clock: run.NewClock(config.Clock.Offset.Std()), Log: options.Log,
		Registry: run.NewRegistry(), Health: run.NewHealth(), stage: stage.NewProcess(), options: options,
		hooks: hooks{deskUp: make(chan struct{}), retainUp: make(chan struct{})},
	}
	if options.Beside != nil {
		p.Clock = options.Beside.Clock
	}
	p.meters = newBusMeters(p.Registry)
	if err := p.open(ctx); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *Process) open(ctx context.Context) error {
	var err error
	if p.Log == nil {
		if p.Log, err = run.NewLogger(os.Stderr, p.Config.Log); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(p.Config.DataDir, 0o700); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	tracer, flush, err := run.NewTracer(ctx, p.Config.Trace, "")
	if err != nil {
		return err
	}
	p.tracer = tracer
	p.closers = append(p.closers, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		_ = flush(ctx)
	})
	if p.Config.NATS.URL == "" {
		if err := MakeNkeys(p.Config.NATS.Nkeys); err != nil {
			return err
		}
	}
	if p.public, err = PublicNkeys(p.Config.NATS.Nkeys); err != nil {
		return err
	}
	if err := p.openBus(ctx); err != nil {
		return err
	}
	if p.options.opens(ofVault...) {
		if err := p.openVault(); err != nil {
			return err
		}
	}
	if p.options.opens(ofMail...) {
		company, err := reading.OpenKeys(p.Config.Decryption.Keys, p.Clock.Now, p.Log)
		if err != nil {
			return err
		}
		p.reading.DecryptWith(company)
	}
	if p.options.Beside != nil {
		p.Model = p.options.Beside.Model
	} else if p.options.opens(ofRedis...) {
		if err := p.openModel(ctx); err != nil {
			return err
		}
	}
	if p.options.opens("verify") {
		if p.Resolver, err = resolver(p.Config.Verify.DNS.Server); err != nil {
			return err
		}
	}
	if p.options.opens("scan") {
		p.SecondOpinion, err = p.Config.Clamd.second()
	}
	return err
}

func (p *Process) openVault() error {
	store, done, err := p.Config.Vault.open()
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	p.closers = append(p.closers, done)
	p.Vault = store
	if p.options.Vault != nil {
		p.Vault = p.options.Vault(store)
	}
	p.reading = reading.NewDesk(p.Vault, reading.DefaultLimits, mail.DefaultLimits)
	return nil
}

func (p *Process) openModel(ctx context.Context) error {
	var model *readmodel.Redis
	var done func()
	var err error
	named(ctx, "redis", func(context.Context) { model, done, err = p.Config.Redis.open() })
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	p.closers = append(p.closers, func() { _ = model.Close(); done() })
	p.Model = model
	return nil
}

// openBus starts the server inside this process, where there is no other, and makes its streams.
func (p *Process) openBus(ctx context.Context) error {
	if p.Config.NATS.URL != "" {
		return nil
	}
	if p.options.Beside != nil {
		p.local = p.options.Beside.local
		return nil
	}
	if err := p.lock(); err != nil {
		return err
	}
	began := time.Now()
	var server *embedded.Server
	var err error
	named(ctx, "bus", func(context.Context) {
		server, err = embedded.Start(embedded.Options{
			Dir: filepath.Join(p.Config.DataDir, "nats"), Keys: p.public, Door: doorOf(p.Config.DataDir), Log: p.Log,
		})
	})
	if err != nil {
		return err
	}
	p.local = server
	p.closers = append(p.closers, server.Stop)
	if server.Unclean() {
		p.stage.AfterDeath(began)
	}
	return p.Setup(ctx)
}

// Local is the server inside this process; nil where the bus is elsewhere.
func (p *Process) Local() bus.Local {
	if p.local == nil {
		return nil
	}
	return p.local
}

// lock keeps a second process from opening the same streams: two servers on one folder
// would ruin it.
func (p *Process) lock() error {
	file, err := os.OpenFile(filepath.Join(p.Config.DataDir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		return fmt.Errorf("data_dir %s: another Postern runs on it: stop that first", p.Config.DataDir)
	}
	p.closers = append(p.closers, func() { file.Close() })
	return nil
}

// Setup creates the streams and consumers.
func (p *Process) Setup(ctx context.Context) error {
	conn, err := p.Connect(ctx, topology.Setup)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Setup(ctx, bus.SetupOptions{Replicas: p.Config.NATS.Replicas})
}

// Connect signs in with a credential.
func (p *Process) Connect(ctx context.Context, name string) (*bus.Conn, error) {
	seed, err := Seed(p.Config.NATS.Nkeys, name)
	if err != nil {
		return nil, err
	}
	options := bus.Options{URL: p.Config.NATS.URL, Service: name, Seed: seed, Log: p.Log}
	if p.options.Around != nil {
		options.Around = p.options.Around(name)
	}
	if p.local != nil {
		options.Local = doorman{p.local}
	}
	if p.door != nil {
		options.Local = p.door
		within, cancel := context.WithTimeout(ctx, doorPatience)
		defer cancel()
		ctx = within // it stops where that process does, for good
	}
	if p.Config.NATS.CAFile != "" {
		roots, err := authorities(p.Config.NATS.CAFile)
		if err != nil {
			return nil, fmt.Errorf("nats.ca_file: %w", err)
		}
		options.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return bus.Connect(ctx, options)
}

// Close closes what New opened.
func (p *Process) Close() {
	for _, done := range slices.Backward(p.closers) {
		done()
	}
	p.closers = nil
}

// Run runs services until ctx ends, then drains them in their order.
func (p *Process) Run(ctx context.Context, services ...string) error {
	if len(services) == 0 {
		services = Order
	}
	for _, name := range services {
		if !slices.Contains(Order, name) {
			return fmt.Errorf("there is no service %q: name some of %v", name, Order)
		}
	}
	operating, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	operations, err := run.ServeOperations(operating, p.Config.Operations, p.Registry, p.Health)
	if err != nil {
		return err
	}
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	watched, broken := make(chan error, 1), make(chan struct{})
	go func() {
		err := p.watchBus(operating)
		if err != nil {
			giveUp(err)
			close(broken)
		}
		watched <- err
	}()
	var members []run.Member
	for _, name := range Order {
		if slices.Contains(services, name) {
			members = append(members, run.Member{Name: name, Service: &service{p, name, p.Health.Reporter(name)}})
		}
	}
	drained := make(chan error, 1)
	go func() { drained <- run.Group(ctx, p.Log, members...) }()
	select {
	case err = <-drained:
	case <-broken:
		select {
		case err = <-drained:
		case <-time.After(brokenPatience):
		}
	}
	stop()
	return errors.Join(err, <-watched, <-operations)
}

// brokenPatience is how long services have for their end when there is no bus: what they wait for does not
// come, and to be killed does them no harm.
const brokenPatience = 10 * time.Second

// watchBus returns an error where the server in this process can store nothing any more. Whoever
// started the process starts it again.
func (p *Process) watchBus(ctx context.Context) error {
	if p.local == nil || p.options.Beside != nil {
		return nil
	}
	return p.local.Watch(ctx)
}
