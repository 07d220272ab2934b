package promise1

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// A class is a kind of call: who calls what, and for records which change of a record it is.
type class string

var ids = regexp.MustCompile(`[0-9a-f]{20,}`)

// classOf gives a call's class. Records change several times in a mail's passage, and
// each of those is a class of its own.
func classOf(c call, nth int) class {
	what := c.What
	switch {
	case c.Where == inVault || c.Where == onDisk:
		what, _, _ = strings.Cut(what, "/")
	case strings.HasPrefix(what, "items."):
		what = fmt.Sprintf("items.* %d", nth)
	default:
		what = ids.ReplaceAllString(strings.Replace(what, "tickets.T", "tickets.", 1), "*")
	}
	return class(strings.Join(strings.Fields(strings.Join([]string{c.Where, c.Who, c.Kind, what}, " ")), " "))
}

var errSabotage = errors.New("made to fail")

// A saboteur makes the nth call of a class fail, before or after it took effect, and
// counts all calls by class.
type saboteur struct {
	class class
	nth   int // 0: none
	after bool

	mu      sync.Mutex
	calls   map[class]int
	changes map[string]int // of each record
	did     bool
	over    bool // what comes is the test's own looking
}

func (s *saboteur) around(c call, do func() error) error {
	if s.note(c) {
		if s.after {
			_ = do()
		}
		return errSabotage
	}
	return do()
}

func (s *saboteur) note(c call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || c.Who == topology.Rebuild || c.What == "keyring.v1.status" {
		return false
	}
	if s.calls == nil {
		s.calls, s.changes = map[class]int{}, map[string]int{}
	}
	if strings.HasPrefix(c.What, "items.") && c.Kind == "publish" {
		s.changes[c.What]++
	}
	name := classOf(c, s.changes[c.What])
	s.calls[name]++
	mine := s.nth > 0 && name == s.class && s.calls[name] == s.nth
	s.did = s.did || mine
	return mine
}

// enough tells whether all that a run is for has happened.
func (s *saboteur) enough() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = s.nth > 0 && s.did || s.nth == 0 && !slices.ContainsFunc(must, func(name class) bool { return s.calls[name] == 0 })
	return s.over
}

// background is longer than anything done now and then takes to come round: the desk
// looks every 15 seconds for what is set aside, and at the start may have found nothing.
const background = 25 * time.Second

// await returns when background work has made its calls too: the journal is written
// when its time comes.
func (s *saboteur) await(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, background)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !s.enough() {
		select {
		case <-waiting.Done():
			s.mu.Lock()
			defer s.mu.Unlock()
			s.over = true
			return ctx.Err() // what was not called is told by whoever looks at the calls
		case <-ticker.C:
		}
	}
	return nil
}

// attempts is how often a process that ended with an error is started again.
const attempts = 3

// through runs a whole Postern in this process until its mails are at rest, with a
// meddler in between. A process that ends by itself is started again, as a supervisor would.
func (l life) through(ctx context.Context, m *saboteur) (*report, error) {
	log, err := l.logFile()
	if err != nil {
		return nil, err
	}
	defer log.Close()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	options := hooks{m}.options(log)
	var r *report
	for range attempts {
		err = l.live(ctx, options, func(ctx context.Context, p *wiring.Process) error {
			if err := settle(ctx, into(p), l.Mails); err != nil {
				return err
			}
			if err := m.await(ctx); err != nil {
				return err
			}
			var err error
			r, err = look(ctx, into(p))
			return err
		})
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return r, err
}

const (
	recordings = 4
	// A call that shared its request with others is not made by itself in that run. In as
	// many runs as these it is, or something is wrong.
	runs = 8
)

// few are the mails of a run in which a call fails: one of each way through.
var few = [][]byte{withFile, crooked, lengthy, oversize}

// recorded are the classes of a good run with how often each was surely called: background
// work (pulls, leases, journal) is not the same twice, and who asks together shares a request.
func recorded(t *testing.T) map[class]int {
	t.Helper()
	var least map[class]int
	for range recordings {
		l := inMemory(t, few...)
		s := &saboteur{}
		r, err := l.through(t.Context(), s)
		if err != nil {
			t.Fatalf("good run: %v\n%s", err, logged(l.Data))
		}
		l.checkMemory(t, r, few)
		if least == nil {
			least = s.calls
			continue
		}
		for name, n := range least {
			if n = min(n, s.calls[name]); n > 0 {
				least[name] = n
			} else {
				delete(least, name)
			}
		}
	}
	return least
}

// must are classes without which a recording has missed a mail's passage.
var must = []class{
	"vault put raw", "bus keyring publish items.* 1", "bus ingest publish mail.v1.Received", "bus ingest publish cursors.support",
	"bus verify request keyring.v1.open.verify", "bus verify publish mail.v1.Verified", "bus verify wait mail.v1.Verified", "bus verify ack mail.v1.Received",
	"bus scan publish mail.v1.Scanned", "bus scan ack mail.v1.Verified", "bus archive request keyring.v1.file", "bus keyring publish items.* 2",
	"bus archive publish mail.v1.Archived", "bus archive ack mail.v1.Scanned", "bus ingest ack mail.v1.Archived", "vault tag raw",
	"vault put view", "bus keyring publish items.* 3", "bus sanitize publish mail.v1.Sanitized", "bus sanitize ack mail.v1.Archived",
	"bus desk publish tickets.*", "bus keyring publish items.* 4", "bus desk ack mail.v1.Sanitized", "bus ingest publish mail.v1.SetAside",
	"vault put journal", "vault get journal", "vault put keyring", "disk keyring write root.cell", "disk keyring sync root.cell",
}

func TestChaosAnyCallMayFailOnceBeforeOrAfterItTookEffect(t *testing.T) {
	classes := recorded(t)
	for _, name := range must {
		if classes[name] == 0 {
			t.Errorf("the good run made no call %q", name)
		}
	}
	var names []class
	for name := range classes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for nth := 1; nth <= classes[name]; nth++ {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %d after=%v", name, nth, after), func(t *testing.T) {
					t.Parallel()
					began := time.Now()
					for run := 1; ; run++ {
						if sabotaged(t, &saboteur{class: name, nth: nth, after: after}) {
							break
						}
						if run == runs {
							t.Fatalf("the call was made in none of %d runs: they prove nothing", runs)
						}
					}
					t.Logf("took %v", time.Since(began).Round(time.Millisecond))
				})
			}
		}
	}
}

// sabotaged runs a Postern in which one call fails, checks what became of its mails, and
// tells whether the call was made.
func sabotaged(t *testing.T, s *saboteur) bool {
	t.Helper()
	l := inMemory(t, few...)
	r, err := l.through(t.Context(), s)
	if err != nil {
		t.Fatalf("%v\n%s", err, logged(l.Data))
	}
	l.checkMemory(t, r, few)
	if t.Failed() {
		t.Log(logged(l.Data))
	}
	return s.did
}
