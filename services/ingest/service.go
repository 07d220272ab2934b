// Package ingest takes customer mail out of mailboxes: it seals each mail, stores
// it, has it registered, and says mail.v1.Received; only then does it move on. What
// the server has shown is registered or visibly in trouble, never forgotten. It opens nothing: it holds
// public keys only, and plaintext for the moments that sealing takes.
//
// The order is the promise: seal, store, register, publish, cursor. A crash between
// any two repeats work under the same id; the item record decides which attempt counts.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/services/ingest/imap"
)

// Stage is the name under which ingest speaks.
const Stage = "ingest"

// A Service reads mailboxes until it is stopped.
type Service struct {
	config      Config
	deps        Deps
	log         *slog.Logger
	mailboxes   []*mailbox
	recipients  seal.Recipients
	buffers     sync.Pool
	slots       chan struct{} // mails being sealed, stored, registered
	streams     *streams      // mails too large to be held whole
	least       time.Duration // the first pause after a failure
	standstill  time.Duration // how long a record must be untouched to be said again
	mostTrouble time.Duration // the longest pause of a mail in trouble
	tidyEvery   time.Duration // how often mailboxes are gone through for what is still to be done in them
	gapEvery    time.Duration // how often a fresh session is asked about UIDs that are not listed
	stillFor    time.Duration // how long a server is believed that nothing has changed
	boardEvery  time.Duration // how often it is looked whether there is news of a mailbox
	cursorEvery time.Duration // how often it is looked whether somebody else has changed a cursor
	checkEvery  time.Duration // how often a mailbox is compared with the archive
	checkLook   time.Duration // how often it is looked which mailboxes' time has come
	ended       chan struct{} // Run has ended
	said        map[uint64]said
	refetches   refetches
	tracer      trace.Tracer
	meters      *meters
}

// New checks the configuration and makes a service. It connects to nothing.
func New(config Config, deps Deps) (*Service, error) {
	config, err := config.Complete()
	if err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	if err := deps.check(); err != nil {
		return nil, err
	}
	s := &Service{
		config: config, deps: deps, log: deps.Log, tracer: deps.Tracer,
		slots:   make(chan struct{}, config.Concurrency),
		streams: newStreams(config.Streams),
		least:   time.Second, standstill: standstill, gapEvery: gapEvery, tidyEvery: tidyEvery, mostTrouble: mostTrouble, stillFor: stillFor,
		ended:   make(chan struct{}),
		buffers: sync.Pool{New: func() any { return new(buffers) }},
	}
	s.boardEvery, s.cursorEvery, s.checkEvery, s.checkLook = boardEvery, cursorEvery, checkEvery, checkLook
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.tracer == nil {
		s.tracer = noop.NewTracerProvider().Tracer(Stage)
	}
	if s.meters, err = newMeters(deps.Metrics, s); err != nil {
		return nil, fmt.Errorf("ingest: metrics: %w", err)
	}
	if len(config.Mailboxes) > 0 {
		s.health(errors.New("mailboxes"))
	} else {
		s.health(nil)
	}
	for _, each := range config.Mailboxes {
		if each.After != Keep && deps.Archive == nil {
			return nil, fmt.Errorf("ingest: mailbox %q is to be changed and nobody tells what is archived", each.ID)
		}
		m := &mailbox{service: s, config: each, log: s.log.With("mailbox", each.ID), jobs: make(chan job), refetching: make(chan struct{}, 1)}
		if each.OAuth2.used() {
			m.tokens = newTokenSource(each.OAuth2, deps.Now, m.log)
		}
		for _, name := range each.Folders {
			m.folders = append(m.folders, newFolder(m, name))
		}
		if each.TLS == imap.Plaintext {
			m.log.Warn("mailbox is read without encryption: password and mails can be read on the network")
		}
		s.mailboxes = append(s.mailboxes, m)
	}
	return s, nil
}

// Run reads all mailboxes until ctx ends, and finishes the mails in hand. It does
// not end by itself: a mailbox in trouble is tried again, alone. It runs once.
func (s *Service) Run(ctx context.Context) error {
	defer close(s.ended)
	var working sync.WaitGroup
	for _, m := range s.mailboxes {
		working.Go(func() { m.run(ctx) })
		if m.config.After != Keep {
			working.Go(func() { m.act(ctx) })
		}
	}
	if s.deps.Standing != nil {
		working.Go(func() { s.sweep(ctx) })
	}
	if s.deps.Records != nil && s.deps.Objects != nil {
		working.Go(func() { s.check(ctx) })
	}
	<-ctx.Done()
	working.Wait()
	return nil
}

// A mailbox is one configured account and its folders.
type mailbox struct {
	service *Service
	config  Mailbox
	log     *slog.Logger
	tokens  *tokenSource // nil: a password
	folders []*folder
	jobs    chan job // archived mails that the mailbox is touched for

	refetching chan struct{} // held by who fetches a mail that was taken up again

	touching sync.Mutex
	board    board
	placed   map[string]placed // by folder; of the one goroutine that tidies
}

// run holds the mailbox's lease and reads its folders, again and again.
func (m *mailbox) run(ctx context.Context) {
	pause := backoff{least: m.service.least, most: time.Minute}
	for ctx.Err() == nil {
		err := m.hold(ctx)
		if ctx.Err() != nil {
			return
		}
		m.log.Warn("mailbox given up for the moment", "err", err)
		pause.wait(ctx, err)
	}
}

// hold reads the folders while the lease of the mailbox's name lasts.
func (m *mailbox) hold(ctx context.Context) error {
	held, release, err := m.service.deps.Leases.Hold(ctx, m.config.ID)
	if err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	defer release()
	held, stop := context.WithCancelCause(held)
	defer stop(nil)
	cursor, err := loadCursor(held, m.service.deps.Cursors, m.config.ID)
	if err != nil {
		return fmt.Errorf("cursor: %w", err)
	}
	var reading sync.WaitGroup
	for _, folder := range m.folders {
		reading.Go(func() {
			// Only a cursor that is no longer ours ends a folder: then all of them.
			if err := folder.run(held, cursor); err != nil {
				stop(err)
			}
		})
	}
	if m.config.After != Keep {
		reading.Go(func() { m.tidy(held, cursor) })
	}
	reading.Go(func() { m.watch(held, cursor, stop) })
	reading.Wait()
	return context.Cause(held)
}

// dial connects and signs in. A token that is refused is renewed and tried once more.
func (m *mailbox) dial(ctx context.Context) (*imap.Session, error) {
	account, err := m.config.account(m.service.config.Silence.Std())
	if err != nil {
		return nil, err
	}
	if m.tokens == nil {
		password, err := m.config.PasswordFile.Read()
		if err != nil {
			return nil, fmt.Errorf("password: %w", err)
		}
		account.Sign = imap.Password(password.Value())
		return imap.Dial(ctx, account)
	}
	for attempt := 1; ; attempt++ {
		account.Sign, err = m.tokens.signer(ctx)
		if err != nil {
			return nil, err
		}
		session, err := imap.Dial(ctx, account)
		if errors.Is(err, imap.ErrSignIn) {
			m.tokens.refused()
			if attempt == 1 {
				continue
			}
		}
		return session, err
	}
}

// A backoff is a pause that doubles with every failure in a row and is never the
// same for two mailboxes.
type backoff struct {
	least, most time.Duration
	failures    int
}

func (b *backoff) wait(ctx context.Context, err error) {
	pause, most := b.least<<min(b.failures, 20), b.most
	if errors.Is(err, imap.ErrSignIn) || errors.Is(err, imap.ErrBusy) || errors.Is(err, imap.ErrBye) || errors.Is(err, errTokenRefused) {
		pause, most = max(pause, 15*b.least), 5*b.most // who keeps knocking is locked out
	}
	pause = min(pause, most)
	b.failures++
	timer := time.NewTimer(pause/2 + rand.N(pause))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func (b *backoff) reset() { b.failures = 0 }
