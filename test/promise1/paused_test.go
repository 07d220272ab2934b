package promise1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
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

// A pauser stops one service at one of its calls, as a process is stopped: that call, and
// every other that the service makes meanwhile, heartbeats and leases among them, waits until
// it is told to go on. The call at which it was stopped is then the first that is made.
type pauser struct {
	count  counter
	after  bool
	sweep  bool          // counted only once retention is at work
	paused chan struct{} // closed when the call is reached
	resume chan struct{}
	over   chan struct{} // closed when the call is over

	mu       sync.Mutex
	at       bool // retention is at work
	did      bool
	stopped  bool
	service  string         // that was stopped
	late     error          // of the call, where it was made two days late
	stored   int            // originals that were put into the vault
	helped   map[string]int // what a second process of the service has done
	intruded string         // what it did that it must not
}

func newPauser(m moment) *pauser {
	return &pauser{
		count: counter{since: m.at.Since, pattern: m.at.Call}, after: m.at.After, sweep: m.at.Sweep, helped: map[string]int{},
		paused: make(chan struct{}), resume: make(chan struct{}), over: make(chan struct{}),
	}
}

// begin tells whether a call is the one at which its service is stopped.
func (p *pauser) begin(c call) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if isOriginal(c) {
		p.stored++
	}
	if p.did || p.sweep && !p.at || !p.count.hit(c) {
		return false
	}
	p.did, p.service = true, c.By
	return true
}

func isOriginal(c call) bool {
	return c.Where == inVault && c.Kind == "put" && strings.HasPrefix(c.What, "raw/")
}

// isReading knows the reading of a mail, which the services of one process share: the first
// reads for those that come after it.
func isReading(c call) bool {
	return c.Where == inVault && c.Kind == "get" && strings.HasPrefix(c.What, "raw/")
}

func (p *pauser) around(c call, do func() error) error {
	if !p.begin(c) {
		if p.asleep(c.By) && !isReading(c) {
			<-p.over
		}
		return do()
	}
	if p.after {
		err := do()
		p.sleep()
		close(p.over)
		return err
	}
	p.sleep()
	err := do()
	p.mu.Lock()
	p.late = err
	p.mu.Unlock()
	close(p.over)
	return err
}

// asleep tells whether a service is stopped.
func (p *pauser) asleep(service string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped && service == p.service
}

func (p *pauser) sleep() {
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	close(p.paused)
	<-p.resume
	p.mu.Lock()
	p.stopped = false
	p.mu.Unlock()
}

// A helper stands in the calls of a second process of the service that is stopped.
type helper struct{ *pauser }

func (h helper) around(c call, do func() error) error {
	err := do()
	h.mu.Lock()
	defer h.mu.Unlock()
	if isOriginal(c) {
		h.stored++
	}
	if err == nil {
		h.helped[c.Kind+" "+c.What]++
	}
	// The one that is stopped has the fence: until it is dead nobody else changes anything.
	if h.stopped && c.By == "keyring" && (c.Where == onDisk || c.Kind == "publish" && strings.HasPrefix(c.What, "items.")) {
		h.intruded = c.Kind + " " + c.What
	}
	return err
}

// A moment is one at which a worker is stopped: just before or after a step, or a request.
type moment struct {
	name  string
	at    kill
	mails [][]byte
	step  *step // nil: a request between two of them
}

// moments are those of every step of the crash page, and of the requests between them.
func moments() []moment {
	var all []moment
	for _, s := range steps {
		mails := s.mails
		if mails == nil {
			mails = few
		}
		for when, k := range s.killings() {
			all = append(all, moment{strings.Join([]string{s.name(), when, s.what}, " "), k, mails, &s})
		}
	}
	for service, operations := range map[string][]string{
		"ingest": {"register", "setaside"}, "verify": {"open.verify"}, "scan": {"open.scan"},
		"archive": {"file"}, "sanitize": {"open.sanitize", "layers"}, "desk": {"ticket"},
	} {
		for _, operation := range operations {
			for _, after := range []bool{false, true} {
				k := kill{Call: of(service, "request", "keyring.v1."+operation), After: after}
				all = append(all, moment{fmt.Sprintf("request %s after=%v", operation, after), k, few, nil})
			}
		}
	}
	return all
}

// registering is the moment between storing and registering: what is registered two days
// later is void, and the mail is sealed and stored anew.
const registering = "request register after=false"

// refusals are what stops a worker that wakes before its step, where another has taken the
// step meanwhile. Elsewhere to repeat the step changes nothing.
var refusals = map[int]error{
	5: bus.ErrWrongSequence, 21: bus.ErrWrongSequence, 32: bus.ErrWrongSequence,
	43: bus.ErrWrongSequence, 47: bus.ErrWrongSequence, 50: bus.ErrWrongSequence, 51: vault.ErrExists, 52: bus.ErrWrongSequence,
}

func TestAWorkerStoppedForTwoDaysDoesNoHarm(t *testing.T) {
	all := moments()
	var users []string
	for i, m := range all {
		if m.at.Call.Where == onIMAP {
			users = append(users, stoppedUser(i))
		}
	}
	server := dovecot.Start(t, users...)
	for i, m := range all {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			var l life
			var check func(*report)
			if m.at.Call.Where == onIMAP {
				p := newPlace(t, server, stoppedUser(i), m.mails...)
				p.After = m.step.action
				l, check = p.life, func(r *report) { p.check(t, r) }
			} else {
				l = inMemory(t, m.mails...)
				check = func(r *report) { l.checkAside(t, r, m.mails, m.aside()) }
			}
			m.stop(t, l, check)
			if t.Failed() {
				t.Log(logged(l.Data))
			}
		})
	}
}

func stoppedUser(i int) string { return fmt.Sprintf("stopped%d", i) }

func (m moment) aside() int {
	if m.step == nil {
		return 0
	}
	return m.step.aside
}

// stop has a worker stopped at the moment, and looks at what has become of the mails.
func (m moment) stop(t *testing.T, l life, check func(*report)) {
	if m.step != nil {
		l.Ahead = m.step.dieFirst(t, l)
	}
	p := newPauser(m)
	r, err := l.stopped(t.Context(), p)
	if err != nil {
		t.Fatalf("stopped %s: %v\n%s", p.service, err, logged(l.Data))
	}
	check(r)
	if m.at.Sweep {
		r.checkDestroyed(t)
	} else {
		r.checkKept(t)
	}
	if m.name == registering && p.stored <= len(m.mails) {
		t.Error("an attempt that was two days old was registered")
	}
	if p.intruded != "" {
		t.Errorf("a second keyring made the call %s while the first was stopped", p.intruded)
	}
	if m.step != nil && !m.at.After {
		// A call's own time may have run out meanwhile, too: a suspect waits half a minute for who is stuck.
		want := refusals[m.step.number]
		if overdue := want == nil && errors.Is(p.late, context.DeadlineExceeded); !overdue && !errors.Is(p.late, want) {
			t.Errorf("the late call ended with %v, want %v", p.late, want)
		}
	}
}

// stopped runs a whole Postern in which one service sleeps for two days, while a second
// process of that service does its work, and retention and the keyring do theirs.
func (l life) stopped(ctx context.Context, m *pauser) (*report, error) {
	log, err := l.logFile()
	if err != nil {
		return nil, err
	}
	defer log.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	mine := l
	if m.count.Where == onIMAP {
		port, err := proxy(ctx, fmt.Sprintf("%s:%d", l.Host, l.Port), hooks{m})
		if err != nil {
			return nil, err
		}
		mine.Host, mine.Port = "127.0.0.1", port
	}
	var r *report
	err = mine.liveFrom(ctx, hooks{m}.options(log), forgetful, func(ctx context.Context, p *wiring.Process) error {
		resume := sync.OnceFunc(func() { close(m.resume) })
		defer resume()
		if m.sweep {
			if err := settle(ctx, into(p), l.Mails); err != nil {
				return err
			}
			p.Clock.Advance(sweepSpan)
			m.mu.Lock()
			m.at = true
			m.mu.Unlock()
			sweeping, cancel := context.WithCancel(ctx)
			defer cancel()
			go func() { _ = sweep(sweeping, p) }() // it is this that is stopped
		}
		select {
		case <-m.paused:
		case <-ctx.Done():
			return errors.New("the call at which the worker was to be stopped was not made")
		}
		p.Clock.Advance(away)
		second, end, err := l.beside(ctx, p, m, log)
		if err != nil {
			return err
		}
		defer end()
		if err := l.meanwhile(ctx, p, second, m); err != nil {
			return fmt.Errorf("while it was stopped: %w", err)
		}
		resume()
		select {
		case <-m.over:
		case <-ctx.Done():
			return errors.New("the call that was stopped does not end")
		}
		if err := settle(ctx, into(p), l.Mails); err != nil {
			return err
		}
		if m.sweep {
			leader := p
			if m.service == "retain" {
				leader = second
			}
			if err := sweep(ctx, leader); err != nil {
				return fmt.Errorf("sweep: %w", err)
			}
		}
		r, err = look(ctx, into(p))
		return errors.Join(err, end())
	})
	return r, err
}

// beside starts a second process of the service that is stopped.
func (l life) beside(ctx context.Context, first *wiring.Process, m *pauser, log io.Writer) (*wiring.Process, func() error, error) {
	if m.service == "" {
		return nil, nil, errors.New("nobody knows whose call it was")
	}
	c, err := l.config()
	if err != nil {
		return nil, nil, err
	}
	options := hooks{helper{m}}.options(log)
	options.Beside = first
	p, err := wiring.New(ctx, c, options)
	if err != nil {
		return nil, nil, err
	}
	p.Resolver = first.Resolver
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx, m.service) }()
	return p, sync.OnceValue(func() error {
		cancel()
		err := <-ended
		p.Close()
		return err
	}), nil
}

// meanwhile returns when everything that a second process of a stopped service can do is done.
func (l life) meanwhile(ctx context.Context, first, second *wiring.Process, m *pauser) error {
	nightly := func(p *wiring.Process) error {
		limited, cancel := context.WithTimeout(ctx, sweeping)
		defer cancel()
		if err := p.SweepWhole(limited); err != nil && limited.Err() == nil && !errors.Is(err, retain.ErrPending) && !errors.Is(err, bus.ErrNobody) {
			return fmt.Errorf("nightly work: %w", err)
		}
		return nil
	}
	switch {
	case m.service == "keyring": // as long as it lives, nobody but it changes anything
		return nightly(first)
	case m.service == "retain":
		return sweep(ctx, second)
	}
	if err := settle(ctx, into(first), l.Mails); err != nil {
		return err
	}
	// What a service does beside the mails' passage, and what may come last in it.
	what := map[string]string{"archive": "request keyring.v1.journalled", "audit": "publish audit.v1.Checkpoint"}[m.service]
	if cursor := "cursors.support"; !m.after && m.count.What == cursor {
		what = "publish " + cursor
	}
	if err := m.helps(ctx, what); err != nil {
		return err
	}
	return nightly(first)
}

// helps returns when the second process has made a call; at once for "".
func (p *pauser) helps(ctx context.Context, what string) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		p.mu.Lock()
		done := what == "" || p.helped[what] > 0
		p.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nobody else makes the call %s: %w", what, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}
