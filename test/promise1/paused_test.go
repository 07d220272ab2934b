package promise1

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/services/retain"
)

const (
	// away is how long a worker is stopped, by the clock that everything lives by.
	away = 48 * time.Hour
	// sweeping is how long retention may try meanwhile: where the keyring itself was
	// stopped in the middle of a change, forgetting waits for it.
	sweeping = 2 * time.Second
)

// A pauser stops one call of one worker, and its heartbeats with it, until it is told to
// go on.
type pauser struct {
	count  counter
	who    string
	after  bool
	paused chan struct{} // closed when the call is reached
	resume chan struct{}

	mu      sync.Mutex
	stopped bool
	did     bool
	stored  int // originals that were put into the vault
}

// first tells whether it is asked for the first time: one worker is stopped, once.
func (p *pauser) first() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	did := p.did
	p.did = true
	return !did
}

func (p *pauser) around(c call, do func() error) error {
	if c.Kind == string(bus.CallBeat) && c.Who == p.who && p.asleep() {
		return nil
	}
	if c.Where == inVault && c.Kind == "put" && strings.HasPrefix(c.What, "raw/") {
		p.mu.Lock()
		p.stored++
		p.mu.Unlock()
	}
	if !p.count.hit(c) || !p.first() {
		return do()
	}
	if !p.after {
		p.sleep()
		return do()
	}
	err := do()
	p.sleep()
	return err
}

func (p *pauser) asleep() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

func (p *pauser) set(stopped bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = stopped
}

func (p *pauser) sleep() {
	p.set(true)
	close(p.paused)
	<-p.resume
	p.set(false)
}

// stoppable are the moments between the steps of a mail's passage at which a worker is
// stopped: those of the crash page, and the requests between them.
func stoppable() map[string]pattern {
	moments := map[string]pattern{}
	for _, s := range steps {
		if s.first != nil || s.sweep || s.before.Call.Where == onIMAP || s.number > 25 {
			continue
		}
		moments[fmt.Sprintf("%02d %s", s.number, s.what)] = s.before.Call
	}
	for service, operations := range map[string][]string{
		"ingest": {"register", "setaside"}, "verify": {"open.verify"}, "scan": {"open.scan"},
		"archive": {"file"}, "sanitize": {"open.sanitize", "layers"}, "desk": {"ticket"},
	} {
		for _, operation := range operations {
			moments[requestOf(operation)] = of(service, "request", "keyring.v1."+operation)
		}
	}
	return moments
}

func requestOf(operation string) string { return "request " + operation }

// registering is the moment between storing and registering: what is registered two days
// later is void, and the mail is sealed and stored anew.
var registering = requestOf("register")

func TestAWorkerStoppedForTwoDaysDoesNoHarm(t *testing.T) {
	for name, moment := range stoppable() {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s after=%v", name, after), func(t *testing.T) {
				t.Parallel()
				l := inMemory(t, few...)
				p := &pauser{count: counter{pattern: moment}, who: moment.Who, after: after, paused: make(chan struct{}), resume: make(chan struct{})}
				r, err := l.stopped(t.Context(), p)
				if err != nil {
					t.Fatalf("%v\n%s", err, logged(l.Data))
				}
				l.checkMemory(t, r, few)
				if name == registering && !after && p.stored <= len(few) {
					t.Error("an attempt that was two days old was registered")
				}
				if t.Failed() {
					t.Log(logged(l.Data))
				}
			})
		}
	}
}

// stopped runs a whole Postern in which one worker sleeps for two days, while retention
// and the keyring do their nightly work.
func (l life) stopped(ctx context.Context, m *pauser) (*report, error) {
	log, err := l.logFile()
	if err != nil {
		return nil, err
	}
	defer log.Close()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	options := hooks{m}.options(log)
	var r *report
	err = l.live(ctx, options, func(ctx context.Context, p *wiring.Process) error {
		resume := sync.OnceFunc(func() { close(m.resume) })
		defer resume()
		select {
		case <-m.paused:
		case <-ctx.Done():
			return errors.New("the call at which the worker was to be stopped was not made")
		}
		p.Clock.Advance(away)
		limited, cancel := context.WithTimeout(ctx, sweeping)
		defer cancel()
		if err := p.SweepWhole(limited); err != nil && limited.Err() == nil && !errors.Is(err, retain.ErrPending) && !errors.Is(err, bus.ErrNobody) {
			return fmt.Errorf("nightly work: %w", err)
		}
		resume()
		if err := settle(ctx, into(p), l.Mails); err != nil {
			return err
		}
		var err error
		r, err = look(ctx, into(p))
		return err
	})
	return r, err
}
