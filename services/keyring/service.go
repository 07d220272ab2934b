// Package keyring is the holder of the private keys and the only writer of item records.
// It opens nothing for itself but the findings that name an author, whose pseudonym it
// makes. Its promises: no key leaves before its record is on disk; a key that it says it
// has forgotten is in no file and no keyring's memory; first wins, and a repeat is harmless.
package keyring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// A Service is one keyring. Many may run on one folder: one writes, the others open.
type Service struct {
	cfg    Config
	deps   Deps
	log    *slog.Logger
	keeper *keeper
	fence  fence
	boot   func() time.Duration

	// ops is held for reading by everyone who uses a snapshot, and taken for writing to
	// wait until nobody uses the former one any more.
	ops           sync.RWMutex
	snap          atomic.Pointer[snapshot]
	writing       sync.Mutex // one state change at a time
	leftover      []func()   // keys that the cell has forgotten and memory has not
	unsure        bool       // a save failed; the cell knows which state is in force
	writer        atomic.Bool
	renewed       atomic.Int64 // boot time of the last look at the cell, for those who only read
	nights        sync.Mutex   // one of close, destroy, forget, attest at a time
	stripes       [256]sync.Mutex
	replacing     claims                          // customers in whose place others are being recorded
	doomedBuckets atomic.Pointer[map[string]bool] // being destroyed: nothing moves out of them
	cache         *cache
	highest       atomic.Uint64 // the end of the records' stream, as far as it was seen
	scribe        *scribe
	nonces        *nonces
	rights        map[string]map[string]bool
	journal       journal
	renumbered    renumberings
	recalls       toldRecalls
	reading       atomic.Pointer[reader] // while it only reads

	retry    time.Duration // between attempts to become the writer
	announce chan struct{} // the published keys may have changed
	day      string        // the day that the intake buckets were last looked after
	told     time.Time     // when the keys were last published
}

// New makes a keyring. Nothing is read or written before Run.
func New(cfg Config, deps Deps) (*Service, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if deps.Records == nil || deps.Entries == nil || deps.Published == nil || deps.Server == nil || deps.Clock == nil || deps.Second == nil {
		return nil, errors.New("keyring: a dependency is missing")
	}
	if deps.Disk == nil {
		disk, err := NewDisk(cfg.Dir)
		if err != nil {
			return nil, err
		}
		deps.Disk = disk
	}
	if deps.Copy == nil && cfg.Copy != "" {
		disk, err := OpenCopy(cfg.Copy)
		if err != nil {
			return nil, err
		}
		deps.Copy = disk
	}
	if err := (fence{cfg.Dir}).prepare(); err != nil {
		return nil, err
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Boot == nil {
		deps.Boot = bootTime
	}
	rights, err := rightsOf(cfg.Callers)
	if err != nil {
		return nil, err
	}
	k := &keeper{cell: rootCell(deps.Disk), stores: [2]Store{DiskStore(deps.Disk), deps.Second}}
	if deps.Copy != nil {
		k.copy = &cell{deps.Copy, copyName}
	}
	return &Service{
		cfg: cfg, deps: deps, log: deps.Log, boot: deps.Boot,
		keeper:   k,
		fence:    fence{cfg.Dir},
		cache:    newCache(cfg.Cache.Bytes()),
		scribe:   newScribe(deps.Entries, cfg.AuditGather.Std()),
		nonces:   newNonces(2 * cfg.RequestSkew.Std()),
		rights:   rights,
		retry:    time.Second,
		announce: make(chan struct{}, 1),
		recalls:  toldRecalls{told: map[string]map[int32]string{}},
	}, nil
}

// Run works until ctx ends. It is the writer as soon as nobody else is; until then it
// opens with the state that the writer keeps.
func (s *Service) Run(ctx context.Context) error {
	auditing, stopAuditing := context.WithCancel(context.WithoutCancel(ctx))
	var background sync.WaitGroup
	background.Go(func() { s.scribe.run(auditing) })
	defer background.Wait()
	defer stopAuditing()

	l, err := s.awaitRole(ctx)
	if ctx.Err() != nil {
		l.release()
		return nil
	}
	if err != nil {
		return err
	}
	defer l.release()
	return s.serve(ctx, append(openOperations(), writeOperations()...), func() error { return s.write(ctx) })
}

// awaitRole returns with the writer's lock, or when ctx ends. Meanwhile it serves opens as
// a reader.
func (s *Service) awaitRole(ctx context.Context) (*lock, error) {
	l, err := s.fence.tryWriter()
	if err != nil {
		return nil, err
	}
	if l == nil {
		if l, err = s.readUntilWriter(ctx); l == nil || err != nil {
			return nil, err
		}
	}
	for {
		err := s.becomeWriter(ctx)
		if err == nil {
			return l, nil
		}
		if errors.Is(err, ErrCellLost) || errors.Is(err, ErrCopyNewer) || ctx.Err() != nil {
			l.release()
			return nil, err
		}
		// A store or the bus is away: nothing was begun that a retry would not finish.
		s.log.Warn("keyring did not become the writer yet", "err", err)
		if s.deps.Health != nil {
			s.deps.Health.Waiting("the state's stores, the root cell's copy or the item records")
		}
		select {
		case <-ctx.Done():
			l.release()
			return nil, nil
		case <-time.After(s.retry):
		}
	}
}

// serve takes requests of some operations while work runs, and ends those at hand.
func (s *Service) serve(ctx context.Context, operations []string, work func() error) error {
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var stops []func(context.Context) error
	defer func() {
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		for _, stop := range stops {
			if err := stop(within); err != nil {
				s.log.Warn("keyring requests cut short", "err", err)
			}
		}
	}()
	for _, operation := range operations {
		stop, err := s.deps.Server.Serve(serving, subjectOf(operation), s.cfg.Concurrency, s.handler(operation))
		if err != nil {
			return fmt.Errorf("serve %s: %w", operation, err)
		}
		stops = append(stops, stop)
	}
	if s.deps.Health != nil {
		s.deps.Health.Ready()
	}
	return work()
}

// write is the writer's life: it looks after the intake buckets and publishes keys.
func (s *Service) write(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	published := false
	for {
		if err := s.tend(ctx, &published); err != nil {
			published = false
			s.log.Error("intake keys not published", "err", err)
			if s.deps.Health != nil {
				s.deps.Health.Waiting("publishing intake keys")
			}
		} else if s.deps.Health != nil {
			s.deps.Health.Ready()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.renumbered.drop(s.now())
		case <-s.announce:
			published = false
		}
	}
}

// now is the system's time.
func (s *Service) now() time.Time { return s.deps.Clock.Now().UTC() }
