package promise1

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

// abreast is how many places are at work at once: most of their time they wait for leases
// and acknowledgements of the dead.
const abreast = 12

// long tells whether the tests have all the time that they want.
func long() bool { return os.Getenv("POSTERN_CHAOS") == "long" }

// killings are the deaths of a step, by name.
func (s step) killings() map[string]kill {
	return map[string]kill{"before": s.before, "after": s.after}
}

// name tells a step from every other: step 15 is another with each mailbox action.
func (s step) name() string {
	name := fmt.Sprintf("%02d", s.number)
	if s.action != "" {
		name += " " + string(s.action) + " " + s.before.Call.What
	}
	return name
}

func (s step) user(moment string) string {
	return "step" + strings.ReplaceAll(s.name(), " ", "") + moment
}

func TestAMailIsOneTicketOrSetAsideWhereverTheProcessIsKilled(t *testing.T) {
	var users []string
	for _, s := range steps {
		for moment := range s.killings() {
			users = append(users, s.user(moment))
		}
	}
	server := dovecot.Start(t, users...)
	for _, s := range steps {
		for moment, k := range s.killings() {
			name := fmt.Sprintf("%s %s %s", s.name(), moment, strings.ReplaceAll(s.what, " ", "_"))
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s.kill(t, server, s.user(moment), k)
			})
		}
	}
}

// dieFirst has processes die as they have to before the step, and tells how far ahead the clock is then: what died
// with the bus is for the sweepers. The bus takes mail up before it is on disk, so what comes first of all may be lost
// with the process, and the death not counted: then one more dies.
func (s step) dieFirst(t *testing.T, l life) time.Duration {
	for i, lost := 0, 0; i < len(s.first)+lost; i++ {
		death := s.first[min(i, len(s.first)-1)]
		l.Kill, l.Sweep, l.Ahead = &death, death.Sweep, time.Duration(i)*standstill
		if _, err := l.run(t.Context()); err != nil {
			t.Fatalf("death %d: %v\n%s", i+1, err, logged(l.Data))
		}
		lost = min(strings.Count(wholeLog(l.Data), `"consumer was ahead of its stream, put back" consumer=verify delivered=1 last=0`), 1)
		l.Ahead = time.Duration(i+1) * standstill
	}
	return l.Ahead
}

// kill has a process die at a moment of a step, starts another, and looks at the end.
func (s step) kill(t *testing.T, server *dovecot.Server, user string, k kill) {
	mails := s.mails
	if mails == nil {
		mails = mixed
	}
	p := newPlace(t, server, user, mails...)
	p.aside, p.After = s.aside, s.action
	ahead := s.dieFirst(t, p.life)
	dying := p.life
	dying.Kill, dying.Sweep, dying.Ahead = &k, k.Sweep, ahead
	if _, err := dying.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, logged(p.Data))
	}
	l := p.life
	l.Ahead = ahead
	if s.sweep {
		l.Ahead, l.Sweep = sweepSpan, true
	}
	r := p.finish(t, l)
	if s.sweep {
		r.checkDestroyed(t)
	} else {
		r.checkKept(t)
	}
}
